/* SPDX-License-Identifier: MIT */
/* See tree.h. */
#include "launcher/control/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/batch.h"
#include "launcher/control/route.h"
#include "launcher/control/span.h"

/* A branch that says so ends with its session, and its agents do: those that still have
 * something to do come another way within this. */
enum { BYE_MS = 2000 };

struct tree {
	struct guard *guard;
	struct tree_callbacks callbacks;
	struct port *port;
	struct roster *roster;
	size_t span;
	int64_t rejoin_ms, heartbeat_ms;
	struct loop_timer *adrift; /* the first that is overdue */
	struct batch takes, refuses;
};

static void malformed(struct tree *tree, const struct peer *branch,
		      const struct wire_message *message)
{
	struct reason reason;

	reason_set(&reason, "the agent of rank %zu sent a malformed message", branch->rank);
	port_report(tree->port, message->address, reason.text);
}

/* Joining. */

static void flush(struct tree *tree, struct peer *branch, enum frame_kind kind,
		  struct batch *batch)
{
	/* If it is not sent the branch is gone, or asks again. */
	if (batch->size > 0)
		port_send(tree->port, branch, frame_type(kind), NULL, batch->text, batch->size);
	batch->size = 0;
}

static void refuse(struct tree *tree, struct peer *branch, const struct batch_line *line,
		   const char *reason)
{
	if (batch_add(&tree->refuses, line->rank, line->key, line->nonce, reason))
		return;
	flush(tree, branch, FRAME_REFUSES, &tree->refuses);
	batch_add(&tree->refuses, line->rank, line->key, line->nonce, reason);
}

static void take(struct tree *tree, struct peer *branch, const struct batch_line *line)
{
	struct roster_entry entry = {.rank = line->rank,
				     .via = branch->rank,
				     .key = line->key,
				     .nonce = line->nonce,
				     .node = line->words};
	struct peer *before = roster_find(tree->roster, line->rank), *peer;

	if (before)
		port_drop(tree->port, before);
	peer = roster_join(tree->roster, &entry, loop_now());
	if (!peer) {
		refuse(tree, branch, line, "the head is out of memory");
		return;
	}
	if (!batch_add(&tree->takes, line->rank, line->key, line->nonce, "")) {
		flush(tree, branch, FRAME_TAKES, &tree->takes);
		batch_add(&tree->takes, line->rank, line->key, line->nonce, "");
	}
	peer->untold = true;
}

/* Of two hellos of one agent the later counts: a branch that stood still may ask for one that
 * has joined elsewhere since. */
static bool is_late(const struct tree *tree, const struct batch_line *line)
{
	const struct peer *peer = roster_find(tree->roster, line->rank);

	return peer && strcmp(peer->key, line->key) == 0 &&
	       strcmp(line->nonce, peer->nonce) < 0;
}

static bool asks_line(struct tree *tree, struct peer *branch, const struct batch_line *line)
{
	struct reason reason;

	if (line->rank >= tree->roster->size || !text_is_name(line->words, CONTROL_NODE_MAX))
		return false;
	if (span_branch_of(line->rank, tree->span) == SPAN_NO_BRANCH)
		refuse(tree, branch, line, "an agent of this rank connects to the head");
	else if (is_late(tree, line))
		refuse(tree, branch, line, "this agent has come another way since");
	else if (tree->callbacks.wants(line->rank, line->key, &reason, tree->callbacks.arg))
		take(tree, branch, line);
	else
		refuse(tree, branch, line, reason.text);
	return true;
}

/* After the branch: what is sent to the agent from within must find it there. */
static bool joined_line(struct tree *tree, struct peer *branch, const struct batch_line *line)
{
	struct peer *peer = roster_find(tree->roster, line->rank);

	if (peer && peer->untold && peer->via == branch->rank) {
		peer->untold = false;
		tree->callbacks.joined(peer, tree->callbacks.arg);
	}
	return true;
}

/* An agent that has joined through that branch; NULL: it has come another way since, or is
 * lost. */
static struct peer *peer_of(const struct tree *tree, const struct peer *branch, size_t rank)
{
	struct peer *peer = roster_find(tree->roster, rank);

	return peer && peer->via == branch->rank && peer->state == PEER_JOINED ? peer : NULL;
}

static bool gone_line(struct tree *tree, struct peer *branch, const struct batch_line *line)
{
	struct peer *peer = peer_of(tree, branch, line->rank);

	if (peer && strcmp(peer->key, line->key) == 0 && strcmp(peer->nonce, line->nonce) == 0)
		tree->callbacks.lost(peer, line->words, tree->callbacks.arg);
	return true;
}

static bool each_line(struct tree *tree, struct peer *branch, struct wire_message *message,
		      bool (*one)(struct tree *, struct peer *, const struct batch_line *))
{
	size_t offset = 0;
	struct batch_line line;
	int rc;

	while ((rc = batch_next(zmq_msg_data(&message->payload),
				zmq_msg_size(&message->payload), &offset, &line)) > 0)
		if (tree->guard->ending || !one(tree, branch, &line))
			return false;
	return rc == 0;
}

/* Where agents may join through it. */
static bool place(struct tree *tree, struct peer *branch, struct wire_message *message)
{
	char endpoint[CONTROL_ENDPOINT_MAX], key[CONTROL_KEY_SIZE];
	struct reason words, line;

	if (route_place_parse(zmq_msg_data(&message->payload), zmq_msg_size(&message->payload),
			      endpoint, key, &words) == 0) {
		if (tree->callbacks.branch)
			tree->callbacks.branch(branch->rank, endpoint, key,
					       tree->callbacks.arg);
		return true;
	}
	if (words.text[0] == '\0')
		return false;
	reason_set(&line, "nobody joins through rank %zu on %s: %s", branch->rank, branch->node,
		   words.text);
	port_report(tree->port, message->address, line.text);
	return true;
}

