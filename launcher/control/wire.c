/* SPDX-License-Identifier: MIT */
/* See wire.h. */
#include "launcher/control/wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launcher/control/secret_memory.h"

/* Sockets of one context: the head has four (ROUTER, ZAP, both ends of the monitor), an agent
 * three and those of its last connections that are still being closed in the background. */
enum { SOCKETS_MAX = 16 };

void *wire_context(void)
{
	void *context;

	secret_memory_open();
	context = zmq_ctx_new();

	if (context && (zmq_ctx_set(context, ZMQ_IO_THREADS, 1) < 0 ||
			zmq_ctx_set(context, ZMQ_MAX_SOCKETS, SOCKETS_MAX) < 0)) {
		zmq_ctx_term(context);
		return NULL;
	}
	return context;
}

int wire_set(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int options_set(void *socket, size_t queue, const char *public_key,
		       const char *secret_key, const char *server_key)
{
	int64_t size_max = CONTROL_PAYLOAD_MAX + WIRE_CURVE_BYTES;

	if (wire_set(socket, ZMQ_LINGER, WIRE_LINGER_MS) < 0 ||
	    wire_set(socket, ZMQ_SNDHWM, (int) queue) < 0 ||
	    wire_set(socket, ZMQ_RCVHWM, WIRE_QUEUE_MAX) < 0 ||
	    wire_set(socket, ZMQ_HANDSHAKE_IVL, WIRE_HANDSHAKE_MS) < 0 ||
	    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof(size_max)) < 0)
		return -1;
	if (server_key ? zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key,
					CONTROL_KEY_SIZE) < 0
		       : wire_set(socket, ZMQ_CURVE_SERVER, 1) < 0)
		return -1;
	if (zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, CONTROL_KEY_SIZE) < 0)
		return -1;
	return 0;
}

void *wire_socket(void *context, int type, size_t queue, const char *public_key,
		  const char *secret_key, const char *server_key)
{
	void *socket = zmq_socket(context, type);

	if (socket && options_set(socket, queue, public_key, secret_key, server_key) < 0) {
		int saved = errno;

		zmq_close(socket);
		errno = saved;
		return NULL;
	}
	return socket;
}

static void property_take(zmq_msg_t *frame, const char *name, char *value, size_t max)
{
	const char *found = zmq_msg_gets(frame, name);

	if (found && strlen(found) < max)
		memcpy(value, found, strlen(found) + 1);
}

/* What the connection put on the frame: zmq_msg_get(3), zmq_msg_gets(3). */
static void sender_take(zmq_msg_t *frame, struct wire_message *message)
{
	message->fd = zmq_msg_get(frame, ZMQ_SRCFD);
	property_take(frame, "User-Id", message->key, sizeof(message->key));
	property_take(frame, "Peer-Address", message->address, sizeof(message->address));
}

/* The frames behind the routing id, at most three; the rest of a longer message is thrown away.
 * ZeroMQ hands over whole messages only: what belongs to one is all there. */
static int frames_take(void *socket, struct wire_message *message)
{
	zmq_msg_t rest;
	int frames = 0;
	bool more = true;

	if (zmq_msg_recv(&message->type, socket, ZMQ_DONTWAIT) < 0)
		return 0;
	sender_take(&message->type, message);
	frames = 1;
	more = zmq_msg_more(&message->type);
	if (more && zmq_msg_recv(&message->payload, socket, ZMQ_DONTWAIT) >= 0) {
		frames = 2;
		more = zmq_msg_more(&message->payload);
	}
	if (more && frames == 2) {
		zmq_msg_move(&message->route, &message->payload);
		if (zmq_msg_recv(&message->payload, socket, ZMQ_DONTWAIT) >= 0) {
			frames = 3;
			more = zmq_msg_more(&message->payload);
		}
	}
	while (more && zmq_msg_init(&rest) == 0 &&
	       zmq_msg_recv(&rest, socket, ZMQ_DONTWAIT) >= 0) {
		frames = 4;
		more = zmq_msg_more(&rest);
		zmq_msg_close(&rest);
	}
	return frames;
}

