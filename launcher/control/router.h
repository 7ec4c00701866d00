/* SPDX-License-Identifier: MIT */
/*
 * The head's control port: the ROUTER socket with its ephemeral CURVE keys, the ZAP handler and
 * the monitor, bound to an address.  Runs in the head's event loop, as the user.
 */
#ifndef CONTROL_ROUTER_H
#define CONTROL_ROUTER_H

#include "launcher/control/control.h"

struct zap;

struct router {
	void *context, *socket, *monitor;
	struct zap *zap;
	char endpoint[CONTROL_ENDPOINT_MAX];
	char key[CONTROL_KEY_SIZE]; /* public; the secret one is ZeroMQ's alone */
	unsigned port;
};

/* *router is zeroed by the caller; queue is of messages for each peer.  -1 with errno and a
 * reason; router_close() in any case. */
int router_open(struct router *router, struct loop *loop, const char *ip, unsigned port_first,
		unsigned port_last, size_t queue, struct reason *reason);
void router_close(struct router *router); /* lingers at most WIRE_LINGER_MS */

#endif
