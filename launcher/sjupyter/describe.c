/* SPDX-License-Identifier: MIT */
/* See describe.h. */
#include "launcher/sjupyter/describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/statedir.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/target.h"

enum describe_job describe_job(const struct session *session, int state_fd, bool answered,
			       const struct queue_job *job)
{
	if (!answered)
		return DESCRIBE_UNKNOWN;
	if (!job || queue_state_is_final(job->state))
		return DESCRIBE_GONE;
	if (queue_state_is_pending(job->state))
		return DESCRIBE_PENDING;
	if (session_state_final(session->state) ||
	    (target_is_of(session, job) && follow_is_alive(session->job_id, state_fd)))
		return DESCRIBE_LIVE;
	return DESCRIBE_GONE;
}

enum describe_job describe_ask(const struct session *session, int state_fd)
{
	struct queue_job *jobs = NULL;
	size_t count = 0;

	if (follow_locks_held(state_fd))
		return DESCRIBE_LIVE;
	int rc = queue_ask(session->job_id, &jobs, &count, NULL);
	enum describe_job about =
		describe_job(session, state_fd, rc == 0 || errno == ENOENT, jobs);
	free(jobs);
	return about;
}

const char *describe_state(const struct session *session, enum describe_job job)
{
	if (job == DESCRIBE_PENDING)
		return "requeued";
	if (session_state_final(session->state) || job == DESCRIBE_LIVE)
		return session_state_name(session->state);
	return job == DESCRIBE_GONE ? "lost" : "unknown";
}

json_t *describe_json(const struct session *session, const char *job_state)
{
	char *text = session_to_json(session);
	json_t *json = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	if (json && json_object_set_new(json, "job_state",
					job_state ? json_string(job_state) : json_null()) < 0) {
		json_decref(json);
		json = NULL;
	}
	return json;
}

const char *describe_nodes(const struct session *session, char text[DESCRIBE_NODES_MAX])
{
	size_t lost = 0;

	for (size_t i = 0; i < session->node_count; i++)
		lost += !strcmp(session->nodes[i].state, "lost");
	if (lost)
		snprintf(text, DESCRIBE_NODES_MAX, "%zu/%zu", session->node_count - lost,
			 session->node_count);
	else
		snprintf(text, DESCRIBE_NODES_MAX, "%zu", session->node_count);
	return text;
}

int describe_open(const struct session *session, struct reason *reason)
{
	return statedir_open(session->job_id, 0, reason);
}
