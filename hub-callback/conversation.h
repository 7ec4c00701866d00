/* SPDX-License-Identifier: MIT */
/*
 * What `jupyter-hub-callback run` does between the head and the hub: what is said next, what is
 * said again and when, what the head is told.  It has no descriptors and no clock of its own:
 * all that is the owner's (run.c, or a test).  In jupyter-hub-callback, as the user.
 *
 * One exchange at a time.  `ended` overtakes everything, then comes the first word
 * (environment, adopt), then `serving`, then the latest status and activity.
 */
#ifndef HUB_CALLBACK_CONVERSATION_H
#define HUB_CALLBACK_CONVERSATION_H

#include <jansson.h>
#include <stdint.h>

#include "hub-callback/exchange.h"
#include "hub-callback/hub.h"

enum {
	CONVERSATION_PAUSE_MS = 1000,	 /* between two posts of status or activity, at least */
	CONVERSATION_CONFIRM_MS = 15000, /* until a hub is asked again whether it knows us: one
					  * that starts may read its spawners for 10 s */
	CONVERSATION_UNVERIFIED_MAX = 4, /* tries while TLS cannot be verified */
	CONVERSATION_KINDS_MAX = 32	 /* of problems that are told, until one try succeeds */
};

struct conversation;

struct conversation_world {
	int64_t (*now)(void *arg); /* monotonic milliseconds, above 0 */
	uint64_t (*random)(void *arg);
	/* Begins an exchange, as exchange_begin(); conversation_result() says how it ended. */
	void (*begin)(enum hub_action action, json_t *fields, void *arg);
	void (*cancel)(void *arg);
	/* conversation_timer() is to be called after so long; negative: never. */
	void (*timer)(int64_t delay_ms, void *arg);
	/* A line for the head; takes the object over. */
	void (*say)(json_t *line, void *arg);
	/* The last word has been said: after `ended`. */
	void (*over)(void *arg);
	void *arg;
};

/* deadline_ms is for the first word and for `serving` each, from when they come.  NULL with
 * ENOMEM. */
struct conversation *conversation_create(enum hub_mode mode, int64_t deadline_ms,
					 const struct conversation_world *world);
void conversation_destroy(struct conversation *conversation); /* accepts NULL */

/* What the head says; fields have been checked, and are taken over. */
void conversation_event(struct conversation *conversation, enum hub_action action,
			json_t *fields);
void conversation_result(struct conversation *conversation,
			 const struct exchange_result *result);
void conversation_timer(struct conversation *conversation);

/* Tells the head of a problem that is not the hub's. */
void conversation_problem(struct conversation *conversation, const char *words);

#endif
