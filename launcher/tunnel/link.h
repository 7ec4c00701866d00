/* SPDX-License-Identifier: MIT */
/*
 * A connection of the tunnel that both ends have agreed on: carries bytes between a plain
 * socket and the encrypted one, with backpressure and half-close, until both directions have
 * ended.  Used by peer.c and tunnel_client.c, in the event loop of the head and of
 * sjupyter kernel, as the user.
 */
#ifndef TUNNEL_LINK_H
#define TUNNEL_LINK_H

#include <stdint.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/tunnel/stream.h"

/* The name of the stream of orders: of no way. */
#define TUNNEL_ORDERS "orders"

enum {
	TUNNEL_NAME_MAX = 32, /* of a way, NUL included */
	/* Of what the server says of a way that is closed, NUL included. */
	TUNNEL_REFUSAL_MAX = 256
};

/* What the links of one end share: a buffer for what is carried at once, and counts. */
struct link_shared {
	struct loop *loop;
	uint64_t bytes_sealed, bytes_opened; /* of content */
	int64_t last_activity_ms;
	uint8_t *buffer;
};
/* 0 or -1 with errno. */
int link_shared_init(struct link_shared *shared, struct loop *loop);
void link_shared_clear(struct link_shared *shared); /* wipes it */

struct link;

/* The link is over and is to be destroyed now.  reason is NULL when both directions ended as
 * they should. */
typedef void link_callback(const struct reason *reason, void *arg);

struct link_options {
	int plain_fd, cipher_fd; /* non-blocking, connected; taken, not on failure */
	struct stream *in;	 /* copied; the caller wipes his */
	struct stream *out;	 /* likewise */
	const uint8_t *first;	 /* sealed already: goes out first */
	size_t first_size;	 /* at most STREAM_FRAME_MAX */
	bool is_client;		 /* the first frame that comes is the server's word */
	link_callback *ended;
	void *arg;
};

/* Carries nothing before the loop runs.  NULL with errno. */
struct link *link_create(struct link_shared *shared, const struct link_options *options);

/* Whether the server has said yes: at the server always. */
bool link_is_open(const struct link *link);

/* Closes both descriptors, wipes the keys.  Keeps errno, accepts NULL. */
void link_destroy(struct link *link);

#endif
