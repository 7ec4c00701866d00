/* SPDX-License-Identifier: MIT */
/*
 * See kind.h.  What the head tells the nodes of a kind, each at its own pace and in this order:
 * begin; once the controller listens its files, one by one; how many workers, where that has
 * changed; start.  And what the nodes say.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/head/kind.h"
#include "launcher/head/workers.h"

enum {
	RETRY_MS = 200, /* for a node whose queue is full */
	EXITS_LOGGED_MAX = 256
};

static const char *node_name(const struct kind *kind, size_t rank)
{
	return record_session(kind->head->record)->nodes[rank].name;
}

/* 0, or -1 with EAGAIN: later; or with ENOTCONN: when it has joined again. */
static int send_bytes(struct kind *kind, size_t rank, const char *type, const void *payload,
		      size_t size)
{
	if (rank == kind->head->agent->rank) {
		workers_node_message(head_workers_node(kind->head), type, payload, size);
		return 0;
	}
	return control_server_send(kind->head->control, rank, type, payload, size);
}

static int send_message(struct kind *kind, size_t rank, const char *type,
			struct workers_message *message)
{
	size_t size;

	snprintf(message->kind, sizeof(message->kind), "%s", kind->recipe->name);
	char *payload = workers_message_encode(message, &size);
	int rc = payload ? send_bytes(kind, rank, type, payload, size) : -1;
	free(payload);
	return rc;
}

static int send_begin(struct kind *kind, size_t rank)
{
	struct workers_message message = {.count = kind->count, .port = kind->port};

	snprintf(message.ip, sizeof(message.ip), "%s", kind->head->ip);
	return send_message(kind, rank, WORKERS_BEGIN, &message);
}

/* How many the node is to have; -1: that is its own choice, which it has not said. */
static int wanted_count(const struct kind *kind, const struct kind_node *node)
{
	if (kind->failed || kind->pausing)
		return 0;
	if (kind->resized || kind->count)
		return (int) kind->count;
	return node->count ? node->count : -1;
}

static int send_count(struct kind *kind, size_t rank)
{
	int count = wanted_count(kind, &kind->nodes[rank]);
	struct workers_message message = {.count = (unsigned) count};

	return count < 0 ? 0 : send_message(kind, rank, WORKERS_COUNT, &message);
}

static int send_due_count(struct kind *kind, size_t rank)
{
	struct kind_node *node = &kind->nodes[rank];

	if (!node->count_due)
		return 0;
	if (send_count(kind, rank) < 0)
		return -1;
	node->count_due = false;
	return 0;
}

/* The item behind those that were told: begin, the files, start. */
static int send_next(struct kind *kind, size_t rank)
{
	struct workers_message message = {.index = 0};
	size_t told = kind->nodes[rank].told;

	if (told == 0)
		return send_begin(kind, rank);
	if (told == 1 + kind->share.count)
		return send_message(kind, rank, WORKERS_START, &message);
	/* Its own node's directory is where they come from. */
	if (rank == kind->head->agent->rank)
		return 0;
	return send_bytes(kind, rank, WORKERS_FILE, kind->share.messages[told - 1].payload,
			  kind->share.messages[told - 1].size);
}

/* Workers that live on there are none to the controller: others are to be started. */
static int send_away(struct kind *kind, size_t rank)
{
	struct kind_node *node = &kind->nodes[rank];
	struct workers_message none = {.count = 0};

	if (!node->forgotten || node->told == 0)
		return 0;
	if (send_message(kind, rank, WORKERS_COUNT, &none) < 0)
		return -1;
	node->forgotten = false;
	/* Those of a step are none that the node could end. */
	node->leaving = !kind->recipe->step;
	node->count_due = true;
	return 0;
}

/* Tells the node what it has not been told.  -1: not all of it. */
static int tell(struct kind *kind, size_t rank)
{
	struct kind_node *node = &kind->nodes[rank];
	size_t items = kind->open ? 2 + kind->share.count : 1;

	if (!node->joined || kind->stopping)
		return 0;
	for (; !kind->failed && node->told < items; node->told++) {
		if (send_away(kind, rank) < 0)
			return -1;
		/* Not before the files, which those that it starts need; nor after start, which
		 * would start another number. */
		if (kind->open && node->told == items - 1 && send_due_count(kind, rank) < 0)
			return -1;
		if (send_next(kind, rank) < 0)
			return -1;
	}
	return send_away(kind, rank) < 0 ? -1 : send_due_count(kind, rank);
}

static void tell_or_retry(struct kind *kind, size_t rank)
{
	if (tell(kind, rank) < 0 && errno == EAGAIN)
		loop_timer_set(kind->retry, RETRY_MS);
}

void kind_tell_all(struct kind *kind)
{
	for (size_t rank = 0; rank < kind->head->agent->ranks; rank++)
		tell_or_retry(kind, rank);
}

void kind_tell_count(struct kind *kind)
{
	for (size_t rank = 0; rank < kind->head->agent->ranks; rank++)
		kind->nodes[rank].count_due = kind->nodes[rank].told > 0;
	kind_tell_all(kind);
}

void kind_untell(struct kind *kind)
{
	for (size_t rank = 0; rank < kind->head->agent->ranks; rank++) {
		struct kind_node *node = &kind->nodes[rank];
		if (node->told > 1)
			node->told = 1;
		node->shared = false;
	}
	kind_tell_count(kind);
}

