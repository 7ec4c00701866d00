/* SPDX-License-Identifier: MIT */
/* See conversation.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/text.h"
#include "hub-callback/conversation.h"
#include "hub-callback/retry.h"

enum {
	DOUBTS_MAX = 3,	  /* times that a hub which knew us must deny it to be believed */
	FORGOTTEN_MAX = 3 /* times in a row that a hub takes `serving` and forgets it at once */
};

struct conversation {
	enum hub_mode mode;
	int64_t deadline_ms;
	struct conversation_world world;

	json_t *pending[HUB_ACTIONS];	/* fields of what is to be said, NULL: nothing */
	int64_t deadlines[HUB_ACTIONS]; /* until when it is tried; 0: for ever */
	json_t *serving; /* the latest, to be said again to a hub that has forgotten */

	bool under_way;
	enum hub_action action;
	json_t *sent; /* fields of the exchange under way */

	struct retry retry;
	int64_t pause_end; /* nothing before: after a failure */
	int64_t asked_end; /* nothing but `ended` before: the hub has asked for it */
	int64_t casual_at; /* no status or activity before */
	unsigned unverified, doubts, forgotten;

	bool registered;      /* `serving` has been accepted once */
	bool orphan;	      /* since then the hub knows no more of it; the head was told */
	bool serving_refused; /* for good: not said again by itself */
	bool closed;	      /* no word on environment or adopt: nothing else can be said */
	bool refused;	      /* and that for good */
	bool over;

	int kinds[CONVERSATION_KINDS_MAX]; /* of problems that were told */
	size_t kind_count;
};

static bool is_first(enum hub_action action)
{
	return action == HUB_ENVIRONMENT || action == HUB_ADOPTION;
}

static bool is_casual(enum hub_action action)
{
	return action == HUB_STATUS || action == HUB_ACTIVITY;
}

static void json_put(json_t **place, json_t *value)
{
	json_decref(*place);
	*place = value;
}

/* What the head is told. */

static void say(struct conversation *conversation, json_t *line)
{
	/* Without memory nothing is said; the head's own deadlines hold. */
	if (line)
		conversation->world.say(line, conversation->world.arg);
}

static void say_words(struct conversation *conversation, const char *what, const char *words)
{
	say(conversation, json_pack("{s:s}", what, words));
}

static void say_true(struct conversation *conversation, const char *what)
{
	say(conversation, json_pack("{s:b}", what, 1));
}

void conversation_problem(struct conversation *conversation, const char *words)
{
	say_words(conversation, "problem", words);
}

/* Once for each kind, until something succeeds. */
static void tell(struct conversation *conversation, const struct exchange_result *result)
{
	for (size_t i = 0; i < conversation->kind_count; i++)
		if (conversation->kinds[i] == result->kind)
			return;
	if (conversation->kind_count == CONVERSATION_KINDS_MAX)
		return;
	conversation->kinds[conversation->kind_count++] = result->kind;
	conversation_problem(conversation, result->words.text);
}

/* What is said next. */

static void drop(struct conversation *conversation, enum hub_action action)
{
	json_put(&conversation->pending[action], NULL);
	conversation->deadlines[action] = 0;
}

static void drop_all(struct conversation *conversation)
{
	for (int action = 0; action < HUB_ACTIONS; action++)
		drop(conversation, (enum hub_action) action);
}

/* HUB_ACTIONS: nothing. */
static enum hub_action next(const struct conversation *conversation)
{
	static const enum hub_action order[] = {HUB_ENDED,   HUB_ENVIRONMENT, HUB_ADOPTION,
						HUB_SERVING, HUB_STATUS,      HUB_ACTIVITY};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (conversation->pending[order[i]])
			return order[i];
	return HUB_ACTIONS;
}

static void advance(struct conversation *conversation)
{
	const struct conversation_world *world = &conversation->world;
	enum hub_action action = next(conversation);
	int64_t now = world->now(world->arg), at = conversation->pause_end;

	if (conversation->under_way || conversation->over || action == HUB_ACTIONS) {
		world->timer(-1, world->arg);
		return;
	}
	if (is_casual(action) && conversation->casual_at > at)
		at = conversation->casual_at;
	if (at > now) {
		world->timer(at - now, world->arg);
		return;
	}
	world->timer(-1, world->arg);
	if (is_casual(action))
		conversation->casual_at = now + CONVERSATION_PAUSE_MS;
	conversation->under_way = true;
	conversation->action = action;
	json_put(&conversation->sent, json_incref(conversation->pending[action]));
	world->begin(action, conversation->sent, world->arg);
}

