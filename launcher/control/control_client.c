/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of the control plane: see control.h, and frame.h for what goes over the
 * wire. Runs in the agent's event loop, as the user.
 *
 * Each connection is a new socket (dealer.h) and begins with a hello of its own (hello.h).
 */
#include "launcher/control/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "launcher/control/dealer.h"
#include "launcher/control/frame.h"
#include "launcher/control/hello.h"
#include "launcher/control/wire.h"
#include "launcher/control/zmq_watch.h"

enum {
	/* Before the next connection, or the next hello: doubled each time up to the next, and
	 * by chance up to half more, so that many agents do not come at once. */
	RETRY_MS = 100,
	RETRY_MAX_MS = 5000,
	SETTLE_BATCH = 64
};

enum client_state {
	CLIENT_WAITING,	   /* for the time of the next connection */
	CLIENT_CONNECTING, /* until the handshake has succeeded */
	CLIENT_CREDENTIAL, /* connected; the credential is being made, or waited for */
	CLIENT_HELLO,	   /* sent */
	CLIENT_WELCOMED,
	CLIENT_OVER /* lost() was called */
};

struct control_client {
	struct loop *loop;
	struct control_client_callbacks callbacks;
	char endpoint[CONTROL_ENDPOINT_MAX];
	struct frame_claim claim;
	int64_t silence_ms, munge_ms;

	struct dealer dealer;
	char secret[CONTROL_KEY_SIZE];
	struct zmq_watch *socket_watch, *monitor_watch;
	struct loop_timer *silence, *retry, *settle;
	struct hello *hello; /* there while it is being made */

	enum client_state state;
	int64_t heard;	       /* loop_now() of the head's last sign of life */
	int64_t silence_due;   /* loop_now() */
	int64_t trouble_since; /* loop_now() of munge's first failure in a row; 0 none */
	int64_t retry_ms;
	struct reason trouble; /* of munge, or of the connection; "" none */

	unsigned depth; /* of entries from the loop */
	bool ending;	/* destroyed from within a callback */
};

static void client_free(struct control_client *client);
static void silence_watch(struct control_client *client, int64_t now);

static void enter(struct control_client *client)
{
	client->depth++;
}

static void leave(struct control_client *client)
{
	if (--client->depth == 0 && client->ending)
		client_free(client);
}

static void connection_close(struct control_client *client)
{
	zmq_watch_destroy(client->monitor_watch);
	zmq_watch_destroy(client->socket_watch);
	client->monitor_watch = client->socket_watch = NULL;
	dealer_disconnect(&client->dealer);
	hello_destroy(client->hello);
	client->hello = NULL;
}

