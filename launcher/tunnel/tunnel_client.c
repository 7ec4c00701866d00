/* SPDX-License-Identifier: MIT */
/*
 * The user's end of the tunnel: see tunnel_client.h.  This file takes connections at the unix
 * sockets and agrees with the head on each; link.c carries their bytes.  In the event loop of
 * sjupyter kernel, as the user.
 */
#include "launcher/tunnel/tunnel_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/tunnel/handshake.h"
#include "launcher/tcp.h"

enum {
	BACKLOG = 64,
	TURN_CONNECTIONS = 16, /* accepted in one go before others get their turn */
	ACCEPT_PAUSE_MS = 100, /* after descriptors or memory have run out */
	/* The wish: a frame with the name. */
	WISH_MAX = STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE + TUNNEL_NAME_MAX
};

struct entrance {
	struct tunnel_client *client;
	char name[TUNNEL_NAME_MAX];
	int fd;
	struct loop_fd *watch;
};

struct connection {
	LIST_ENTRY(connection) link_entry;
	struct tunnel_client *client;
	char name[TUNNEL_NAME_MAX];
	int fd, plain_fd;
	struct loop_fd *watch;
	struct loop_timer *late;
	bool connected;
	struct handshake handshake;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];
	size_t have;
	struct link *link;
};

struct tunnel_client {
	struct link_shared shared;
	struct handshake_token token;
	struct sockaddr_storage address;
	socklen_t address_length;
	int64_t connect_ms;
	tunnel_client_failed *failed;
	void *arg;
	struct entrance entrances[TUNNEL_CLIENT_SOCKETS_MAX];
	size_t entrance_count;
	bool paused;
	struct loop_timer *resume;
	LIST_HEAD(, connection) connections;
	size_t connection_count;
};

static void resume_accept(void *arg)
{
	struct tunnel_client *client = arg;

	if (!client->paused || client->connection_count >= TUNNEL_CLIENT_CONNECTIONS_MAX)
		return;
	client->paused = false;
	loop_timer_set(client->resume, -1);
	for (size_t i = 0; i < client->entrance_count; i++)
		if (loop_fd_events(client->entrances[i].watch, EPOLLIN) < 0)
			client->paused = true;
	if (client->paused)
		loop_timer_set(client->resume, ACCEPT_PAUSE_MS);
}

static void pause_accept(struct tunnel_client *client)
{
	client->paused = true;
	for (size_t i = 0; i < client->entrance_count; i++)
		loop_fd_events(client->entrances[i].watch, 0);
	loop_timer_set(client->resume, ACCEPT_PAUSE_MS);
}

/* Connections. */

static void connection_free(struct connection *connection)
{
	loop_fd_remove(connection->watch);
	loop_timer_destroy(connection->late);
	link_destroy(connection->link);
	fd_close(&connection->fd);
	fd_close(&connection->plain_fd);
	sodium_memzero(&connection->handshake, sizeof(connection->handshake));
	LIST_REMOVE(connection, link_entry);
	connection->client->connection_count--;
	free(connection);
}

static void connection_end(struct connection *connection, const struct reason *reason)
{
	struct tunnel_client *client = connection->client;
	char name[TUNNEL_NAME_MAX];
	struct reason why;

	memcpy(name, connection->name, sizeof(name));
	if (reason)
		why = *reason;
	connection_free(connection);
	resume_accept(client);
	/* Last, since nothing of the connection is looked at any more. */
	if (reason && client->failed)
		client->failed(name, &why, client->arg);
}

static void connection_fail(struct connection *connection, const char *what, int error)
{
	struct reason reason;

	reason_set(&reason, "%s: %s", what, strerror(error));
	connection_end(connection, &reason);
}

static void handle_end(const struct reason *reason, void *arg)
{
	connection_end(arg, reason);
}

static void handle_late(void *arg)
{
	struct connection *connection = arg;

	if (!connection->link || !link_is_open(connection->link))
		connection_fail(connection,
				connection->connected ? "no answer from the head"
						      : "connecting to the head",
				ETIMEDOUT);
}

