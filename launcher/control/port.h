/* SPDX-License-Identifier: MIT */
/*
 * A control port: where agents connect, the head's or a branch's, and everything that judges
 * who comes: connections, hellos and their credentials, heartbeats.  Runs in the event loops of
 * the head and of branches, as the user.
 */
#ifndef CONTROL_PORT_H
#define CONTROL_PORT_H

#include "launcher/control/admission.h"
#include "launcher/control/guard.h"
#include "launcher/control/roster.h"

#define PORT_CLOSED "its connection was closed"

struct port;

struct port_options {
	const char *ip;
	unsigned port_first, port_last;
	const char *job_id;
	uid_t uid;
	struct roster *roster; /* the caller's; its size says which ranks there are */
	size_t direct;	       /* so many agents may hold a connection here */
	size_t queue;	       /* messages queued for each */
	int64_t heartbeat_ms, silence_ms;
};

/* An agent whose credential is good. */
struct port_guest {
	size_t rank;
	uint8_t id[WIRE_ID_SIZE];
	int fd;
	char key[CONTROL_KEY_SIZE];
	char nonce[FRAME_NONCE_MAX];
	char address[WIRE_ADDRESS_MAX];
	char node[CONTROL_NODE_MAX];
};

/* Called within the guard. */
struct port_callbacks {
	/* It waits for port_welcome() or port_refuse(), now or later. */
	void (*wants)(const struct port_guest *guest, void *arg);
	/* The peer is not reached any more: to be taken off the roster. */
	void (*lost)(struct peer *peer, const char *reason, void *arg);
	/* Any message but a hello and a pong; with a route where its kind has one, and with a
	 * payload of at most CONTROL_PAYLOAD_MAX. */
	void (*message)(struct peer *peer, enum frame_kind kind, struct wire_message *message,
			void *arg);
	/* For the log: at most a few times a second. */
	void (*rejected)(const char *reason, void *arg);
	void *arg;
};

/* NULL with errno and a reason. */
struct port *port_create(struct loop *loop, struct guard *guard,
			 const struct port_options *options,
			 const struct port_callbacks *callbacks, struct reason *reason);
/* Lingers at most WIRE_LINGER_MS.  Not from within the guard.  Accepts NULL. */
void port_destroy(struct port *port);

const char *port_endpoint(const struct port *port);
const char *port_key(const struct port *port);

/* Whether the guest's connection is still there and waits. */
bool port_waits(const struct port *port, const struct port_guest *guest);
/* It is the rank's agent from now on, whoever was before; NULL: its connection has gone. */
struct peer *port_welcome(struct port *port, const struct port_guest *guest);
void port_refuse(struct port *port, const struct port_guest *guest, const char *reason);
/* It may join, but there is no room for it here. */
void port_send_away(struct port *port, const struct port_guest *guest);

/* To a peer with a connection of its own, and of what it does not say goes to rejected(). */
int port_send(struct port *port, struct peer *peer, const char *type, const char *route,
	      const void *payload, size_t size); /* errors: control_server_send() */
void port_report(struct port *port, const char *address, const char *reason);

/* Says the same welcome again. */
void port_greet(struct port *port, struct peer *peer);
/* Ends its connection; lost() comes later. */
void port_drop(struct port *port, struct peer *peer);
/* After any sending that is not in a callback of the port. */
void port_check(struct port *port);

/* While it is paused nothing is read, and nobody is lost for being silent. */
void port_pause(struct port *port, bool paused);

#endif
