/* SPDX-License-Identifier: MIT */
/*
 * The head's end of the tunnel: takes TCP connections of whoever holds the session's token, and
 * leads each, decrypted, to the socket that it asks for by name, or hands it over as a stream
 * of orders.  Strangers are let go after one bad tag, and are few at a time.  In the head's
 * event loop, as the user.
 */
#ifndef TUNNEL_SERVER_H
#define TUNNEL_SERVER_H

#include <stdint.h>
#include <sys/socket.h>

#include "launcher/loop.h"
#include "launcher/network.h"
#include "launcher/tunnel/ways.h"

struct tunnel_server;

enum {
	TUNNEL_CONNECTIONS_MAX =
		1024, /* at once; one more is not accepted before another ends */
	TUNNEL_STRANGERS_MAX =
		64, /* not yet proved; one more costs the one who waits longest */
	TUNNEL_HANDSHAKE_MS = 10000
};

/*
 * A user has opened a stream of orders: fd is his end of it, a stream socket that does not
 * block, close-on-exec, the callback's from now on.
 */
typedef void tunnel_server_orders(int fd, void *arg);

struct tunnel_server_options {
	const char *token; /* HANDSHAKE_TOKEN_LEAST characters or more; not kept */
	size_t token_size;
	const struct network *networks; /* allowed peers; copied; none: everybody */
	size_t network_count;
	size_t connections_max;	      /* 0: TUNNEL_CONNECTIONS_MAX */
	size_t strangers_max;	      /* 0: TUNNEL_STRANGERS_MAX */
	int64_t handshake_ms;	      /* 0: TUNNEL_HANDSHAKE_MS */
	tunnel_server_orders *orders; /* NULL: there are none */
	void *arg;
};

/* Takes the listening fd, of relay_listen() for one (also on failure).  NULL with errno, EINVAL
 * for a token too short. */
struct tunnel_server *tunnel_server_create(struct loop *loop, int listen_fd,
					   const struct tunnel_server_options *options);
void tunnel_server_destroy(struct tunnel_server *server); /* closes all; accepts NULL */

/*
 * Where connections that ask for this name are led from now on: a unix socket, or an address of
 * the loopback interface; copied.  NULL: nowhere.  Those that are open stay.  0, or -1 with
 * EINVAL (name: text_is_name() below TUNNEL_NAME_MAX and not TUNNEL_ORDERS) or E2BIG.
 */
int tunnel_server_way(struct tunnel_server *server, const char *name,
		      const struct sockaddr *address, socklen_t length);
/* The same of a unix socket's path: -1 also with ENAMETOOLONG. */
int tunnel_server_way_unix(struct tunnel_server *server, const char *name, const char *path);

struct tunnel_server_counts {
	uint64_t accepted;	      /* proved to hold the token */
	uint64_t refused;	      /* by the networks, by a tag, too late or driven out */
	uint64_t bytes_in, bytes_out; /* decrypted: to the sockets, from the sockets */
	size_t strangers, open;	      /* now */
	int64_t last_activity_ms;     /* loop_now() of the last bytes carried; 0 none yet */
};
void tunnel_server_counts(const struct tunnel_server *server,
			  struct tunnel_server_counts *counts);

#endif
