/* SPDX-License-Identifier: MIT */
/*
 * What the session's workers add to the server's environment, as a file of the runtime
 * directory, for `sjupyter env`: a script of the job finds the workers as a notebook does.  In
 * the head, as the user.
 */
#ifndef HEAD_ENVIRONMENT_H
#define HEAD_ENVIRONMENT_H

#include "common/env.h"

/* The file's name, and its bytes at most: NAME=VALUE, each with a NUL behind it. */
#define ENVIRONMENT_FILE "environment"
enum { ENVIRONMENT_MAX = 1 << 20 };

/*
 * Writes, mode 0600, the variables that are not the same in both, as the server has them.  0,
 * or -1 with errno.
 */
int environment_write(int dirfd, const struct env *job, const struct env *server);

#endif
