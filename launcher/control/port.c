/* SPDX-License-Identifier: MIT */
/* See port.h. */
#include "launcher/control/port_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void port_report(struct port *port, const char *address, const char *reason)
{
	if (!port->guard->ending &&
	    !rejections_add(&port->rejections, address, reason, loop_now()))
		port_tick_within(port, REJECTIONS_MS);
}

/* Sending. */

/* lost() is called from the loop, once everything that has arrived is read. */
void port_closing(struct port *port, struct peer *peer)
{
	if (peer->state != PEER_JOINED)
		return;
	roster_set(port->roster, peer, PEER_CLOSING);
	loop_timer_set(port->settle, 0);
}

int port_send(struct port *port, struct peer *peer, const char *type, const char *route,
	      const void *payload, size_t size)
{
	if (peer->state != PEER_JOINED) {
		errno = ENOTCONN;
		return -1;
	}
	port->touched = true;
	if (wire_carry(port->router.socket, peer->id, type, route, payload, size) == 0)
		return 0;
	if (errno == EHOSTUNREACH) {
		port_closing(port, peer);
		errno = ENOTCONN;
	}
	return -1;
}

void port_check(struct port *port)
{
	int saved = errno;

	if (port->touched)
		zmq_watch_check(port->socket_watch);
	port->touched = false;
	errno = saved;
}

/* Admission. */

void port_answer(struct port *port, const struct admission_sender *sender,
		 const struct frame_claim *claim, enum frame_kind kind, const char *words)
{
	char text[FRAME_NONCE_MAX + REASON_MAX];
	int size = snprintf(text, sizeof(text), "%s %s", claim ? claim->nonce : FRAME_NO_NONCE,
			    words);

	port->touched = true;
	/* If the connection is gone there is nobody to tell. */
	wire_send(port->router.socket, sender->id, frame_type(kind), text, (size_t) size);
}

static void turn(struct port *port, int fd)
{
	connections_set(port->connections, fd, CONNECTION_TURNED, loop_now());
	port_tick_within(port, CONNECTIONS_TURNED_MS);
}

void port_reject(struct port *port, const struct admission_sender *sender,
		 const struct frame_claim *claim, const char *reason)
{
	struct reason line;

	port_answer(port, sender, claim, FRAME_REJECT, reason);
	turn(port, sender->fd);
	if (claim)
		reason_set(&line, "rank %zu on %s: %s", claim->rank, claim->node, reason);
	else
		reason_set(&line, "%s", reason);
	port_report(port, sender->address, line.text);
}

void port_elsewhere(struct port *port, const struct admission_sender *sender,
		    const struct frame_claim *claim)
{
	port_answer(port, sender, claim, FRAME_ELSEWHERE, "there is no room here");
	turn(port, sender->fd);
}

bool port_waits(const struct port *port, const struct port_guest *guest)
{
	const struct connection *connection = connections_get(port->connections, guest->fd);

	return connection && connection->state == CONNECTION_HELLO &&
	       memcmp(connection->id, guest->id, WIRE_ID_SIZE) == 0;
}

static void guest_take(const struct port_guest *guest, struct admission_sender *sender,
		       struct frame_claim *claim)
{
	*sender = (struct admission_sender){.fd = guest->fd};
	*claim = (struct frame_claim){.rank = guest->rank};
	memcpy(sender->id, guest->id, sizeof(sender->id));
	memcpy(sender->address, guest->address, sizeof(sender->address));
	memcpy(claim->nonce, guest->nonce, sizeof(claim->nonce));
	memcpy(claim->node, guest->node, sizeof(claim->node));
}

void port_refuse(struct port *port, const struct port_guest *guest, const char *reason)
{
	struct admission_sender sender;
	struct frame_claim claim;

	guest_take(guest, &sender, &claim);
	if (port_waits(port, guest))
		port_reject(port, &sender, &claim, reason);
}

void port_send_away(struct port *port, const struct port_guest *guest)
{
	struct admission_sender sender;
	struct frame_claim claim;

	guest_take(guest, &sender, &claim);
	if (port_waits(port, guest))
		port_elsewhere(port, &sender, &claim);
}

struct peer *port_welcome(struct port *port, const struct port_guest *guest)
{
	struct roster_entry entry = {.rank = guest->rank,
				     .via = ROSTER_DIRECT,
				     .key = guest->key,
				     .node = guest->node,
				     .id = guest->id,
				     .nonce = guest->nonce,
				     .fd = guest->fd};
	struct peer *peer = roster_find(port->roster, guest->rank);
	int64_t now = loop_now();