void kind_node_joined(struct kind *kind, size_t rank)
{
	struct kind_node *node = &kind->nodes[rank];

	/* It may come again, and may have missed what it was told before. */
	node->joined = true;
	node->count_due = kind->resized || (kind->failed && node->told > 0);
	node->told = 0;
	node->shared = false;
	node->forgotten = node->forgotten || node->leaving;
	node->leaving = false;
	(void) barrier_node_back(kind->barrier, rank);
	tell_or_retry(kind, rank);
	kind_update(kind);
}

void kind_node_lost(struct kind *kind, size_t rank, const char *reason)
{
	struct kind_node *node = &kind->nodes[rank];

	node->joined = false;
	node->shared = false;
	if (kind->controller && node->count) {
		node->forgotten = true;
		controller_gone(kind->controller, rank, 0, node->count);
	}
	(void) barrier_node_lost(kind->barrier, rank, reason);
	kind_start_step(kind);
	kind_update(kind);
}

static void tell_gone(struct kind *kind, size_t rank, unsigned index)
{
	if (kind->controller)
		controller_gone(kind->controller, rank, index, 1);
}

static void log_exit(struct kind *kind, size_t rank, const struct workers_message *message)
{
	const char *name = kind->recipe->name;

	if (kind->exits_logged++ >= EXITS_LOGGED_MAX)
		return;
	head_log(kind->head, LOG_WARNING, "%s: worker %u on %s %s%s", name, message->index,
		 node_name(kind, rank), message->text,
		 message->again ? "; it is started again" : "");
	session_log_bytes(kind->head->log, message->tail, strlen(message->tail));
	if (kind->exits_logged == EXITS_LOGGED_MAX)
		head_log(kind->head, LOG_WARNING, "%s: no more is said of workers that end",
			 name);
}

static void on_here(struct kind *kind, size_t rank, unsigned count)
{
	struct kind_node *node = &kind->nodes[rank];
	int wanted = wanted_count(kind, node);

	if (node->leaving && count == 0) {
		node->leaving = false;
		(void) barrier_node_anew(kind->barrier, rank);
	}
	/* An answer to what is not wanted any more. */
	if (node->leaving || (wanted >= 0 && (unsigned) wanted != count))
		return;
	if (kind->failed || kind->pausing)
		return;
	if (barrier_here(kind->barrier, rank, count) < 0) {
		head_log(kind->head, LOG_WARNING, "%s: %s has %u workers: %s",
			 kind->recipe->name, node_name(kind, rank), count, strerror(errno));
		return;
	}
	node->count = (uint16_t) count;
	if (kind->controller)
		controller_expect(kind->controller, barrier_expected(kind->barrier));
}

static void on_node_failed(struct kind *kind, size_t rank,
			   const struct workers_message *message)
{
	kind->nodes[rank].leaving = false;
	head_log(kind->head, LOG_WARNING, "%s: on %s: %s", kind->recipe->name,
		 node_name(kind, rank), message->text);
	session_log_bytes(kind->head->log, message->tail, strlen(message->tail));
	(void) barrier_node_failed(kind->barrier, rank, message->text, message->tail);
	kind_start_step(kind);
}

void kind_message(struct kind *kind, size_t rank, const char *type,
		  const struct workers_message *message)
{
	struct barrier *barrier = kind->barrier;
	unsigned index = message->index;

	if (kind->stopping)
		return;
	if (!strcmp(type, WORKERS_HERE)) {
		on_here(kind, rank, message->count);
	} else if (!strcmp(type, WORKERS_SHARED)) {
		kind->nodes[rank].shared = kind->open;
		kind_start_step(kind);
	} else if (!strcmp(type, WORKERS_EXITED)) {
		log_exit(kind, rank, message);
		tell_gone(kind, rank, index);
		(void) barrier_exited(barrier, rank, index, message->again, message->text,
				      message->tail);
	} else if (!strcmp(type, WORKERS_FAILED)) {
		on_node_failed(kind, rank, message);
	} else if (!strcmp(type, WORKERS_TAIL)) {
		(void) barrier_tail(barrier, rank, index, message->tail);
	} else if (!strcmp(type, WORKERS_STARTED)) {
		head_log(kind->head, LOG_DEBUG, "%s: worker %u on %s is process %d",
			 kind->recipe->name, index, node_name(kind, rank), (int) message->pid);
		/* One that goes is told of once more by a node that comes again. */
		if (!kind->nodes[rank].leaving)
			(void) barrier_started(barrier, rank, index);
	} else if (!strcmp(type, WORKERS_READY)) {
		if (!kind->recipe->controller && !kind->failed)
			(void) barrier_joined(barrier, rank, index);
	} else if (!strcmp(type, WORKERS_RETIRED)) {
		head_log(kind->head, LOG_DEBUG, "%s: worker %u on %s has retired",
			 kind->recipe->name, index, node_name(kind, rank));
		tell_gone(kind, rank, index);
		(void) barrier_left(barrier, rank, index);
	} else {
		head_log(kind->head, LOG_DEBUG, "%s: %s says %s: not known", kind->recipe->name,
			 node_name(kind, rank), type);
	}
	kind_update(kind);
}

static void ask(size_t rank, unsigned index, bool asked, void *arg)
{
	struct kind *kind = arg;
	char tail[WORKERS_TAIL_MAX];
	struct workers_message message = {.index = index};

	if (!asked)
		return;
	if (kind->step)
		(void) barrier_tail(
			kind->barrier, rank, index,
			srun_step_tail(kind->step, rank, index, tail, sizeof(tail)));
	else if (kind->nodes[rank].joined)
		/* Without an answer there is no tail to show, that is all. */
		(void) send_message(kind, rank, WORKERS_TAIL, &message);
}

void kind_ask_tails(struct kind *kind)
{
	barrier_each_missing(kind->barrier, SESSION_MISSING_MAX, ask, kind);
}
