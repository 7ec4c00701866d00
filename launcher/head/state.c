/* SPDX-License-Identifier: MIT */
/*
 * The session's state while it lives, out of the server's, the nodes' and the workers', and
 * what the user is told when it changes.  In the agent of rank 0, as the user.
 */
#include <stdio.h>
#include <string.h>

#include "launcher/head/head.h"
#include "launcher/head/hub.h"
#include "launcher/head/kernel_app.h"
#include "launcher/head/run_app.h"
#include "launcher/head/workers.h"

enum { NODES_NAMED = 8 };

static void describe_missing(struct head *head, char *text, size_t size)
{
	struct session *session = record_session(head->record);
	size_t used = 0, told = 0;

	for (size_t i = 0; i < session->node_count; i++) {
		if (strcmp(session->nodes[i].state, "lost"))
			continue;
		if (told++ == NODES_NAMED) {
			snprintf(text + used, size - used, " and %zu more",
				 head->nodes_lost - NODES_NAMED);
			break;
		}
		int more = snprintf(text + used, size - used, "%s%s", used ? ", " : "",
				    session->nodes[i].name);
		used += more > 0 && (size_t) more < size - used ? (size_t) more : 0;
	}
}

/* Why it is degraded: nodes, then workers. */
static void describe(struct head *head, const struct reason *workers, struct reason *reason)
{
	char missing[256] = "";

	if (!head->nodes_lost) {
		*reason = *workers;
		return;
	}
	describe_missing(head, missing, sizeof(missing));
	reason_set(reason, "nodes without an agent: %s%s%s", missing,
		   workers->text[0] ? "; " : "", workers->text);
}

static enum session_state state_of(struct head *head, struct reason *reason)
{
	struct reason words;
	enum barrier_state workers = head_workers_state(head, &words);

	reason->text[0] = '\0';
	if (!head->serving)
		return SESSION_STARTING;
	if (kernel_app_is_wrong(head->kernel_app, reason))
		return SESSION_DEGRADED;
	if (head->nodes_lost || workers == BARRIER_DEGRADED || workers == BARRIER_FAILED) {
		describe(head, &words, reason);
		return SESSION_DEGRADED;
	}
	return head->nodes_up == head->agent->ranks && workers == BARRIER_READY
		       ? SESSION_READY
		       : SESSION_SERVING;
}

static void say_up(struct head *head, const char *what, enum session_phase phase)
{
	struct session *session = record_session(head->record);
	double seconds = session->phases[phase] - session->phases[PHASE_TRIGGERED];

	if (head->run_app)
		head_say(head, "%s after %.1f s: executing %s, the result goes to %s", what,
			 seconds, run_app_notebook(head->run_app),
			 run_app_output(head->run_app));
	else if (head_hub_guards(head))
		head_say(head, "%s after %.1f s at %s, behind the hub's login", what, seconds,
			 session->url);
	else if (head->kernel_app && head->state_fd != head->runtime.fd)
		head_say(head, "%s after %.1f s at %s: `sjupyter kernel %s` attaches to it",
			 what, seconds, session->url, head->agent->job_id);
	else if (head->state_fd != head->runtime.fd)
		head_say(head, "%s after %.1f s at %s: `sjupyter url %s` shows the whole URL",
			 what, seconds, session->url, head->agent->job_id);
	else
		head_say(head, "%s after %.1f s at %s: the token is in %s on %s", what, seconds,
			 session->url, head->token_file, head->agent->node);
}

/* Each once, but for the worse and the better that come after. */
static void say(struct head *head, enum session_state before, const char *reason)
{
	struct session *session = record_session(head->record);
	char text[64];

	if (session->state == SESSION_READY && !head->announced) {
		head->announced = true;
		say_up(head, "ready", PHASE_READY);
	} else if (session->state == SESSION_READY && before == SESSION_DEGRADED) {
		head_say(head, "ready: %sall nodes and workers are there",
			 head->kernel_app ? "the kernel answers, " : "");
	} else if (session->state == SESSION_DEGRADED && head->run_app) {
		run_app_degraded(head->run_app, reason);
	} else if (session->state == SESSION_DEGRADED) {
		head_say(head, "serving at %s, but %s", session->url, reason);
	} else if (session->state == SESSION_SERVING && head->workers && !head->run_app &&
		   !head->announced && !head->serving_announced) {
		head->serving_announced = true;
		snprintf(text, sizeof(text), "serving, with %u workers to come,",
			 head_workers_expected(head));
		say_up(head, text, PHASE_SERVING);
	}
}

void head_update(struct head *head)
{
	struct session *session = record_session(head->record);
	enum session_state before = session->state;
	struct reason reason;

	if (head->ending)
		return;
	enum session_state state = state_of(head, &reason);
	/* While it starts again the reason is why. */
	if (head->serving)
		session_set(&session->reason, reason.text[0] ? reason.text : NULL);
	if (state == before) {
		head_hub_status(head);
		record_changed(head->record);
	} else {
		session->state = state;
		if (state == SESSION_READY)
			record_phase(head->record, PHASE_READY);
		head_hub_status(head);
		record_write(head->record);
		say(head, before, reason.text);
	}
	run_app_update(head->run_app);
}
