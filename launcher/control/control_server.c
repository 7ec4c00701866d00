/* SPDX-License-Identifier: MIT */
/*
 * The head's side of the control plane: see control.h, and frame.h for what goes over the wire.
 * Runs in the head's event loop, as the user.  Agents are kept in roster.c; those that connect
 * to the head come in at port.c, all others by way of tree.c; here it is decided who has a
 * rank.
 */
#include "launcher/control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/control/span.h"
#include "launcher/control/tree.h"

struct control_server {
	struct guard guard;
	struct control_server_callbacks callbacks;
	struct roster roster;
	struct port *port;
	struct tree *tree; /* NULL: a star */
};

/* Joining and losing. */

/* Calls lost() last: the server may be ending after it. */
static void on_lost(struct peer *peer, const char *reason, void *arg)
{
	struct control_server *server = arg;

	if (server->tree && peer->via == ROSTER_DIRECT)
		tree_lost(server->tree, peer);
	peer = roster_leave(&server->roster, peer);
	if (!server->guard.ending)
		server->callbacks.lost(peer->rank, peer->node, reason, server->callbacks.arg);
	free(peer);
}

/* Whether the rank is free for this agent; asks who holds it whether it is still there. */
static bool rank_free(size_t rank, const char *key, struct reason *reason, void *arg)
{
	struct control_server *server = arg;
	struct peer *peer = roster_find(&server->roster, rank);

	if (!peer)
		return true;
	if (peer->state == PEER_JOINED) {
		if (strcmp(peer->key, key) == 0)
			return true;
		if (peer->via == ROSTER_DIRECT)
			port_send(server->port, peer, frame_type(FRAME_PING), NULL, NULL, 0);
		reason_set(reason, "rank %zu is taken by an agent on %s that is alive", rank,
			   peer->node);
		return false;
	}
	if (peer->state == PEER_CLOSING)
		on_lost(peer, PORT_CLOSED, server);
	else if (strcmp(peer->key, key) != 0)
		on_lost(peer, "its way to the head was lost", server);
	return true;
}

static void on_joined(struct peer *peer, void *arg)
{
	struct control_server *server = arg;

	if (!server->guard.ending)
		server->callbacks.joined(peer->rank, peer->node, server->callbacks.arg);
}

static void on_wants(const struct port_guest *guest, void *arg)
{
	struct control_server *server = arg;
	struct reason reason;
	struct peer *peer;

	if (!rank_free(guest->rank, guest->key, &reason, server)) {
		port_refuse(server->port, guest, reason.text);
		return;
	}
	if (server->guard.ending)
		return;
	/* A branch that comes again before its old connection is seen to end says anew which
	 * agents it has. */
	peer = roster_find(&server->roster, guest->rank);
	if (server->tree && peer && peer->via == ROSTER_DIRECT)
		tree_lost(server->tree, peer);
	peer = port_welcome(server->port, guest);
	if (peer)
		on_joined(peer, server);
}

/* Messages. */

static void on_carried(size_t rank, const char *type, const void *payload, size_t size,
		       void *arg)
{
	struct control_server *server = arg;

	if (!server->guard.ending)
		server->callbacks.message(rank, type, payload, size, server->callbacks.arg);
}

static void on_message(struct peer *peer, enum frame_kind kind, struct wire_message *message,
		       void *arg)
{
	struct control_server *server = arg;
	char type[CONTROL_TYPE_MAX] = "";
	struct reason reason;

	if (kind == FRAME_MESSAGE) {
		memcpy(type, zmq_msg_data(&message->type), zmq_msg_size(&message->type));
		on_carried(peer->rank, type, zmq_msg_data(&message->payload),
			   zmq_msg_size(&message->payload), server);
	} else if (server->tree) {
		tree_message(server->tree, peer, kind, message);
	} else {
		reason_set(&reason, "the agent of rank %zu sent a malformed message",
			   peer->rank);
		port_report(server->port, message->address, reason.text);
	}
}

static void on_rejected(const char *reason, void *arg)
{
	struct control_server *server = arg;

	server->callbacks.rejected(reason, server->callbacks.arg);
}

static void on_branch(size_t rank, const char *endpoint, const char *key, void *arg)
{
	struct control_server *server = arg;

	if (server->callbacks.branch)
		server->callbacks.branch(rank, endpoint, key, server->callbacks.arg);
}

/* Sending. */