static void over(struct control_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void over(struct control_client *client, const char *format, ...)
{
	char text[REASON_MAX];
	struct reason reason;
	va_list arguments;

	if (client->state == CLIENT_OVER || client->ending)
		return;
	client->state = CLIENT_OVER;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason_set(&reason, "%s", text);
	connection_close(client);
	loop_timer_set(client->silence, -1);
	loop_timer_set(client->retry, -1);
	loop_timer_set(client->settle, -1);
	client->callbacks.lost(reason.text, client->callbacks.arg);
}

/* The hello. */

static int64_t with_chance(int64_t ms)
{
	unsigned chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = 0;
	return ms + (int64_t) (chance % (unsigned) (ms / 2 + 1));
}

static void retry_later(struct control_client *client)
{
	loop_timer_set(client->retry, with_chance(client->retry_ms));
	if (client->retry_ms < RETRY_MAX_MS)
		client->retry_ms *= 2;
}

static void munge_trouble(struct control_client *client, const char *reason)
{
	int64_t now = loop_now();

	reason_set(&client->trouble, "%s", reason);
	if (client->trouble_since == 0)
		client->trouble_since = now;
	if (now - client->trouble_since >= client->munge_ms) {
		over(client, "no munge credential within %lld s: %s",
		     (long long) client->munge_ms / 1000, client->trouble.text);
		return;
	}
	retry_later(client);
}

static void on_hello(const char *payload, int error, const char *reason, void *arg)
{
	struct control_client *client = arg;

	enter(client);
	if (payload) {
		/* If it is not sent the connection is gone, and the monitor tells. */
		if (wire_send(client->dealer.socket, NULL, frame_type(FRAME_HELLO), payload,
			      strlen(payload)) == 0)
			client->state = CLIENT_HELLO;
		zmq_watch_check(client->socket_watch);
	} else if (error == EAGAIN) {
		munge_trouble(client, reason);
	} else {
		over(client, "%s", reason);
	}
	hello_destroy(client->hello);
	client->hello = NULL;
	leave(client);
}

/* With a credential of its own each time: munged knows a used one. */
static void hello_begin(struct control_client *client)
{
	client->state = CLIENT_CREDENTIAL;
	hello_destroy(client->hello);
	client->hello = hello_create(client->loop, &client->claim, on_hello, client);
	if (!client->hello)
		over(client, "the hello cannot be made: %s", strerror(errno));
}

/* Messages. */

static void handle_answer(struct control_client *client, enum frame_kind kind,
			  struct wire_message *message)
{
	char nonce[FRAME_NONCE_MAX];
	struct reason words;

	if (frame_answer_parse(zmq_msg_data(&message->payload), zmq_msg_size(&message->payload),
			       nonce, &words) < 0 ||
	    client->state != CLIENT_HELLO)
		return;
	if (strcmp(nonce, client->claim.nonce) != 0 &&
	    (kind != FRAME_REJECT || strcmp(nonce, FRAME_NO_NONCE) != 0))
		return;
	if (kind == FRAME_WELCOME) {
		client->state = CLIENT_WELCOMED;
		client->trouble_since = 0;
		client->trouble.text[0] = '\0';
		client->retry_ms = RETRY_MS;
		client->callbacks.welcomed(client->callbacks.arg);
	} else if (kind == FRAME_REJECT) {
		over(client, "the head turned this agent away: %s", words.text);
	} else {
		client->state = CLIENT_CREDENTIAL;
		munge_trouble(client, words.text);
	}
}

static void take_message(struct control_client *client)
{
	struct wire_message message;
	char type[CONTROL_TYPE_MAX] = "";
	enum frame_kind kind;

	/* What is malformed is dropped: it is the authenticated head's, and newer than we are.
	 */
	if (wire_receive(client->dealer.socket, false, &message) <= 0)
		return;
	client->heard = loop_now();
	kind = frame_kind(zmq_msg_data(&message.type), zmq_msg_size(&message.type));
	if (kind == FRAME_WELCOME || kind == FRAME_REJECT || kind == FRAME_RETRY) {
		handle_answer(client, kind, &message);
	} else if (kind == FRAME_PING && client->state == CLIENT_WELCOMED) {
		/* If it is not sent the connection is gone, or so busy that the head hears us.
		 */
		wire_send(client->dealer.socket, NULL, frame_type(FRAME_PONG), NULL, 0);
	} else if (kind == FRAME_MESSAGE && client->state == CLIENT_WELCOMED) {
		memcpy(type, zmq_msg_data(&message.type), zmq_msg_size(&message.type));
		client->callbacks.message(type, zmq_msg_data(&message.payload),
					  zmq_msg_size(&message.payload),
					  client->callbacks.arg);
	}
	wire_message_close(&message);
}

static void on_socket(void *arg)
{
	struct control_client *client = arg;

	enter(client);
	take_message(client);
	leave(client);
}

/* The connection. */

static void connection_event(struct control_client *client, unsigned event)
{
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		if (client->state != CLIENT_CONNECTING)
			break;
		client->heard = loop_now();
		client->trouble.text[0] = '\0';
		hello_begin(client);
		break;
	case ZMQ_EVENT_DISCONNECTED:
		if (client->state == CLIENT_CONNECTING)
			break;
		reason_set(&client->trouble, "its connection was closed");
		loop_timer_set(client->settle, 0);
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		if (client->trouble.text[0] == '\0')
			reason_set(&client->trouble, "it cannot be reached");
		break;
	default:
		reason_set(&client->trouble,
			   "it does not complete the CURVE handshake: is it this "
			   "session's head, and the key its key?");
		break;
	}
}

