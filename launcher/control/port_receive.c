/* SPDX-License-Identifier: MIT */
/* What comes to a control port: connections, hellos, messages; see port.h. */
#include "launcher/control/port_private.h"

#include <string.h>

#include "launcher/control/route.h"

/* Messages in one turn of settling. */
enum { SETTLE_BATCH = 64 };

/* The monitor. */

/* The agent of a connection that is gone, unless it has a newer one. */
static struct peer *peer_of_fd(const struct port *port, const struct connection *connection,
			       int fd)
{
	struct peer *peer = roster_find(port->roster, connection->rank);

	return peer && peer->via == ROSTER_DIRECT && peer->fd == fd ? peer : NULL;
}

static void monitor_event(struct port *port, unsigned event, int fd)
{
	struct connection *connection;
	struct peer *peer;

	if (event == ZMQ_EVENT_ACCEPTED) {
		connections_accepted(port->connections, fd, loop_now());
		port_tick_within(port, CONNECTIONS_FRESH_MS);
		return;
	}
	connection = connections_get(port->connections, fd);
	if (!connection)
		return;
	peer = peer_of_fd(port, connection, fd);
	if (peer)
		port_closing(port, peer);
	connections_ended(port->connections, fd);
}

static bool monitor_take(struct port *port)
{
	unsigned event;
	int value;

	if (wire_monitor_take(port->router.monitor, &event, &value) < 0)
		return false;
	monitor_event(port, event, value);
	return true;
}

/* After this the table knows every connection that a message read before came from. */
static void monitor_drain(struct port *port)
{
	while (monitor_take(port))
		;
}

void port_on_monitor(void *arg)
{
	monitor_take(arg);
}

/* Hellos. */

static void guest_make(struct port_guest *guest, const struct admission_sender *sender,
		       const struct frame_claim *claim)
{
	guest->rank = claim->rank;
	guest->fd = sender->fd;
	memcpy(guest->id, sender->id, sizeof(guest->id));
	memcpy(guest->key, sender->key, sizeof(guest->key));
	memcpy(guest->nonce, claim->nonce, sizeof(guest->nonce));
	memcpy(guest->address, sender->address, sizeof(guest->address));
	memcpy(guest->node, claim->node, sizeof(guest->node));
}

/* There is none for one more connection, unless it is to take the place of another. */
static bool has_room(const struct port *port, size_t rank)
{
	const struct peer *peer = roster_find(port->roster, rank);

	return port->roster->direct < port->direct || (peer && peer->via == ROSTER_DIRECT);
}

static void verdict_take(struct port *port, enum admission_verdict verdict,
			 const struct admission_sender *sender, const struct frame_claim *claim,
			 const char *reason)
{
	struct port_guest guest;

	if (verdict == ADMISSION_REJECT) {
		port_reject(port, sender, claim, reason);
	} else if (verdict == ADMISSION_RETRY) {
		port_answer(port, sender, claim, FRAME_RETRY, reason);
		connections_set(port->connections, sender->fd, CONNECTION_FRESH, loop_now());
		port_report(port, sender->address, reason);
	} else if (!has_room(port, claim->rank)) {
		port_elsewhere(port, sender, claim);
	} else {
		guest_make(&guest, sender, claim);
		port->callbacks.wants(&guest, port->callbacks.arg);
	}
}

void port_on_verdict(enum admission_verdict verdict, const struct admission_sender *sender,
		     const struct frame_claim *claim, const char *reason, void *arg)
{
	struct port *port = arg;
	struct connection *connection;

	guard_enter(port->guard);
	connection = connections_get(port->connections, sender->fd);
	/* Otherwise the connection has gone meanwhile; if that is still to be heard it is lost
	 * soon after. */
	if (!port->guard->ending && connection && connection->state == CONNECTION_HELLO &&
	    memcmp(connection->id, sender->id, WIRE_ID_SIZE) == 0)
		verdict_take(port, verdict, sender, claim, reason);
	if (!port->guard->ending)
		port_check(port);
	guard_leave(port->guard);
}

