/* SPDX-License-Identifier: MIT */
/*
 * Messages on ZeroMQ sockets: the context and the options that both sides share, sending and
 * receiving whole messages of the form that frame.h describes, and the monitor that tells of
 * connections.  Used by the head and the agents, as the user.
 */
#ifndef CONTROL_WIRE_H
#define CONTROL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "launcher/control/control.h"

enum {
	/* Bytes of a routing id that a ROUTER socket makes up: zmq_socket(3).  An agent that
	 * chooses its own is none of ours. */
	WIRE_ID_SIZE = 5,
	/* Messages queued in each direction for each peer.  A queue takes its memory in pieces
	 * of 256 (message_pipe_granularity of libzmq). */
	WIRE_QUEUE_MAX = 256,
	/* What CURVE adds to a frame: 8 of the command's name, 8 of the nonce, 16 of the
	 * authenticator, 1 of flags (CurveZMQ, RFC 26). */
	WIRE_CURVE_BYTES = 33,
	/* A connection that has not shown within this that it speaks CURVE and knows the head's
	 * key is closed by ZeroMQ.  Long enough for 10,000 agents at once on a slow head. */
	WIRE_HANDSHAKE_MS = 15000,
	WIRE_LINGER_MS = 1000, /* for what is queued at destroy */
	WIRE_ADDRESS_MAX = 64  /* bytes with NUL: INET6_ADDRSTRLEN and a zone */
};

/* One I/O thread, room for the few sockets of one side.  NULL with errno. */
void *wire_context(void);

/* A socket with the options of both sides set, which queues so many messages for each peer;
 * keys are Z85 text.  server_key NULL: it is the server, and the keys are its own.  NULL with
 * errno.
 */
void *wire_socket(void *context, int type, size_t queue, const char *public_key,
		  const char *secret_key, const char *server_key);

int wire_set(void *socket, int option, int value); /* 0, or -1 with errno */

struct wire_message {
	uint8_t id[WIRE_ID_SIZE]; /* of the sender, on a ROUTER socket */
	int fd; /* of the connection, to be compared only: it may be closed; -1 */
	char key[CONTROL_KEY_SIZE]; /* Z85, CURVE key of the sender where ZAP gave it, or "" */
	char address[WIRE_ADDRESS_MAX]; /* of the sender, without port; "" if not known */
	bool has_route;			/* of three frames */
	zmq_msg_t type, route, payload;
};

/*
 * Takes one message.  1: *message is set, close it; 0: there was one that is no message of
 * ours, it is gone, and only what tells of the sender is set; -1: there is none.
 */
int wire_receive(void *socket, bool routed, struct wire_message *message);
void wire_message_close(struct wire_message *message);

/* Queues one message.  id NULL: not a ROUTER socket.  0, or -1 with EHOSTUNREACH (no such
 * connection any more) or EAGAIN (its queue is full, or there is no connection). */
int wire_send(void *socket, const uint8_t *id, const char *type, const void *payload,
	      size_t size);
/* The same with a route, which is NULL: without one. */
int wire_carry(void *socket, const uint8_t *id, const char *type, const char *route,
	       const void *payload, size_t size);

/* Opens the socket on which the events (ZMQ_EVENT_*) of `socket` arrive, before its bind or
 * connect.  NULL with errno. */
void *wire_monitor_open(void *context, void *socket, int events);
/* Takes one event; value is an fd for most.  1, or -1: there is none. */
int wire_monitor_take(void *monitor, unsigned *event, int *value);
/* Closes both; accepts NULL for either. */
void wire_monitor_close(void *monitor, void *socket);

#endif
