/* SPDX-License-Identifier: MIT */
/*
 * What the files of the tunnel's server share: tunnel_server.c (the server), tunnel_accept.c
 * (who is let in) and peer.c (what he says and gets).  Nobody else includes it; tunnel_server.h
 * is the interface.
 */
#ifndef TUNNEL_SERVER_PRIVATE_H
#define TUNNEL_SERVER_PRIVATE_H

#include <sys/queue.h>

#include "launcher/listener.h"
#include "launcher/tunnel/handshake.h"
#include "launcher/tunnel/tunnel_server.h"

enum {
	/* The peer's first frame. */
	PEER_WISH_LEAST = STREAM_LENGTH_SIZE,
	PEER_WISH_MAX = PEER_WISH_LEAST + STREAM_EXTRA_SIZE + TUNNEL_NAME_MAX - 1,
	PEER_BYTES_MAX =
		PEER_WISH_MAX > HANDSHAKE_HELLO_SIZE ? PEER_WISH_MAX : HANDSHAKE_HELLO_SIZE
};

enum peer_stage {
	PEER_HELLO, /* nothing is known of the peer */
	PEER_WISH,  /* it may hold the token, or have recorded one who does */
	PEER_WAY,   /* it holds the token; its way is being connected */
	PEER_LINK
};

struct peer {
	LIST_ENTRY(peer) link_entry;
	TAILQ_ENTRY(peer) waiting;
	struct tunnel_server *server;
	enum peer_stage stage;
	int fd, way_fd;
	struct loop_fd *watch;
	int64_t deadline; /* loop_now(), before PEER_LINK */
	uint8_t bytes[PEER_BYTES_MAX];
	size_t have, need;
	struct stream in, out;
	struct link *link;
};

struct tunnel_server {
	struct link_shared shared;
	struct handshake_token token;
	size_t connections_max, strangers_max;
	int64_t handshake_ms;
	tunnel_server_orders *orders;
	void *arg;
	struct ways ways;

	struct listener *listener;
	struct loop_timer *late; /* until the deadline of the first that wait */

	LIST_HEAD(, peer) peers;
	/* Not linked yet, oldest first; those of them that have not proved to hold the token
	 * are the strangers. */
	TAILQ_HEAD(peer_list, peer) waiting;
	struct tunnel_server_counts counts;
};

/* A connection that was accepted.  0, or -1 with errno and the fd still the caller's. */
int peer_create(struct tunnel_server *server, int fd);
/* Lets it go before it is linked: counted as refused. */
void peer_refuse(struct peer *peer);
/* Closes it; for the server's end: nothing is counted. */
void peer_destroy(struct peer *peer);

/* Begins to accept; takes the listening fd (also on failure).  0 or -1 with errno. */
int tunnel_accept_begin(struct tunnel_server *server, int listen_fd,
			const struct tunnel_server_options *options);
void tunnel_accept_end(struct tunnel_server *server);
/* The first of those that wait is another one now. */
void tunnel_accept_set_late(struct tunnel_server *server);

#endif
