/* SPDX-License-Identifier: MIT */
/* See uplink.h. */
#include "launcher/control/uplink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "launcher/control/backoff.h"
#include "launcher/control/dealer.h"
#include "launcher/control/hello.h"
#include "launcher/control/route.h"
#include "launcher/control/zmq_watch.h"

enum { SETTLE_BATCH = 64 };

enum uplink_state {
	UPLINK_SHUT,
	UPLINK_CONNECTING, /* until the handshake has succeeded */
	UPLINK_CREDENTIAL, /* connected; the credential is being made, or waited for */
	UPLINK_HELLO,	   /* sent */
	UPLINK_WELCOMED
};

struct uplink {
	struct loop *loop;
	struct guard *guard;
	struct uplink_callbacks callbacks;
	struct frame_claim claim;
	char secret[CONTROL_KEY_SIZE];
	int64_t munge_ms;

	struct dealer dealer;
	struct zmq_watch *socket_watch, *monitor_watch;
	struct loop_timer *retry, *settle;
	struct hello *hello; /* there while it is being made */

	enum uplink_state state;
	const char *failure; /* of the tries to connect; NULL none */
	char address[INET6_ADDRSTRLEN];
	int64_t trouble_since; /* loop_now() of munge's first failure in a row; 0 none */
	struct backoff backoff;
};

void uplink_close(struct uplink *link)
{
	zmq_watch_destroy(link->monitor_watch);
	zmq_watch_destroy(link->socket_watch);
	link->monitor_watch = link->socket_watch = NULL;
	dealer_disconnect(&link->dealer);
	hello_destroy(link->hello);
	link->hello = NULL;
	link->state = UPLINK_SHUT;
	loop_timer_set(link->retry, -1);
	loop_timer_set(link->settle, -1);
}

static void end(struct uplink *link, enum uplink_end how, const char *words)
{
	struct reason reason;

	reason_set(&reason, "%s", words);
	uplink_close(link);
	link->callbacks.ended(how, reason.text, link->callbacks.arg);
}

/* The hello. */

static void munge_trouble(struct uplink *link, const char *words)
{
	int64_t now = loop_now();
	struct reason reason;

	if (link->trouble_since == 0)
		link->trouble_since = now;
	if (now - link->trouble_since < link->munge_ms) {
		loop_timer_set(link->retry, backoff_next(&link->backoff));
		return;
	}
	reason_set(&reason, "no munge credential within %lld s: %s",
		   (long long) link->munge_ms / 1000, words);
	end(link, UPLINK_OVER, reason.text);
}

static void on_hello(const char *payload, int error, const char *reason, void *arg)
{
	struct uplink *link = arg;

	guard_enter(link->guard);
	if (payload) {
		/* If it is not sent the connection is gone, and the monitor tells. */
		if (wire_send(link->dealer.socket, NULL, frame_type(FRAME_HELLO), payload,
			      strlen(payload)) == 0)
			link->state = UPLINK_HELLO;
		zmq_watch_check(link->socket_watch);
	}
	hello_destroy(link->hello);
	link->hello = NULL;
	if (!payload && error == EAGAIN)
		munge_trouble(link, reason);
	else if (!payload)
		end(link, UPLINK_OVER, reason);
	guard_leave(link->guard);
}

/* With a credential of its own each time: munged knows a used one. */
static void hello_begin(struct uplink *link)
{
	struct reason reason;

	link->state = UPLINK_CREDENTIAL;
	hello_destroy(link->hello);
	link->hello = hello_create(link->loop, &link->claim, on_hello, link);
	if (link->hello)
		return;
	reason_set(&reason, "the hello cannot be made: %s", strerror(errno));
	munge_trouble(link, reason.text);
}

/* For munge, which may be well again. */
static void on_retry(void *arg)
{
	struct uplink *link = arg;

	guard_enter(link->guard);
	if (link->state == UPLINK_CREDENTIAL)
		hello_begin(link);
	guard_leave(link->guard);
}

/* Messages. */

static void handle_answer(struct uplink *link, enum frame_kind kind,
			  struct wire_message *message)
{
	char nonce[FRAME_NONCE_MAX];
	struct reason words, reason;
	bool ours;

