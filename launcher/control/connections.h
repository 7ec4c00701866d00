/* SPDX-License-Identifier: MIT */
/*
 * The connections at the head's control port, by their file descriptor, so that the memory that
 * strangers can take is bounded and a lost connection is found without asking every agent. Runs
 * in the head's event loop, as the user.
 *
 * ZeroMQ owns the descriptors; its monitor tells when one is accepted and, before it is closed,
 * that it goes.  ZeroMQ has no call that ends one connection of a ROUTER socket, so
 * connections_kick() shuts the TCP connection down through a duplicate; ZeroMQ then sees it
 * end.
 */
#ifndef CONTROL_CONNECTIONS_H
#define CONTROL_CONNECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/control/wire.h"

enum {
	/* So many may be without a hello at once, beyond one for each expected agent; one more
	 * and the oldest is closed.  Each takes some 30 KiB in libzmq. */
	CONNECTIONS_SPARE = 256,
	/* At least so many must fit below the limit of open files ... */
	CONNECTIONS_SPARE_MIN = 16,
	/* ... beside the agents and the files of the rest of the head. */
	CONNECTIONS_OTHER_FILES = 64,
	/* A hello must have come within this.  Longer than an agent's munged may be down. */
	CONNECTIONS_FRESH_MS = 45000,
	/* A connection that was turned away is closed after this: its reason is on the way. */
	CONNECTIONS_TURNED_MS = 1000
};

enum connection_state {
	CONNECTION_NONE,   /* no connection, or it has ended; id and rank are of the last one */
	CONNECTION_FRESH,  /* has not shown anything yet */
	CONNECTION_HELLO,  /* its hello is being checked */
	CONNECTION_PEER,   /* of the agent `rank` */
	CONNECTION_TURNED, /* turned away; whatever it sends is ignored */
	CONNECTION_KICKED  /* shut down, but not ended yet */
};

struct connection {
	enum connection_state state;
	uint8_t id[WIRE_ID_SIZE];
	size_t rank;	  /* SIZE_MAX: none */
	int64_t since;	  /* loop_now() when it came into the state */
	int older, newer; /* fds of the neighbours in the list of its state, or -1 */
};

struct connections;

/* port is the control port's; expected the number of agents.  NULL with ENOMEM, or EMFILE: the
 * limit of open files (RLIMIT_NOFILE, which is left as it is) is too low for them. */
struct connections *connections_create(unsigned port, size_t expected);
void connections_destroy(struct connections *table); /* accepts NULL */

/* The monitor's events. -1 with ENOMEM. */
int connections_accepted(struct connections *table, int fd, int64_t now);
void connections_ended(struct connections *table, int fd);

/* The entry of fd, valid until the next connections_accepted; NULL when fd was never one. */
struct connection *connections_get(struct connections *table, int fd);
void connections_set(struct connections *table, int fd, enum connection_state state,
		     int64_t now);

/* Ends the TCP connection, if fd is one to the control port. */
void connections_kick(struct connections *table, int fd);

/* Kicks what is overdue.  Returns the milliseconds until the next will be, or -1: none. */
int64_t connections_expire(struct connections *table, int64_t now);

#endif