static void handle_hello(struct port *port, struct wire_message *message)
{
	struct connection *connection;
	struct admission_sender sender;

	monitor_drain(port);
	connection = connections_get(port->connections, message->fd);
	if (!connection || connection->state == CONNECTION_NONE ||
	    connection->state == CONNECTION_TURNED || connection->state == CONNECTION_KICKED)
		return;
	if (connection->state == CONNECTION_PEER ||
	    (connection->state == CONNECTION_HELLO &&
	     memcmp(connection->id, message->id, WIRE_ID_SIZE) == 0)) {
		port_report(port, message->address, "a second hello on one connection");
		return;
	}
	memcpy(connection->id, message->id, WIRE_ID_SIZE);
	connections_set(port->connections, message->fd, CONNECTION_HELLO, loop_now());
	sender.fd = message->fd;
	memcpy(sender.id, message->id, sizeof(sender.id));
	memcpy(sender.key, message->key, sizeof(sender.key));
	memcpy(sender.address, message->address, sizeof(sender.address));
	admission_submit(port->admission, &sender, zmq_msg_data(&message->payload),
			 zmq_msg_size(&message->payload));
}

/* Messages. */

static void handle_peer(struct port *port, struct peer *peer, enum frame_kind kind,
			struct wire_message *message)
{
	struct reason reason;

	peer->heard = loop_now();
	if (kind == FRAME_PONG)
		return;
	if (kind == FRAME_MALFORMED || zmq_msg_size(&message->payload) > CONTROL_PAYLOAD_MAX) {
		reason_set(&reason, "the agent of rank %zu sent a malformed message",
			   peer->rank);
		port_report(port, message->address, reason.text);
		return;
	}
	port->callbacks.message(peer, kind, message, port->callbacks.arg);
}

/* Nothing is told of those that were turned away, or lost, already. */
static void report_message(struct port *port, const struct wire_message *message,
			   const char *reason)
{
	struct connection *connection = connections_get(port->connections, message->fd);

	if (!connection ||
	    (connection->state != CONNECTION_TURNED && connection->state != CONNECTION_KICKED))
		port_report(port, message->address, reason);
}

/* The agent that the message is of, or NULL. */
static struct peer *peer_of(const struct port *port, const struct wire_message *message)
{
	struct connection *connection = connections_get(port->connections, message->fd);

	return connection ? roster_sender(port->roster, connection->rank, message) : NULL;
}

static void message_take(struct port *port, struct wire_message *message)
{
	enum frame_kind kind =
		frame_kind(zmq_msg_data(&message->type), zmq_msg_size(&message->type));
	struct peer *peer;

	if (message->has_route && !route_wanted(kind)) {
		report_message(port, message, "not a message of this protocol");
		return;
	}
	if (route_wanted(kind) && !message->has_route)
		kind = FRAME_MALFORMED;
	if (kind == FRAME_HELLO) {
		handle_hello(port, message);
		return;
	}
	peer = peer_of(port, message);
	if (peer)
		handle_peer(port, peer, kind, message);
	else
		report_message(port, message, "a message before its sender was admitted");
}

static bool take(struct port *port)
{
	struct wire_message message;
	int rc = wire_receive(port->router.socket, true, &message);

	if (rc < 0)
		return false;
	if (rc == 0) {
		report_message(port, &message, "not a message of this protocol");
		return true;
	}
	message_take(port, &message);
	wire_message_close(&message);
	return true;
}

void port_on_socket(void *arg)
{
	struct port *port = arg;

	guard_enter(port->guard);
	take(port);
	guard_leave(port->guard);
}

static void lose_closing(struct port *port)
{
	struct peer *next;

	for (struct peer *peer = port->roster->first; port->roster->closing > 0 && peer;
	     peer = next) {
		next = peer->next;
		if (peer->state == PEER_CLOSING)
			port->callbacks.lost(peer, PORT_CLOSED, port->callbacks.arg);
	}
}

/* What agents sent before their connections went is read first, then they are lost. */
void port_on_settle(void *arg)
{
	struct port *port = arg;
	int count = 0;

	guard_enter(port->guard);
	while (!port->guard->ending && !port->paused && count < SETTLE_BATCH && take(port))
		count++;
	if (port->guard->ending || port->paused)
		; /* port_pause() begins it anew */
	else if (count == SETTLE_BATCH)
		loop_timer_set(port->settle, 0);
	else
		lose_closing(port);
	guard_leave(port->guard);
}
