/* SPDX-License-Identifier: MIT */
/* See router.h. */
#include "launcher/control/router.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/text.h"
#include "launcher/control/wire.h"
#include "launcher/control/zap.h"

enum { BACKLOG = 4096 /* Linux' net.core.somaxconn cuts it */ };

static int bind_port(struct router *router, const char *ip, unsigned port)
{
	char endpoint[CONTROL_ENDPOINT_MAX], number[12] = "*";
	bool v6 = strchr(ip, ':') != NULL;

	if (port != 0)
		snprintf(number, sizeof(number), "%u", port);
	snprintf(endpoint, sizeof(endpoint), "tcp://%s%s%s:%s", v6 ? "[" : "", ip,
		 v6 ? "]" : "", number);
	return zmq_bind(router->socket, endpoint);
}

/* Every port of the range once, from a random one on: sessions on a node do not queue up. */
static int bind_any(struct router *router, const char *ip, unsigned first, unsigned last,
		    struct reason *reason)
{
	unsigned count = last - first + 1, start = 0;
	struct in6_addr address;

	if (inet_pton(strchr(ip, ':') ? AF_INET6 : AF_INET, ip, &address) != 1 ||
	    last < first || last > UINT16_MAX) {
		errno = EINVAL;
		return reason_set(reason, "the control plane cannot bind %s, ports %u to %u",
				  ip, first, last);
	}
	/* Not for IPv4: it would bind a v4-mapped address, which not every node has. */
	if (strchr(ip, ':') && wire_set(router->socket, ZMQ_IPV6, 1) < 0)
		return reason_set(reason, "the control plane cannot use IPv6: %s",
				  zmq_strerror(errno));
	if (getrandom(&start, sizeof(start), 0) < 0)
		start = 0;
	for (unsigned tried = 0; tried < count; tried++) {
		unsigned port = first + (start % count + tried) % count;

		if (bind_port(router, ip, port) == 0)
			return 0;
		if (errno != EADDRINUSE && errno != EACCES)
			break;
	}
	return reason_set(reason, "the control plane cannot bind %s, ports %u to %u: %s", ip,
			  first, last, zmq_strerror(errno));
}

static int open_socket(struct router *router, size_t queue, struct reason *reason)
{
	char secret[CONTROL_KEY_SIZE];
	int keys = zmq_curve_keypair(router->key, secret);

	if (keys == 0) {
		router->socket = wire_socket(router->context, ZMQ_ROUTER, queue, router->key,
					     secret, NULL);
		explicit_bzero(secret, sizeof(secret));
	}
	if (!router->socket || wire_set(router->socket, ZMQ_ROUTER_MANDATORY, 1) < 0 ||
	    wire_set(router->socket, ZMQ_BACKLOG, BACKLOG) < 0)
		return reason_set(reason, "the control plane cannot make its socket: %s",
				  zmq_strerror(errno));
	router->monitor = wire_monitor_open(router->context, router->socket,
					    ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED);
	if (!router->monitor)
		return reason_set(reason, "the control plane cannot make its monitor: %s",
				  zmq_strerror(errno));
	return 0;
}

int router_open(struct router *router, struct loop *loop, const char *ip, unsigned port_first,
		unsigned port_last, size_t queue, struct reason *reason)
{
	size_t size = sizeof(router->endpoint);
	unsigned long port = 0;

	router->context = wire_context();
	if (router->context)
		router->zap = zap_create(loop, router->context);
	if (!router->zap)
		return reason_set(reason, "the control plane cannot start: %s",
				  zmq_strerror(errno));
	if (open_socket(router, queue, reason) < 0 ||
	    bind_any(router, ip, port_first, port_last, reason) < 0)
		return -1;
	if (zmq_getsockopt(router->socket, ZMQ_LAST_ENDPOINT, router->endpoint, &size) < 0 ||
	    text_to_ulong(strrchr(router->endpoint, ':') + 1, 1, UINT16_MAX, &port) < 0)
		return reason_set(reason, "the control plane does not know its port: %s",
				  zmq_strerror(errno));
	router->port = (unsigned) port;
	return 0;
}

/* The ROUTER socket goes before the ZAP handler that its connections ask. */
void router_close(struct router *router)
{
	wire_monitor_close(router->monitor, router->socket);
	if (router->socket)
		zmq_close(router->socket);
	zap_destroy(router->zap);
	if (router->context)
		zmq_ctx_term(router->context);
}
