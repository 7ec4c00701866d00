/* SPDX-License-Identifier: MIT */
/* See phases.h. */
#include "launcher/sjupyter/phases.h"

#include <stdio.h>

#include "launcher/sjupyter/output.h"

const char *phases_words(const struct session *session, enum session_phase phase,
			 char text[PHASES_TEXT_MAX])
{
	const char *app = session->notebook ? "the notebook's kernel"
			  : session->app    ? session->app
					    : "the server";
	const char *node = session->head_node ? session->head_node : "the first node";

	switch (phase) {
	case PHASE_TRIGGERED:
		snprintf(text, PHASES_TEXT_MAX, "the session begins");
		break;
	case PHASE_LAUNCHED:
		snprintf(text, PHASES_TEXT_MAX, "the session step is started");
		break;
	case PHASE_HEAD:
		snprintf(text, PHASES_TEXT_MAX, "%s holds %s port %u", node,
			 session->ip ? session->ip : "its address", session->port);
		if (session->notebook)
			snprintf(text, PHASES_TEXT_MAX, "the head is on %s", node);
		break;
	case PHASE_NODES:
		snprintf(text, PHASES_TEXT_MAX, "agents of all %zu nodes are there",
			 session->node_count);
		if (session->node_count == 1)
			snprintf(text, PHASES_TEXT_MAX, "the node's agent is there");
		break;
	case PHASE_SPAWNED:
		snprintf(text, PHASES_TEXT_MAX, "%.64s is started", app);
		break;
	case PHASE_SERVING:
		snprintf(text, PHASES_TEXT_MAX, "%.64s answers", app);
		break;
	case PHASE_READY:
		snprintf(text, PHASES_TEXT_MAX, "everything asked for is up");
		break;
	case PHASE_DRAINING:
		snprintf(text, PHASES_TEXT_MAX, "the session is told to end");
		break;
	case PHASE_ENDED:
		snprintf(text, PHASES_TEXT_MAX, "the session has ended");
		break;
	default:
		snprintf(text, PHASES_TEXT_MAX, "%s", session_phase_name(phase));
	}
	return text;
}

enum session_phase phases_next(const struct session *session, unsigned *told)
{
	enum session_phase next = PHASE_COUNT;

	for (enum session_phase phase = 0; phase < PHASE_COUNT; phase++) {
		if (session->phases[phase] <= 0 || (*told & 1U << phase))
			continue;
		if (next == PHASE_COUNT || session->phases[phase] < session->phases[next])
			next = phase;
	}
	if (next != PHASE_COUNT)
		*told |= 1U << next;
	return next;
}

double phases_since_begin(const struct session *session, enum session_phase phase)
{
	double begin = session->phases[PHASE_TRIGGERED];

	return begin > 0 ? session->phases[phase] - begin : 0;
}

void phases_show(const struct session *session, unsigned *told, struct progress *progress)
{
	char words[PHASES_TEXT_MAX], span[OUTPUT_TIME_MAX];
	enum session_phase phase;

	while ((phase = phases_next(session, told)) != PHASE_COUNT)
		progress_line(progress, "  +%-8s %s",
			      output_span(phases_since_begin(session, phase), span),
			      phases_words(session, phase, words));
}
