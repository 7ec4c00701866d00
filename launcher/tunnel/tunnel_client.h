/* SPDX-License-Identifier: MIT */
/*
 * The other end of the tunnel, where the user is: unix sockets of which each connection is led,
 * encrypted, to the head and there to the socket of the same name; and streams of orders.  In
 * the event loop of sjupyter kernel, as the user.
 */
#ifndef TUNNEL_CLIENT_H
#define TUNNEL_CLIENT_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/tunnel/link.h"

struct tunnel_client;

enum {
	TUNNEL_CLIENT_SOCKETS_MAX = 16,
	TUNNEL_CLIENT_CONNECTIONS_MAX = 1024,
	TUNNEL_CONNECT_MS = 15000 /* for TCP, handshake and the head's word */
};

/* A connection of this name could not be made, or was cut: why.  The program at the unix socket
 * sees its connection closed. */
typedef void tunnel_client_failed(const char *name, const struct reason *reason, void *arg);

struct tunnel_client_options {
	const struct sockaddr *address; /* the head's; copied */
	socklen_t address_length;
	const char *token; /* not kept */
	size_t token_size;
	int64_t connect_ms;	      /* 0: TUNNEL_CONNECT_MS */
	tunnel_client_failed *failed; /* or NULL */
	void *arg;
};

/* NULL with errno, EINVAL for a token or address of the wrong size. */
struct tunnel_client *tunnel_client_create(struct loop *loop,
					   const struct tunnel_client_options *options);
void tunnel_client_destroy(struct tunnel_client *client); /* closes all; accepts NULL */

/* Listens at path, made with mode 0600 in a directory that must be the user's alone; instead of
 * where it has listened before for that name.  The path stays when all is destroyed.  0, or -1
 * with errno and a reason. */
int tunnel_client_listen(struct tunnel_client *client, const char *name, const char *path,
			 struct reason *reason);

/* Leads an open stream socket of ours, which it takes (also on failure), to the way of that
 * name.  0 or -1 with errno. */
int tunnel_client_open(struct tunnel_client *client, const char *name, int fd);

/* A stream of orders to the head: our end of it, a stream socket that does not block; the
 * caller's.  -1 with errno. */
int tunnel_client_orders(struct tunnel_client *client);

size_t tunnel_client_connections(const struct tunnel_client *client); /* now */

#endif
