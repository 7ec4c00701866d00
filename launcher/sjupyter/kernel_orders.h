/* SPDX-License-Identifier: MIT */
/*
 * What sjupyter kernel has a session's head do with its kernel: a line of JSON there, a line of
 * JSON back, in order, through the tunnel.  A stream that was cut is opened anew.  In its event
 * loop, as the user.
 */
#ifndef SJUPYTER_KERNEL_ORDERS_H
#define SJUPYTER_KERNEL_ORDERS_H

#include <jansson.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/tunnel/tunnel_client.h"

enum {
	KERNEL_ORDER_MAX = 4096,   /* bytes of one, newline included */
	KERNEL_ANSWER_MAX = 65536, /* likewise */
	KERNEL_ORDERS_MAX = 16	   /* that wait for their answers */
};

struct kernel_orders;

/* The answer to the oldest order that waits: an object, the caller's (NULL: out of memory).
 * {"error": WORDS} too when it was lost on the way. */
typedef void kernel_orders_answer(const json_t *answer, void *arg);

/* NULL with errno. */
struct kernel_orders *kernel_orders_create(struct loop *loop, struct tunnel_client *client,
					   kernel_orders_answer *answer, void *arg);
void kernel_orders_destroy(struct kernel_orders *orders); /* accepts NULL */

/* An object like {"interrupt": {}}.  0, or -1 with EAGAIN (KERNEL_ORDERS_MAX wait), EMSGSIZE or
 * another errno: there is no answer to come then. */
int kernel_orders_send(struct kernel_orders *orders, const json_t *order);

/* {NAME: {}} of the kernel of that number; 0: of the one that is meant without.  As above, and
 * -1 with ENOMEM. */
int kernel_orders_send_name(struct kernel_orders *orders, const char *name,
			    unsigned long number);

/* Why the tunnel has failed, as tunnel_client_failed() has heard: part of the next error. */
void kernel_orders_failed(struct kernel_orders *orders, const struct reason *reason);

#endif
