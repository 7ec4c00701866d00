/* SPDX-License-Identifier: MIT */
/* See channels.h. */
#include "launcher/kernel/channels.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "launcher/control/zmq_watch.h"
#include "launcher/kernel/message.h"

enum {
	/* Until the kernel listens; a try on a socket that is not there takes 20 us. */
	RECONNECT_MS = 20,
	/* From a reply without anything on iopub to the next request: the subscription was not
	 * there in time. */
	AGAIN_MS = 50,
	QUEUE = 64,	/* messages that wait for us, or for a kernel that does not read */
	FOR_CONTEXT = 1 /* I/O threads, libzmq's default */
};

struct channel {
	void *socket; /* NULL: not open */
	struct zmq_watch *watch;
};

struct channels {
	struct loop *loop;
	const struct connection *connection;
	struct channels_callbacks callbacks;
	void *context;
	struct channel shell, iopub, control, heartbeat;
	struct loop_timer *again;
	char session[MESSAGE_NAME_MAX];
	char request[MESSAGE_NAME_MAX]; /* the id of the kernel_info_request */
	uint64_t beats;			/* sent */
	bool has_beat, has_info, has_iopub, told;
};

/* One message, whole. */
struct parcel {
	zmq_msg_t parts[MESSAGE_FRAMES_MAX];
	struct message_frame frames[MESSAGE_FRAMES_MAX];
	size_t count; /* may be more than the parts that were kept */
};

static void parcel_clear(struct parcel *parcel)
{
	for (size_t i = 0; i < parcel->count && i < MESSAGE_FRAMES_MAX; i++)
		zmq_msg_close(&parcel->parts[i]);
	parcel->count = 0;
}

/* 0, or -1: there is none. */
static int parcel_receive(struct parcel *parcel, void *socket)
{
	int more = 1;

	parcel->count = 0;
	while (more) {
		zmq_msg_t part;

		zmq_msg_init(&part);
		if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&part);
			parcel_clear(parcel);
			return -1;
		}
		more = zmq_msg_more(&part);
		if (parcel->count < MESSAGE_FRAMES_MAX) {
			zmq_msg_t *kept = &parcel->parts[parcel->count];
			zmq_msg_init(kept);
			zmq_msg_move(kept, &part);
			parcel->frames[parcel->count] =
				(struct message_frame){zmq_msg_data(kept), zmq_msg_size(kept)};
		}
		zmq_msg_close(&part);
		parcel->count++;
	}
	return 0;
}

static void channel_close(struct channel *channel)
{
	zmq_watch_destroy(channel->watch);
	channel->watch = NULL;
	if (channel->socket != NULL)
		zmq_close(channel->socket);
	channel->socket = NULL;
}

static int set_number(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int channel_open(struct channels *channels, struct channel *channel, int type,
			enum connection_channel which, zmq_watch_callback *callback)
{
	char endpoint[CONNECTION_ENDPOINT_MAX];
	int64_t longest = MESSAGE_BYTES_MAX;

	channel->socket = zmq_socket(channels->context, type);
	if (channel->socket == NULL || set_number(channel->socket, ZMQ_LINGER, 0) < 0 ||
	    set_number(channel->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) < 0 ||
	    set_number(channel->socket, ZMQ_RCVHWM, QUEUE) < 0 ||
	    set_number(channel->socket, ZMQ_SNDHWM, QUEUE) < 0 ||
	    zmq_setsockopt(channel->socket, ZMQ_MAXMSGSIZE, &longest, sizeof(longest)) < 0 ||
	    (type == ZMQ_SUB && zmq_setsockopt(channel->socket, ZMQ_SUBSCRIBE, "", 0) < 0) ||
	    zmq_connect(channel->socket,
			connection_endpoint(channels->connection, which, endpoint)) < 0)
		return -1;
	channel->watch = zmq_watch_create(channels->loop, channel->socket, callback, channels);
	return channel->watch != NULL ? 0 : -1;
}

static int send_parts(struct channel *channel, char *const parts[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int flags = ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0);

		/* The first part decides about the whole message. */
		if (zmq_send(channel->socket, parts[i], strlen(parts[i]), flags) < 0)
			return -1;
	}
	zmq_watch_check(channel->watch);
	return 0;
}

/* id: of the request; may be NULL. */
static int send_request(struct channels *channels, struct channel *channel, const char *type,
			const char *content, char id[MESSAGE_NAME_MAX])
{
	struct message_draft draft;
	int rc;

	if (message_draft(connection_key(channels->connection), channels->session, type,
			  content, &draft) < 0)
		return -1;
	rc = send_parts(channel, draft.parts, MESSAGE_PARTS);
	if (rc == 0 && id != NULL)
		strcpy(id, draft.id);
	message_draft_clear(&draft);
	return rc;
}

static void tell_broken(struct channels *channels, const char *reason)
{
	if (channels->told)
		return;
	channels->told = true;
	channels->callbacks.broken(reason, channels->callbacks.arg);
}

/* The last thing in a callback: channels may be gone then. */
static void look_ready(struct channels *channels)
{
	if (channels->told || !channels->has_beat || !channels->has_info ||
	    !channels->has_iopub)
		return;
	channels->told = true;
	loop_timer_set(channels->again, -1);
	channel_close(&channels->iopub);
	channels->callbacks.ready(channels->callbacks.arg);
}

static void ask_info(void *arg)
{
	struct channels *channels = arg;

	if (send_request(channels, &channels->shell, "kernel_info_request", "{}",
			 channels->request) < 0)
		loop_timer_set(channels->again, AGAIN_MS);
}

/* What the parcel holds.  0 and *message, to be cleared, or -1 after broken() was called. */
static int read_message(struct channels *channels, struct parcel *parcel,
			struct message *message, const char *channel)
{
	struct reason reason;

