/* SPDX-License-Identifier: MIT */
/*
 * The user's state directory, $XDG_STATE_HOME/spank-jupyter/JOBID, where a session's record,
 * token and log live.  Used by jupyter-launch, the head and sjupyter, as the user.
 */
#ifndef COMMON_STATEDIR_H
#define COMMON_STATEDIR_H

#include <stddef.h>

#include "reason.h"

/*
 * The path of the directory that holds all sessions, from XDG_STATE_HOME (absolute, else
 * ignored as the XDG Base Directory Specification says), HOME, or the password database, in
 * this order. Caller frees.  NULL with errno and a reason.
 */
char *statedir_base(struct reason *reason);

/* base/JOBID.  job_id is a number of Slurm's (digits, not beginning with 0), else EINVAL.
 * Caller frees. */
char *statedir_path(const char *job_id, struct reason *reason);

/*
 * Opens base/JOBID, made with its parents where missing when create is true, mode 0700 each of
 * ours.  Refuses a link, a folder of another owner, and one that others can write to.  Returns
 * a directory fd (close-on-exec), or -1 with errno (ENOENT when there is none; EPERM, ENOTDIR
 * or ELOOP for the refusals) and a reason that names the path.
 */
int statedir_open(const char *job_id, int create, struct reason *reason);

/*
 * Finds the directory that a person means by id: "123", "123_4" (task 4 of the array 123) or
 * NULL (the newest session that has not ended).  Returns a directory fd and stores the raw job
 * id (caller frees), or -1 with ENOENT and a reason that says which sessions there are, or
 * EINVAL for an id of another form, or the errno for which a directory was refused.
 */
int statedir_find(const char *id, char **job_id, struct reason *reason);

/*
 * The raw job ids of all sessions, newest first, which is the highest number, as Slurm counts.
 * Caller frees each and the array, which is never NULL.  0, or -1 with errno and a reason.
 */
int statedir_list(char ***job_ids, size_t *count, struct reason *reason);

#endif
