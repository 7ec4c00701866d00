/* SPDX-License-Identifier: MIT */
/*
 * The record: what a session tells the hub, the payload of its munge credential.  Its fields
 * come from the head (or the command line) and are checked here, field by field.  In
 * jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_RECORD_H
#define HUB_CALLBACK_RECORD_H

#include <jansson.h>
#include <time.h>

#include "hub-callback/hub.h"

enum {
	RECORD_VERSION = 1,
	RECORD_TTL_S = 300,   /* of a record and of its credential: munge's own default */
	RECORD_NONCE = 33,    /* bytes of a nonce with NUL: 128 bits in hex */
	RECORD_MAX = 40960,   /* bytes; its credential, a third longer, fits the request */
	RECORD_NODES_MAX = 64 /* nodes that are named, the head among them */
};

/* Draws a nonce.  -1 with the errno of getrandom. */
int record_nonce(char nonce[RECORD_NONCE]);

/*
 * Whether fields, a JSON object, are the action's: each known, of its type and within its
 * bounds, none missing.  0, or -1 with EINVAL and a reason that names the field.
 */
int record_check(enum hub_mode mode, enum hub_action action, const json_t *fields,
		 struct reason *reason);

/* Adds what may be left out as the hub expects it: no words, no phases, no workers.  -1 with
 * ENOMEM. */
int record_complete(enum hub_action action, json_t *record);

/*
 * The record as text, of fields that have been checked, complete.  Caller wipes and frees. NULL
 * with ENOMEM or EMSGSIZE.
 */
char *record_text(const struct hub_identity *identity, enum hub_action action,
		  const json_t *fields, const char nonce[RECORD_NONCE], time_t now);

/* {"credential": "..."}: the request's body.  Caller frees.  NULL with ENOMEM or EMSGSIZE. */
char *record_request(const char *credential);

#endif