int control_server_send(struct control_server *server, size_t rank, const char *type,
			const void *payload, size_t size)
{
	struct peer *peer = roster_find(&server->roster, rank);
	int rc;

	if (frame_message_check(type, size) < 0)
		return -1;
	if (!peer) {
		errno = ENOTCONN;
		return -1;
	}
	rc = peer->via == ROSTER_DIRECT
		     ? port_send(server->port, peer, type, NULL, payload, size)
		     : tree_send(server->tree, peer, type, payload, size);
	port_check(server->port);
	return rc;
}

/* Those behind a branch are reached with it. */
size_t control_server_broadcast(struct control_server *server, const char *type,
				const void *payload, size_t size)
{
	size_t count = 0;

	if (frame_message_check(type, size) < 0)
		return 0;
	for (struct peer *peer = server->roster.first; peer; peer = peer->next) {
		peer->reached = false;
		if (peer->via != ROSTER_DIRECT || peer->state != PEER_JOINED)
			continue;
		peer->reached =
			(server->tree ? tree_broadcast(server->tree, peer, type, payload, size)
				      : port_send(server->port, peer, type, NULL, payload,
						  size)) == 0;
	}
	for (struct peer *peer = server->roster.first; peer; peer = peer->next) {
		const struct peer *by = peer->via == ROSTER_DIRECT
						? peer
						: roster_find(&server->roster, peer->via);

		if (peer->state == PEER_JOINED && by && by->reached)
			count++;
	}
	port_check(server->port);
	return count;
}

const char *control_server_endpoint(const struct control_server *server)
{
	return port_endpoint(server->port);
}

const char *control_server_key(const struct control_server *server)
{
	return port_key(server->port);
}

/* Making and ending. */

static void server_free(void *arg)
{
	struct control_server *server = arg;

	tree_destroy(server->tree);
	port_destroy(server->port);
	roster_close(&server->roster);
	free(server);
}

static int open_port(struct control_server *server, struct loop *loop,
		     const struct control_server_options *options, struct reason *reason)
{
	size_t direct = span_direct(options->agents, options->span);
	struct port_options port = {
		.ip = options->ip,
		.port_first = options->port_first,
		.port_last = options->port_last,
		.job_id = options->job_id,
		.uid = options->uid,
		.roster = &server->roster,
		.direct = options->span > 0 ? direct + CONTROL_DIRECT_SPARE : direct,
		.queue = options->span > 0 ? WIRE_QUEUE_MAX * options->span : WIRE_QUEUE_MAX,
		.heartbeat_ms = options->heartbeat_ms,
		.silence_ms = options->silence_ms};
	struct port_callbacks callbacks = {.wants = on_wants,
					   .lost = on_lost,
					   .message = on_message,
					   .rejected = on_rejected,
					   .arg = server};

	server->port = port_create(loop, &server->guard, &port, &callbacks, reason);
	return server->port ? 0 : -1;
}

static int open_tree(struct control_server *server, struct loop *loop,
		     const struct control_server_options *options, struct reason *reason)
{
	struct tree_options tree = {
		.span = options->span,
		.port = server->port,
		.roster = &server->roster,
		.heartbeat_ms = options->heartbeat_ms > 0 ? options->heartbeat_ms
							  : CONTROL_HEARTBEAT_MS,
		.rejoin_ms = options->rejoin_ms > 0 ? options->rejoin_ms : CONTROL_REJOIN_MS};
	struct tree_callbacks callbacks = {.wants = rank_free,
					   .joined = on_joined,
					   .lost = on_lost,
					   .message = on_carried,
					   .branch = on_branch,
					   .arg = server};

	server->tree = tree_create(loop, &server->guard, &tree, &callbacks);
	return server->tree ? 0 : reason_set(reason, "out of memory");
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
	server->guard = (struct guard){.free = server_free, .arg = server};
	server->callbacks = *callbacks;
	if (roster_open(&server->roster, options->agents) < 0) {
		reason_set(reason, "out of memory");
		goto error;
	}
	if (open_port(server, loop, options, reason) < 0 ||
	    (options->span > 0 && open_tree(server, loop, options, reason) < 0))
		goto error;
	return server;

error:
	saved = errno;
	server_free(server);
	errno = saved;
	return NULL;
}

void control_server_destroy(struct control_server *server)
{
	int saved = errno;

	if (!server)
		return;
	guard_end(&server->guard);
	errno = saved;
}
