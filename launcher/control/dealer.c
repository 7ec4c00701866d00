/* SPDX-License-Identifier: MIT */
/* See dealer.h. */
#include "launcher/control/dealer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/wire.h"

enum {
	RECONNECT_MS = 100, /* doubled up to the next, and ZeroMQ adds some chance */
	RECONNECT_MAX_MS = 5000,
	CONNECT_MS = 5000 /* for a SYN that nobody answers */
};

#define TCP "tcp://"

int dealer_endpoint_valid(const char *endpoint)
{
	char host[CONTROL_ENDPOINT_MAX];
	const char *begin = endpoint + strlen(TCP), *colon;
	struct in6_addr address;
	unsigned long port;
	size_t size;

	if (strlen(endpoint) >= CONTROL_ENDPOINT_MAX ||
	    strncmp(endpoint, TCP, strlen(TCP)) != 0)
		return 0;
	colon = strrchr(begin, ':');
	if (!colon || text_to_ulong(colon + 1, 1, UINT16_MAX, &port) < 0)
		return 0;
	size = (size_t) (colon - begin);
	if (size > 2 && begin[0] == '[' && begin[size - 1] == ']') {
		memcpy(host, begin + 1, size - 2);
		host[size - 2] = '\0';
		return inet_pton(AF_INET6, host, &address) == 1;
	}
	memcpy(host, begin, size);
	host[size] = '\0';
	return inet_pton(AF_INET, host, &address) == 1;
}

int dealer_connect(struct dealer *dealer, const char *endpoint, const char *server_key,
		   const char *public_key, const char *secret_key)
{
	if (!dealer->context)
		dealer->context = wire_context();
	if (!dealer->context)
		return -1;
	dealer->socket = wire_socket(dealer->context, ZMQ_DEALER, WIRE_QUEUE_MAX, public_key,
				     secret_key, server_key);
	if (!dealer->socket || wire_set(dealer->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) < 0 ||
	    wire_set(dealer->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) < 0 ||
	    wire_set(dealer->socket, ZMQ_CONNECT_TIMEOUT, CONNECT_MS) < 0 ||
	    wire_set(dealer->socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL) < 0)
		return -1;
	dealer->monitor = wire_monitor_open(
		dealer->context, dealer->socket,
		ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
			ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
			ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
			ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED);
	if (!dealer->monitor || zmq_connect(dealer->socket, endpoint) < 0)
		return -1;
	return 0;
}

static void socket_close(struct dealer *dealer)
{
	wire_monitor_close(dealer->monitor, dealer->socket);
	if (dealer->socket)
		zmq_close(dealer->socket);
	dealer->monitor = dealer->socket = NULL;
}

void dealer_disconnect(struct dealer *dealer)
{
	if (dealer->socket)
		wire_set(dealer->socket, ZMQ_LINGER, 0);
	socket_close(dealer);
}

void dealer_close(struct dealer *dealer)
{
	socket_close(dealer);
	if (dealer->context)
		zmq_ctx_term(dealer->context);
	dealer->context = NULL;
}
