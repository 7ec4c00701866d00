/* SPDX-License-Identifier: MIT */
/*
 * One session's launch: record and lock, session step, rendezvous, and the last word when the
 * step has ended without one.  The body of jupyter-launch, as the user.
 */
#ifndef LAUNCH_LAUNCH_H
#define LAUNCH_LAUNCH_H

#include <sys/types.h>

struct launch_options {
	const char *options;   /* encoded, checked */
	const char *config;    /* or NULL */
	const char *triggered; /* unix time "S.US", or NULL: now */
	pid_t task;	       /* whose stderr ours is; 0: nobody's */
};

/* Exit status: 0 the session ran and ended, or one was running; 1 it failed. */
int launch_run(const struct launch_options *options);

#endif
