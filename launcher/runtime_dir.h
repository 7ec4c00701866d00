/* SPDX-License-Identifier: MIT */
/*
 * The session's private directory on this node: sockets, runtime and connection files, mode
 * 0700, random name, locked while its owner lives.  In jupyter-agent and, when that has died,
 * in jupyter-launch, as the user.
 */
#ifndef LAUNCHER_RUNTIME_DIR_H
#define LAUNCHER_RUNTIME_DIR_H

#include "common/reason.h"

struct runtime_dir {
	char *path;
	int fd;	     /* of the directory */
	int lock_fd; /* held while we live */
};

/*
 * Makes one below base ("/tmp"), after removing those of this user there whose owner has died
 * without a chance to clean up.  0, or -1 with a reason.
 */
int runtime_dir_create(struct runtime_dir *dir, const char *base, struct reason *reason);

/* Removes the directory below base of another process of ours, if that process has died. */
void runtime_dir_remove_dead(const char *base, const char *path);

/* Removes it with all in it; accepts a zeroed struct. */
void runtime_dir_destroy(struct runtime_dir *dir);

#endif
