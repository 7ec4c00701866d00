/* SPDX-License-Identifier: MIT */
/*
 * The agent's side of the control plane: see control.h, and frame.h for what goes over the
 * wire. Runs in the agent's event loop, as the user.  One connection is an uplink (uplink.h);
 * to whom, is in parents.h; others connect to a branch (branch.h).
 */
#include "launcher/control/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/control/backoff.h"
#include "launcher/control/branch.h"
#include "launcher/control/dealer.h"
#include "launcher/control/parents.h"
#include "launcher/control/route.h"
#include "launcher/control/span.h"

enum client_state {
	CLIENT_WAITING, /* for the time of the next connection, or for the rendezvous */
	CLIENT_LINKED,
	CLIENT_OVER /* lost() was called */
};

struct control_client {
	struct guard guard;
	struct loop *loop;
	struct control_client_callbacks callbacks;
	struct control_client_options options; /* its strings are not kept */
	char job_id[FRAME_JOB_MAX];

	struct parents parents;
	const struct parent *parent; /* of the connection there is, or was */
	struct uplink *link;
	struct branch *branch; /* NULL: none */
	struct loop_timer *silence, *retry, *patience;

	enum client_state state;
	bool waited;	     /* long enough to be told of its branch */
	bool welcomed;	     /* on this connection */
	int64_t heard;	     /* loop_now() of the server's last sign of life, or moved: */
	int64_t silence_due; /* silence_ms after it the server is given up */
	int64_t spoken;	     /* loop_now() of its last sign of life indeed */
	struct backoff backoff;
	struct reason trouble; /* of the connection; "" none */
};

static void silence_watch(struct control_client *client, int64_t now);

