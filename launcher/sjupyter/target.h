/* SPDX-License-Identifier: MIT */
/*
 * The session that a command is about: the one named, or the one of the job that this runs in,
 * or the newest that has not ended.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_TARGET_H
#define SJUPYTER_TARGET_H

#include <stdbool.h>

#include "common/reason.h"
#include "common/session.h"
#include "launcher/sjupyter/queue.h"

struct target {
	char *job_id;		 /* raw */
	int state_fd;		 /* its directory */
	struct session *session; /* its record */
};

/* Whether a person may call a job so: "123" or "123_4". */
bool target_id_valid(const char *id);

/*
 * Finds and reads the session.  id as given on the command line, or NULL.  0, and the caller
 * clears it; or -1 with ENOENT (no such session), EINVAL, or the errno of session_read(), a
 * reason, and nothing to clear.
 */
int target_find(const char *id, struct target *target, struct reason *reason);
void target_clear(struct target *target);

/* The raw number of the job that is meant, whether or not it has a session: of id, of the job
 * this runs in, or of the newest session.  The caller frees; NULL as target_find() fails. */
char *target_job(const char *id, struct reason *reason);

/* Whether its URL answers as far as can be known; else says on stderr how it is. */
bool target_is_serving(const struct target *target);

/* As people write it: "123", or "123_4" for a task of an array. */
enum { TARGET_NAME_MAX = 24 };
const char *target_name(const struct session *session, char name[TARGET_NAME_MAX]);

/*
 * Whether the record is of this job as the queue has it now: job numbers come again when a
 * cluster is set up anew, and a requeued job starts again.
 */
bool target_is_of(const struct session *session, const struct queue_job *job);

#endif
