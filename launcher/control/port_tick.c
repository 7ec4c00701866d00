/* SPDX-License-Identifier: MIT */
/* The time of a control port: heartbeats, silence, connections that are overdue; see port.h. */
#include "launcher/control/port_private.h"

void port_tick_within(struct port *port, int64_t delay)
{
	int64_t due = loop_now() + delay;

	if (due >= port->tick_due)
		return;
	port->tick_due = due;
	loop_timer_set(port->tick, delay);
}

static void ping_all(struct port *port)
{
	for (struct peer *peer = port->roster->first; peer; peer = peer->next)
		if (peer->state == PEER_JOINED && peer->via == ROSTER_DIRECT)
			port_send(port, peer, frame_type(FRAME_PING), NULL, NULL, 0);
	port_check(port);
}

/* The milliseconds until the next agent would be lost, or -1: none. */
static int64_t silence_check(struct port *port, int64_t now, bool late)
{
	int64_t next = -1;
	struct reason reason;
	struct peer *following;

	for (struct peer *peer = port->roster->first; peer; peer = following) {
		int64_t left;

		following = peer->next;
		if (peer->state != PEER_JOINED || peer->via != ROSTER_DIRECT)
			continue;
		if (late)
			peer->heard = now;
		left = peer->heard + port->silence_ms - now;
		if (left <= 0) {
			reason_set(&reason, "it was not heard for %lld s",
				   (long long) (now - peer->heard) / 1000);
			connections_kick(port->connections, peer->fd);
			port->callbacks.lost(peer, reason.text, port->callbacks.arg);
		} else if (next < 0 || left < next) {
			next = left;
		}
	}
	return next;
}

void port_on_tick(void *arg)
{
	struct port *port = arg;
	int64_t now = loop_now(), next;
	/* Then it was this process that stood still (scontrol suspend, a debugger), or did not
	 * read, and the agents' messages wait to be read. */
	bool late = port->paused || now - port->tick_due > port->heartbeat_ms;

	guard_enter(port->guard);
	port->tick_due = INT64_MAX;
	rejections_rest(&port->rejections);
	if (port->roster->direct > 0) {
		next = silence_check(port, now, late);
		if (next >= 0)
			port_tick_within(port, next);
	}
	if (port->roster->direct > 0) {
		if (now >= port->ping_due) {
			ping_all(port);
			port->ping_due = now + port->heartbeat_ms;
		}
		port_tick_within(port, port->ping_due - now);
	}
	next = connections_expire(port->connections, now);
	if (next >= 0)
		port_tick_within(port, next);
	guard_leave(port->guard);
}
