/* SPDX-License-Identifier: MIT */
/*
 * The session's private directory on this node: sockets, runtime and connection files, mode
 * 0700, random name, locked while its owner lives.  In jupyter-agent and, when that has died,
 * in jupyter-launch and jupyter-sweep; found by the session's other processes on the node.  As
 * the user.
 */
#ifndef LAUNCHER_RUNTIME_DIR_H
#define LAUNCHER_RUNTIME_DIR_H

#include "common/reason.h"

/* How its name begins, with the user's uid: the plugin keeps such paths out of new jobs. */
#define RUNTIME_DIR_PREFIX "spank-jupyter-%u-"

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

/* Writes into its file "job" of which job it is and on which node, for runtime_dir_find():
 * nodes that are tried out on one machine share base.  0, or -1 with errno. */
int runtime_dir_set_job(const struct runtime_dir *dir, const char *job_id, const char *node);

/*
 * The path of this user's directory below base of that job and node, whose owner lives.  Caller
 * frees.  NULL with ENOENT where there is none: its owner, its mode (nobody else's) and its
 * file are checked.
 */
char *runtime_dir_find(const char *base, const char *job_id, const char *node);

/* Removes those below base of that job and node whose owner has died; see runtime_dir_find().
 */
void runtime_dir_remove_job(const char *base, const char *job_id, const char *node);

/* Removes the directory below base of another process of ours, if that process has died. */
void runtime_dir_remove_dead(const char *base, const char *path);

/* Removes it with all in it; accepts a zeroed struct. */
void runtime_dir_destroy(struct runtime_dir *dir);

#endif
