/* SPDX-License-Identifier: MIT */
/*
 * The head's side of the control plane: see control.h, and frame.h for what goes over the wire.
 * Runs in the head's event loop, as the user.  Agents are kept in roster.c, connections in
 * connections.c, and hellos are judged in admission.c.
 */
#include "launcher/control/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/control/admission.h"
#include "launcher/control/connections.h"
#include "launcher/control/frame.h"
#include "launcher/control/rejections.h"
#include "launcher/control/roster.h"
#include "launcher/control/router.h"
#include "launcher/control/wire.h"
#include "launcher/control/zmq_watch.h"

enum { SETTLE_BATCH = 64 };

#define CLOSED "its connection was closed"

struct control_server {
	struct loop *loop;
	struct control_server_callbacks callbacks;
	struct roster roster;
	int64_t heartbeat_ms, silence_ms;

	struct router router;
	struct zmq_watch *socket_watch, *monitor_watch;
	struct connections *connections;
	struct admission *admission;
	struct loop_timer *tick;    /* the next ping, silence or overdue connection */
	int64_t tick_due, ping_due; /* loop_now(); tick_due INT64_MAX: not armed */
	struct loop_timer *settle;

	struct rejections rejections;

	unsigned depth; /* of entries from the loop */
	bool ending;	/* destroyed from within a callback */
};

static void server_free(struct control_server *server);

static void enter(struct control_server *server)
{
	server->depth++;
}

static void leave(struct control_server *server)
{
	if (--server->depth == 0 && server->ending)
		server_free(server);
}

static void tick_within(struct control_server *server, int64_t delay)
{
	int64_t due = loop_now() + delay;

	if (due >= server->tick_due)
		return;
	server->tick_due = due;
	loop_timer_set(server->tick, delay);
}

static void report(struct control_server *server, const char *address, const char *reason)
{
	if (!server->ending &&
	    !rejections_add(&server->rejections, address, reason, loop_now()))
		tick_within(server, REJECTIONS_MS);
}

/* Peers. */

/* Calls lost() last: the server may be ending after it. */
static void peer_lost(struct control_server *server, struct peer *peer, const char *reason)
{
	char *node = roster_leave(&server->roster, peer);

	if (!server->ending)
		server->callbacks.lost(roster_rank(&server->roster, peer), node, reason,
				       server->callbacks.arg);
	free(node);
}

/* lost() is called from the loop, once everything that has arrived is read. */
static void peer_closing(struct control_server *server, struct peer *peer)
{
	if (roster_closing(&server->roster, peer))
		loop_timer_set(server->settle, 0);
}

static int peer_send(struct control_server *server, struct peer *peer, const char *type,
		     const void *payload, size_t size)
{
	if (peer->state != PEER_JOINED) {
		errno = ENOTCONN;
		return -1;
	}
	if (wire_send(server->router.socket, peer->id, type, payload, size) == 0)
		return 0;
	if (errno == EHOSTUNREACH) {
		peer_closing(server, peer);
		errno = ENOTCONN;
	}
	return -1;
}

/* The agent that the message is of, or NULL. */
static struct peer *peer_of(struct control_server *server, const struct wire_message *message)
{
	struct connection *connection = connections_get(server->connections, message->fd);

	return connection ? roster_sender(&server->roster, connection->rank, message) : NULL;
}

/* The monitor. */

static void monitor_event(struct control_server *server, unsigned event, int fd)
{
	struct connection *connection;

	if (event == ZMQ_EVENT_ACCEPTED) {
		connections_accepted(server->connections, fd, loop_now());
		tick_within(server, CONNECTIONS_FRESH_MS);
		return;
	}
	connection = connections_get(server->connections, fd);
	if (!connection)
		return;
	if (connection->rank < server->roster.size &&
	    server->roster.peers[connection->rank].fd == fd)
		peer_closing(server, &server->roster.peers[connection->rank]);
	connections_ended(server->connections, fd);
}

static void on_monitor(void *arg)
{
	struct control_server *server = arg;
	unsigned event;
	int value;

	enter(server);
	if (wire_monitor_take(server->router.monitor, &event, &value) > 0)
		monitor_event(server, event, value);
	leave(server);
}

/* After this the table knows every connection that a message read before came from. */
static void monitor_drain(struct control_server *server)
{
	unsigned event;
	int value;

	while (wire_monitor_take(server->router.monitor, &event, &value) > 0)
		monitor_event(server, event, value);
	zmq_watch_check(server->monitor_watch);
}

/* Admission. */

