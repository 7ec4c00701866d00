/* SPDX-License-Identifier: MIT */
/*
 * Follows a session until it serves or has ended: the record as it changes, and whether
 * somebody still lives who could change it.  In sjupyter, as the user.  Blocks; see interrupt.h
 * for Ctrl-C.
 */
#ifndef SJUPYTER_FOLLOW_H
#define SJUPYTER_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"
#include "common/session.h"
#include "launcher/sjupyter/watch.h"

enum follow_end {
	FOLLOW_REACHED,	    /* serving, final, or the verdict: what was waited for */
	FOLLOW_FINAL,	    /* ended or failed, instead of serving */
	FOLLOW_MISSED,	    /* the verdict: what is waited for will not come */
	FOLLOW_DEAD,	    /* nobody lives who could end the record: see reason */
	FOLLOW_NO_RECORD,   /* none came within record_ms */
	FOLLOW_TIMEOUT,	    /* not reached within deadline_ms */
	FOLLOW_STOPPED,	    /* by the tick */
	FOLLOW_INTERRUPTED, /* Ctrl-C */
	FOLLOW_ERROR	    /* see reason */
};

struct follow {
	const char *job_id; /* raw */
	struct watch_filter filter;
	bool until_final;  /* else until it serves */
	bool until_record; /* until there is one that counts, whatever its state */
	/* What is waited for, where it is none of these: 1 it is there, -1 it will not come, 0
	 * neither yet.  Not asked of a session that has ended; may be NULL. */
	int (*verdict)(const struct session *session, void *arg);
	int64_t deadline_ms; /* from now; negative: none */
	int64_t record_ms;   /* likewise, for the first record that counts */

	/* Called for each new record; may be NULL. */
	void (*changed)(const struct session *session, void *arg);
	/* Called about once a second, session NULL until there is a record; non-zero ends with
	 * FOLLOW_STOPPED.  May be NULL. */
	int (*tick)(const struct session *session, void *arg);
	void *arg;
};

/* *session, where not NULL, gets the last record, which the caller destroys; NULL if none. */
enum follow_end follow_run(const struct follow *follow, struct session **session,
			   struct reason *reason);

/* Whether the URL answers in this state. */
bool follow_is_serving(enum session_state state);

/* Whether the launcher or the head is seen to live, by its lock in the session's directory. */
bool follow_locks_held(int state_fd);

/*
 * Whether a session with a record that is not final may still live: its locks are held, or its
 * step runs, or Slurm, asked for the step, does not answer.
 */
bool follow_is_alive(const char *job_id, int state_fd);

#endif
