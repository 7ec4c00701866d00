/* SPDX-License-Identifier: MIT */
/*
 * The head's end of the tunnel: see tunnel_server.h.  This file lets peers in and finds out who
 * they are and what they want; link.c carries their bytes.  Called by the head, in its event
 * loop, as the user.
 */
#include "launcher/tunnel/tunnel_server.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/tunnel/handshake.h"
#include "launcher/tunnel/tcp.h"

enum {
	TURN_PEERS = 32,       /* accepted in one go before others get their turn */
	ACCEPT_PAUSE_MS = 100, /* after descriptors or memory have run out */
	/* The peer's first frame. */
	WISH_LEAST = STREAM_LENGTH_SIZE,
	WISH_MAX = WISH_LEAST + STREAM_EXTRA_SIZE + TUNNEL_NAME_MAX - 1,
	WORD_MAX = STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE + TUNNEL_REFUSAL_MAX,
	BYTES_MAX = WISH_MAX > HANDSHAKE_HELLO_SIZE ? WISH_MAX : HANDSHAKE_HELLO_SIZE
};

enum stage {
	STAGE_HELLO, /* nothing is known of the peer */
	STAGE_WISH,  /* it may hold the token, or have recorded one who does */
	STAGE_WAY,   /* it holds the token; its way is being connected */
	STAGE_LINK
};

struct way {
	char name[TUNNEL_NAME_MAX]; /* empty: no way */
	struct sockaddr_storage address;
	socklen_t length;
};

struct peer {
	LIST_ENTRY(peer) link_entry;
	TAILQ_ENTRY(peer) waiting;
	struct tunnel_server *server;
	enum stage stage;
	int fd, way_fd;
	struct loop_fd *watch;
	int64_t deadline; /* loop_now(), before STAGE_LINK */
	uint8_t bytes[BYTES_MAX];
	size_t have, need;
	struct stream in, out;
	struct link *link;
};

struct tunnel_server {
	struct link_shared shared;
	struct handshake_token token;
	struct network *networks;
	size_t network_count;
	size_t connections_max, strangers_max;
	int64_t handshake_ms;
	tunnel_server_orders *orders;
	void *arg;
	struct way ways[TUNNEL_WAYS_MAX];

	int listen_fd;
	struct loop_fd *listen_watch;
	bool paused;
	struct loop_timer *resume;
	struct loop_timer *late; /* until the deadline of the first that wait */

	LIST_HEAD(, peer) peers;
	/* Not linked yet, oldest first; those of them that have not proved to hold the token
	 * are the strangers. */
	TAILQ_HEAD(peer_list, peer) waiting;
	struct tunnel_server_counts counts;
};

/* Accepting. */

static void pause_accept(struct tunnel_server *server, int64_t ms)
{
	server->paused = true;
	loop_fd_events(server->listen_watch, 0);
	loop_timer_set(server->resume, ms);
}

static void resume_accept(void *arg)
{
	struct tunnel_server *server = arg;

	if (!server->paused || server->counts.open >= server->connections_max)
		return;
	server->paused = false;
	loop_timer_set(server->resume, -1);
	if (loop_fd_events(server->listen_watch, EPOLLIN) < 0)
		pause_accept(server, ACCEPT_PAUSE_MS);
}

static bool is_stranger(const struct peer *peer)
{
	return peer->stage == STAGE_HELLO || peer->stage == STAGE_WISH;
}

static void set_late(struct tunnel_server *server)
{
	const struct peer *oldest = TAILQ_FIRST(&server->waiting);
	int64_t left = oldest ? oldest->deadline - loop_now() : -1;

	loop_timer_set(server->late, oldest && left < 0 ? 0 : left);
}

static void stop_waiting(struct peer *peer)
{
	struct tunnel_server *server = peer->server;
	bool was_first = TAILQ_FIRST(&server->waiting) == peer;

	TAILQ_REMOVE(&server->waiting, peer, waiting);
	if (was_first)
		set_late(server);
}