	if (frame_answer_parse(zmq_msg_data(&message->payload), zmq_msg_size(&message->payload),
			       nonce, &words) < 0)
		return;
	ours = strcmp(nonce, link->claim.nonce) == 0;
	if (kind == FRAME_WELCOME && ours &&
	    (link->state == UPLINK_HELLO || link->state == UPLINK_WELCOMED)) {
		link->state = UPLINK_WELCOMED;
		link->trouble_since = 0;
		backoff_reset(&link->backoff);
		link->callbacks.welcomed(link->callbacks.arg);
		return;
	}
	if (link->state != UPLINK_HELLO)
		return;
	if (kind == FRAME_REJECT && (ours || strcmp(nonce, FRAME_NO_NONCE) == 0)) {
		reason_set(&reason, "the head turned this agent away: %s", words.text);
		end(link, UPLINK_OVER, reason.text);
	} else if (kind == FRAME_ELSEWHERE && ours) {
		end(link, UPLINK_ELSEWHERE, words.text);
	} else if (kind == FRAME_RETRY && ours) {
		link->state = UPLINK_CREDENTIAL;
		munge_trouble(link, words.text);
	}
}

static bool take_message(struct uplink *link)
{
	struct wire_message message;
	enum frame_kind kind;
	int rc = wire_receive(link->dealer.socket, false, &message);

	/* What is malformed is dropped: it is the authenticated head's, and newer than we are.
	 */
	if (rc <= 0)
		return rc == 0;
	link->callbacks.heard(link->callbacks.arg);
	kind = frame_kind(zmq_msg_data(&message.type), zmq_msg_size(&message.type));
	if (kind == FRAME_WELCOME || kind == FRAME_REJECT || kind == FRAME_RETRY ||
	    kind == FRAME_ELSEWHERE)
		handle_answer(link, kind, &message);
	else if (kind == FRAME_PING && link->state == UPLINK_WELCOMED)
		/* If it is not sent the connection is gone, or so busy that we are heard. */
		wire_send(link->dealer.socket, NULL, frame_type(FRAME_PONG), NULL, 0);
	else if (kind != FRAME_MALFORMED && link->state == UPLINK_WELCOMED &&
		 route_wanted(kind) == message.has_route)
		link->callbacks.message(kind, &message, link->callbacks.arg);
	wire_message_close(&message);
	return true;
}

static void on_socket(void *arg)
{
	struct uplink *link = arg;

	guard_enter(link->guard);
	take_message(link);
	guard_leave(link->guard);
}

static void on_writable(void *arg)
{
	struct uplink *link = arg;

	guard_enter(link->guard);
	link->callbacks.ready(link->callbacks.arg);
	guard_leave(link->guard);
}

/* The connection. */

/* fd is the connection's, unless it is gone already and another has its number: that one is not
 * to the server, or is as good. */
static void address_take(struct uplink *link, int fd)
{
	struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
	socklen_t size = sizeof(local);
	const void *address = &((struct sockaddr_in *) &local)->sin_addr;

	if (getsockname(fd, (struct sockaddr *) &local, &size) < 0)
		return;
	if (local.ss_family == AF_INET6)
		address = &((struct sockaddr_in6 *) &local)->sin6_addr;
	if (local.ss_family == AF_INET || local.ss_family == AF_INET6)
		inet_ntop(local.ss_family, address, link->address, sizeof(link->address));
}

/* A connection that was there is not failing, it has ended: ZeroMQ tries again at once. */
static void failing(struct uplink *link)
{
	if (link->state == UPLINK_CONNECTING)
		link->callbacks.failing(link->failure, link->callbacks.arg);
}

static void connection_event(struct uplink *link, unsigned event, int value)
{
	switch (event) {
	case ZMQ_EVENT_CONNECTED:
		address_take(link, value);
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		if (link->state != UPLINK_CONNECTING)
			break;
		link->callbacks.heard(link->callbacks.arg);
		hello_begin(link);
		break;
	case ZMQ_EVENT_DISCONNECTED:
		if (link->state != UPLINK_CONNECTING)
			loop_timer_set(link->settle, 0);
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		if (!link->failure)
			link->failure = "it cannot be reached";
		failing(link);
		break;
	default:
		link->failure = "it does not complete the CURVE handshake: is it this "
				"session's head, and the key its key?";
		failing(link);
		break;
	}
}

static void on_monitor(void *arg)
{
	struct uplink *link = arg;
	unsigned event;
	int value;

	guard_enter(link->guard);
	if (wire_monitor_take(link->dealer.monitor, &event, &value) > 0)
		connection_event(link, event, value);
	guard_leave(link->guard);
}

