/* SPDX-License-Identifier: MIT */
/*
 * An uplink: an agent's way to the server that it joins, the head or a branch.  It connects,
 * says hello (hello.h) with a credential of its own each time, and answers heartbeats.  Runs in
 * the agent's event loop, as the user.
 *
 * Each connection is a new socket (dealer.h) and begins with a hello of its own.
 */
#ifndef CONTROL_UPLINK_H
#define CONTROL_UPLINK_H

#include "launcher/control/frame.h"
#include "launcher/control/guard.h"
#include "launcher/control/wire.h"

struct uplink;

struct uplink_options {
	const char *job_id, *node; /* part of what is signed */
	size_t rank;
	int64_t munge_ms; /* munged may be down so long */
};

enum uplink_end {
	UPLINK_CLOSED,	  /* the connection was closed: another may be better */
	UPLINK_ELSEWHERE, /* there is no room */
	UPLINK_OVER	  /* turned away for good, or there is no credential to be had */
};

/* Called within the guard. */
struct uplink_callbacks {
	void (*heard)(void *arg); /* any sign of life */
	/* Admitted; again on the same connection when something may be missing. */
	void (*welcomed)(void *arg);
	/* Any message but answers and heartbeats, once welcomed. */
	void (*message)(enum frame_kind kind, struct wire_message *message, void *arg);
	void (*ready)(void *arg); /* see uplink_ready() */
	/* A try to connect has failed; ZeroMQ tries again. */
	void (*failing)(const char *reason, void *arg);
	/* The link is closed. */
	void (*ended)(enum uplink_end end, const char *reason, void *arg);
	void *arg;
};

/* With a CURVE key of its own.  NULL with errno and a reason. */
struct uplink *uplink_create(struct loop *loop, struct guard *guard,
			     const struct uplink_options *options,
			     const struct uplink_callbacks *callbacks, struct reason *reason);
/* Lingers at most WIRE_LINGER_MS.  Not from within the guard.  Accepts NULL. */
void uplink_destroy(struct uplink *link);

/* Connects; -1 with errno of ZeroMQ, and it is closed. */
int uplink_open(struct uplink *link, const char *endpoint, const char *server_key);
void uplink_close(struct uplink *link);
/* Whether the names in it make a hello for a server with that key. */
bool uplink_valid(const struct uplink *link, const char *server_key);

bool uplink_welcomed(const struct uplink *link);
/* The address of this node on the way to the server, as text; "" before it is connected. */
const char *uplink_address(const struct uplink *link);

/* Errors: control_client_send(); the type may be any. */
int uplink_send(struct uplink *link, const char *type, const char *route, const void *payload,
		size_t size);
/* Whether there is room for a message; if not, ready() is called once there is. */
bool uplink_ready(struct uplink *link);

#endif