/* Leaves what it has been. */
static void leave_stage(struct peer *peer)
{
	struct tunnel_server *server = peer->server;

	if (is_stranger(peer))
		server->counts.strangers--;
	else
		server->counts.open--;
	if (peer->stage != STAGE_LINK)
		stop_waiting(peer);
}

static void peer_free(struct peer *peer)
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
	peer_free(peer);
	resume_accept(server);
}

static void peer_refuse(struct peer *peer)
{
	peer->server->counts.refused++;
	peer_end(peer);
}

static void handle_late(void *arg)
{
	struct tunnel_server *server = arg;
	struct peer *oldest;

	while ((oldest = TAILQ_FIRST(&server->waiting)) && oldest->deadline <= loop_now())
		peer_refuse(oldest);
	set_late(server);
}

/* The one that can best be spared: who has said nothing of use, longest. */
static void drive_out(struct tunnel_server *server)
{
	struct peer *peer, *found = NULL;

	TAILQ_FOREACH(peer, &server->waiting, waiting)
	{
		if (peer->stage == STAGE_HELLO) {
			found = peer;
			break;
		}
		if (peer->stage == STAGE_WISH && !found)
			found = peer;
	}
	if (found)
		peer_refuse(found);
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
	peer->stage = STAGE_LINK;
	peer->fd = peer->way_fd = -1;
	stream_clear(&peer->in);
	stream_clear(&peer->out);
}

/* Ways. */

static struct way *way_find(struct tunnel_server *server, const char *name)
{
	for (size_t i = 0; i < TUNNEL_WAYS_MAX; i++)
		if (!strcmp(server->ways[i].name, name))
			return &server->ways[i];
	return NULL;
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
	struct way *way = way_find(peer->server, name);

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
	peer->stage = STAGE_WISH;
	peer->have = 0;
	peer->need = WISH_LEAST;
}

/* The frame's length is there; whether it can be that of a wish. */
static bool wish_grow(struct peer *peer)
{
	const uint8_t *bytes = peer->bytes;
	size_t length = (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];

	peer->need = WISH_LEAST + length;
	return length > STREAM_EXTRA_SIZE && peer->need <= WISH_MAX;
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

	if (peer->need == WISH_LEAST) {
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
	peer->stage = STAGE_WAY;
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
	if (peer->stage == STAGE_HELLO)
		take_hello(peer);
	else
		take_wish(peer);
}

static int peer_create(struct tunnel_server *server, int fd)
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
	tcp_tune(fd);
	LIST_INSERT_HEAD(&server->peers, peer, link_entry);
	TAILQ_INSERT_TAIL(&server->waiting, peer, waiting);
	server->counts.strangers++;
	if (TAILQ_FIRST(&server->waiting) == peer)
		set_late(server);
	return 0;
}

static bool allowed(const struct tunnel_server *server, const struct sockaddr *address)
{
	for (size_t i = 0; i < server->network_count; i++)
		if (network_contains(&server->networks[i], address))
			return true;
	return server->network_count == 0;
}

/* One peer.  0, or -1 with errno when there is none now. */
static int accept_one(struct tunnel_server *server)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = accept4(server->listen_fd, (struct sockaddr *) &address, &size,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!allowed(server, (const struct sockaddr *) &address)) {
		tcp_reset(fd);
		server->counts.refused++;
		return 0;
	}
	if (server->counts.strangers >= server->strangers_max)
		drive_out(server);
	if (peer_create(server, fd) < 0) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static void handle_accept(uint32_t events, void *arg)
{
	struct tunnel_server *server = arg;

	(void) events;
	for (int i = 0; i < TURN_PEERS; i++) {
		if (server->counts.open >= server->connections_max) {
			pause_accept(server, -1); /* until one ends */
			return;
		}
		if (accept_one(server) == 0)
			continue;
		switch (errno) {
		case EAGAIN:
			return;
		/* accept(2): what went wrong with that one peer is to be taken as EAGAIN. */
		case EINTR:
		case ECONNABORTED:
		case EPERM:
		case EPROTO:
		case ENETDOWN:
		case ENOPROTOOPT:
		case EHOSTDOWN:
		case ENONET:
		case EHOSTUNREACH:
		case EOPNOTSUPP:
		case ENETUNREACH:
			continue;
		/* Descriptors or memory: the queue stays readable, so do not look at it. */
		default:
			pause_accept(server, ACCEPT_PAUSE_MS);
			return;
		}
	}
}

