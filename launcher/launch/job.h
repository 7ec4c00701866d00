/* SPDX-License-Identifier: MIT */
/*
 * The job that the launcher was started in, as its environment tells.  In jupyter-launch, as
 * the user.
 */
#ifndef LAUNCH_JOB_H
#define LAUNCH_JOB_H

#include "common/env.h"
#include "common/reason.h"

struct job {
	const char *id; /* digits; NULL: there is none.  The environment's. */
	unsigned long nodes;
};

/* 0, or -1 with a reason: this is no job, or one that is too large. */
int job_read(const struct env *environment, struct job *job, struct reason *reason);

#endif
