/* SPDX-License-Identifier: MIT */
/*
 * One client of the relay and the server connection that goes with it: carries the bytes of
 * both directions, with backpressure and half-close, until both have ended.  Used by relay.c
 * alone, in the head's event loop, as the user.
 */
#ifndef HEAD_RELAY_CONNECTION_H
#define HEAD_RELAY_CONNECTION_H

#include <stddef.h>

#include "launcher/head/relay.h"
#include "launcher/loop.h"

enum {
	/* Of the buffer that small messages pass through.  A read that fills it is taken for
	 * the beginning of much data, which goes through a pipe instead. */
	RELAY_BUFFER_BYTES = 16384,
	RELAY_PIPES_SPARE = 16 /* empty pipes kept for whoever needs one next */
};

struct relay_pipe {
	int read_fd, write_fd;
};

/* What the connections of a relay share. */
struct relay_shared {
	struct loop *loop;
	struct relay_counts counts;
	char buffer[RELAY_BUFFER_BYTES];
	struct relay_pipe pipes[RELAY_PIPES_SPARE];
	size_t pipe_count;
};

/* Closes the spare pipes. */
void relay_shared_clear(struct relay_shared *shared);

struct relay_connection;

/* The connection has ended and is to be destroyed now. */
typedef void relay_connection_callback(void *arg);

/*
 * Takes both descriptors, non-blocking (not on failure).  server_fd need not be connected:
 * until relay_connection_start() nothing is carried, only a reset by the client is noticed.
 * NULL with errno.
 */
struct relay_connection *relay_connection_create(struct relay_shared *shared, int client_fd,
						 int server_fd,
						 relay_connection_callback *ended, void *arg);

/* server_fd is connected: carries what can be carried at once, so it may call ended before it
 * returns. */
void relay_connection_start(struct relay_connection *connection);

/* The server's socket, for connecting it. */
int relay_connection_server(const struct relay_connection *connection);

/* Closes both descriptors.  Keeps errno, accepts NULL. */
void relay_connection_destroy(struct relay_connection *connection);

#endif