	if (!port_waits(port, guest))
		return NULL;
	/* Fails when the connection has gone: the agent comes again by itself. */
	connections_set(port->connections, guest->fd, CONNECTION_FRESH, now);
	port->touched = true;
	if (wire_send(port->router.socket, guest->id, frame_type(FRAME_WELCOME), guest->nonce,
		      strlen(guest->nonce)) < 0)
		return NULL;
	if (peer)
		port_drop(port, peer);
	peer = roster_join(port->roster, &entry, now);
	if (!peer) {
		connections_kick(port->connections, guest->fd);
		return NULL;
	}
	if (port->roster->direct == 1)
		port->ping_due = now + port->heartbeat_ms;
	connections_get(port->connections, guest->fd)->rank = guest->rank;
	connections_set(port->connections, guest->fd, CONNECTION_PEER, now);
	port_tick_within(port, port->ping_due - now);
	return peer;
}

void port_greet(struct port *port, struct peer *peer)
{
	port_send(port, peer, frame_type(FRAME_WELCOME), NULL, peer->nonce,
		  strlen(peer->nonce));
}

void port_drop(struct port *port, struct peer *peer)
{
	if (peer->via == ROSTER_DIRECT && peer->state == PEER_JOINED)
		connections_kick(port->connections, peer->fd);
}

void port_pause(struct port *port, bool paused)
{
	if (port->paused == paused)
		return;
	port->paused = paused;
	zmq_watch_pause(port->socket_watch, paused);
	if (paused)
		return;
	for (struct peer *peer = port->roster->first; peer; peer = peer->next)
		peer->heard = loop_now();
	if (port->roster->closing > 0)
		loop_timer_set(port->settle, 0);
}

const char *port_endpoint(const struct port *port)
{
	return port->router.endpoint;
}

const char *port_key(const struct port *port)
{
	return port->router.key;
}

/* Making and ending. */

static int open_watches(struct port *port, const struct port_options *options)
{
	struct admission_options admission = {.job_id = options->job_id,
					      .head_key = port->router.key,
					      .uid = options->uid,
					      .agents = options->roster->size,
					      .waiting = options->direct};

	port->connections = connections_create(port->router.port, options->direct);
	if (!port->connections)
		return -1;
	port->admission = admission_create(port->loop, &admission, port_on_verdict, port);
	port->tick = loop_timer_create(port->loop, port_on_tick, port);
	port->settle = loop_timer_create(port->loop, port_on_settle, port);
	if (!port->admission || !port->tick || !port->settle)
		return -1;
	port->monitor_watch =
		zmq_watch_create(port->loop, port->router.monitor, port_on_monitor, port);
	port->socket_watch =
		zmq_watch_create(port->loop, port->router.socket, port_on_socket, port);
	return port->monitor_watch && port->socket_watch ? 0 : -1;
}

struct port *port_create(struct loop *loop, struct guard *guard,
			 const struct port_options *options,
			 const struct port_callbacks *callbacks, struct reason *reason)
{
	struct port *port = calloc(1, sizeof(*port));
	int saved;

	if (!port) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	port->loop = loop;
	port->guard = guard;
	port->callbacks = *callbacks;
	port->rejections.tell = callbacks->rejected;
	port->rejections.arg = callbacks->arg;
	port->roster = options->roster;
	port->direct = options->direct;
	port->tick_due = INT64_MAX;
	port->heartbeat_ms =
		options->heartbeat_ms > 0 ? options->heartbeat_ms : CONTROL_HEARTBEAT_MS;
	port->silence_ms = options->silence_ms > 0 ? options->silence_ms : CONTROL_SILENCE_MS;
	if (router_open(&port->router, loop, options->ip, options->port_first,
			options->port_last, options->queue, reason) < 0)
		goto error;
	if (open_watches(port, options) < 0) {
		if (errno == EMFILE)
			reason_set(
				reason,
				"the limit of open files is too low for %zu agents: raise it "
				"(ulimit -n) where the job is submitted",
				options->direct);
		else
			reason_set(reason, "the control plane of job %s cannot start: %s",
				   options->job_id, strerror(errno));
		goto error;
	}
	return port;

error:
	saved = errno;
	port_destroy(port);
	errno = saved;
	return NULL;
}

void port_destroy(struct port *port)
{
	if (!port)
		return;
	admission_destroy(port->admission);
	loop_timer_destroy(port->tick);
	loop_timer_destroy(port->settle);
	zmq_watch_destroy(port->monitor_watch);
	zmq_watch_destroy(port->socket_watch);
	router_close(&port->router);
	connections_destroy(port->connections);
	free(port);
}