static void answer(struct control_server *server, const struct admission_sender *sender,
		   const struct frame_claim *claim, enum frame_kind kind, const char *words)
{
	char text[FRAME_NONCE_MAX + REASON_MAX];
	int size = snprintf(text, sizeof(text), "%s %s", claim ? claim->nonce : FRAME_NO_NONCE,
			    words);

	/* If the connection is gone there is nobody to tell. */
	wire_send(server->router.socket, sender->id, frame_type(kind), text, (size_t) size);
}

static void turn_away(struct control_server *server, const struct admission_sender *sender,
		      const struct frame_claim *claim, const char *reason)
{
	struct reason line;

	answer(server, sender, claim, FRAME_REJECT, reason);
	connections_set(server->connections, sender->fd, CONNECTION_TURNED, loop_now());
	tick_within(server, CONNECTIONS_TURNED_MS);
	if (claim)
		reason_set(&line, "rank %zu on %s: %s", claim->rank, claim->node, reason);
	else
		reason_set(&line, "%s", reason);
	report(server, sender->address, line.text);
}

/* Whether the rank is free for this agent; asks who holds it whether it is still there. */
static bool rank_free(struct control_server *server, struct peer *peer,
		      const struct admission_sender *sender)
{
	if (peer->state == PEER_JOINED && strcmp(peer->key, sender->key) != 0)
		peer_send(server, peer, frame_type(FRAME_PING), NULL, 0);
	if (peer->state == PEER_CLOSING)
		peer_lost(server, peer, CLOSED);
	return peer->state == PEER_ABSENT || strcmp(peer->key, sender->key) == 0;
}

static void admit(struct control_server *server, const struct admission_sender *sender,
		  const struct frame_claim *claim)
{
	struct peer *peer = &server->roster.peers[claim->rank];
	struct connection *connection;
	int64_t now = loop_now();
	struct reason reason;
	char *node;

	if (!rank_free(server, peer, sender)) {
		reason_set(&reason, "rank %zu is taken by an agent on %s that is alive",
			   claim->rank, peer->node);
		turn_away(server, sender, claim, reason.text);
		return;
	}
	node = strdup(claim->node);
	/* Fails when the connection has gone: the agent comes again by itself. */
	connections_set(server->connections, sender->fd, CONNECTION_FRESH, now);
	if (server->ending || !node ||
	    wire_send(server->router.socket, sender->id, frame_type(FRAME_WELCOME),
		      claim->nonce, strlen(claim->nonce)) < 0) {
		free(node);
		return;
	}
	if (peer->state == PEER_JOINED)
		connections_kick(server->connections, peer->fd);
	roster_join(&server->roster, peer, sender->id, sender->fd, sender->key, node, now);
	if (server->roster.joined == 1)
		server->ping_due = now + server->heartbeat_ms;
	connection = connections_get(server->connections, sender->fd);
	connection->rank = claim->rank;
	connections_set(server->connections, sender->fd, CONNECTION_PEER, now);
	tick_within(server, server->ping_due - now);
	server->callbacks.joined(claim->rank, node, server->callbacks.arg);
}

static void on_verdict(enum admission_verdict verdict, const struct admission_sender *sender,
		       const struct frame_claim *claim, const char *reason, void *arg)
{
	struct control_server *server = arg;
	struct connection *connection;

	enter(server);
	monitor_drain(server);
	connection = connections_get(server->connections, sender->fd);
	/* Otherwise the connection has gone meanwhile. */
	if (connection && connection->state == CONNECTION_HELLO &&
	    memcmp(connection->id, sender->id, WIRE_ID_SIZE) == 0) {
		if (verdict == ADMISSION_ADMIT) {
			admit(server, sender, claim);
		} else if (verdict == ADMISSION_REJECT) {
			turn_away(server, sender, claim, reason);
		} else {
			answer(server, sender, claim, FRAME_RETRY, reason);
			connections_set(server->connections, sender->fd, CONNECTION_FRESH,
					loop_now());
			report(server, sender->address, reason);
		}
	}
	if (!server->ending)
		zmq_watch_check(server->socket_watch);
	leave(server);
}

static void handle_hello(struct control_server *server, struct wire_message *message)
{
	struct connection *connection;
	struct admission_sender sender;

	monitor_drain(server);
	connection = connections_get(server->connections, message->fd);
	if (!connection || connection->state == CONNECTION_NONE ||
	    connection->state == CONNECTION_TURNED || connection->state == CONNECTION_KICKED)
		return;
	if (connection->state == CONNECTION_PEER ||
	    (connection->state == CONNECTION_HELLO &&
	     memcmp(connection->id, message->id, WIRE_ID_SIZE) == 0)) {
		report(server, message->address, "a second hello on one connection");
		return;
	}
	memcpy(connection->id, message->id, WIRE_ID_SIZE);
	connections_set(server->connections, message->fd, CONNECTION_HELLO, loop_now());
	sender.fd = message->fd;
	memcpy(sender.id, message->id, sizeof(sender.id));
	memcpy(sender.key, message->key, sizeof(sender.key));
	memcpy(sender.address, message->address, sizeof(sender.address));
	admission_submit(server->admission, &sender, zmq_msg_data(&message->payload),
			 zmq_msg_size(&message->payload));
}