	if (message_parse(connection_key(channels->connection), parcel->frames, parcel->count,
			  message, &reason) == 0)
		return 0;
	reason_prefix(&reason, "%s", channel);
	tell_broken(channels, reason.text);
	return -1;
}

static void on_shell(void *arg)
{
	struct channels *channels = arg;
	struct parcel parcel;
	struct message message;
	const char *status;

	if (parcel_receive(&parcel, channels->shell.socket) < 0)
		return;
	/* After ready() nothing is asked there. */
	if (channels->told || read_message(channels, &parcel, &message, "shell") < 0)
		goto out;
	status = json_string_value(json_object_get(message.content, "status"));
	if (strcmp(message.type, "kernel_info_reply") == 0 &&
	    strcmp(message.parent_id, channels->request) == 0 &&
	    (status == NULL || strcmp(status, "ok") == 0)) {
		channels->has_info = true;
		if (!channels->has_iopub)
			loop_timer_set(channels->again, AGAIN_MS);
	}
	message_clear(&message);
	parcel_clear(&parcel);
	look_ready(channels);
	return;
out:
	parcel_clear(&parcel);
}

static void on_iopub(void *arg)
{
	struct channels *channels = arg;
	struct parcel parcel;
	struct message message;

	if (parcel_receive(&parcel, channels->iopub.socket) < 0)
		return;
	if (channels->told || channels->has_iopub ||
	    read_message(channels, &parcel, &message, "iopub") < 0) {
		parcel_clear(&parcel);
		return;
	}
	message_clear(&message);
	parcel_clear(&parcel);
	channels->has_iopub = true;
	look_ready(channels);
}

/* Replies to our requests: that the kernel does as told is seen otherwise. */
static void on_control(void *arg)
{
	struct channels *channels = arg;
	struct parcel parcel;

	if (parcel_receive(&parcel, channels->control.socket) == 0)
		parcel_clear(&parcel);
}

static void on_heartbeat(void *arg)
{
	struct channels *channels = arg;
	struct parcel parcel;
	char text[24] = "";
	unsigned long long number;
	int end = 0;

	if (parcel_receive(&parcel, channels->heartbeat.socket) < 0)
		return;
	/* Empty for the REP's sake, then our bytes, as we have sent them. */
	if (parcel.count == 2 && parcel.frames[0].size == 0 &&
	    parcel.frames[1].size < sizeof(text))
		memcpy(text, parcel.frames[1].data, parcel.frames[1].size);
	parcel_clear(&parcel);
	if (sscanf(text, "beat %llu%n", &number, &end) != 1 || text[end] != '\0' ||
	    number == 0 || number > channels->beats)
		return;
	bool first = !channels->has_beat;
	channels->has_beat = true;
	/* ready() follows only upon the first, and beat() may destroy. */
	if (first && channels->has_info && channels->has_iopub)
		look_ready(channels);
	else
		channels->callbacks.beat(channels->callbacks.arg);
}

void channels_beat(struct channels *channels)
{
	char text[24], *parts[] = {"", text};

	snprintf(text, sizeof(text), "beat %" PRIu64, channels->beats + 1);
	/* What a kernel that hangs does not take is a beat that is not answered. */
	if (send_parts(&channels->heartbeat, parts, 2) == 0)
		channels->beats++;
}

int channels_request(struct channels *channels, const char *type, const char *content)
{
	return send_request(channels, &channels->control, type, content, NULL);
}

const char *channels_missing(const struct channels *channels)
{
	if (!channels->has_beat)
		return "no answer on its heartbeat";
	if (!channels->has_info)
		return "no answer to a kernel_info_request on shell";
	return channels->has_iopub ? "nothing" : "no message on iopub";
}

struct channels *channels_create(struct loop *loop, const struct connection *connection,
				 const struct channels_callbacks *callbacks,
				 struct reason *reason)
{
	struct channels *channels = calloc(1, sizeof(*channels));

	if (channels == NULL) {
		reason_set(reason, "%s", strerror(errno));
		return NULL;
	}
	channels->loop = loop;
	channels->connection = connection;
	channels->callbacks = *callbacks;
	message_id(channels->session);
	channels->again = loop_timer_create(loop, ask_info, channels);
	channels->context = zmq_ctx_new();
	if (channels->again == NULL || channels->context == NULL ||
	    zmq_ctx_set(channels->context, ZMQ_IO_THREADS, FOR_CONTEXT) < 0 ||
	    channel_open(channels, &channels->heartbeat, ZMQ_DEALER, CONNECTION_HEARTBEAT,
			 on_heartbeat) < 0 ||
	    channel_open(channels, &channels->iopub, ZMQ_SUB, CONNECTION_IOPUB, on_iopub) < 0 ||
	    channel_open(channels, &channels->shell, ZMQ_DEALER, CONNECTION_SHELL, on_shell) <
		    0 ||
	    channel_open(channels, &channels->control, ZMQ_DEALER, CONNECTION_CONTROL,
			 on_control) < 0) {
		reason_set(reason, "the kernel's sockets: %s", zmq_strerror(errno));
		channels_destroy(channels);
		return NULL;
	}
	/* They wait in the queues until the kernel listens. */
	channels_beat(channels);
	ask_info(channels);
	return channels;
}

void channels_destroy(struct channels *channels)
{
	int saved = errno;

	if (channels == NULL)
		return;
	channel_close(&channels->shell);
	channel_close(&channels->iopub);
	channel_close(&channels->control);
	channel_close(&channels->heartbeat);
	loop_timer_destroy(channels->again);
	if (channels->context != NULL)
		zmq_ctx_term(channels->context);
	free(channels);
	errno = saved;
}
