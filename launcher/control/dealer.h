/* SPDX-License-Identifier: MIT */
/*
 * An agent's connection to the head: a DEALER socket and its monitor.  Runs in the agent's
 * event loop, as the user.
 *
 * ZeroMQ would connect a socket again by itself, but then either send what was queued for the
 * old connection before the hello of the new one, or (ZMQ_IMMEDIATE) drop what had been
 * received over the old one.  So each connection that was lost is followed by a new socket;
 * ZeroMQ tries again by itself only until the first handshake has succeeded.
 */
#ifndef CONTROL_DEALER_H
#define CONTROL_DEALER_H

#include "launcher/control/control.h"

struct dealer {
	void *context, *socket, *monitor;
};

/* "tcp://1.2.3.4:5" or "tcp://[1::2]:3", and nothing else that zmq_tcp(7) allows. */
int dealer_endpoint_valid(const char *endpoint);

/* Keys are Z85.  The context is made when there is none yet.  -1 with errno; dealer_close() in
 * any case. */
int dealer_connect(struct dealer *dealer, const char *endpoint, const char *server_key,
		   const char *public_key, const char *secret_key);

/* Drops what is queued; the context stays. */
void dealer_disconnect(struct dealer *dealer);
void dealer_close(struct dealer *dealer); /* lingers at most WIRE_LINGER_MS */

#endif