/* What the server sent before the connection went is read first. */
static void on_settle(void *arg)
{
	struct uplink *link = arg;
	int count = 0;

	guard_enter(link->guard);
	while (count < SETTLE_BATCH && !link->guard->ending && link->state != UPLINK_SHUT &&
	       take_message(link))
		count++;
	if (count == SETTLE_BATCH)
		loop_timer_set(link->settle, 0);
	else if (!link->guard->ending && link->state != UPLINK_SHUT)
		end(link, UPLINK_CLOSED, "its connection was closed");
	guard_leave(link->guard);
}

int uplink_open(struct uplink *link, const char *endpoint, const char *server_key)
{
	int saved;

	link->failure = NULL;
	memcpy(link->claim.head_key, server_key, strlen(server_key) + 1);
	if (dealer_connect(&link->dealer, endpoint, server_key, link->claim.agent_key,
			   link->secret) < 0)
		goto error;
	link->monitor_watch =
		zmq_watch_create(link->loop, link->dealer.monitor, on_monitor, link);
	link->socket_watch = zmq_watch_create(link->loop, link->dealer.socket, on_socket, link);
	if (!link->monitor_watch || !link->socket_watch)
		goto error;
	link->state = UPLINK_CONNECTING;
	return 0;

error:
	saved = errno;
	uplink_close(link);
	errno = saved;
	return -1;
}

bool uplink_welcomed(const struct uplink *link)
{
	return link->state == UPLINK_WELCOMED;
}

const char *uplink_address(const struct uplink *link)
{
	return link->address;
}

int uplink_send(struct uplink *link, const char *type, const char *route, const void *payload,
		size_t size)
{
	int rc, saved;

	if (link->state != UPLINK_WELCOMED) {
		errno = ENOTCONN;
		return -1;
	}
	rc = wire_carry(link->dealer.socket, NULL, type, route, payload, size);
	saved = errno;
	zmq_watch_check(link->socket_watch);
	errno = saved;
	return rc;
}

bool uplink_ready(struct uplink *link)
{
	if (link->state != UPLINK_WELCOMED)
		return false;
	if (zmq_watch_writable(link->socket_watch))
		return true;
	zmq_watch_wait(link->socket_watch, on_writable);
	return false;
}

/* Making and ending. */

bool uplink_valid(const struct uplink *link, const char *server_key)
{
	struct frame_claim claim = link->claim;
	char text[FRAME_CLAIM_MAX];

	if (strlen(server_key) >= sizeof(claim.head_key))
		return false;
	memcpy(claim.head_key, server_key, strlen(server_key) + 1);
	return frame_claim_format(&claim, text) >= 0;
}

struct uplink *uplink_create(struct loop *loop, struct guard *guard,
			     const struct uplink_options *options,
			     const struct uplink_callbacks *callbacks, struct reason *reason)
{
	struct uplink *link = calloc(1, sizeof(*link));
	int saved;

	if (!link) {
		reason_set(reason, "out of memory");
		return NULL;
	}
	link->loop = loop;
	link->guard = guard;
	link->callbacks = *callbacks;
	link->munge_ms = options->munge_ms;
	link->claim.rank = options->rank;
	memcpy(link->claim.nonce, FRAME_NO_NONCE, sizeof(FRAME_NO_NONCE));
	/* A name that is too long becomes one that uplink_valid() finds. */
	if ((size_t) snprintf(link->claim.job_id, sizeof(link->claim.job_id), "%s",
			      options->job_id) >= sizeof(link->claim.job_id))
		link->claim.job_id[0] = '\0';
	if ((size_t) snprintf(link->claim.node, sizeof(link->claim.node), "%s",
			      options->node) >= sizeof(link->claim.node))
		link->claim.node[0] = '\0';
	if (zmq_curve_keypair(link->claim.agent_key, link->secret) < 0) {
		reason_set(reason, "no CURVE keys: %s", zmq_strerror(errno));
		goto error;
	}
	link->retry = loop_timer_create(loop, on_retry, link);
	link->settle = loop_timer_create(loop, on_settle, link);
	if (!link->retry || !link->settle) {
		reason_set(reason, "out of memory");
		goto error;
	}
	return link;

error:
	saved = errno;
	uplink_destroy(link);
	errno = saved;
	return NULL;
}

void uplink_destroy(struct uplink *link)
{
	if (!link)
		return;
	hello_destroy(link->hello);
	loop_timer_destroy(link->retry);
	loop_timer_destroy(link->settle);
	zmq_watch_destroy(link->monitor_watch);
	zmq_watch_destroy(link->socket_watch);
	dealer_close(&link->dealer);
	explicit_bzero(link->secret, sizeof(link->secret));
	free(link);
}