static void on_monitor(void *arg)
{
	struct control_client *client = arg;
	unsigned event;
	int value;

	enter(client);
	if (wire_monitor_take(client->dealer.monitor, &event, &value) > 0 &&
	    client->state != CLIENT_OVER)
		connection_event(client, event);
	leave(client);
}

static int connection_open(struct control_client *client)
{
	if (dealer_connect(&client->dealer, client->endpoint, client->claim.head_key,
			   client->claim.agent_key, client->secret) < 0)
		return -1;
	client->monitor_watch =
		zmq_watch_create(client->loop, client->dealer.monitor, on_monitor, client);
	client->socket_watch =
		zmq_watch_create(client->loop, client->dealer.socket, on_socket, client);
	if (!client->monitor_watch || !client->socket_watch)
		return -1;
	client->state = CLIENT_CONNECTING;
	return 0;
}

/* A connection that has ended says more than silence does: the head is given less time. */
static void hurry(struct control_client *client)
{
	int64_t now = loop_now(), heard = now - client->silence_ms + CONTROL_REJOIN_MS;

	if (client->heard <= heard)
		return;
	client->heard = heard;
	silence_watch(client, now);
}

/* What the head sent before the connection went is read first. */
static void on_settle(void *arg)
{
	struct control_client *client = arg;
	int count = 0;

	enter(client);
	while (count < SETTLE_BATCH && !client->ending && client->state != CLIENT_OVER &&
	       zmq_watch_readable(client->socket_watch)) {
		take_message(client);
		count++;
	}
	if (count == SETTLE_BATCH) {
		loop_timer_set(client->settle, 0);
	} else if (!client->ending && client->state != CLIENT_OVER) {
		if (client->state == CLIENT_WELCOMED)
			hurry(client);
		connection_close(client);
		client->state = CLIENT_WAITING;
		retry_later(client);
	}
	leave(client);
}

static void on_retry(void *arg)
{
	struct control_client *client = arg;

	enter(client);
	if (client->state == CLIENT_WAITING && connection_open(client) < 0)
		over(client, "no connection to %s: %s", client->endpoint, zmq_strerror(errno));
	else if (client->state == CLIENT_CREDENTIAL)
		hello_begin(client);
	leave(client);
}

static void silence_watch(struct control_client *client, int64_t now)
{
	client->silence_due = client->heard + client->silence_ms;
	loop_timer_set(client->silence, client->silence_due - now);
}

/* The timer is not moved with each message: it looks once per period. */
static void on_silence(void *arg)
{
	struct control_client *client = arg;
	int64_t now = loop_now();

	enter(client);
	/* Then it was this process that stood still (scontrol suspend, a debugger). */
	if (now - client->silence_due > client->silence_ms / 2)
		client->heard = now;
	if (now - client->heard < client->silence_ms)
		silence_watch(client, now);
	else
		over(client, "the head at %s was not heard for %lld s%s%s", client->endpoint,
		     (long long) (now - client->heard) / 1000,
		     client->trouble.text[0] != '\0' ? ": " : "", client->trouble.text);
	leave(client);
}

int control_client_send(struct control_client *client, const char *type, const void *payload,
			size_t size)
{
	int rc, saved;

	if (frame_message_check(type, size) < 0)
		return -1;
	if (client->state != CLIENT_WELCOMED) {
		errno = ENOTCONN;
		return -1;
	}
	rc = wire_send(client->dealer.socket, NULL, type, payload, size);
	saved = errno;
	zmq_watch_check(client->socket_watch);
	errno = saved;
	return rc;
}

