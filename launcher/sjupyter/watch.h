/* SPDX-License-Identifier: MIT */
/*
 * A session's record while it changes: noticed by inotify where this host makes the changes,
 * and by looking again where another one does, through a network file system.  In sjupyter, as
 * the user.
 */
#ifndef SJUPYTER_WATCH_H
#define SJUPYTER_WATCH_H

#include <stdint.h>

#include "common/reason.h"
#include "common/session.h"

/* Clocks of two hosts differ by no more: munge's credentials are good for so long (munged(8)'s
 * MUNGE_DEFAULT_TTL), and without them there is no Slurm. */
enum { WATCH_SKEW_S = 300 };

/* Which records count, so that one that an earlier run of the job has left does not. */
struct watch_filter {
	long restart;	   /* SLURM_RESTART_COUNT, -1 any */
	double not_before; /* of its first phase, unix seconds, 0 any */
};

struct watch;

/* job_id is a raw number; the session need not exist yet.  NULL with errno. */
struct watch *watch_create(const char *job_id, const struct watch_filter *filter);
void watch_destroy(struct watch *watch); /* accepts NULL */

/* Readable when something may have changed; -1 while there is nothing to watch. */
int watch_fd(const struct watch *watch);

/*
 * Reads the record if it may have changed.  1 when it is another than before, 0 when not (or
 * none that counts is there), -1 when there is one that cannot be read, with a reason.
 */
int watch_check(struct watch *watch, struct reason *reason);

/* The record last read; NULL before the first that counts.  The watch's, until the next check.
 */
const struct session *watch_session(const struct watch *watch);

/* The same, from now on the caller's to destroy. */
struct session *watch_take(struct watch *watch);

/* The session's directory, the watch's; -1 while there is none. */
int watch_state_fd(const struct watch *watch);

/* How long to wait, in milliseconds, before looking again unasked. */
int64_t watch_pause(const struct watch *watch);

/* Whether a record is as the filter wants it. */
int watch_filter_match(const struct watch_filter *filter, const struct session *session);

/* The filter for the job that this process is in, by its environment. */
void watch_filter_own(struct watch_filter *filter);

#endif