static void cancel(struct conversation *conversation)
{
	if (!conversation->under_way)
		return;
	conversation->world.cancel(conversation->world.arg);
	conversation->under_way = false;
}

/* Serving is to be said (again), without a deadline: the hub has been told once, or may be any
 * time. */
static void serving_again(struct conversation *conversation)
{
	if (!conversation->serving || conversation->serving_refused ||
	    conversation->pending[HUB_SERVING])
		return;
	conversation->pending[HUB_SERVING] = json_incref(conversation->serving);
	conversation->deadlines[HUB_SERVING] = 0;
}

static void end(struct conversation *conversation)
{
	drop_all(conversation);
	conversation->over = true;
	say_true(conversation, "done");
	conversation->world.over(conversation->world.arg);
}

/* What the head says. */

/* It is worth a try at once, unless the hub has asked to wait. */
static void hurry(struct conversation *conversation)
{
	if (conversation->under_way && is_casual(conversation->action))
		cancel(conversation);
	conversation->retry.failures = 0;
	conversation->pause_end = conversation->asked_end;
}

static void on_end(struct conversation *conversation, json_t *fields)
{
	cancel(conversation);
	drop_all(conversation);
	if (conversation->mode == HUB_STOCK || conversation->refused) {
		/* There is nobody to tell. */
		json_decref(fields);
		end(conversation);
		return;
	}
	conversation->retry.failures = 0;
	conversation->pause_end = 0;
	conversation->pending[HUB_ENDED] = fields;
}

static void on_important(struct conversation *conversation, enum hub_action action,
			 json_t *fields)
{
	if (is_first(action)) {
		conversation->closed = conversation->refused = false;
	} else {
		json_put(&conversation->serving, json_incref(fields));
		conversation->serving_refused = false;
		conversation->doubts = 0;
	}
	json_put(&conversation->pending[action], fields);
	conversation->deadlines[action] =
		conversation->world.now(conversation->world.arg) + conversation->deadline_ms;
	hurry(conversation);
}

static bool is_wanted(const struct conversation *conversation, enum hub_action action)
{
	if (conversation->over)
		return false;
	if (action == HUB_ENDED || is_first(action))
		return true;
	if (conversation->closed || conversation->pending[HUB_ENDED])
		return false;
	/* batchspawner takes no status, and has no server before it was told. */
	return conversation->mode != HUB_STOCK || action == HUB_SERVING ||
	       (action == HUB_ACTIVITY && conversation->serving);
}

void conversation_event(struct conversation *conversation, enum hub_action action,
			json_t *fields)
{
	if (!is_wanted(conversation, action)) {
		json_decref(fields);
		return;
	}
	if (action == HUB_ENDED)
		on_end(conversation, fields);
	else if (is_casual(action))
		json_put(&conversation->pending[action], fields);
	else
		on_important(conversation, action, fields);
	advance(conversation);
}

/* What the hub says. */

static void give_up(struct conversation *conversation, enum hub_action action,
		    const char *words, bool for_good)
{
	drop(conversation, action);
	if (action != HUB_SERVING) {
		drop_all(conversation);
		conversation->closed = true;
		conversation->refused = for_good;
	} else {
		conversation->serving_refused = for_good;
	}
	say_words(conversation, "failed", words);
}

static void on_done(struct conversation *conversation, const struct exchange_result *result)
{
	enum hub_action action = conversation->action;
	struct reason words;

	conversation->kind_count = 0;
	conversation->retry.failures = 0;
	conversation->pause_end = conversation->asked_end = 0;
	conversation->unverified = 0;
	/* Unless something newer has come meanwhile. */
	if (conversation->pending[action] == conversation->sent)
		drop(conversation, action);
	if (is_first(action)) {
		if (result->left_out[0]) {
			reason_set(&words,
				   "left out of the hub's environment, since they are the "
				   "node's or the job's: %s",
				   result->left_out);
			conversation_problem(conversation, words.text);
		}
		say(conversation, json_pack("{s:O}", "environment", result->environment));
	} else if (action == HUB_SERVING) {
		conversation->registered = true;
		conversation->orphan = false;
		conversation->doubts = 0;
		say_true(conversation, "registered");
	} else if (action == HUB_ENDED) {
		end(conversation);
	} else {
		conversation->forgotten = 0;
		if (conversation->mode == HUB_STOCK)
			conversation->doubts = 0;
		if (!conversation->registered)
			serving_again(conversation);
	}
}

