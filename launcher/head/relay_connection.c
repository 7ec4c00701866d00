/* SPDX-License-Identifier: MIT */
/*
 * Carrying bytes between a client and the server: see relay_connection.h.  Called by relay.c
 * and the event loop, in the head, as the user.
 *
 * Small messages take the short way, one recv and one send through a buffer that all
 * connections share; much data is spliced through a pipe, uncopied.  Both sockets are watched
 * edge-triggered, so a message costs no epoll_ctl.  What a socket would not take stays with its
 * direction (in the pipe, or copied aside), and nothing more is read until it has gone: that is
 * the backpressure.  A connection at rest holds its two sockets and nothing else.
 */
#include "launcher/head/relay_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Of a pipe, and so of what waits in it: as much as a unix socket holds by default
	 * (net.core.wmem_default, 208 KiB).  Measured: a quarter more throughput to the client
	 * than with the default size (64 KiB), nothing more with larger ones.  A user with many
	 * pipes is denied it (pipe-user-pages-soft, pipe(7)); the default will do. */
	PIPE_BYTES = 1 << 18,
	/* Carried in one go before other connections get their turn. */
	TURN_BYTES = 1 << 20
};
static const uint32_t WATCHED = EPOLLIN | EPOLLRDHUP | EPOLLET;

struct end {
	int fd;
	struct loop_fd *watch;
	uint32_t events; /* asked for */
	bool readable; /* as far as is known: no read has said otherwise since the last edge */
	bool full;     /* a write has said so since the last edge */
	bool closing;  /* no more will come than what can be read now */
	bool closed;   /* nor is anything taken any more */
};

struct direction {
	struct end *from, *to;
	uint64_t *count; /* of bytes */
	char *left;	 /* read, but not taken by `to`: `left_size` bytes */
	size_t left_size;
	struct relay_pipe pipe; /* -1 when there is none */
	size_t piped;		/* bytes in it */
	bool splice;		/* while there is much */
	bool ended;		/* `from` has no more */
	bool done;		/* and `to` has been told, or takes no more */
};

struct relay_connection {
	struct relay_shared *shared;
	struct end client, server;
	struct direction in, out;
	bool started;
	relay_connection_callback *ended;
	void *arg;
};

enum outcome {
	CARRIED, /* so far; goes on with the next event */
	ENDED,	 /* there is nothing more to do */
	RESET	 /* the server has broken off: so must the client be told */
};

/* Pipes. */

static bool pipe_take(struct relay_shared *shared, struct relay_pipe *taken)
{
	int fds[2];

	if (taken->read_fd >= 0)
		return true;
	if (shared->pipe_count > 0) {
		*taken = shared->pipes[--shared->pipe_count];
		return true;
	}
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	taken->read_fd = fds[0];
	taken->write_fd = fds[1];
	return true;
}

static void pipe_close(struct relay_pipe *pipe)
{
	if (pipe->read_fd >= 0) {
		close(pipe->read_fd);
		close(pipe->write_fd);
	}
	pipe->read_fd = pipe->write_fd = -1;
}

static void pipe_give_back(struct relay_shared *shared, struct direction *direction)
{
	if (direction->pipe.read_fd >= 0 && direction->piped == 0 &&
	    shared->pipe_count < RELAY_PIPES_SPARE) {
		shared->pipes[shared->pipe_count++] = direction->pipe;
		direction->pipe.read_fd = direction->pipe.write_fd = -1;
	}
	pipe_close(&direction->pipe);
	direction->piped = 0;
}

void relay_shared_clear(struct relay_shared *shared)
{
	while (shared->pipe_count > 0)
		pipe_close(&shared->pipes[--shared->pipe_count]);
}

/* Directions. */

static void count(struct relay_connection *connection, struct direction *direction,
		  ssize_t bytes)
{
	*direction->count += (uint64_t) bytes;
	connection->shared->counts.last_activity_ms = loop_now();
}

/* The direction ends with what has been carried. */
static void give_up(struct relay_connection *connection, struct direction *direction)
{
	free(direction->left);
	direction->left = NULL;
	direction->left_size = 0;
	pipe_give_back(connection->shared, direction);
	direction->done = true;
}

