/* SPDX-License-Identifier: MIT */
/*
 * A lock file that says whether somebody lives: held as long as its holder's process, and
 * readable by others without taking it.  Used by jupyter-launch, jupyter-agent and sjupyter, as
 * the user.
 */
#ifndef COMMON_LOCK_H
#define COMMON_LOCK_H

#include <stdbool.h>

/*
 * Takes the lock `name` below dirfd, made with mode 0600 when missing.  Returns an fd
 * (close-on-exec) that holds it until it is closed, -1 with EWOULDBLOCK when somebody else
 * holds it, or with another errno when it cannot be had at all (a file system without locks).
 */
int lock_take(int dirfd, const char *name);

/* Whether somebody holds it; false also where there is no such file or locks do not work. */
bool lock_is_held(int dirfd, const char *name);

#endif