/* The server. */

static int copy_networks(struct tunnel_server *server,
			 const struct tunnel_server_options *options)
{
	if (options->network_count == 0)
		return 0;
	server->networks =
		reallocarray(NULL, options->network_count, sizeof(*server->networks));
	if (!server->networks)
		return -1;
	memcpy(server->networks, options->networks,
	       options->network_count * sizeof(*server->networks));
	server->network_count = options->network_count;
	return 0;
}

struct tunnel_server *tunnel_server_create(struct loop *loop, int listen_fd,
					   const struct tunnel_server_options *options)
{
	struct tunnel_server *server = calloc(1, sizeof(*server));

	if (!server) {
		fd_close(&listen_fd);
		return NULL;
	}
	server->listen_fd = listen_fd;
	server->connections_max =
		options->connections_max ? options->connections_max : TUNNEL_CONNECTIONS_MAX;
	server->strangers_max =
		options->strangers_max ? options->strangers_max : TUNNEL_STRANGERS_MAX;
	server->handshake_ms =
		options->handshake_ms > 0 ? options->handshake_ms : TUNNEL_HANDSHAKE_MS;
	server->orders = options->orders;
	server->arg = options->arg;
	LIST_INIT(&server->peers);
	TAILQ_INIT(&server->waiting);
	if (handshake_token_set(&server->token, options->token, options->token_size) < 0 ||
	    link_shared_init(&server->shared, loop) < 0 || copy_networks(server, options) < 0)
		goto error;
	server->resume = loop_timer_create(loop, resume_accept, server);
	server->late = loop_timer_create(loop, handle_late, server);
	if (!server->resume || !server->late)
		goto error;
	server->listen_watch = loop_fd_add(loop, listen_fd, EPOLLIN, handle_accept, server);
	if (!server->listen_watch)
		goto error;
	return server;
error:
	tunnel_server_destroy(server);
	return NULL;
}

void tunnel_server_destroy(struct tunnel_server *server)
{
	int error = errno;

	if (!server)
		return;
	while (!LIST_EMPTY(&server->peers))
		peer_free(LIST_FIRST(&server->peers));
	loop_timer_destroy(server->resume);
	loop_timer_destroy(server->late);
	loop_fd_remove(server->listen_watch);
	fd_close(&server->listen_fd);
	link_shared_clear(&server->shared);
	sodium_memzero(&server->token, sizeof(server->token));
	free(server->networks);
	free(server);
	errno = error;
}

int tunnel_server_way(struct tunnel_server *server, const char *name,
		      const struct sockaddr *address, socklen_t length)
{
	struct way *way;

	if (!text_is_name(name, TUNNEL_NAME_MAX) || !strcmp(name, TUNNEL_ORDERS) ||
	    length > sizeof(way->address)) {
		errno = EINVAL;
		return -1;
	}
	way = way_find(server, name);
	if (!address) {
		if (way)
			way->name[0] = '\0';
		return 0;
	}
	if (!way && !(way = way_find(server, ""))) {
		errno = E2BIG;
		return -1;
	}
	snprintf(way->name, sizeof(way->name), "%s", name);
	memcpy(&way->address, address, length);
	way->length = length;
	return 0;
}

int tunnel_server_way_unix(struct tunnel_server *server, const char *name, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof(address.sun_path)) {
		errno = size == 0 ? EINVAL : ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, size);
	return tunnel_server_way(server, name, (const struct sockaddr *) &address,
				 sizeof(address));
}

void tunnel_server_counts(const struct tunnel_server *server,
			  struct tunnel_server_counts *counts)
{
	*counts = server->counts;
	counts->bytes_in = server->shared.bytes_opened;
	counts->bytes_out = server->shared.bytes_sealed;
	counts->last_activity_ms = server->shared.last_activity_ms;
}
