/* SPDX-License-Identifier: MIT */
/* See hub.h; what the child is started with is in hub_start.c. */
#include "launcher/head/hub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "launcher/head/hub_events.h"
#include "launcher/head/hub_private.h"
#include "launcher/head/workers.h"

enum {
	/* For the hub's first answer.  Our spawner's job has nothing else to do; a session of
	 * the user's own begins without a hub that is away for long, soon where nobody but the
	 * site has asked for it. */
	SPAWN_PATIENCE_MS = 600000,
	ADOPT_PATIENCE_MS = 180000,
	SITE_PATIENCE_MS = 30000,
	/* For its word that it has heard of the end. */
	END_PATIENCE_MS = 3000
};

static struct session *session_of(struct hub *hub)
{
	return record_session(hub->head->record);
}

static void set_state(struct hub *hub, const char *state, const char *why)
{
	struct session *session = session_of(hub);

	session_set(&session->hub_state, state);
	session_set(&session->hub_reason, why);
	record_changed(hub->head->record);
}

/* The server need not wait any more. */
static void decide(struct hub *hub)
{
	hub->awaited = false;
	loop_timer_set(hub->patience, -1);
	head_hub_decided(hub->head);
}

void hub_give_up(struct hub *hub, const char *words)
{
	set_state(hub, "refused", words);
	hub->without = true;
	head_say(hub->head, "not in the hub: %s; the session goes on without it", words);
	/* It may have got further than we know. */
	hub_child_say(hub->child, hub_event_ended(true, words));
	hub_child_finish(hub->child);
}

/* There is no environment and will be none: without it our spawner's server cannot be, but a
 * session of the user's own can. */
static void do_without(struct hub *hub, const char *words)
{
	struct reason reason;

	set_state(hub, "refused", words);
	if (hub->head->ending)
		return;
	if (hub->plan.mode == HUB_PLAN_ADOPT && !hub->app->hub) {
		hub_give_up(hub, words);
		decide(hub);
		return;
	}
	hub->awaited = false;
	loop_timer_set(hub->patience, -1);
	reason_set(&reason, "the hub: %s", words);
	head_fail(hub->head, reason.text);
}

static void on_patience(void *arg)
{
	struct hub *hub = arg;
	const char *why = session_of(hub)->hub_reason;
	struct reason words;

	if (hub->done) {
		hub->done(hub->head);
		return;
	}
	reason_set(&words, "it has not answered in time%s%s", why ? ": " : "", why ? why : "");
	do_without(hub, words.text);
}

static void on_grace(void *arg)
{
	struct hub *hub = arg;
	const char *why = session_of(hub)->hub_reason;
	struct reason words;

	reason_set(&words, "the hub has not taken it back: %s", why ? why : "no reason given");
	head_say(hub->head, "the session ends: %s", words.text);
	head_end_in_order(hub->head, words.text);
}

/* Nobody comes to it by the hub any more. */
static void begin_grace(struct hub *hub, const char *state, const char *words)
{
	long grace = hub->head->agent->settings->orphan_grace_s;
	char time[24];

	set_state(hub, state, words);
	if (hub->head->ending || hub->denied)
		return;
	hub->denied = true;
	if (!grace) {
		head_say(hub->head, "the hub: %s", words);
		return;
	}
	head_say(hub->head,
		 "the hub: %s; unless the hub takes it back the session ends in %s "
		 "(orphan_grace)",
		 words, text_from_seconds(grace, time, sizeof(time)));
	loop_timer_set(hub->grace, grace * 1000);
}

static void on_registered(struct hub *hub)
{
	const struct session *session = session_of(hub);

	loop_timer_set(hub->grace, -1);
	hub->denied = false;
	hub->refused = false;
	set_state(hub, "registered", NULL);
	if (!hub->told)
		head_say(hub->head, "in the hub at %s",
			 hub->place.url ? hub->place.url : session->hub_url);
	else
		head_log(hub->head, LOG_INFO, "registered with the hub again");
	hub->told = true;
}