static void over(struct control_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void over(struct control_client *client, const char *format, ...)
{
	char text[REASON_MAX];
	struct reason reason;
	va_list arguments;

	if (client->state == CLIENT_OVER || client->guard.ending)
		return;
	client->state = CLIENT_OVER;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason_set(&reason, "%s", text);
	uplink_close(client->link);
	loop_timer_set(client->silence, -1);
	loop_timer_set(client->retry, -1);
	loop_timer_set(client->patience, -1);
	client->callbacks.lost(reason.text, client->callbacks.arg);
}

/* The connection. */

/* The next one, after a while. */
static void next_link(struct control_client *client, bool another)
{
	uplink_close(client->link);
	client->state = CLIENT_WAITING;
	loop_timer_set(client->patience, -1);
	loop_timer_set(client->retry, another ? backoff_other(&client->backoff)
					      : backoff_next(&client->backoff));
}

static void open_link(struct control_client *client)
{
	const struct parent *parent = parents_next(&client->parents, client->waited);

	if (!parent || client->state != CLIENT_WAITING)
		return;
	client->state = CLIENT_LINKED;
	client->parent = parent;
	client->welcomed = false;
	if (uplink_open(client->link, parent->endpoint, parent->key) < 0) {
		reason_set(&client->trouble, "no connection can be made: %s",
			   zmq_strerror(errno));
		next_link(client, false);
		return;
	}
	if (!parents_single(&client->parents))
		loop_timer_set(client->patience, PARENTS_TRY_MS);
}

static void on_retry(void *arg)
{
	struct control_client *client = arg;

	guard_enter(&client->guard);
	open_link(client);
	guard_leave(&client->guard);
}

/* The branch was not told of, or does not admit. */
static void on_patience(void *arg)
{
	struct control_client *client = arg;

	guard_enter(&client->guard);
	client->waited = true;
	if (client->state == CLIENT_LINKED && !client->welcomed) {
		reason_set(&client->trouble, "it does not answer");
		next_link(client, !parents_failed(&client->parents));
	} else if (client->state == CLIENT_WAITING) {
		open_link(client);
	}
	guard_leave(&client->guard);
}

static void on_failing(const char *reason, void *arg)
{
	struct control_client *client = arg;

	reason_set(&client->trouble, "%s", reason);
	if (parents_single(&client->parents))
		return;
	next_link(client, !parents_failed(&client->parents));
}

/* A connection that has ended says more than silence does: the head is given less time. */
static void hurry(struct control_client *client)
{
	int64_t now = loop_now(), heard = now - client->options.silence_ms + CONTROL_REJOIN_MS;

	if (client->heard <= heard)
		return;
	client->heard = heard;
	silence_watch(client, now);
}

static void on_ended(enum uplink_end end, const char *reason, void *arg)
{
	struct control_client *client = arg;
	bool another = false;

	if (end == UPLINK_OVER) {
		over(client, "%s", reason);
		return;
	}
	reason_set(&client->trouble, "%s", reason);
	if (client->welcomed)
		hurry(client);
	else
		another = !parents_failed(&client->parents);
	client->welcomed = false;
	if (client->branch)
		branch_down(client->branch);
	next_link(client, another);
}

/* What comes. */

static void on_heard(void *arg)
{
	struct control_client *client = arg;

	client->heard = client->spoken = loop_now();
}

/* Its address is that of the connection to the head: others of this network reach it there. */
static void open_branch(struct control_client *client)
{
	struct branch_options options = {.ip = uplink_address(client->link),
					 .port_first = client->options.port_first,
					 .port_last = client->options.port_last,
					 .job_id = client->job_id,
					 .agents = client->options.agents,
					 .span = client->options.span,
					 .heartbeat_ms = client->options.heartbeat_ms,
					 .silence_ms = client->options.silence_ms,
					 .link = client->link};
	char line[REASON_MAX + 2];
	struct reason reason;
	int size;

	client->branch = branch_create(client->loop, &client->guard, &options, &reason);
	if (client->branch)
		return;
	size = snprintf(line, sizeof(line), "- %s", reason.text);
	uplink_send(client->link, frame_type(FRAME_BRANCH), NULL, line, (size_t) size);
}

static void on_welcomed(void *arg)
{
	struct control_client *client = arg;

	client->welcomed = true;
	client->trouble.text[0] = '\0';
	backoff_reset(&client->backoff);
	parents_found(&client->parents);
	loop_timer_set(client->patience, -1);
	if (span_is_branch(client->options.rank, client->options.span)) {
		if (!client->branch)
			open_branch(client);
		if (client->branch)
			branch_up(client->branch);
	}
	client->callbacks.welcomed(client->callbacks.arg);
}

static void on_message(enum frame_kind kind, struct wire_message *message, void *arg)
{
	struct control_client *client = arg;
	char type[CONTROL_TYPE_MAX] = "";

	if (client->branch)
		branch_message(client->branch, kind, message);
	if (kind == FRAME_MESSAGE)
		memcpy(type, zmq_msg_data(&message->type), zmq_msg_size(&message->type));
	else if (kind != FRAME_ALL ||
		 route_parse(zmq_msg_data(&message->route), zmq_msg_size(&message->route), NULL,
			     type) < 0)
		return;
	client->callbacks.message(type, zmq_msg_data(&message->payload),
				  zmq_msg_size(&message->payload), client->callbacks.arg);
}

static void on_ready(void *arg)
{
	struct control_client *client = arg;

	if (client->branch)
		branch_ready(client->branch);
}

/* Silence. */

static void silence_watch(struct control_client *client, int64_t now)
{
	client->silence_due = client->heard + client->options.silence_ms;
	loop_timer_set(client->silence, client->silence_due - now);
}

/* What is silent may be this process, which has stood still, or a link that is cut: whoever has
 * let go of us meanwhile takes us again, but by a new connection alone. */
static void leave_silent(struct control_client *client, int64_t now)
{
	reason_set(&client->trouble, "it is silent");
	client->welcomed = false;
	client->heard = now + (CONTROL_RETURN_TIMES - 1) * client->options.silence_ms;
	silence_watch(client, now);
	if (client->branch)
		branch_down(client->branch);
	/* A branch that is silent is not the one to try again. */
	if (client->parent->rank != 0)
		parents_failed(&client->parents);
	next_link(client, false);
}

static void silent(struct control_client *client, int64_t now)
{
	if (client->welcomed)
		leave_silent(client, now);
	else
		over(client, "the head at %s was not heard for %lld s%s%s",
		     parents_head(&client->parents)->endpoint,
		     (long long) (now - client->spoken) / 1000,
		     client->trouble.text[0] != '\0' ? ": " : "", client->trouble.text);
}

/* The timer is not moved with each message: it looks once per period. */
static void on_silence(void *arg)
{
	struct control_client *client = arg;
	int64_t now = loop_now();

	guard_enter(&client->guard);
	/* Then it was this process that stood still (scontrol suspend, a debugger). */
	if (now - client->silence_due > client->options.silence_ms / 2)
		client->heard = now;
	if (now - client->heard < client->options.silence_ms)
		silence_watch(client, now);
	else
		silent(client, now);
	guard_leave(&client->guard);
}

/* The callers'. */

int control_client_send(struct control_client *client, const char *type, const void *payload,
			size_t size)
{
	if (frame_message_check(type, size) < 0)
		return -1;
	return uplink_send(client->link, type, NULL, payload, size);
}

void control_client_branch(struct control_client *client, size_t rank, const char *endpoint,
			   const char *key)
{
	if (dealer_endpoint_valid(endpoint) && frame_key_valid(key) &&
	    parents_add(&client->parents, rank, endpoint, key))
		loop_timer_set(client->retry, 0);
}

/* Making and ending. */

static int options_take(struct control_client *client,
			const struct control_client_options *options, struct reason *reason)
{
	if (!dealer_endpoint_valid(options->endpoint)) {
		errno = EINVAL;
		return reason_set(reason, "the head's endpoint is not tcp://IP:PORT: %s",
				  options->endpoint);
	}
	if (!uplink_valid(client->link, options->server_key)) {
		errno = EINVAL;
		return reason_set(reason,
				  "the job id, the rank, the node's name or the head's key is "
				  "malformed: %s, %zu, %s, %s",
				  options->job_id, options->rank, options->node,
				  options->server_key);
	}
	memcpy(client->job_id, options->job_id, strlen(options->job_id) + 1);
	client->options = *options;
	if (client->options.silence_ms <= 0)
		client->options.silence_ms = CONTROL_SILENCE_MS;
	parents_open(&client->parents, options->rank, options->agents, options->span,
		     options->endpoint, options->server_key);
	return 0;
}

static int make_link(struct control_client *client,
		     const struct control_client_options *options, struct reason *reason)
{
	struct uplink_options link = {.job_id = options->job_id,
				      .node = options->node,
				      .rank = options->rank,
				      .munge_ms = options->munge_ms > 0 ? options->munge_ms
									: CONTROL_MUNGE_MS};
	struct uplink_callbacks callbacks = {.heard = on_heard,
					     .welcomed = on_welcomed,
					     .message = on_message,
					     .ready = on_ready,
					     .failing = on_failing,
					     .ended = on_ended,
					     .arg = client};

	client->link = uplink_create(client->loop, &client->guard, &link, &callbacks, reason);
	return client->link ? 0 : -1;
}

static int open_timers(struct control_client *client, struct reason *reason)
{
	client->silence = loop_timer_create(client->loop, on_silence, client);
	client->retry = loop_timer_create(client->loop, on_retry, client);
	client->patience = loop_timer_create(client->loop, on_patience, client);
	if (!client->silence || !client->retry || !client->patience)
		return reason_set(reason, "out of memory");
	client->heard = client->spoken = loop_now();
	silence_watch(client, client->heard);
	return 0;
}

/* The first connection, or the wait for the rendezvous. */
static int begin(struct control_client *client, struct reason *reason)
{
	const struct parent *parent = parents_next(&client->parents, false);

	if (!parent) {
		loop_timer_set(client->patience, PARENTS_WAIT_MS);
		return 0;
	}
	client->state = CLIENT_LINKED;
	client->parent = parent;
	if (uplink_open(client->link, parent->endpoint, parent->key) < 0)
		return reason_set(reason, "the control plane cannot connect to %s: %s",
				  parent->endpoint, zmq_strerror(errno));
	return 0;
}

static void client_free(void *arg)
{
	struct control_client *client = arg;

	branch_destroy(client->branch);
	uplink_destroy(client->link);
	loop_timer_destroy(client->silence);
	loop_timer_destroy(client->retry);
	loop_timer_destroy(client->patience);
	free(client);
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
	client->guard = (struct guard){.free = client_free, .arg = client};
	client->loop = loop;
	client->callbacks = *callbacks;
	if (make_link(client, options, reason) < 0 ||
	    options_take(client, options, reason) < 0 || open_timers(client, reason) < 0 ||
	    begin(client, reason) < 0) {
		saved = errno;
		client_free(client);
		errno = saved;
		return NULL;
	}
	return client;
}

void control_client_destroy(struct control_client *client)
{
	int saved = errno;

	if (!client)
		return;
	if (client->branch && !client->guard.ending)
		branch_bye(client->branch);
	guard_end(&client->guard);
	errno = saved;
}