/* Messages. */

static void handle_peer(struct control_server *server, struct peer *peer, enum frame_kind kind,
			struct wire_message *message)
{
	char type[CONTROL_TYPE_MAX] = "";
	struct reason reason;

	peer->heard = loop_now();
	if (kind == FRAME_PONG)
		return;
	if (kind != FRAME_MESSAGE || zmq_msg_size(&message->payload) > CONTROL_PAYLOAD_MAX) {
		reason_set(&reason, "the agent of rank %zu sent a malformed message",
			   roster_rank(&server->roster, peer));
		report(server, message->address, reason.text);
		return;
	}
	memcpy(type, zmq_msg_data(&message->type), zmq_msg_size(&message->type));
	server->callbacks.message(roster_rank(&server->roster, peer), type,
				  zmq_msg_data(&message->payload),
				  zmq_msg_size(&message->payload), server->callbacks.arg);
}

/* Nothing is told of those that were turned away, or lost, already. */
static void report_message(struct control_server *server, const struct wire_message *message,
			   const char *reason)
{
	struct connection *connection = connections_get(server->connections, message->fd);

	if (!connection ||
	    (connection->state != CONNECTION_TURNED && connection->state != CONNECTION_KICKED))
		report(server, message->address, reason);
}

static void take_message(struct control_server *server)
{
	struct wire_message message;
	struct peer *peer;
	enum frame_kind kind;
	int rc = wire_receive(server->router.socket, true, &message);

	if (rc < 0)
		return;
	if (rc == 0) {
		report_message(server, &message, "not a message of this protocol");
		return;
	}
	kind = frame_kind(zmq_msg_data(&message.type), zmq_msg_size(&message.type));
	if (kind == FRAME_HELLO) {
		handle_hello(server, &message);
	} else {
		peer = peer_of(server, &message);
		if (peer)
			handle_peer(server, peer, kind, &message);
		else
			report_message(server, &message,
				       "a message before its sender was admitted");
	}
	wire_message_close(&message);
}

static void on_socket(void *arg)
{
	struct control_server *server = arg;

	enter(server);
	take_message(server);
	leave(server);
}

/* What agents sent before their connections went is read first, then they are lost. */
static void on_settle(void *arg)
{
	struct control_server *server = arg;
	int count = 0;

	enter(server);
	while (!server->ending && count < SETTLE_BATCH &&
	       zmq_watch_readable(server->socket_watch)) {
		take_message(server);
		count++;
	}
	if (count == SETTLE_BATCH) {
		loop_timer_set(server->settle, 0);
	} else {
		for (size_t rank = 0; server->roster.closing > 0 && rank < server->roster.size;
		     rank++)
			if (server->roster.peers[rank].state == PEER_CLOSING)
				peer_lost(server, &server->roster.peers[rank], CLOSED);
	}
	leave(server);
}

/* Heartbeats. */

static void ping_all(struct control_server *server)
{
	for (size_t rank = 0; rank < server->roster.size; rank++)
		if (server->roster.peers[rank].state == PEER_JOINED)
			peer_send(server, &server->roster.peers[rank], frame_type(FRAME_PING),
				  NULL, 0);
	zmq_watch_check(server->socket_watch);
}

/* The milliseconds until the next agent would be lost, or -1: none. */
static int64_t silence_check(struct control_server *server, int64_t now, bool late)
{
	int64_t next = -1;
	struct reason reason;

	for (size_t rank = 0; rank < server->roster.size; rank++) {
		struct peer *peer = &server->roster.peers[rank];
		int64_t left;

		if (peer->state != PEER_JOINED)
			continue;
		if (late)
			peer->heard = now;
		left = peer->heard + server->silence_ms - now;
		if (left <= 0) {
			reason_set(&reason, "it was not heard for %lld s",
				   (long long) (now - peer->heard) / 1000);
			connections_kick(server->connections, peer->fd);
			peer_lost(server, peer, reason.text);
		} else if (next < 0 || left < next) {
			next = left;
		}
	}
	return next;
}

