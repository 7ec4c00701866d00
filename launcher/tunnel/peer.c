/* SPDX-License-Identifier: MIT */
/*
 * A peer at the head's end of the tunnel, from its hello to its link's end: who it is and what
 * it wants; link.c carries its bytes.  See tunnel_server_private.h.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/tcp.h"
#include "launcher/tunnel/tunnel_server_private.h"

enum { WORD_MAX = STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE + TUNNEL_REFUSAL_MAX };

static bool is_stranger(const struct peer *peer)
{
	return peer->stage == PEER_HELLO || peer->stage == PEER_WISH;
}

static void stop_waiting(struct peer *peer)
{
	struct tunnel_server *server = peer->server;
	bool was_first = TAILQ_FIRST(&server->waiting) == peer;

	TAILQ_REMOVE(&server->waiting, peer, waiting);
	if (was_first)
		tunnel_accept_set_late(server);
}

/* Leaves what it has been. */
static void leave_stage(struct peer *peer)
{
	struct tunnel_server *server = peer->server;

	if (is_stranger(peer))
		server->counts.strangers--;
	else
		server->counts.open--;
	if (peer->stage != PEER_LINK)
		stop_waiting(peer);
}

void peer_destroy(struct peer *peer)
{
	loop_fd_remove(peer->watch);
	link_destroy(peer->link);
	if (peer->fd >= 0)
		tcp_reset(peer->fd);
	fd_close(&peer->way_fd);
	stream_clear(&peer->in);
	stream_clear(&peer->out);
	LIST_REMOVE(peer, link_entry);
	free(peer);
}

static void peer_end(struct peer *peer)
{
	struct tunnel_server *server = peer->server;

	leave_stage(peer);
	peer_destroy(peer);
	listener_resume(server->listener);
}

void peer_refuse(struct peer *peer)
{
	peer->server->counts.refused++;
	peer_end(peer);
}

/* Links. */

static void handle_end(const struct reason *reason, void *arg)
{
	(void) reason;
	peer_end(arg);
}

/* Seals the word of the server: nothing, or why not. */
static size_t make_word(struct peer *peer, const char *text, uint8_t word[WORD_MAX])
{
	return stream_out_copy(&peer->out, word, text, strlen(text), *text != '\0');
}

/* Lets it go with a reason that only it can read. */
static void peer_deny(struct peer *peer, const char *name, const char *why)
{
	char text[TUNNEL_REFUSAL_MAX];
	uint8_t word[WORD_MAX];
	size_t size;

	snprintf(text, sizeof(text), "%s: %s", name, why);
	size = make_word(peer, text, word);
	/* It is the first thing that goes out after the answer, so there is room; nothing of
	 * the peer's is unread, since it waits for this word, so closing is no reset. */
	if (send(peer->fd, word, size, MSG_NOSIGNAL) == (ssize_t) size) {
		loop_fd_remove(peer->watch);
		peer->watch = NULL;
		fd_close(&peer->fd);
	}
	peer_end(peer);
}

static void peer_link(struct peer *peer)
{
	struct tunnel_server *server = peer->server;
	uint8_t word[WORD_MAX];
	struct link_options options = {
		.plain_fd = peer->way_fd,
		.cipher_fd = peer->fd,
		.in = &peer->in,
		.out = &peer->out,
		.first = word,
		.ended = handle_end,
		.arg = peer,
	};

	loop_fd_remove(peer->watch);
	peer->watch = NULL;
	options.first_size = make_word(peer, "", word);
	peer->link = link_create(&server->shared, &options);
	if (!peer->link) {
		peer_end(peer);
		return;
	}
	stop_waiting(peer);
	peer->stage = PEER_LINK;
	peer->fd = peer->way_fd = -1;
	stream_clear(&peer->in);
	stream_clear(&peer->out);
}

static void handle_way(uint32_t events, void *arg)
{
	struct peer *peer = arg;
	int error = tcp_error(peer->way_fd);

	(void) events;
	if (error)
		peer_deny(peer, "the kernel's socket", strerror(error));
	else
		peer_link(peer);
}

static void connect_way(struct peer *peer, const char *name)
{
	const struct way *way = ways_find(&peer->server->ways, name);

	if (!way) {
		peer_deny(peer, name, "there is no such socket, or not yet");
		return;
	}
	peer->way_fd = tcp_connect((const struct sockaddr *) &way->address, way->length);
	if (peer->way_fd < 0) {
		peer_deny(peer, name, strerror(errno));
		return;
	}
	if (way->address.ss_family != AF_UNIX)
		tcp_tune(peer->way_fd);
	loop_fd_remove(peer->watch);
	peer->watch = loop_fd_add(peer->server->shared.loop, peer->way_fd, EPOLLOUT, handle_way,
				  peer);
	if (!peer->watch)
		peer_deny(peer, name, strerror(errno));
}

