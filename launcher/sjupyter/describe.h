/* SPDX-License-Identifier: MIT */
/*
 * A session together with what the queue says of its job: for list, status and --json.  In
 * sjupyter, as the user.
 */
#ifndef SJUPYTER_DESCRIBE_H
#define SJUPYTER_DESCRIBE_H

#include <jansson.h>
#include <stdbool.h>

#include "common/reason.h"
#include "common/session.h"
#include "launcher/sjupyter/queue.h"

/* What was learnt of a session's job. */
enum describe_job {
	DESCRIBE_UNKNOWN, /* Slurm did not answer */
	DESCRIBE_GONE,	  /* it has ended, or its number means another one by now, or no step of
			   * the session runs in it */
	DESCRIBE_PENDING, /* requeued: the record is of an earlier run */
	DESCRIBE_LIVE
};

/*
 * job is what the queue has for the session's number, NULL: answered that there is none.  Where
 * the job lives, but the session's locks are free, Slurm is asked for its step.
 */
enum describe_job describe_job(const struct session *session, int state_fd, bool answered,
			       const struct queue_job *job);

/* The same without having asked the queue: it is asked only where the locks are free. */
enum describe_job describe_ask(const struct session *session, int state_fd);

/* The state for people: the record's, or "requeued", or "lost" or "unknown" where a record that
 * is not final says nothing by now. */
const char *describe_state(const struct session *session, enum describe_job job);

/* The record as JSON, with "job_state" as the queue has it (null: not known).  A new reference,
 * or NULL. */
json_t *describe_json(const struct session *session, const char *job_state);

/* "4", or "3/4" where one is lost; in text. */
enum { DESCRIBE_NODES_MAX = 32 };
const char *describe_nodes(const struct session *session, char text[DESCRIBE_NODES_MAX]);

/* The session's directory; an fd, or -1 and a reason. */
int describe_open(const struct session *session, struct reason *reason);

#endif
