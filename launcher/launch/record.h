/* SPDX-License-Identifier: MIT */
/*
 * The session's record where the head cannot write it: before it lives, and after it has died.
 * In jupyter-launch, as the user.
 */
#ifndef LAUNCH_RECORD_H
#define LAUNCH_RECORD_H

#include "common/env.h"
#include "launcher/launch/launch.h"

/* The first one: the session is starting.  environment is the job's.  0 or -1 with errno. */
int record_begin(int state_fd, const struct launch_options *options,
		 const struct env *environment, const char *job_id);

/* The last one: it has failed.  0 or -1 with errno. */
int record_fail(int state_fd, const char *reason);

#endif
