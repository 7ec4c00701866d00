/* SPDX-License-Identifier: MIT */
/*
 * The relay in front of the server: see relay.h.  listener.c lets clients in; this file holds
 * them while the server is not there, and connects them to it; relay_connection.c carries their
 * bytes. Called by the head, in its event loop, as the user.
 */
#include "launcher/head/relay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "common/fd.h"
#include "launcher/head/relay_connection.h"
#include "launcher/listener.h"

enum {
	TURN_CLIENTS = 32,   /* connected in one go before others get their turn */
	RETRY_FIRST_MS = 10, /* of connecting to the server, doubled each time ... */
	RETRY_MAX_MS = 500   /* ... up to this */
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
	int64_t hold_ms;
	size_t connections_max;
	bool up;

	struct listener *listener;
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
	listener_resume(relay->listener);
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

/* Takes fd, and relay->server_fd.  0 or -1 with errno. */
static int client_create(int fd, void *arg)
{
	struct relay *relay = arg;
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
	LIST_INSERT_HEAD(&relay->clients, client, link);
	relay->shared.counts.accepted++;
	relay->shared.counts.open++;
	client_wait(client);
	/* Where others wait already a timer is set for them, and they go first. */
	if (relay->up && client == TAILQ_FIRST(&relay->waiting))
		connect_waiting(relay);
	return 0;
}

static int has_room(void *arg)
{
	struct relay *relay = arg;

	if (relay->shared.counts.open >= relay->connections_max)
		return 0;
	if (relay->server_fd < 0)
		relay->server_fd = socket(relay->address.ss_family,
					  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return relay->server_fd < 0 ? -1 : 1;
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
	struct listener_callbacks callbacks = {has_room, client_create, relay};

	if (!relay) {
		fd_close(&listen_fd);
		return NULL;
	}
	relay->server_fd = -1;
	relay->shared.loop = loop;
	relay->hold_ms = options->hold_ms > 0 ? options->hold_ms : RELAY_HOLD_MS;
	relay->connections_max =
		options->connections_max > 0 ? options->connections_max : RELAY_CONNECTIONS_MAX;
	relay->retry_ms = RETRY_FIRST_MS;
	LIST_INIT(&relay->clients);
	TAILQ_INIT(&relay->waiting);
	relay->listener = listener_create(loop, listen_fd, options->networks,
					  options->network_count, &callbacks);
	relay->hold = loop_timer_create(loop, handle_hold, relay);
	relay->retry = loop_timer_create(loop, connect_waiting, relay);
	if (!relay->listener || !relay->hold || !relay->retry ||
	    set_backend(relay, options) < 0)
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
	loop_timer_destroy(relay->hold);
	loop_timer_destroy(relay->retry);
	listener_destroy(relay->listener);
	fd_close(&relay->server_fd);
	free(relay);
	errno = saved;
}

void relay_counts(const struct relay *relay, struct relay_counts *counts)
{
	*counts = relay->shared.counts;
	counts->refused = listener_refused(relay->listener);
}
