/* SPDX-License-Identifier: MIT */
/*
 * The session record as JSON: see session.h.  Used by jupyter-launch and the head, which write
 * session.json, and by sjupyter for --json, all as the user.
 */
#include "session_private.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "text.h"

/* Digits of a time in the file: ten before the point and six behind it, microseconds. */
enum { TIME_DIGITS = 16 };

/* The text as a record may hold it, whatever it was.  A new reference, or NULL. */
static json_t *text_json(const char *value, bool escape)
{
	size_t room;
	char *shown;
	json_t *json;

	if (value == NULL)
		return json_null();
	if (!escape)
		return json_string(value);
	/* Each byte takes four at most, as \xNN; no more than a reader takes. */
	room = strnlen(value, SESSION_TEXT_MAX) * 4 + 4;
	if (room > SESSION_TEXT_MAX)
		room = SESSION_TEXT_MAX;
	shown = malloc(room);
	if (shown == NULL)
		return NULL;
	json = json_string(text_excerpt(value, shown, room));
	free(shown);
	return json;
}

/* A number where 0 means that it is not known. */
static json_t *known_json(unsigned number)
{
	return number != 0 ? json_integer(number) : json_null();
}

static json_t *phases_json(const struct session *session)
{
	json_t *phases = json_object();

	for (unsigned i = 0; i < PHASE_COUNT; i++) {
		if (session->phases[i] > 0 &&
		    json_object_set_new(phases, session_phase_name(i),
					json_real(session->phases[i])) != 0) {
			json_decref(phases);
			return NULL;
		}
	}
	return phases;
}

static json_t *nodes_json(const struct session *session)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < session->node_count; i++) {
		const struct session_node *node = &session->nodes[i];
		json_t *json =
			json_pack("{s:s, s:s}", "name", node->name, "state", node->state);

		if (json_array_append_new(nodes, json) != 0) {
			json_decref(nodes);
			return NULL;
		}
	}
	return nodes;
}

/* Counts of one kind on each node. */
static json_t *workers_nodes_json(const struct session *session,
				  const struct session_workers *workers)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < session->node_count; i++) {
		json_t *json = json_pack("{s:s, s:i, s:i}", "name", session->nodes[i].name,
					 "expected", (int) workers->nodes[i].expected, "ready",
					 (int) workers->nodes[i].ready);

		if (json_array_append_new(nodes, json) != 0) {
			json_decref(nodes);
			return NULL;
		}
	}
	return nodes;
}

static json_t *missing_json(const struct session_workers *workers)
{
	json_t *all = json_array();

	for (size_t i = 0; i < workers->missing_count; i++) {
		const struct session_missing *missing = &workers->missing[i];
		json_t *json = json_pack("{s:s, s:i, s:s, s:s?}", "node", missing->node,
					 "index", (int) missing->index, "reason",
					 missing->reason, "log", missing->log);

		if (json_array_append_new(all, json) != 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *workers_json(const struct session *session)
{
	json_t *kinds = json_array();

	for (size_t i = 0; i < session->workers_count; i++) {
		const struct session_workers *workers = &session->workers[i];
		json_t *json = json_pack(
			"{s:s, s:s, s:b, s:o, s:i, s:i, s:o, s:o}", "kind", workers->kind,
			"state", workers->state, "settled", workers->settled, "reason",
			text_json(workers->reason, true), "expected", (int) workers->expected,
			"ready", (int) workers->ready, "nodes",
			workers_nodes_json(session, workers), "missing", missing_json(workers));

		if (json_array_append_new(kinds, json) != 0) {
			json_decref(kinds);
			return NULL;
		}
	}
	return kinds;
}

static json_t *kernels_json(const struct session *session)
{
	json_t *kernels = json_array();

	for (size_t i = 0; i < session->kernel_count; i++) {
		const struct session_kernel *kernel = &session->kernels[i];
		json_t *json = json_pack("{s:i, s:s, s:s}", "number", (int) kernel->number,
					 "kernel", kernel->name, "state", kernel->state);

		if (json_array_append_new(kernels, json) != 0) {
			json_decref(kernels);
			return NULL;
		}
	}
	return kernels;
}

/* Puts every text of session_texts into the object where it belongs. */
static int texts_add(json_t *root, const struct session *session)
{
	for (const struct session_text *text = session_texts; text->name != NULL; text++) {
		json_t *object = root;
		const char *value = *(char *const *) ((const char *) session + text->offset);

		if (text->object != NULL)
			object = json_object_get(root, text->object);
		if (json_object_set_new(object, text->name, text_json(value, text->escape)) !=
		    0)
			return -1;
	}
	return 0;
}

char *session_to_json(const struct session *session)
{
	json_t *root;
	char *text = NULL;

	/* Version and state first, for people who look into the file; jansson keeps the order.
	 */
	root = json_pack(
		"{s:i, s:s, s:n, s:i, s:{s:n, s:o}, s:{s:n, s:o, s:n}, s:{s:n}, s:i, s:{s:n, "
		"s:n, "
		"s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:f}",
		"version", SESSION_VERSION, "state", session_state_name(session->state),
		"job_id", "restart", (int) session->restart, "endpoint", "ip", "port",
		known_json(session->port), "head", "node", "pid",
		known_json((unsigned) session->head_pid), "runtime_dir", "hub", "url",
		"server_restarts", (int) session->server_restarts, "notebook", "path", "output",
		"cell", known_json(session->cell), "cells", known_json(session->cells),
		"phases", phases_json(session), "nodes", nodes_json(session), "workers",
		workers_json(session), "kernels_port", known_json(session->kernels_port),
		"kernels", kernels_json(session), "job_end_time",
		session->job_end_time > 0 ? json_real(session->job_end_time) : json_null(),
		"updated", session->updated);
	if (root != NULL && texts_add(root, session) == 0)
		text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(TIME_DIGITS));
	json_decref(root);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}

int session_write(struct session *session, int dirfd)
{
	double before = session->updated;
	char *text = NULL;
	size_t length;
	int saved;

	session->updated = session_now();
	if (session_wrong_field(session, true) != NULL) {
		errno = EINVAL;
		goto error;
	}
	text = session_to_json(session);
	if (text == NULL)
		goto error;
	length = strlen(text);
	if (length >= SESSION_FILE_MAX) {
		errno = EFBIG;
		goto error;
	}
	text[length] = '\n'; /* in the place of the NUL: the file ends as a text file does */
	if (file_replace(dirfd, SESSION_FILE, 0600, text, length + 1) != 0)
		goto error;
	free(text);
	return 0;

error:
	saved = errno;
	free(text);
	session->updated = before;
	errno = saved;
	return -1;
}
