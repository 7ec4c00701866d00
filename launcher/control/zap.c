/* SPDX-License-Identifier: MIT */
/* See zap.h. */
#include "launcher/control/zap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "launcher/control/control.h"
#include "launcher/control/wire.h"
#include "launcher/control/zmq_watch.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01" /* fixed by RFC 27 */

enum {
	KEY_BYTES = 32,	     /* a CURVE key */
	REQUEST_ID_MAX = 256 /* libzmq's is "1" */
};

/* The frames of a request, after the empty one that REP takes away. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, FRAME_COUNT };

struct zap {
	void *socket;
	struct zmq_watch *watch;
};

struct request {
	char id[REQUEST_ID_MAX];
	size_t id_size;
	char key[CONTROL_KEY_SIZE]; /* "": not CURVE */
};

static int frame_is(zmq_msg_t *frame, const char *text)
{
	return zmq_msg_size(frame) == strlen(text) &&
	       memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

static void request_take(struct request *request, int index, zmq_msg_t *frame, int *well)
{
	size_t size = zmq_msg_size(frame);

	if (index == VERSION && !frame_is(frame, "1.0"))
		*well = 0;
	if (index == REQUEST_ID && size <= sizeof(request->id)) {
		memcpy(request->id, zmq_msg_data(frame), size);
		request->id_size = size;
	}
	if (index == MECHANISM && !frame_is(frame, "CURVE"))
		*well = 0;
	if (index == CREDENTIALS && size == KEY_BYTES)
		zmq_z85_encode(request->key, zmq_msg_data(frame), KEY_BYTES);
}

/* Requests come from libzmq itself; a malformed one is refused all the same. */
static void on_request(void *arg)
{
	struct zap *zap = arg;
	struct request request = {0};
	int index = 0, more = 1, well = 1;

	for (; more; index++) {
		zmq_msg_t frame;

		zmq_msg_init(&frame);
		if (zmq_msg_recv(&frame, zap->socket, ZMQ_DONTWAIT) < 0)
			return;
		request_take(&request, index, &frame, &well);
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	}
	well = well && index == FRAME_COUNT && request.key[0] != '\0';
	zmq_send(zap->socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, request.id, request.id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, well ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, request.key, strlen(request.key), ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(zap->socket, "", 0, ZMQ_DONTWAIT);
}

struct zap *zap_create(struct loop *loop, void *context)
{
	struct zap *zap = calloc(1, sizeof(*zap));

	if (!zap)
		return NULL;
	zap->socket = zmq_socket(context, ZMQ_REP);
	if (!zap->socket || wire_set(zap->socket, ZMQ_LINGER, 0) < 0 ||
	    zmq_bind(zap->socket, ZAP_ENDPOINT) < 0)
		goto error;
	zap->watch = zmq_watch_create(loop, zap->socket, on_request, zap);
	if (!zap->watch)
		goto error;
	return zap;

error:
	zap_destroy(zap);
	return NULL;
}

void zap_destroy(struct zap *zap)
{
	int saved = errno;

	if (!zap)
		return;
	zmq_watch_destroy(zap->watch);
	if (zap->socket)
		zmq_close(zap->socket);
	free(zap);
	errno = saved;
}