/* The head is the session's: now the wish goes out, and the rest is the link's. */
static void connection_link(struct connection *connection, const struct handshake_keys *keys)
{
	struct stream in, out;
	uint8_t wish[WISH_MAX];
	struct link_options options = {
		.plain_fd = connection->plain_fd,
		.cipher_fd = connection->fd,
		.in = &in,
		.out = &out,
		.first = wish,
		.is_client = true,
		.ended = handle_end,
		.arg = connection,
	};

	stream_begin(&in, keys->suite, keys->to_client);
	stream_begin(&out, keys->suite, keys->to_server);
	options.first_size =
		stream_out_copy(&out, wish, connection->name, strlen(connection->name), false);
	loop_fd_remove(connection->watch);
	connection->watch = NULL;
	connection->link = link_create(&connection->client->shared, &options);
	int error = errno;
	stream_clear(&in);
	stream_clear(&out);
	if (connection->link)
		connection->fd = connection->plain_fd = -1;
	else
		connection_fail(connection, "the tunnel", error);
}

static void take_answer(struct connection *connection)
{
	struct handshake_keys keys;

	if (handshake_finish(&connection->handshake, &connection->client->token,
			     connection->answer, &keys) < 0) {
		connection_fail(connection, "what answers there is not the session's head",
				EACCES);
		return;
	}
	connection_link(connection, &keys);
	sodium_memzero(&keys, sizeof(keys));
}

/* Reads no byte more than the answer: the others are the link's. */
static void read_answer(struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->answer + connection->have,
			 sizeof(connection->answer) - connection->have, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && errno != ECONNRESET) {
		connection_fail(connection, "the connection to the head", errno);
		return;
	}
	if (n <= 0) {
		struct reason reason;

		reason_set(&reason,
			   "the head has hung up: the token is not (any more) that of "
			   "its session, or this host is not one that the site lets in");
		connection_end(connection, &reason);
		return;
	}
	connection->have += (size_t) n;
	if (connection->have == sizeof(connection->answer))
		take_answer(connection);
}

static void send_hello(struct connection *connection)
{
	struct handshake *handshake = &connection->handshake;
	int error = tcp_error(connection->fd);

	if (error) {
		connection_fail(connection, "connecting to the head", error);
		return;
	}
	connection->connected = true;
	handshake_begin(handshake, &connection->client->token, cipher_suites(),
			handshake_random_true, NULL);
	/* The first that goes out: what does not go at once never will. */
	if (send(connection->fd, handshake->hello, sizeof(handshake->hello), MSG_NOSIGNAL) !=
		    sizeof(handshake->hello) ||
	    loop_fd_events(connection->watch, EPOLLIN) < 0)
		connection_fail(connection, "the connection to the head", errno);
}

static void handle_connection(uint32_t events, void *arg)
{
	struct connection *connection = arg;

	(void) events;
	if (connection->connected)
		read_answer(connection);
	else
		send_hello(connection);
}

int tunnel_client_open(struct tunnel_client *client, const char *name, int fd)
{
	struct connection *connection = NULL;

	if (!text_is_name(name, TUNNEL_NAME_MAX)) {
		errno = EINVAL;
		goto error;
	}
	if (client->connection_count >= TUNNEL_CLIENT_CONNECTIONS_MAX) {
		errno = EMFILE;
		goto error;
	}
	if (!(connection = calloc(1, sizeof(*connection))))
		goto error;
	*connection = (struct connection){.client = client, .plain_fd = fd, .fd = -1};
	LIST_INSERT_HEAD(&client->connections, connection, link_entry);
	client->connection_count++;
	snprintf(connection->name, sizeof(connection->name), "%s", name);
	if (!(connection->late =
		      loop_timer_create(client->shared.loop, handle_late, connection)) ||
	    (connection->fd = tcp_connect((const struct sockaddr *) &client->address,
					  client->address_length)) < 0)
		goto error;
	tcp_tune(connection->fd);
	loop_timer_set(connection->late, client->connect_ms);
	connection->watch = loop_fd_add(client->shared.loop, connection->fd, EPOLLOUT,
					handle_connection, connection);
	if (!connection->watch)
		goto error;
	return 0;
error:
	if (connection)
		connection_free(connection);
	else
		fd_close(&fd);
	return -1;
}

int tunnel_client_orders(struct tunnel_client *client)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	if (tunnel_client_open(client, TUNNEL_ORDERS, fds[0]) < 0)
		fd_close(&fds[1]);
	return fds[1];
}

