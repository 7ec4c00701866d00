/* SPDX-License-Identifier: MIT */
/*
 * Tests of the events that the head makes for its hub (launcher/head/hub_events.h), as
 * jupyter-hub-callback takes them.  Run by `make check`, as anybody.
 */
#include "launcher/head/hub_events.h"

#include <stdlib.h>
#include <string.h>

#include "hub-callback/event.h"
#include "tap.h"

static struct session *session;

/* Takes the event. */
static void is_taken(json_t *event, enum hub_mode mode, enum hub_action expected,
		     const char *fields)
{
	char *line = json_dumps(event, JSON_COMPACT), *text = NULL;
	enum hub_action action = HUB_ACTIONS;
	struct reason reason = {.text = ""};
	json_t *taken = NULL;

	if (!line)
		bail_out("no event");
	int rc = event_parse(mode, line, strlen(line), &action, &taken, &reason);
	ok(rc == 0 && action == expected, "taken: %.60s %s", line, reason.text);
	if (rc == 0)
		text = json_dumps(taken, JSON_COMPACT | JSON_REAL_PRECISION(12));
	if (fields)
		is_str(text, fields, "as it was meant");
	free(text);
	free(line);
	json_decref(taken);
	json_decref(event);
}

static void test_session(void)
{
	char long_reason[5000];

	is_taken(hub_event_serving(session, "lab", false), HUB_ADOPT, HUB_SERVING,
		 "{\"ip\":\"10.0.0.1\",\"port\":40001,\"scheme\":\"http\",\"nodes\":[\"n1\","
		 "\"n2\"],\"head\":\"n1\",\"app\":\"lab\"}");
	is_taken(hub_event_serving(session, "singleuser", true), HUB_STOCK, HUB_SERVING, NULL);
	session->state = SESSION_DEGRADED;
	is_taken(hub_event_status(session), HUB_SPAWN, HUB_STATUS,
		 "{\"state\":\"degraded\",\"reason\":\"a worker\",\"phases\":{\"serving\":1.5},"
		 "\"workers\":[{\"kind\":\"dask\",\"expected\":4,\"ready\":3}]}");
	memset(long_reason, 'x', sizeof(long_reason) - 1);
	long_reason[sizeof(long_reason) - 1] = '\0';
	long_reason[7] = '\n';
	long_reason[8] = '\xff';
	session_set(&session->reason, long_reason);
	is_taken(hub_event_status(session), HUB_SPAWN, HUB_STATUS, NULL);
	is_taken(hub_event_ended(true, long_reason), HUB_SPAWN, HUB_ENDED, NULL);
	session_set(&session->reason, NULL);
	for (int state = SESSION_STARTING; state <= SESSION_DRAINING; state++) {
		session->state = (enum session_state) state;
		is_taken(hub_event_status(session), HUB_SPAWN, HUB_STATUS, NULL);
	}
}

static void test_others(void)
{
	is_taken(hub_event_environment(), HUB_SPAWN, HUB_ENVIRONMENT, "{}");
	is_taken(hub_event_adopt("lab"), HUB_ADOPT, HUB_ADOPTION, "{\"app\":\"lab\"}");
	is_taken(hub_event_activity(7, true), HUB_STOCK, HUB_ACTIVITY,
		 "{\"last_activity\":7,\"busy\":true}");
	is_taken(hub_event_ended(false, NULL), HUB_ADOPT, HUB_ENDED,
		 "{\"state\":\"ended\",\"reason\":\"\"}");
}

/* More nodes than are named. */
static void test_many(void)
{
	for (size_t i = 0; i < session->node_count; i++)
		free(session->nodes[i].name);
	free(session->nodes);
	session->node_count = 1000;
	session->nodes = calloc(session->node_count, sizeof(*session->nodes));
	for (size_t i = 0; session->nodes && i < session->node_count; i++)
		session->nodes[i].name = strdup("n1");
	is_taken(hub_event_serving(session, "lab", false), HUB_SPAWN, HUB_SERVING, NULL);
}

int main(void)
{
	struct session_workers *workers;

	session = session_create();
	session->port = 40001;
	session->nodes = calloc(2, sizeof(*session->nodes));
	session->nodes[0].name = strdup("n1");
	session->nodes[1].name = strdup("n2");
	session->node_count = 2;
	session_set(&session->ip, "10.0.0.1");
	session_set(&session->head_node, "n1");
	session_set(&session->reason, "a worker");
	session->phases[PHASE_SERVING] = 1.5;
	workers = session_workers_add(session, "dask");
	workers->expected = 4;
	workers->ready = 3;
	test_session();
	test_others();
	session->workers_count = 0;
	test_many();
	session->workers_count = 1;
	session_destroy(session);
	return done_testing();
}
