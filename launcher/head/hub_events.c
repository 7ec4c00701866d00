/* SPDX-License-Identifier: MIT */
/* See hub_events.h. */
#include "launcher/head/hub_events.h"

#include "common/text.h"

enum {
	NODES_MAX = 64,	  /* that are named */
	WORDS_SIZE = 1024 /* bytes of a reason with NUL */
};

json_t *hub_event_environment(void)
{
	return json_pack("{s:s}", "event", "environment");
}

json_t *hub_event_adopt(const char *app)
{
	return json_pack("{s:s, s:s}", "event", "adopt", "app", app);
}

json_t *hub_event_serving(const struct session *session, const char *app, bool tls)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < session->node_count && i < NODES_MAX; i++)
		json_array_append_new(nodes, json_string(session->nodes[i].name));
	return json_pack("{s:s, s:s, s:i, s:s, s:o, s:s, s:s}", "event", "serving", "ip",
			 session->ip, "port", (int) session->port, "scheme",
			 tls ? "https" : "http", "nodes", nodes, "head", session->head_node,
			 "app", app);
}

static json_t *phases_json(const struct session *session)
{
	json_t *phases = json_object();

	for (int i = 0; i < PHASE_COUNT; i++)
		if (session->phases[i] > 0)
			json_object_set_new(phases, session_phase_name(i),
					    json_real(session->phases[i]));
	return phases;
}

static json_t *workers_json(const struct session *session)
{
	json_t *kinds = json_array();

	for (size_t i = 0; i < session->workers_count; i++) {
		const struct session_workers *workers = &session->workers[i];

		json_array_append_new(kinds, json_pack("{s:s, s:i, s:i}", "kind", workers->kind,
						       "expected", (int) workers->expected,
						       "ready", (int) workers->ready));
	}
	return kinds;
}

json_t *hub_event_status(const struct session *session)
{
	char words[WORDS_SIZE];

	return json_pack(
		"{s:s, s:s, s:s, s:o, s:o}", "event", "status", "state",
		session_state_name(session->state), "reason",
		text_excerpt(session->reason ? session->reason : "", words, sizeof(words)),
		"phases", phases_json(session), "workers", workers_json(session));
}

json_t *hub_event_activity(time_t last, bool busy)
{
	return json_pack("{s:s, s:I, s:b}", "event", "activity", "last_activity",
			 (json_int_t) last, "busy", (int) busy);
}

json_t *hub_event_ended(bool failed, const char *why)
{
	char words[WORDS_SIZE];

	return json_pack("{s:s, s:s, s:s}", "event", "ended", "state",
			 failed ? "failed" : "ended", "reason",
			 text_excerpt(why ? why : "", words, sizeof(words)));
}
