/* SPDX-License-Identifier: MIT */
/*
 * The session step: the srun command that puts one agent on every node of the job.  Used by
 * jupyter-launch, as the user.
 */
#ifndef LAUNCH_STEP_H
#define LAUNCH_STEP_H

#include <sys/types.h>

#include "common/env.h"
#include "common/reason.h"

struct step_options {
	const char *job_id;	 /* digits */
	unsigned long nodes;	 /* of the job */
	const char *agent;	 /* path of jupyter-agent */
	const char *sweep;	 /* path of jupyter-sweep */
	const char *options;	 /* --options of the launcher, handed on */
	const char *config;	 /* or NULL */
	const char *triggered;	 /* or NULL */
	struct env *environment; /* the job's; changed by job_env_hide() */
	int in, out, err;	 /* of srun */
};

/* Starts srun; its pid, or -1 with a reason. */
pid_t step_start(const struct step_options *options, struct reason *reason);

#endif