int wire_receive(void *socket, bool routed, struct wire_message *message)
{
	zmq_msg_t id;
	bool well = true;
	int frames;

	memset(message->id, 0, sizeof(message->id));
	message->fd = -1;
	message->key[0] = '\0';
	message->address[0] = '\0';
	if (routed) {
		zmq_msg_init(&id);
		if (zmq_msg_recv(&id, socket, ZMQ_DONTWAIT) < 0)
			return -1;
		well = zmq_msg_size(&id) == WIRE_ID_SIZE;
		if (well)
			memcpy(message->id, zmq_msg_data(&id), WIRE_ID_SIZE);
		zmq_msg_close(&id);
	}
	zmq_msg_init(&message->type);
	zmq_msg_init(&message->route);
	zmq_msg_init(&message->payload);
	frames = frames_take(socket, message);
	message->has_route = frames == 3;
	if (well && (frames == 2 || frames == 3))
		return 1;
	wire_message_close(message);
	return frames > 0 || routed ? 0 : -1;
}

void wire_message_close(struct wire_message *message)
{
	zmq_msg_close(&message->type);
	zmq_msg_close(&message->route);
	zmq_msg_close(&message->payload);
}

int wire_carry(void *socket, const uint8_t *id, const char *type, const char *route,
	       const void *payload, size_t size)
{
	if (id && zmq_send(socket, id, WIRE_ID_SIZE, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return -1;
	if (zmq_send(socket, type, strlen(type), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 ||
	    (route && zmq_send(socket, route, strlen(route), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) ||
	    zmq_send(socket, payload, size, ZMQ_DONTWAIT) < 0)
		return -1;
	return 0;
}

int wire_send(void *socket, const uint8_t *id, const char *type, const void *payload,
	      size_t size)
{
	return wire_carry(socket, id, type, NULL, payload, size);
}

/*
 * The I/O thread blocks when the monitor's queue is full, and holds a lock then that closing
 * the monitored socket needs: the queue must have no bound.  What arrives in it is bounded by
 * the connections there are.
 */
void *wire_monitor_open(void *context, void *socket, int events)
{
	char endpoint[64];
	void *monitor = NULL;
	int saved;

	/* A name that no monitor has which is still being closed in the background. */
	snprintf(endpoint, sizeof(endpoint), "inproc://monitor-%p", socket);
	if (zmq_socket_monitor(socket, endpoint, events) < 0)
		return NULL;
	monitor = zmq_socket(context, ZMQ_PAIR);
	if (!monitor || wire_set(monitor, ZMQ_RCVHWM, 0) < 0 ||
	    wire_set(monitor, ZMQ_LINGER, 0) < 0 || zmq_connect(monitor, endpoint) < 0) {
		saved = errno;
		wire_monitor_close(monitor, socket);
		errno = saved;
		return NULL;
	}
	return monitor;
}

int wire_monitor_take(void *monitor, unsigned *event, int *value)
{
	struct {
		uint16_t event;
		uint32_t value;
	} __attribute__((packed)) found;
	char address[CONTROL_ENDPOINT_MAX];

	/* Two frames, event and value in the first: zmq_socket_monitor(3). */
	if (zmq_recv(monitor, &found, sizeof(found), ZMQ_DONTWAIT) != sizeof(found) ||
	    zmq_recv(monitor, address, sizeof(address), ZMQ_DONTWAIT) < 0)
		return -1;
	*event = found.event;
	*value = (int) found.value;
	return 1;
}

/* The writing end first: with nobody to read from it the I/O thread would block, see above. */
void wire_monitor_close(void *monitor, void *socket)
{
	if (socket)
		zmq_socket_monitor(socket, NULL, 0);
	if (monitor)
		zmq_close(monitor);
}
