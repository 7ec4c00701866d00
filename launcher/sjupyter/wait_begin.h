/* SPDX-License-Identifier: MIT */
/*
 * What `sjupyter wait` does until there is a record to follow: finds out who is to start the
 * session, starts it where that is nobody else, and bounds the time.  As the user.
 */
#ifndef SJUPYTER_WAIT_BEGIN_H
#define SJUPYTER_WAIT_BEGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/options.h"
#include "common/session.h"
#include "launcher/sjupyter/starter.h"
#include "launcher/sjupyter/watch.h"

struct wait {
	const char *job_id;
	const char *config;
	bool own; /* the job that this runs in */
	bool ready;
	int64_t deadline_ms;
	struct starter starter;
	struct options options; /* that the job was submitted with */
	bool wanted;		/* they name a session */
	bool is_started;	/* by us */
	int64_t ask_at;		/* loop_now(): the queue, of another job */
	int code;		/* of that */
};

/*
 * Finds out which record counts, and how long the first may take (milliseconds, negative: as
 * long as the job may bring one forth).  An exit code; what is wrong is said.
 */
int wait_begin(struct wait *wait, struct watch_filter *filter, int64_t *record_ms);

/* For follow.h: whether to give up waiting for a record; arg is the struct wait. */
int wait_tick(const struct session *session, void *arg);

/*
 * Where no record can be kept: waits for the end of the session's step instead, as Slurm knows
 * it.  An exit code.
 */
int wait_for_step(struct wait *wait);

#endif
