/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a control port share: port.c makes it and admits, port_receive.c reads,
 * port_tick.c keeps the time.
 */
#ifndef CONTROL_PORT_PRIVATE_H
#define CONTROL_PORT_PRIVATE_H

#include "launcher/control/connections.h"
#include "launcher/control/port.h"
#include "launcher/control/rejections.h"
#include "launcher/control/router.h"
#include "launcher/control/zmq_watch.h"

struct port {
	struct loop *loop;
	struct guard *guard;
	struct port_callbacks callbacks;
	struct roster *roster;
	size_t direct;
	int64_t heartbeat_ms, silence_ms;

	struct router router;
	struct zmq_watch *socket_watch, *monitor_watch;
	struct connections *connections;
	struct admission *admission;
	struct loop_timer *tick;    /* the next ping, silence or overdue connection */
	int64_t tick_due, ping_due; /* loop_now(); tick_due INT64_MAX: not armed */
	struct loop_timer *settle;
	struct rejections rejections;
	bool paused;
	bool touched; /* the socket was used since its events were asked */
};

/* port.c */
void port_closing(struct port *port, struct peer *peer);
void port_answer(struct port *port, const struct admission_sender *sender,
		 const struct frame_claim *claim, enum frame_kind kind, const char *words);
/* Answers that are the last; claim NULL: it could not be read, and a rejection is told in the
 * log. */
void port_elsewhere(struct port *port, const struct admission_sender *sender,
		    const struct frame_claim *claim);
void port_reject(struct port *port, const struct admission_sender *sender,
		 const struct frame_claim *claim, const char *reason);

/* port_receive.c: callbacks of the loop and of admission. */
void port_on_monitor(void *arg);
void port_on_socket(void *arg);
void port_on_settle(void *arg);
void port_on_verdict(enum admission_verdict verdict, const struct admission_sender *sender,
		     const struct frame_claim *claim, const char *reason, void *arg);

/* port_tick.c */
void port_on_tick(void *arg);
void port_tick_within(struct port *port, int64_t delay);

#endif
