/* SPDX-License-Identifier: MIT */
/*
 * Reads the workers of a session record: see session.h.  Used by sjupyter, and by the head for
 * a record that was begun before, as the user, on a file that somebody may have made to harm.
 */
#include "session_take.h"

#include <errno.h>
#include <string.h>

/* One entry for each node of the session, in its order. */
static int nodes_take(const json_t *json, const struct session *session,
		      struct session_workers *workers)
{
	if (session_is_absent(json))
		return 0;
	errno = EPROTO;
	if (!json_is_array(json) || json_array_size(json) != session->node_count)
		return -1;
	for (size_t i = 0; i < session->node_count; i++) {
		const json_t *node = json_array_get(json, i);
		const char *name = json_string_value(json_object_get(node, "name"));

		errno = EPROTO;
		if (name == NULL || session->nodes[i].name == NULL ||
		    strcmp(name, session->nodes[i].name) != 0)
			return -1;
		if (session_take_count(json_object_get(node, "expected"),
				       SESSION_WORKERS_NODE_MAX,
				       &workers->nodes[i].expected) != 0 ||
		    session_take_count(json_object_get(node, "ready"), SESSION_WORKERS_NODE_MAX,
				       &workers->nodes[i].ready) != 0)
			return -1;
	}
	return 0;
}

/* What of it has to be there, and the bounds, is session_wrong_field()'s. */
static int missing_take(const json_t *json, struct session_workers *workers)
{
	size_t count = json_array_size(json);

	if (session_is_absent(json))
		return 0;
	errno = EPROTO;
	if (!json_is_array(json) || count > SESSION_MISSING_MAX)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const json_t *one = json_array_get(json, i);
		struct session_missing *missing = &workers->missing[i];

		memset(missing, 0, sizeof(*missing));
		workers->missing_count = i + 1;
		if (session_take_text(json_object_get(one, "node"), session_node_name_valid,
				      &missing->node) != 0 ||
		    session_take_count(json_object_get(one, "index"),
				       SESSION_WORKERS_NODE_MAX - 1, &missing->index) != 0 ||
		    session_take_text(json_object_get(one, "reason"), session_words_valid,
				      &missing->reason) != 0 ||
		    session_take_text(json_object_get(one, "log"), session_log_valid,
				      &missing->log) != 0)
			return -1;
	}
	return 0;
}

/* A record of a head that does not say so yet is judged by the state alone. */
static int settled_take(const json_t *json, struct session_workers *workers)
{
	errno = EPROTO;
	if (session_is_absent(json))
		workers->settled = strcmp(workers->state, "starting") != 0;
	else if (json_is_boolean(json))
		workers->settled = json_boolean_value(json);
	else
		return -1;
	return 0;
}

static int kind_take(const json_t *json, struct session *session)
{
	enum { MOST = SESSION_NODES_MAX * SESSION_WORKERS_NODE_MAX };
	const char *kind = json_string_value(json_object_get(json, "kind"));
	struct session_workers *workers;

	errno = EPROTO;
	if (kind == NULL)
		return -1;
	workers = session_workers_add(session, kind);
	if (workers == NULL) {
		if (errno != ENOMEM)
			errno = EPROTO;
		return -1;
	}
	if (session_take_word(json_object_get(json, "state"), workers->state,
			      sizeof(workers->state)) != 0 ||
	    settled_take(json_object_get(json, "settled"), workers) != 0 ||
	    session_take_text(json_object_get(json, "reason"), session_words_valid,
			      &workers->reason) != 0 ||
	    session_take_count(json_object_get(json, "expected"), MOST, &workers->expected) !=
		    0 ||
	    session_take_count(json_object_get(json, "ready"), MOST, &workers->ready) != 0 ||
	    nodes_take(json_object_get(json, "nodes"), session, workers) != 0)
		return -1;
	return missing_take(json_object_get(json, "missing"), workers);
}

int session_take_workers(const json_t *root, struct session *session, struct reason *reason)
{
	const json_t *kinds = json_object_get(root, "workers");

	if (session_is_absent(kinds))
		return 0;
	if (!json_is_array(kinds) || json_array_size(kinds) > SESSION_WORKERS_MAX)
		return session_damaged(reason, "workers");
	for (size_t i = 0; i < json_array_size(kinds); i++) {
		if (kind_take(json_array_get(kinds, i), session) != 0) {
			if (errno != EPROTO)
				return reason_set(reason, "out of memory");
			return session_damaged(reason, "workers");
		}
	}
	return 0;
}
