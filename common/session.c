/* SPDX-License-Identifier: MIT */
/*
 * The session record as a value: see session.h.  Used by jupyter-launch, the head and sjupyter,
 * as the user.  Its workers are in session_workers.c, what a field may hold in session_check.c,
 * the file in session_read.c, session_read_workers.c and session_write.c.
 */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session_private.h"

static const char *const state_names[] = {
	[SESSION_STARTING] = "starting", [SESSION_SERVING] = "serving",
	[SESSION_READY] = "ready",	 [SESSION_DEGRADED] = "degraded",
	[SESSION_DRAINING] = "draining", [SESSION_ENDED] = "ended",
	[SESSION_FAILED] = "failed",
};

enum { STATE_COUNT = sizeof(state_names) / sizeof(*state_names) };

static const char *const phase_names[PHASE_COUNT] = {
	[PHASE_TRIGGERED] = "triggered", [PHASE_LAUNCHED] = "launched",
	[PHASE_HEAD] = "head",		 [PHASE_NODES] = "nodes",
	[PHASE_SPAWNED] = "spawned",	 [PHASE_SERVING] = "serving",
	[PHASE_READY] = "ready",	 [PHASE_DRAINING] = "draining",
	[PHASE_ENDED] = "ended",
};

struct session *session_create(void)
{
	return calloc(1, sizeof(struct session));
}

void session_destroy(struct session *session)
{
	int saved = errno;

	if (session != NULL) {
		for (const struct session_text *text = session_texts; text->name != NULL;
		     text++)
			free(*session_text_field(session, text));
		for (size_t i = 0; session->nodes != NULL && i < session->node_count; i++)
			free(session->nodes[i].name);
		free(session->nodes);
		session_workers_free(session);
		free(session);
	}
	errno = saved;
}

const char *session_state_name(enum session_state state)
{
	return (unsigned) state < STATE_COUNT ? state_names[state] : "unknown";
}

int session_state_parse(const char *name, enum session_state *state)
{
	for (unsigned i = 0; i < STATE_COUNT; i++) {
		if (strcmp(state_names[i], name) == 0) {
			*state = (enum session_state) i;
			return 0;
		}
	}
	errno = EINVAL;
	return -1;
}

bool session_state_final(enum session_state state)
{
	return state == SESSION_ENDED || state == SESSION_FAILED;
}

const char *session_phase_name(enum session_phase phase)
{
	return (unsigned) phase < PHASE_COUNT ? phase_names[phase] : "unknown";
}

int session_set(char **field, const char *value)
{
	char *copy = NULL;

	/* Copied before the old one is freed: value may be part of it. */
	if (value != NULL) {
		copy = strdup(value);
		if (copy == NULL)
			return -1;
	}
	free(*field);
	*field = copy;
	return 0;
}

double session_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}