static bool tells(struct tree *tree, struct peer *branch, struct wire_message *message)
{
	struct reason line;
	size_t size = zmq_msg_size(&message->payload);

	if (size >= sizeof(line.text))
		return false;
	reason_set(&line, "at rank %zu on %s: %.*s", branch->rank, branch->node, (int) size,
		   (const char *) zmq_msg_data(&message->payload));
	port_report(tree->port, message->address, line.text);
	return true;
}

static bool from(struct tree *tree, struct peer *branch, struct wire_message *message)
{
	char type[CONTROL_TYPE_MAX];
	size_t rank;

	if (route_parse(zmq_msg_data(&message->route), zmq_msg_size(&message->route), &rank,
			type) < 0)
		return false;
	if (peer_of(tree, branch, rank))
		tree->callbacks.message(rank, type, zmq_msg_data(&message->payload),
					zmq_msg_size(&message->payload), tree->callbacks.arg);
	return true;
}

void tree_message(struct tree *tree, struct peer *branch, enum frame_kind kind,
		  struct wire_message *message)
{
	bool well = span_is_branch(branch->rank, tree->span);

	if (well && kind == FRAME_FROM) {
		well = from(tree, branch, message);
	} else if (well && kind == FRAME_ASKS) {
		well = each_line(tree, branch, message, asks_line);
		if (tree->guard->ending)
			return;
		flush(tree, branch, FRAME_TAKES, &tree->takes);
		flush(tree, branch, FRAME_REFUSES, &tree->refuses);
		each_line(tree, branch, message, joined_line);
	} else if (well && kind == FRAME_GONE) {
		well = each_line(tree, branch, message, gone_line);
	} else if (well && kind == FRAME_BRANCH) {
		well = place(tree, branch, message);
	} else if (well && kind == FRAME_TELLS) {
		well = tells(tree, branch, message);
	} else if (well && kind == FRAME_BYE) {
		branch->bye = true;
	} else {
		well = false;
	}
	if (!well && !tree->guard->ending)
		malformed(tree, branch, message);
}

/* Losing. */

static void lose(struct tree *tree, struct peer *peer)
{
	struct reason reason;

	reason_set(&reason, "its connection went through rank %zu, which is lost", peer->via);
	tree->callbacks.lost(peer, reason.text, tree->callbacks.arg);
}

static void on_adrift(void *arg)
{
	struct tree *tree = arg;
	int64_t now = loop_now(), next = -1;
	struct peer *following;

	guard_enter(tree->guard);
	for (struct peer *peer = tree->roster->first;
	     peer && tree->roster->adrift > 0 && !tree->guard->ending; peer = following) {
		int64_t left = peer->since + tree->rejoin_ms - now;

		following = peer->next;
		if (peer->state != PEER_ADRIFT)
			continue;
		if (left <= 0)
			lose(tree, peer);
		else if (next < 0 || left < next)
			next = left;
	}
	loop_timer_set(tree->adrift, next);
	guard_leave(tree->guard);
}

/* Nobody is taken off the roster here: the caller goes through it. */
void tree_lost(struct tree *tree, struct peer *branch)
{
	int64_t since = loop_now();

	if (!span_is_branch(branch->rank, tree->span))
		return;
	if (branch->bye && tree->rejoin_ms > BYE_MS)
		since -= tree->rejoin_ms - BYE_MS;
	/* It has not been seen to end, and they have heard it last at another time. */
	else if (branch->state == PEER_JOINED)
		since += tree->heartbeat_ms;
	for (struct peer *peer = tree->roster->first; peer; peer = peer->next) {
		if (peer->state != PEER_JOINED || peer->via != branch->rank)
			continue;
		roster_set(tree->roster, peer, PEER_ADRIFT);
		peer->since = since;
	}
	if (tree->roster->adrift > 0)
		loop_timer_set(tree->adrift, 0);
}

/* Sending. */

int tree_send(struct tree *tree, struct peer *peer, const char *type, const void *payload,
	      size_t size)
{
	struct peer *branch = roster_find(tree->roster, peer->via);
	char route[ROUTE_MAX];

	if (!branch || branch->via != ROSTER_DIRECT || peer->state != PEER_JOINED) {
		errno = ENOTCONN;
		return -1;
	}
	route_format(peer->rank, type, route);
	return port_send(tree->port, branch, frame_type(FRAME_TO), route, payload, size);
}

int tree_broadcast(struct tree *tree, struct peer *peer, const char *type, const void *payload,
		   size_t size)
{
	if (span_is_branch(peer->rank, tree->span))
		return port_send(tree->port, peer, frame_type(FRAME_ALL), type, payload, size);
	return port_send(tree->port, peer, type, NULL, payload, size);
}

struct tree *tree_create(struct loop *loop, struct guard *guard,
			 const struct tree_options *options,
			 const struct tree_callbacks *callbacks)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->guard = guard;
	tree->callbacks = *callbacks;
	tree->port = options->port;
	tree->roster = options->roster;
	tree->span = options->span;
	tree->rejoin_ms = options->rejoin_ms;
	tree->heartbeat_ms = options->heartbeat_ms;
	tree->adrift = loop_timer_create(loop, on_adrift, tree);
	if (!tree->adrift) {
		free(tree);
		return NULL;
	}
	return tree;
}

void tree_destroy(struct tree *tree)
{
	if (!tree)
		return;
	loop_timer_destroy(tree->adrift);
	free(tree);
}