static void on_tick(void *arg)
{
	struct control_server *server = arg;
	int64_t now = loop_now(), next;
	/* Then it was this process that stood still (scontrol suspend, a debugger), and the
	 * agents' messages wait to be read. */
	bool late = now - server->tick_due > server->heartbeat_ms;

	enter(server);
	server->tick_due = INT64_MAX;
	rejections_rest(&server->rejections);
	if (server->roster.joined > 0) {
		next = silence_check(server, now, late);
		if (next >= 0)
			tick_within(server, next);
	}
	if (server->roster.joined > 0) {
		if (now >= server->ping_due) {
			ping_all(server);
			server->ping_due = now + server->heartbeat_ms;
		}
		tick_within(server, server->ping_due - now);
	}
	next = connections_expire(server->connections, now);
	if (next >= 0)
		tick_within(server, next);
	leave(server);
}

/* Sending. */

int control_server_send(struct control_server *server, size_t rank, const char *type,
			const void *payload, size_t size)
{
	int rc, saved;

	if (frame_message_check(type, size) < 0)
		return -1;
	if (rank >= server->roster.size) {
		errno = ENOTCONN;
		return -1;
	}
	rc = peer_send(server, &server->roster.peers[rank], type, payload, size);
	saved = errno;
	zmq_watch_check(server->socket_watch);
	errno = saved;
	return rc;
}

size_t control_server_broadcast(struct control_server *server, const char *type,
				const void *payload, size_t size)
{
	size_t count = 0;

	if (frame_message_check(type, size) < 0)
		return 0;
	for (size_t rank = 0; rank < server->roster.size; rank++)
		if (peer_send(server, &server->roster.peers[rank], type, payload, size) == 0)
			count++;
	zmq_watch_check(server->socket_watch);
	return count;
}

const char *control_server_endpoint(const struct control_server *server)
{
	return server->router.endpoint;
}

const char *control_server_key(const struct control_server *server)
{
	return server->router.key;
}

/* Making and ending. */

static int open_watches(struct control_server *server,
			const struct control_server_options *options)
{
	struct admission_options admission = {.job_id = options->job_id,
					      .head_key = server->router.key,
					      .uid = options->uid,
					      .agents = options->agents};

	server->connections = connections_create(server->router.port, options->agents);
	if (!server->connections)
		return -1;
	server->admission = admission_create(server->loop, &admission, on_verdict, server);
	server->tick = loop_timer_create(server->loop, on_tick, server);
	server->settle = loop_timer_create(server->loop, on_settle, server);
	if (!server->admission || !server->tick || !server->settle)
		return -1;
	server->monitor_watch =
		zmq_watch_create(server->loop, server->router.monitor, on_monitor, server);
	server->socket_watch =
		zmq_watch_create(server->loop, server->router.socket, on_socket, server);
	return server->monitor_watch && server->socket_watch ? 0 : -1;
}

struct control_server *control_server_create(struct loop *loop,
					     const struct control_server_options *options,
					     const struct control_server_callbacks *callbacks,
					     struct reason *reason)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int saved;

	if (!server) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	server->loop = loop;
	server->callbacks = *callbacks;
	server->rejections.tell = callbacks->rejected;
	server->rejections.arg = callbacks->arg;
	server->tick_due = INT64_MAX;
	server->heartbeat_ms =
		options->heartbeat_ms > 0 ? options->heartbeat_ms : CONTROL_HEARTBEAT_MS;
	server->silence_ms = options->silence_ms > 0 ? options->silence_ms : CONTROL_SILENCE_MS;
	if (roster_open(&server->roster, options->agents) < 0) {
		reason_set(reason, "out of memory");
		goto error;
	}
	if (router_open(&server->router, loop, options->ip, options->port_first,
			options->port_last, reason) < 0)
		goto error;
	if (open_watches(server, options) < 0) {
		if (errno == EMFILE)
			reason_set(
				reason,
				"the limit of open files is too low for %zu agents: raise it "
				"(ulimit -n) where the job is submitted",
				options->agents);
		else
			reason_set(reason, "the control plane of job %s cannot start: %s",
				   options->job_id, strerror(errno));
		goto error;
	}
	return server;

error:
	saved = errno;
	server_free(server);
	errno = saved;
	return NULL;
}

static void server_free(struct control_server *server)
{
	admission_destroy(server->admission);
	loop_timer_destroy(server->tick);
	loop_timer_destroy(server->settle);
	zmq_watch_destroy(server->monitor_watch);
	zmq_watch_destroy(server->socket_watch);
	router_close(&server->router);
	connections_destroy(server->connections);
	roster_close(&server->roster);
	free(server);
}

void control_server_destroy(struct control_server *server)
{
	int saved = errno;

	if (!server)
		return;
	server->ending = true;
	if (server->depth == 0)
		server_free(server);
	errno = saved;
}
