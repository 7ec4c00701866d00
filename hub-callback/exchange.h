/* SPDX-License-Identifier: MIT */
/*
 * One exchange with the hub from end to end: record, credential, HTTP, the hub's credential,
 * what is in it; or batchspawner's in stock mode.  In the event loop of jupyter-hub-callback,
 * as the user.
 */
#ifndef HUB_CALLBACK_EXCHANGE_H
#define HUB_CALLBACK_EXCHANGE_H

#include <jansson.h>

#include "hub-callback/http.h"
#include "hub-callback/hub.h"

struct exchange;

/* Valid during the callback. */
struct exchange_result {
	enum hub_outcome outcome;
	int kind;		/* of what happened: an HTTP status, or a number below 100 */
	int64_t retry_after_ms; /* negative: none */
	json_t *environment;	/* of HUB_ENVIRONMENT and HUB_ADOPTION; keep by json_incref */
	const char *left_out;	/* names of variables that were left out, or "" */
	struct reason words;	/* unless outcome is HUB_DONE */
};

/* identity and the strings of http must outlive it.  NULL with errno and a reason. */
struct exchange *exchange_create(struct loop *loop, const struct hub_identity *identity,
				 const struct http_options *http, struct reason *reason);
void exchange_destroy(struct exchange *exchange); /* accepts NULL */

/*
 * Begins one; one at a time.  fields have been checked (record.h) and are kept.  The callback
 * comes once, from the loop, and may begin the next one.  In stock mode only HUB_SERVING and
 * HUB_ACTIVITY are exchanged.
 */
typedef void exchange_callback(const struct exchange_result *result, void *arg);
void exchange_begin(struct exchange *exchange, enum hub_action action, json_t *fields,
		    exchange_callback *callback, void *arg);

/* Without a callback; nothing where none is under way. */
void exchange_cancel(struct exchange *exchange);

#endif