/* Entrances. */

static void handle_entrance(uint32_t events, void *arg)
{
	struct entrance *entrance = arg;
	struct tunnel_client *client = entrance->client;
	struct reason reason;

	(void) events;
	for (int i = 0; i < TURN_CONNECTIONS; i++) {
		if (client->connection_count >= TUNNEL_CLIENT_CONNECTIONS_MAX) {
			pause_accept(client);
			return;
		}
		int fd = accept4(entrance->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno != EAGAIN)
			pause_accept(client);
		if (fd < 0)
			return;
		if (tunnel_client_open(client, entrance->name, fd) < 0 && client->failed) {
			reason_set(&reason, "connecting to the head: %s", strerror(errno));
			client->failed(entrance->name, &reason, client->arg);
			return;
		}
	}
}

/* A unix socket of mode 0600 from its first moment. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd;

	if (!*path || strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	if (fd >= 0 && bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
		fd_close(&fd);
	umask(mask);
	if (fd >= 0 && listen(fd, BACKLOG) < 0)
		fd_close(&fd);
	return fd;
}

static struct entrance *entrance_find(struct tunnel_client *client, const char *name)
{
	for (size_t i = 0; i < client->entrance_count; i++)
		if (!strcmp(client->entrances[i].name, name))
			return &client->entrances[i];
	if (client->entrance_count == TUNNEL_CLIENT_SOCKETS_MAX)
		return NULL;
	return &client->entrances[client->entrance_count];
}

int tunnel_client_listen(struct tunnel_client *client, const char *name, const char *path,
			 struct reason *reason)
{
	struct entrance *entrance = entrance_find(client, name), made = {.client = client};

	if (!entrance || !text_is_name(name, TUNNEL_NAME_MAX)) {
		errno = EINVAL;
		return reason_set(reason, "socket %s: %s", name, strerror(errno));
	}
	made.fd = listen_at(path);
	if (made.fd < 0)
		return reason_set(reason, "listening at %s: %s", path, strerror(errno));
	snprintf(made.name, sizeof(made.name), "%s", name);
	made.watch =
		loop_fd_add(client->shared.loop, made.fd, EPOLLIN, handle_entrance, entrance);
	if (!made.watch) {
		fd_close(&made.fd);
		return reason_set(reason, "listening at %s: %s", path, strerror(errno));
	}
	if (entrance == &client->entrances[client->entrance_count]) {
		client->entrance_count++;
	} else {
		loop_fd_remove(entrance->watch);
		fd_close(&entrance->fd);
	}
	*entrance = made;
	return 0;
}

/* The client. */

struct tunnel_client *tunnel_client_create(struct loop *loop,
					   const struct tunnel_client_options *options)
{
	struct tunnel_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	LIST_INIT(&client->connections);
	client->connect_ms = options->connect_ms > 0 ? options->connect_ms : TUNNEL_CONNECT_MS;
	client->failed = options->failed;
	client->arg = options->arg;
	if (options->address_length > sizeof(client->address)) {
		errno = EINVAL;
		goto error;
	}
	memcpy(&client->address, options->address, options->address_length);
	client->address_length = options->address_length;
	if (handshake_token_set(&client->token, options->token, options->token_size) < 0 ||
	    link_shared_init(&client->shared, loop) < 0 ||
	    !(client->resume = loop_timer_create(loop, resume_accept, client)))
		goto error;
	return client;
error:
	tunnel_client_destroy(client);
	return NULL;
}

void tunnel_client_destroy(struct tunnel_client *client)
{
	int error = errno;

	if (!client)
		return;
	while (!LIST_EMPTY(&client->connections))
		connection_free(LIST_FIRST(&client->connections));
	for (size_t i = 0; i < client->entrance_count; i++) {
		loop_fd_remove(client->entrances[i].watch);
		fd_close(&client->entrances[i].fd);
	}
	loop_timer_destroy(client->resume);
	link_shared_clear(&client->shared);
	sodium_memzero(&client->token, sizeof(client->token));
	free(client);
	errno = error;
}

size_t tunnel_client_connections(const struct tunnel_client *client)
{
	return client->connection_count;
}