/* After a send or splice to `to` has failed. */
static enum outcome not_taken(struct relay_connection *connection, struct direction *direction)
{
	if (errno == EAGAIN) {
		direction->to->full = true;
		return CARRIED;
	}
	/* A client that fails is gone in both directions.  A server that takes no more may
	 * still have something to say. */
	if (direction->to == &connection->client)
		return ENDED;
	give_up(connection, direction);
	return CARRIED;
}

/* Whether all that was read has gone. */
static bool flushed(const struct direction *direction)
{
	return direction->left_size == 0 && direction->piped == 0;
}

static enum outcome flush(struct relay_connection *connection, struct direction *direction)
{
	struct end *to = direction->to;
	ssize_t n;

	while (direction->left_size > 0 && !to->full) {
		n = send(to->fd, direction->left, direction->left_size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return not_taken(connection, direction);
		count(connection, direction, n);
		direction->left_size -= (size_t) n;
		memmove(direction->left, direction->left + n, direction->left_size);
		if (direction->left_size == 0) {
			free(direction->left);
			direction->left = NULL;
		}
	}
	while (direction->piped > 0 && !to->full) {
		n = splice(direction->pipe.read_fd, NULL, to->fd, NULL, direction->piped,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return not_taken(connection, direction);
		count(connection, direction, n);
		direction->piped -= (size_t) n;
	}
	return CARRIED;
}

/* After a read from `from` has failed. */
static enum outcome not_read(struct relay_connection *connection, struct direction *direction)
{
	if (errno == EAGAIN) {
		direction->from->readable = false;
		return CARRIED;
	}
	return direction->from == &connection->server ? RESET : ENDED;
}

static enum outcome carry_piped(struct relay_connection *connection,
				struct direction *direction, size_t *carried)
{
	ssize_t n = splice(direction->from->fd, NULL, direction->pipe.write_fd, NULL,
			   PIPE_BYTES, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0 && errno == EINTR)
		return CARRIED;
	if (n < 0) {
		/* One that has little each time is better off with the short way. */
		if (*carried <= RELAY_BUFFER_BYTES)
			direction->splice = false;
		return not_read(connection, direction);
	}
	if (n == 0)
		direction->ended = true;
	direction->piped = (size_t) n;
	*carried += (size_t) n;
	return flush(connection, direction);
}

static enum outcome carry_copied(struct relay_connection *connection,
				 struct direction *direction, size_t *carried)
{
	char *buffer = connection->shared->buffer;
	struct end *from = direction->from;
	ssize_t n = recv(from->fd, buffer, RELAY_BUFFER_BYTES, 0), sent;

	if (n < 0 && errno == EINTR)
		return CARRIED;
	if (n < 0)
		return not_read(connection, direction);
	if (n == 0) {
		direction->ended = true;
		return CARRIED;
	}
	*carried += (size_t) n;
	if (n == RELAY_BUFFER_BYTES)
		direction->splice = true;
	else if (!from->closing)
		from->readable = false; /* all of it was read, and more makes a new edge */
	do {
		sent = send(direction->to->fd, buffer, (size_t) n, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent == n) {
		count(connection, direction, n);
		return CARRIED;
	}
	if (sent < 0 && errno != EAGAIN)
		return not_taken(connection, direction);
	if (sent < 0)
		sent = 0;
	else
		count(connection, direction, sent);
	direction->left_size = (size_t) (n - sent);
	direction->left = malloc(direction->left_size);
	if (!direction->left)
		return ENDED;
	memcpy(direction->left, buffer + sent, direction->left_size);
	return flush(connection, direction);
}

/* Carries until one side cannot go on, or it is the turn of others. */
static enum outcome carry(struct relay_connection *connection, struct direction *direction)
{
	size_t carried = 0;
	enum outcome outcome = flush(connection, direction);

	while (outcome == CARRIED && !direction->done && flushed(direction)) {
		if (direction->ended) {
			shutdown(direction->to->fd, SHUT_WR);
			direction->done = true;
		} else if (!direction->from->readable) {
			break;
		} else if (carried >= TURN_BYTES) {
			/* Makes the loop call again, after the others. */
			if (loop_fd_events(direction->from->watch, direction->from->events) < 0)
				outcome = ENDED;
			break;
		} else if (direction->splice &&
			   pipe_take(connection->shared, &direction->pipe)) {
			outcome = carry_piped(connection, direction, &carried);
		} else {
			outcome = carry_copied(connection, direction, &carried);
		}
	}
	if (direction->piped == 0)
		pipe_give_back(connection->shared, direction);
	return outcome;
}

/* Connections. */

static bool watch(struct end *end, uint32_t events)
{
	if (events == end->events)
		return true;
	end->events = events;
	return loop_fd_events(end->watch, events) == 0;
}

/* While a direction waits for `to` to take more, what else comes from `from` must not wake us.
 */
static bool watch_direction(const struct direction *direction)
{
	if (direction->to->full)
		return watch(direction->to, direction->to->events | EPOLLOUT) &&
		       watch(direction->from, direction->from->events & ~(uint32_t) EPOLLIN);
	return watch(direction->to, direction->to->events & ~(uint32_t) EPOLLOUT) &&
	       watch(direction->from, direction->from->events | EPOLLIN);
}

static void reset_client(const struct relay_connection *connection)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(connection->client.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void carry_both(struct relay_connection *connection, bool failed)
{
	enum outcome in = carry(connection, &connection->in);
	enum outcome out = in == CARRIED ? carry(connection, &connection->out) : CARRIED;

	if (in == RESET || out == RESET)
		reset_client(connection);
	/* A server that is closed reads nothing any more: when all it said has been passed on,
	 * the client is let go as the server itself would do, whether it has ended or not. */
	if (failed || in != CARRIED || out != CARRIED ||
	    (connection->out.done && (connection->in.done || connection->server.closed)) ||
	    !watch_direction(&connection->in) || !watch_direction(&connection->out))
		connection->ended(connection->arg);
}

static void note_events(struct end *end, uint32_t events)
{
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		end->full = false;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		end->closing = true;
	if (events & EPOLLHUP)
		end->closed = true;
}

static void handle_client(uint32_t events, void *arg)
{
	struct relay_connection *connection = arg;

	note_events(&connection->client, events);
	/* What a client said before its reset is passed on as far as that can be done now. */
	if (connection->started)
		carry_both(connection, events & EPOLLERR);
	else if (events & (EPOLLERR | EPOLLHUP))
		connection->ended(connection->arg);
}

static void handle_server(uint32_t events, void *arg)
{
	struct relay_connection *connection = arg;

	note_events(&connection->server, events);
	carry_both(connection, false);
}

struct relay_connection *relay_connection_create(struct relay_shared *shared, int client_fd,
						 int server_fd,
						 relay_connection_callback *ended, void *arg)
{
	struct relay_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	*connection = (struct relay_connection){
		.shared = shared,
		.client = {.fd = client_fd, .events = WATCHED},
		.server = {.fd = server_fd, .events = WATCHED},
		.in = {.from = &connection->client,
		       .to = &connection->server,
		       .count = &shared->counts.bytes_in,
		       .pipe = {-1, -1}},
		.out = {.from = &connection->server,
			.to = &connection->client,
			.count = &shared->counts.bytes_out,
			.pipe = {-1, -1}},
		.ended = ended,
		.arg = arg,
	};
	connection->client.watch =
		loop_fd_add(shared->loop, client_fd, WATCHED, handle_client, connection);
	if (!connection->client.watch) {
		free(connection);
		return NULL;
	}
	return connection;
}

void relay_connection_start(struct relay_connection *connection)
{
	connection->server.watch = loop_fd_add(connection->shared->loop, connection->server.fd,
					       WATCHED, handle_server, connection);
	if (!connection->server.watch) {
		connection->ended(connection->arg);
		return;
	}
	connection->started = true;
	carry_both(connection, false);
}

int relay_connection_server(const struct relay_connection *connection)
{
	return connection->server.fd;
}

void relay_connection_destroy(struct relay_connection *connection)
{
	int saved = errno;

	if (!connection)
		return;
	loop_fd_remove(connection->client.watch);
	loop_fd_remove(connection->server.watch);
	give_up(connection, &connection->in);
	give_up(connection, &connection->out);
	close(connection->client.fd);
	close(connection->server.fd);
	free(connection);
	errno = saved;
}