static void open_orders(struct peer *peer)
{
	struct tunnel_server *server = peer->server;
	int fds[2];

	if (!server->orders) {
		peer_deny(peer, TUNNEL_ORDERS, "this session takes none");
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
		peer_deny(peer, TUNNEL_ORDERS, strerror(errno));
		return;
	}
	peer->way_fd = fds[0];
	peer_link(peer);
	server->orders(fds[1], server->arg);
}

/* What a peer says before it is linked. */

/* The whole hello is there. */
static void take_hello(struct peer *peer)
{
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];

	if (handshake_answer(&peer->server->token, cipher_suites(), peer->bytes,
			     handshake_random_true, NULL, answer, &keys) < 0) {
		peer_refuse(peer);
		return;
	}
	stream_begin(&peer->in, keys.suite, keys.to_server);
	stream_begin(&peer->out, keys.suite, keys.to_client);
	sodium_memzero(&keys, sizeof(keys));
	/* The first that goes out: what does not go at once never will. */
	if (send(peer->fd, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer)) {
		peer_refuse(peer);
		return;
	}
	peer->stage = PEER_WISH;
	peer->have = 0;
	peer->need = PEER_WISH_LEAST;
}

/* The frame's length is there; whether it can be that of a wish. */
static bool wish_grow(struct peer *peer)
{
	const uint8_t *bytes = peer->bytes;
	size_t length = (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];

	peer->need = PEER_WISH_LEAST + length;
	return length > STREAM_EXTRA_SIZE && peer->need <= PEER_WISH_MAX;
}

/* The name that it wants.  -1 when it is none, or does not hold the token. */
static int wish_read(struct peer *peer, char name[TUNNEL_NAME_MAX])
{
	uint8_t *plain;
	size_t size;

	if (stream_in_take(&peer->in, peer->bytes, peer->have, &plain, &size) !=
		    (ssize_t) peer->have ||
	    peer->in.ended || size >= TUNNEL_NAME_MAX || memchr(plain, '\0', size))
		return -1;
	memcpy(name, plain, size);
	name[size] = '\0';
	return text_is_name(name, TUNNEL_NAME_MAX) ? 0 : -1;
}

static void take_wish(struct peer *peer)
{
	struct tunnel_server *server = peer->server;
	char name[TUNNEL_NAME_MAX];

	if (peer->need == PEER_WISH_LEAST) {
		if (!wish_grow(peer))
			peer_refuse(peer);
		return;
	}
	if (wish_read(peer, name) < 0) {
		peer_refuse(peer);
		return;
	}
	/* The key of this connection has opened it: it holds the token. */
	server->counts.strangers--;
	server->counts.open++;
	server->counts.accepted++;
	peer->stage = PEER_WAY;
	if (!strcmp(name, TUNNEL_ORDERS))
		open_orders(peer);
	else
		connect_way(peer, name);
}

/* Reads no byte more than the stage needs: the others are the link's. */
static void handle_peer(uint32_t events, void *arg)
{
	struct peer *peer = arg;
	ssize_t n;

	(void) events;
	n = recv(peer->fd, peer->bytes + peer->have, peer->need - peer->have, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		peer_refuse(peer);
		return;
	}
	peer->have += (size_t) n;
	if (peer->have < peer->need)
		return;
	if (peer->stage == PEER_HELLO)
		take_hello(peer);
	else
		take_wish(peer);
}

int peer_create(struct tunnel_server *server, int fd)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -1;
	peer->server = server;
	peer->fd = fd;
	peer->way_fd = -1;
	peer->need = HANDSHAKE_HELLO_SIZE;
	peer->deadline = loop_now() + server->handshake_ms;
	peer->watch = loop_fd_add(server->shared.loop, fd, EPOLLIN, handle_peer, peer);
	if (!peer->watch) {
		free(peer);
		return -1;
	}
	LIST_INSERT_HEAD(&server->peers, peer, link_entry);
	TAILQ_INSERT_TAIL(&server->waiting, peer, waiting);
	server->counts.strangers++;
	if (TAILQ_FIRST(&server->waiting) == peer)
		tunnel_accept_set_late(server);
	return 0;
}