/* Making and ending. */

static int options_take(struct control_client *client,
			const struct control_client_options *options, struct reason *reason)
{
	char text[FRAME_CLAIM_MAX];
	struct frame_claim *claim = &client->claim;

	if (!dealer_endpoint_valid(options->endpoint)) {
		errno = EINVAL;
		return reason_set(reason, "the head's endpoint is not tcp://IP:PORT: %s",
				  options->endpoint);
	}
	memcpy(client->endpoint, options->endpoint, strlen(options->endpoint) + 1);
	snprintf(claim->job_id, sizeof(claim->job_id), "%s", options->job_id);
	snprintf(claim->node, sizeof(claim->node), "%s", options->node);
	snprintf(claim->head_key, sizeof(claim->head_key), "%s", options->server_key);
	claim->rank = options->rank;
	memcpy(claim->nonce, FRAME_NO_NONCE, sizeof(FRAME_NO_NONCE));
	if (strcmp(claim->job_id, options->job_id) != 0 ||
	    strcmp(claim->node, options->node) != 0 ||
	    strcmp(claim->head_key, options->server_key) != 0 ||
	    frame_claim_format(claim, text) < 0) {
		errno = EINVAL;
		return reason_set(reason,
				  "the job id, the rank, the node's name or the head's key is "
				  "malformed: %s, %zu, %s, %s",
				  options->job_id, options->rank, options->node,
				  options->server_key);
	}
	return 0;
}

static int open_timers(struct control_client *client)
{
	struct loop *loop = client->loop;

	client->silence = loop_timer_create(loop, on_silence, client);
	client->retry = loop_timer_create(loop, on_retry, client);
	client->settle = loop_timer_create(loop, on_settle, client);
	if (!client->silence || !client->retry || !client->settle)
		return -1;
	client->heard = loop_now();
	silence_watch(client, client->heard);
	return 0;
}

struct control_client *control_client_create(struct loop *loop,
					     const struct control_client_options *options,
					     const struct control_client_callbacks *callbacks,
					     struct reason *reason)
{
	struct control_client *client = calloc(1, sizeof(*client));
	int saved;

	if (!client) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	client->loop = loop;
	client->callbacks = *callbacks;
	client->silence_ms = options->silence_ms > 0 ? options->silence_ms : CONTROL_SILENCE_MS;
	client->munge_ms = options->munge_ms > 0 ? options->munge_ms : CONTROL_MUNGE_MS;
	client->retry_ms = RETRY_MS;
	if (zmq_curve_keypair(client->claim.agent_key, client->secret) < 0) {
		reason_set(reason, "no CURVE keys: %s", zmq_strerror(errno));
		goto error;
	}
	if (options_take(client, options, reason) < 0)
		goto error;
	if (open_timers(client) < 0 || connection_open(client) < 0) {
		reason_set(reason, "the control plane cannot connect to %s: %s",
			   client->endpoint, zmq_strerror(errno));
		goto error;
	}
	return client;

error:
	saved = errno;
	client_free(client);
	errno = saved;
	return NULL;
}

static void client_free(struct control_client *client)
{
	hello_destroy(client->hello);
	loop_timer_destroy(client->silence);
	loop_timer_destroy(client->retry);
	loop_timer_destroy(client->settle);
	zmq_watch_destroy(client->monitor_watch);
	zmq_watch_destroy(client->socket_watch);
	dealer_close(&client->dealer);
	explicit_bzero(client->secret, sizeof(client->secret));
	free(client);
}

void control_client_destroy(struct control_client *client)
{
	int saved = errno;

	if (!client)
		return;
	client->ending = true;
	if (client->depth == 0)
		client_free(client);
	errno = saved;
}