static void on_failed(struct hub *hub, const char *words)
{
	if (hub->awaited) {
		do_without(hub, words);
		return;
	}
	hub->refused = true;
	begin_grace(hub, "refused", words);
}

static void on_problem(struct hub *hub, const char *words)
{
	/* A hub that ends the session knows no more of it. */
	if (hub->head->ending) {
		head_log(hub->head, LOG_DEBUG, "the hub: %s", words);
		return;
	}
	/* What is over is not told, so it is not in the record. */
	if (hub->told) {
		head_log(hub->head, LOG_WARNING, "the hub: %s", words);
		return;
	}
	set_state(hub, "waiting", words);
	head_say(hub->head, "the hub: %s; trying on", words);
}

static const char *words_of(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

static void on_line(const json_t *line, void *arg)
{
	struct hub *hub = arg;
	json_t *environment = json_object_get(line, "environment");

	/* It still tells the hub that this session has left it. */
	if (hub->without)
		return;
	if (json_is_object(environment)) {
		if (!hub->awaited)
			return;
		json_decref(hub->environment);
		hub->environment = json_incref(environment);
		head_log(hub->head, LOG_INFO, "the hub has sent the server's environment");
		decide(hub);
	} else if (json_is_true(json_object_get(line, "registered"))) {
		on_registered(hub);
	} else if (words_of(line, "failed")) {
		on_failed(hub, words_of(line, "failed"));
	} else if (words_of(line, "orphan")) {
		begin_grace(hub, "orphan", words_of(line, "orphan"));
	} else if (words_of(line, "problem")) {
		on_problem(hub, words_of(line, "problem"));
	} else if (json_is_true(json_object_get(line, "done"))) {
		if (hub->done) {
			set_state(hub, "ended", NULL);
			loop_timer_set(hub->patience, 0);
		}
	} else {
		head_log(hub->head, LOG_WARNING,
			 "jupyter-hub-callback said something that is not known");
	}
}

/* What it has to know, said from the start to a child that was just started. */
static void say_all(struct hub *hub)
{
	const struct session *session = session_of(hub);
	struct head *head = hub->head;

	free(hub->status);
	hub->status = NULL;
	if (hub->without || hub->done)
		return;
	if (hub->awaited && hub->plan.mode == HUB_PLAN_SPAWN)
		hub_child_say(hub->child, hub_event_environment());
	else if (hub->awaited)
		hub_child_say(hub->child, hub_event_adopt(hub->app->name));
	else if (head->serving)
		hub_child_say(hub->child,
			      hub_event_serving(session, hub->app->name, hub->place.tls));
	head_hub_status(head);
}

static void on_restarted(void *arg)
{
	say_all(arg);
}

static void on_trouble(const char *words, void *arg)
{
	struct hub *hub = arg;

	head_log(hub->head, LOG_WARNING, "the hub's callback: %s", words);
}

static void on_gone(const char *words, void *arg)
{
	struct hub *hub = arg;

	hub->child_gone = true;
	if (hub->done) {
		loop_timer_set(hub->patience, 0);
		return;
	}
	if (hub->without)
		return;
	if (hub->awaited) {
		do_without(hub, words);
		return;
	}
	set_state(hub, "refused", words);
	head_say(hub->head, "the hub is not told any more: %s", words);
}

static void on_activity(time_t last, bool busy, void *arg)
{
	struct hub *hub = arg;

	/* A hub that has refused it for good may be put right meanwhile. */
	if (hub->refused)
		hub_child_say(hub->child, hub_event_serving(session_of(hub), hub->app->name,
							    hub->place.tls));
	hub_child_say(hub->child, hub_event_activity(last, busy));
}

static void watch_activity(struct hub *hub)
{
	struct head *head = hub->head;
	struct hub_activity_options options = {
		.api = hub->place.tls ? NULL : hub->api,
		.socket_path = head->socket_path,
		.token_file = hub->token_file,
		.relay = head->relay,
		.work = head_workers_busy,
		.work_arg = head,
		.pause_ms = HUB_ACTIVITY_MS,
	};

	if (!hub->activity && !(hub->activity = hub_activity_create(head->agent->loop, &options,
								    on_activity, hub)))
		head_log(head, LOG_WARNING, "the hub is not told of activity: %s",
			 strerror(errno));
}

bool head_hub_is_awaited(const struct head *head)
{
	return head->hub && head->hub->awaited;
}

bool head_hub_guards(const struct head *head)
{
	return head->hub && head->hub->guards;
}

const char *head_hub_api(const struct head *head)
{
	return head->hub->place.tls ? NULL : head->hub->api;
}

const char *head_hub_token_file(const struct head *head)
{
	return head->hub->token_file;
}

void head_hub_serving(struct head *head)
{
	struct hub *hub = head->hub;

	if (!hub || hub->without)
		return;
	hub_child_say(hub->child,
		      hub_event_serving(session_of(hub), hub->app->name, hub->place.tls));
	watch_activity(hub);
}

void head_hub_status(struct head *head)
{
	struct hub *hub = head->hub;

	if (!hub || hub->without || hub->awaited || hub->done ||
	    session_state_final(session_of(hub)->state))
		return;
	json_t *event = hub_event_status(session_of(hub));
	char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

	if (!text || (hub->status && !strcmp(text, hub->status))) {
		free(text);
		json_decref(event);
		return;
	}
	free(hub->status);
	hub->status = text;
	hub_child_say(hub->child, event);
}

bool head_hub_end(struct head *head, void (*done)(void *head))
{
	struct hub *hub = head->hub;

	if (!hub || hub->without || hub->child_gone)
		return false;
	const struct session *session = session_of(hub);
	hub->done = done;
	loop_timer_set(hub->grace, -1);
	hub_activity_destroy(hub->activity);
	hub->activity = NULL;
	if (hub_child_say(hub->child, hub_event_ended(session->state == SESSION_FAILED,
						      session->reason)) < 0)
		return false;
	hub_child_finish(hub->child);
	loop_timer_set(hub->patience, END_PATIENCE_MS);
	return true;
}

static int64_t patience_of(const struct hub_plan *plan)
{
	if (plan->mode == HUB_PLAN_SPAWN)
		return SPAWN_PATIENCE_MS;
	return plan->by_site ? SITE_PATIENCE_MS : ADOPT_PATIENCE_MS;
}

int hub_begin(struct hub *hub, struct reason *reason)
{
	struct head *head = hub->head;
	const struct hub_child_callbacks callbacks = {.line = on_line,
						      .restarted = on_restarted,
						      .trouble = on_trouble,
						      .gone = on_gone,
						      .arg = hub};

	if (!(hub->patience = loop_timer_create(head->agent->loop, on_patience, hub)) ||
	    !(hub->grace = loop_timer_create(head->agent->loop, on_grace, hub)))
		return reason_set(reason, "hub: %s", strerror(errno));
	set_state(hub, "waiting", NULL);
	if (!(hub->child = hub_child_create(head->agent->loop, &hub->child_options, &callbacks,
					    reason)))
		return -1;
	hub->awaited = hub->plan.mode != HUB_PLAN_STOCK;
	if (hub->awaited)
		loop_timer_set(hub->patience, patience_of(&hub->plan));
	say_all(hub);
	return 0;
}

void head_hub_destroy(struct head *head)
{
	struct hub *hub = head->hub;

	if (!hub)
		return;
	hub_child_destroy(hub->child);
	hub_activity_destroy(hub->activity);
	loop_timer_destroy(hub->patience);
	loop_timer_destroy(hub->grace);
	hub_clear(hub);
	free(hub);
	head->hub = NULL;
}
