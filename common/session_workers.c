/* SPDX-License-Identifier: MIT */
/*
 * The workers in a session record, as values: see session.h.  Filled in by the head, and by
 * whoever reads a record, as the user.
 */
#include "session_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

void session_missing_clear(struct session_workers *workers)
{
	for (size_t i = 0; i < workers->missing_count; i++) {
		free(workers->missing[i].node);
		free(workers->missing[i].reason);
		free(workers->missing[i].log);
	}
	workers->missing_count = 0;
}

void session_workers_free(struct session *session)
{
	for (size_t i = 0; i < session->workers_count; i++) {
		struct session_workers *workers = &session->workers[i];

		session_missing_clear(workers);
		free(workers->missing);
		free(workers->nodes);
		free(workers->kind);
		free(workers->reason);
	}
	free(session->workers);
	session->workers = NULL;
	session->workers_count = 0;
}

struct session_workers *session_workers_find(const struct session *session, const char *kind)
{
	for (size_t i = 0; i < session->workers_count; i++) {
		if (strcmp(session->workers[i].kind, kind) == 0)
			return &session->workers[i];
	}
	return NULL;
}

struct session_workers *session_workers_add(struct session *session, const char *kind)
{
	struct session_workers added = {.state = "starting"};
	size_t nodes = session->node_count > 0 ? session->node_count : 1;

	if (!session_kind_valid(kind) || session_workers_find(session, kind) != NULL) {
		errno = EINVAL;
		return NULL;
	}
	if (session->workers_count == SESSION_WORKERS_MAX) {
		errno = E2BIG;
		return NULL;
	}
	/* All places at once, so that none of them ever moves. */
	if (session->workers == NULL)
		session->workers = calloc(SESSION_WORKERS_MAX, sizeof(*session->workers));
	added.kind = strdup(kind);
	added.nodes = calloc(nodes, sizeof(*added.nodes));
	added.missing = calloc(SESSION_MISSING_MAX, sizeof(*added.missing));
	if (session->workers == NULL || added.kind == NULL || added.nodes == NULL ||
	    added.missing == NULL) {
		free(added.kind);
		free(added.nodes);
		free(added.missing);
		errno = ENOMEM;
		return NULL;
	}
	session->workers[session->workers_count] = added;
	return &session->workers[session->workers_count++];
}

int session_missing_add(struct session_workers *workers, const char *node, unsigned index,
			const char *reason, const char *log)
{
	char words[SESSION_MISSING_REASON], lines[SESSION_MISSING_LOG];
	struct session_missing added = {.index = index};

	if (!session_node_name_valid(node) || index >= SESSION_WORKERS_NODE_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (workers->missing_count == SESSION_MISSING_MAX)
		return 1;
	if (session_set(&added.node, node) != 0 ||
	    session_set(&added.reason, text_excerpt(reason, words, sizeof(words))) != 0 ||
	    (log != NULL &&
	     session_set(&added.log, text_excerpt_lines(log, lines, sizeof(lines))) != 0)) {
		free(added.node);
		free(added.reason);
		errno = ENOMEM;
		return -1;
	}
	workers->missing[workers->missing_count++] = added;
	return 0;
}
