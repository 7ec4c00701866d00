/* SPDX-License-Identifier: MIT */
/*
 * The relay in front of the server: see relay.h.  This file lets clients in, holds them while
 * the server is not there, and connects them to it; relay_connection.c carries their bytes.
 * Called by the head, in its event loop, as the user.
 */
#include "launcher/head/relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <unistd.h>

#include "launcher/head/relay_connection.h"

enum {
	TURN_CLIENTS = 32, /* accepted, or connected, in one go before others get their turn */
	ACCEPT_PAUSE_MS = 100, /* after descriptors or memory have run out */
	RETRY_FIRST_MS = 10,   /* of connecting to the server, doubled each time ... */
	RETRY_MAX_MS = 500,    /* ... up to this */

	/* A client whose machine has vanished is noticed after PEER_TIMEOUT_S, whether it owed
	 * us an acknowledgement or said nothing: as long as the kernel by itself retransmits
	 * (tcp_retries2 in tcp(7), about 15 minutes).  A laptop that slept for less keeps its
	 * connections, and a minute between keepalives is less than NATs forget in. */
	KEEPALIVE_S = 60,
	PEER_TIMEOUT_S = 900
};

struct client {
	LIST_ENTRY(client) link;
	TAILQ_ENTRY(client) waiting_link;
	struct relay *relay;
	struct relay_connection *connection;
	int64_t deadline; /* loop_now(), while waiting */
	bool waiting;
};

struct relay {
	struct relay_shared shared;
	struct sockaddr_storage address; /* of the backend */
	socklen_t address_length;
	struct network *networks;
	size_t network_count;
	int64_t hold_ms;
	size_t connections_max;
	bool up;

	int listen_fd;
	struct loop_fd *listen_watch;
	bool paused;
	struct loop_timer *resume;
	/* Made before a client is accepted: with few descriptors left clients stay in the
	 * kernel's queue, rather than taking the last ones and finding none for the server. */
	int server_fd;

	LIST_HEAD(, client) clients;
	TAILQ_HEAD(waiting_list, client)
	waiting;		 /* not connected to the server yet, oldest first */
	struct loop_timer *hold; /* until the oldest's deadline */
	struct loop_timer *retry;
	int64_t retry_ms;
};

static void pause_accept(struct relay *relay, int64_t ms)
{
	relay->paused = true;
	loop_fd_events(relay->listen_watch, 0);
	loop_timer_set(relay->resume, ms);
}

static void resume_accept(void *arg)
{
	struct relay *relay = arg;

	if (!relay->paused || relay->shared.counts.open >= relay->connections_max)
		return;
	relay->paused = false;
	loop_timer_set(relay->resume, -1);
	if (loop_fd_events(relay->listen_watch, EPOLLIN) < 0)
		pause_accept(relay, ACCEPT_PAUSE_MS);
}

static void client_wait(struct client *client)
{
	struct relay *relay = client->relay;

	client->waiting = true;
	client->deadline = loop_now() + relay->hold_ms;
	if (TAILQ_EMPTY(&relay->waiting))
		loop_timer_set(relay->hold, relay->hold_ms);
	TAILQ_INSERT_TAIL(&relay->waiting, client, waiting_link);
}

static void client_wait_over(struct client *client)
{
	struct relay *relay = client->relay;

	if (!client->waiting)
		return;
	client->waiting = false;
	TAILQ_REMOVE(&relay->waiting, client, waiting_link);
	if (TAILQ_EMPTY(&relay->waiting))
		loop_timer_set(relay->hold, -1);
}

static void client_end(void *arg)
{
	struct client *client = arg;
	struct relay *relay = client->relay;

	client_wait_over(client);
	LIST_REMOVE(client, link);
	relay_connection_destroy(client->connection);
	free(client);
	relay->shared.counts.open--;
	resume_accept(relay);
}

static void handle_hold(void *arg)
{
	struct relay *relay = arg;
	struct client *oldest;
	int64_t now = loop_now();

	while ((oldest = TAILQ_FIRST(&relay->waiting)) && oldest->deadline <= now)
		client_end(oldest);
	loop_timer_set(relay->hold, oldest ? oldest->deadline - now : -1);
}

static int client_connect(struct client *client)
{
	const struct relay *relay = client->relay;
	int rc;

	do {
		rc = connect(relay_connection_server(client->connection),
			     (const struct sockaddr *) &relay->address, relay->address_length);
	} while (rc < 0 && errno == EINTR);
	/* A backend on another host: what is written waits until it has answered. */
	return rc < 0 && errno == EINPROGRESS ? 0 : rc;
}

/*
 * Connects those who wait, oldest first.  When the server does not take one (not there in spite
 * of relay_backend(): it has just died; or EAGAIN: its queue is full) all wait for the next
 * try.
 */
static void connect_waiting(void *arg)
{
	struct relay *relay = arg;
	struct client *client;

	loop_timer_set(relay->retry, -1);
	for (int i = 0; i < TURN_CLIENTS; i++) {
		client = TAILQ_FIRST(&relay->waiting);
		if (!client || !relay->up)
			return;
		if (client_connect(client) < 0) {
			loop_timer_set(relay->retry, relay->retry_ms);
			relay->retry_ms *= 2;
			if (relay->retry_ms > RETRY_MAX_MS)
				relay->retry_ms = RETRY_MAX_MS;
			return;
		}
		relay->retry_ms = RETRY_FIRST_MS;
		client_wait_over(client);
		relay_connection_start(client->connection);
	}
	loop_timer_set(relay->retry, 0);
}

void relay_backend(struct relay *relay, bool up)
{
	relay->up = up;
	relay->retry_ms = RETRY_FIRST_MS;
	/* By the timer, so that the caller is not in the midst of our callbacks. */
	loop_timer_set(relay->retry, up ? 0 : -1);
}