static void on_failure(struct conversation *conversation, const struct exchange_result *result)
{
	const struct conversation_world *world = &conversation->world;
	enum hub_action action = conversation->action;
	int64_t now = world->now(world->arg), delay;
	struct reason words;
	char time[24];

	if (!retry_next(&conversation->retry, now, conversation->deadlines[action],
			result->retry_after_ms, world->random(world->arg), &delay)) {
		reason_set(&words, "given up after %s: %s",
			   text_from_seconds((long) (conversation->deadline_ms / 1000), time,
					     sizeof(time)),
			   result->words.text);
		give_up(conversation, action, words.text, false);
		return;
	}
	tell(conversation, result);
	conversation->pause_end = now + delay;
	if (result->retry_after_ms >= 0)
		conversation->asked_end = conversation->pause_end;
	/* What it knew it may have forgotten when it is back. */
	if (result->outcome == HUB_AWAY && is_casual(action))
		serving_again(conversation);
}

/* The hub knew us and denies it: believed when it has said so twice again. */
static void doubt(struct conversation *conversation, const struct exchange_result *result)
{
	const struct conversation_world *world = &conversation->world;
	struct reason words;

	if (++conversation->doubts < DOUBTS_MAX) {
		tell(conversation, result);
		conversation->pause_end = world->now(world->arg) + CONVERSATION_CONFIRM_MS;
		return;
	}
	drop(conversation, HUB_SERVING);
	drop(conversation, HUB_STATUS);
	drop(conversation, HUB_ACTIVITY);
	if (conversation->orphan)
		return;
	conversation->orphan = true;
	reason_set(&words, "the hub does not know this session any more: %s",
		   result->words.text);
	say_words(conversation, "orphan", words.text);
}

static void on_refused(struct conversation *conversation, const struct exchange_result *result)
{
	enum hub_action action = conversation->action;

	if (is_first(action) || (action == HUB_SERVING && !conversation->registered)) {
		give_up(conversation, action, result->words.text, true);
		return;
	}
	tell(conversation, result);
	drop(conversation, action);
	if (action == HUB_ENDED)
		end(conversation);
}

static void on_gone(struct conversation *conversation, const struct exchange_result *result)
{
	enum hub_action action = conversation->action;

	if (!is_casual(action)) {
		if (action == HUB_SERVING && conversation->registered)
			doubt(conversation, result);
		else
			on_refused(conversation, result);
	} else if (conversation->mode == HUB_STOCK) {
		/* batchspawner takes `serving` of a server that it does not know, too. */
		doubt(conversation, result);
	} else if (conversation->registered) {
		if (++conversation->forgotten > FORGOTTEN_MAX)
			drop(conversation, action);
		serving_again(conversation);
	} else if (conversation->serving) {
		/* Whether it is known is for `serving` to find out, or that has. */
		drop(conversation, action);
	} else {
		/* Cancelled while it starts. */
		give_up(conversation, action, result->words.text, true);
	}
}

void conversation_result(struct conversation *conversation,
			 const struct exchange_result *result)
{
	bool unverified = result->outcome == HUB_CERTIFICATE;

	conversation->under_way = false;
	if (!unverified)
		conversation->unverified = 0;
	switch (result->outcome) {
	case HUB_DONE:
		on_done(conversation, result);
		break;
	case HUB_GONE:
		on_gone(conversation, result);
		break;
	case HUB_REFUSED:
		on_refused(conversation, result);
		break;
	default:
		if (unverified && ++conversation->unverified >= CONVERSATION_UNVERIFIED_MAX)
			on_refused(conversation, result);
		else
			on_failure(conversation, result);
		break;
	}
	json_put(&conversation->sent, NULL);
	advance(conversation);
}

void conversation_timer(struct conversation *conversation)
{
	advance(conversation);
}

struct conversation *conversation_create(enum hub_mode mode, int64_t deadline_ms,
					 const struct conversation_world *world)
{
	struct conversation *conversation = calloc(1, sizeof(*conversation));

	if (!conversation)
		return NULL;
	conversation->mode = mode;
	conversation->deadline_ms = deadline_ms;
	conversation->world = *world;
	return conversation;
}

void conversation_destroy(struct conversation *conversation)
{
	int saved = errno;

	if (!conversation)
		return;
	drop_all(conversation);
	json_decref(conversation->serving);
	json_decref(conversation->sent);
	free(conversation);
	errno = saved;
}
