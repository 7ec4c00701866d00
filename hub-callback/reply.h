/* SPDX-License-Identifier: MIT */
/*
 * What the hub answers, taken apart: bytes from the network, hostile until munge has said who
 * made them, and bounded after that.  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_REPLY_H
#define HUB_CALLBACK_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"
#include "hub-callback/environment.h"

enum {
	REPLY_MAX = 1 << 20,	/* bytes of a body: munge's own bound of what it decodes */
	REPLY_MESSAGE_MAX = 256 /* bytes of the hub's own words with NUL */
};

/*
 * The body of a 200: {"credential": "MUNGE:...:"} and nothing else.  Caller frees.  NULL with
 * EPROTO or ENOMEM and a reason.
 */
char *reply_credential(const char *body, size_t size, struct reason *reason);

/* What a credential of the hub's carries. */
struct reply {
	json_t *environment; /* checked; NULL where the action brings none */
	char left_out[ENVIRONMENT_LEFT_OUT_MAX]; /* see environment.h */
};

/*
 * The payload of the hub's credential.  nonce is the request's; with_environment says whether
 * the action brings one.  0, or -1 with ESTALE (an answer to another request), EPROTO or
 * ENOMEM, and a reason that tells nothing of what is in it.
 */
int reply_take(const char *payload, size_t size, const char *nonce, bool with_environment,
	       struct reply *reply, struct reason *reason);
void reply_clear(struct reply *reply); /* frees; accepts a zeroed one */

/* The hub's own words in the body of an error, {"message": "..."}, made printable; "" where
 * there are none. */
void reply_message(const char *body, size_t size, char message[REPLY_MESSAGE_MAX]);

#endif