static bool allowed(const struct relay *relay, const struct sockaddr *peer)
{
	for (size_t i = 0; i < relay->network_count; i++)
		if (network_contains(&relay->networks[i], peer))
			return true;
	return relay->network_count == 0;
}

/* Without a TIME_WAIT for each one who knocks. */
static void refuse(struct relay *relay, int fd)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
	relay->shared.counts.refused++;
}

/* None of these is needed to work: a failure is a relay that is slower, or patient for longer.
 */
static void tune(int fd)
{
	static const int on = 1, interval = KEEPALIVE_S;
	static const unsigned timeout = PEER_TIMEOUT_S * 1000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

/* Takes fd, and relay->server_fd.  0 or -1 with errno. */
static int client_create(struct relay *relay, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return -1;
	client->relay = relay;
	client->connection = relay_connection_create(&relay->shared, fd, relay->server_fd,
						     client_end, client);
	if (!client->connection) {
		free(client);
		return -1;
	}
	relay->server_fd = -1;
	tune(fd);
	LIST_INSERT_HEAD(&relay->clients, client, link);
	relay->shared.counts.accepted++;
	relay->shared.counts.open++;
	client_wait(client);
	/* Where others wait already a timer is set for them, and they go first. */
	if (relay->up && client == TAILQ_FIRST(&relay->waiting))
		connect_waiting(relay);
	return 0;
}

/* One client.  0, or -1 with errno when there is none now. */
static int accept_one(struct relay *relay)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} peer;
	socklen_t size = sizeof(peer);
	int fd;

	if (relay->server_fd < 0)
		relay->server_fd = socket(relay->address.ss_family,
					  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (relay->server_fd < 0)
		return -1;
	fd = accept4(relay->listen_fd, &peer.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!allowed(relay, &peer.any)) {
		refuse(relay, fd);
		return 0;
	}
	if (client_create(relay, fd) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return 0;
}

static void handle_accept(uint32_t events, void *arg)
{
	struct relay *relay = arg;

	(void) events;
	for (int i = 0; i < TURN_CLIENTS; i++) {
		if (relay->shared.counts.open >= relay->connections_max) {
			pause_accept(relay, -1); /* until one ends */
			return;
		}
		if (accept_one(relay) == 0)
			continue;
		switch (errno) {
		case EAGAIN:
			return;
		/* accept(2): what went wrong with that one client is to be taken as EAGAIN. */
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
			pause_accept(relay, ACCEPT_PAUSE_MS);
			return;
		}
	}
}

/* splice(2) has no MSG_NOSIGNAL. */
static void ignore_sigpipe(void)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static int set_backend(struct relay *relay, const struct relay_options *options)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	const void *address = options->backend;
	socklen_t length = options->backend_length;

	if (options->socket_path) {
		size_t bytes = strlen(options->socket_path);
		if (bytes == 0 || bytes >= sizeof(local.sun_path)) {
			errno = bytes == 0 ? EINVAL : ENAMETOOLONG;
			return -1;
		}
		memcpy(local.sun_path, options->socket_path, bytes);
		address = &local;
		length = sizeof(local);
	}
	if (!address || length > sizeof(relay->address)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&relay->address, address, length);
	relay->address_length = length;
	return 0;
}

struct relay *relay_create(struct loop *loop, int listen_fd,
			   const struct relay_options *options)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int saved;

	if (!relay) {
		saved = errno;
		close(listen_fd);
		errno = saved;
		return NULL;
	}
	relay->listen_fd = listen_fd;
	relay->server_fd = -1;
	relay->shared.loop = loop;
	relay->hold_ms = options->hold_ms > 0 ? options->hold_ms : RELAY_HOLD_MS;
	relay->connections_max =
		options->connections_max > 0 ? options->connections_max : RELAY_CONNECTIONS_MAX;
	relay->retry_ms = RETRY_FIRST_MS;
	LIST_INIT(&relay->clients);
	TAILQ_INIT(&relay->waiting);
	if (set_backend(relay, options) < 0)
		goto error;
	if (options->network_count > 0) {
		relay->networks =
			reallocarray(NULL, options->network_count, sizeof(*relay->networks));
		if (!relay->networks)
			goto error;
		memcpy(relay->networks, options->networks,
		       options->network_count * sizeof(*relay->networks));
		relay->network_count = options->network_count;
	}
	relay->resume = loop_timer_create(loop, resume_accept, relay);
	relay->hold = loop_timer_create(loop, handle_hold, relay);
	relay->retry = loop_timer_create(loop, connect_waiting, relay);
	if (!relay->resume || !relay->hold || !relay->retry)
		goto error;
	relay->listen_watch = loop_fd_add(loop, listen_fd, EPOLLIN, handle_accept, relay);
	if (!relay->listen_watch)
		goto error;
	ignore_sigpipe();
	return relay;

error:
	relay_destroy(relay);
	return NULL;
}

void relay_destroy(struct relay *relay)
{
	int saved = errno;

	if (!relay)
		return;
	while (!LIST_EMPTY(&relay->clients)) {
		struct client *client = LIST_FIRST(&relay->clients);

		LIST_REMOVE(client, link);
		relay_connection_destroy(client->connection);
		free(client);
	}
	relay_shared_clear(&relay->shared);
	loop_timer_destroy(relay->resume);
	loop_timer_destroy(relay->hold);
	loop_timer_destroy(relay->retry);
	loop_fd_remove(relay->listen_watch);
	close(relay->listen_fd);
	if (relay->server_fd >= 0)
		close(relay->server_fd);
	free(relay->networks);
	free(relay);
	errno = saved;
}

void relay_counts(const struct relay *relay, struct relay_counts *counts)
{
	*counts = relay->shared.counts;
}
