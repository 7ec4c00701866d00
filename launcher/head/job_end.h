/* SPDX-License-Identifier: MIT */
/*
 * When the job ends, as Slurm knows it, and the warning before that.  Asks squeue once, and
 * again when the warning is due, since a time limit may change.  In the head's event loop, as
 * the user.
 */
#ifndef HEAD_JOB_END_H
#define HEAD_JOB_END_H

#include <time.h>

#include "common/env.h"
#include "launcher/loop.h"

struct job_end;

struct job_end_options {
	const char *job_id;
	struct env *environment; /* to find squeue with; must outlive it */
	long warn_s;		 /* seconds before the end; 0: no warning */
};

struct job_end_callbacks {
	/* The end is known, or has moved: unix seconds. */
	void (*known)(time_t end, void *arg);
	/* Once, warn_s before the end. */
	void (*warn)(time_t end, void *arg);
	void *arg;
};

/* NULL with errno.  Without an answer of squeue nothing is called. */
struct job_end *job_end_create(struct loop *loop, const struct job_end_options *options,
			       const struct job_end_callbacks *callbacks);
void job_end_destroy(struct job_end *job_end); /* accepts NULL */

/* Slurm's "2026-11-20T10:00:00" in local time.  0, or -1 with EINVAL ("Unknown", "N/A"). */
int job_end_parse(const char *text, time_t *end);

#endif
