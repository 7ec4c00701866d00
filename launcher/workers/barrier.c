/* SPDX-License-Identifier: MIT */
/* See barrier.h.  What is told of it is in barrier_tell.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/workers/barrier_private.h"

/* What counts of a node's workers: of those whose node is not heard nothing is known. */
static unsigned node_ready(const struct barrier_node *node)
{
	return node->state == NODE_HERE ? node->joined : 0;
}

/* And what may still come of them. */
static unsigned node_coming(const struct barrier_node *node)
{
	unsigned come = node->joined + node->gone;

	/* One that is not heard yet may have more than it is thought to. */
	return node->state == NODE_LOST || node->state == NODE_FAILED || come > node->count
		       ? 0
		       : node->count - come;
}

static bool is_coming(const struct barrier *barrier)
{
	return barrier->coming || barrier->states[NODE_UNHEARD];
}

static void latch(struct barrier *barrier)
{
	if (barrier_state(barrier) == BARRIER_READY)
		barrier->was_ready = true;
	if (!is_coming(barrier))
		barrier->overdue = false;
}

/* Every change of a node goes between these two, so that the sums stay right. */
static void take_out(struct barrier *barrier, const struct barrier_node *node)
{
	barrier->expected -= node->count;
	barrier->ready -= node_ready(node);
	barrier->joined -= node->joined;
	barrier->gone -= node->gone;
	barrier->coming -= node_coming(node);
	barrier->states[node->state]--;
}

static void put_in(struct barrier *barrier, const struct barrier_node *node)
{
	barrier->expected += node->count;
	barrier->ready += node_ready(node);
	barrier->joined += node->joined;
	barrier->gone += node->gone;
	barrier->coming += node_coming(node);
	barrier->states[node->state]++;
	latch(barrier);
}

static void end_free(struct barrier_worker *worker)
{
	if (!worker->end)
		return;
	free(worker->end->text);
	free(worker->end->tail);
	free(worker->end);
	worker->end = NULL;
}

static int set(char **field, const char *value)
{
	return session_set(field, value && *value ? value : NULL);
}

/* Makes room for that many, without a word about how many there are to be. */
static int node_room(struct barrier_node *node, unsigned count)
{
	if (count <= node->room)
		return 0;
	struct barrier_worker *workers = realloc(node->workers, count * sizeof(*node->workers));
	if (!workers)
		return -1;
	memset(workers + node->room, 0, (count - node->room) * sizeof(*workers));
	node->workers = workers;
	node->room = count;
	return 0;
}

static void worker_set(struct barrier_node *node, unsigned index,
		       enum barrier_worker_state state)
{
	struct barrier_worker *worker = &node->workers[index];

	node->joined += (state == STATE_JOINED) - (worker->state == STATE_JOINED);
	node->gone += (state == STATE_GONE) - (worker->state == STATE_GONE);
	worker->state = state;
}

/* Only those below count are anybody's to miss. */
static void node_count(struct barrier_node *node, unsigned count)
{
	for (unsigned index = count; index < node->room; index++) {
		worker_set(node, index, STATE_WAITS);
		end_free(&node->workers[index]);
	}
	node->count = count;
}

static struct barrier_node *node_of(struct barrier *barrier, size_t node)
{
	if (node < barrier->node_count)
		return &barrier->nodes[node];
	errno = EINVAL;
	return NULL;
}

/* The worker, which is made when its node has said nothing yet: messages are lost with
 * connections. */
static struct barrier_node *worker_of(struct barrier *barrier, size_t at, unsigned index)
{
	struct barrier_node *node = node_of(barrier, at);

	if (!node)
		return NULL;
	if (node->state != NODE_UNHEARD ? index >= node->count
					: index >= SESSION_WORKERS_NODE_MAX) {
		errno = EINVAL;
		return NULL;
	}
	return node_room(node, index + 1) == 0 ? node : NULL;
}

struct barrier *barrier_create(size_t nodes, unsigned count, bool controlled)
{
	struct barrier *barrier = calloc(1, sizeof(*barrier));

	if (!barrier ||
	    !(barrier->nodes = calloc(nodes ? nodes : 1, sizeof(*barrier->nodes)))) {
		free(barrier);
		return NULL;
	}
	barrier->node_count = nodes;
	barrier->controlled = controlled;
	/* Until a node has said more: there is one at least. */
	barrier->guessed = count == 0;
	for (size_t i = 0; i < nodes; i++) {
		barrier->nodes[i].count = count ? count : 1;
		put_in(barrier, &barrier->nodes[i]);
	}
	barrier->was_ready = false;
	return barrier;
}

void barrier_destroy(struct barrier *barrier)
{
	int error = errno;

	if (!barrier)
		return;
	for (size_t i = 0; i < barrier->node_count; i++) {
		struct barrier_node *node = &barrier->nodes[i];
		for (unsigned index = 0; index < node->room; index++)
			end_free(&node->workers[index]);
		free(node->workers);
		free(node->text);
		free(node->tail);
	}
	free(barrier->nodes);
	free(barrier->text);
	free(barrier);
	errno = error;
}

/* The first node that has said how many it has tells for all others what to expect. */
static void guess(struct barrier *barrier, unsigned count)
{
	if (!barrier->guessed)
		return;
	barrier->guessed = false;
	for (size_t i = 0; i < barrier->node_count; i++) {
		if (barrier->nodes[i].state == NODE_HERE)
			continue;
		take_out(barrier, &barrier->nodes[i]);
		node_count(&barrier->nodes[i], count);
		put_in(barrier, &barrier->nodes[i]);
	}
}

int barrier_here(struct barrier *barrier, size_t at, unsigned count)
{
	struct barrier_node *node = node_of(barrier, at);

	if (!node)
		return -1;
	if (count > SESSION_WORKERS_NODE_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (node_room(node, count) < 0)
		return -1;
	take_out(barrier, node);
	node->state = NODE_HERE;
	node_count(node, count);
	put_in(barrier, node);
	guess(barrier, count);
	return 0;
}

static int change(struct barrier *barrier, size_t at, unsigned index,
		  enum barrier_worker_state state)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node)
		return -1;
	take_out(barrier, node);
	worker_set(node, index, state);
	put_in(barrier, node);
	return 0;
}

int barrier_started(struct barrier *barrier, size_t at, unsigned index)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node)
		return -1;
	switch (node->workers[index].state) {
	case STATE_JOINED:
		/* Said again by a node that has come again, of one that is there all the time.
		 */
		return 0;
	case STATE_EARLY:
		return change(barrier, at, index, STATE_JOINED);
	default:
		return change(barrier, at, index, STATE_RUNS);
	}
}

int barrier_joined(struct barrier *barrier, size_t at, unsigned index)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node)
		return -1;
	if (node->anew && (node->workers[index].state == STATE_WAITS ||
			   node->workers[index].state == STATE_EARLY))
		return change(barrier, at, index, STATE_EARLY);
	if (change(barrier, at, index, STATE_JOINED) < 0)
		return -1;
	end_free(&barrier->nodes[at].workers[index]);
	return 0;
}

int barrier_left(struct barrier *barrier, size_t at, unsigned index)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node)
		return -1;
	if (node->workers[index].state == STATE_EARLY)
		return change(barrier, at, index, STATE_WAITS);
	/* Why it is gone is known better by its node, and may be known already. */
	return node->workers[index].state == STATE_JOINED
		       ? change(barrier, at, index, STATE_LEFT)
		       : 0;
}

static int end_set(struct barrier_worker *worker, const char *text, const char *tail)
{
	if (!worker->end && !(worker->end = calloc(1, sizeof(*worker->end))))
		return -1;
	return (text && set(&worker->end->text, text) < 0) || set(&worker->end->tail, tail) < 0
		       ? -1
		       : 0;
}

int barrier_exited(struct barrier *barrier, size_t at, unsigned index, bool again,
		   const char *text, const char *tail)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node || end_set(&node->workers[index], text, tail) < 0)
		return -1;
	return change(barrier, at, index, again ? STATE_AGAIN : STATE_GONE);
}

int barrier_tail(struct barrier *barrier, size_t at, unsigned index, const char *tail)
{
	struct barrier_node *node = worker_of(barrier, at, index);

	if (!node)
		return -1;
	/* It may have joined since it was asked for. */
	return node->workers[index].state == STATE_JOINED
		       ? 0
		       : end_set(&node->workers[index], NULL, tail);
}

static int node_gone(struct barrier *barrier, size_t at, enum node_state state,
		     const char *text, const char *tail)
{
	struct barrier_node *node = node_of(barrier, at);

	if (!node || set(&node->text, text) < 0 || set(&node->tail, tail) < 0)
		return -1;
	take_out(barrier, node);
	node->state = state;
	put_in(barrier, node);
	return 0;
}

int barrier_node_failed(struct barrier *barrier, size_t at, const char *text, const char *tail)
{
	return node_gone(barrier, at, NODE_FAILED, text, tail);
}

int barrier_node_lost(struct barrier *barrier, size_t at, const char *text)
{
	return node_gone(barrier, at, NODE_LOST, text, NULL);
}

int barrier_node_back(struct barrier *barrier, size_t at)
{
	struct barrier_node *node = node_of(barrier, at);

	if (!node)
		return -1;
	return node->state == NODE_LOST ? node_gone(barrier, at, NODE_UNHEARD, NULL, NULL) : 0;
}

/* None of them is started. */
static void node_forget(struct barrier *barrier, struct barrier_node *node)
{
	take_out(barrier, node);
	for (unsigned index = 0; index < node->room; index++) {
		worker_set(node, index, STATE_WAITS);
		end_free(&node->workers[index]);
	}
	put_in(barrier, node);
}

int barrier_node_anew(struct barrier *barrier, size_t at)
{
	struct barrier_node *node = node_of(barrier, at);

	if (!node)
		return -1;
	node->anew = true;
	node_forget(barrier, node);
	return 0;
}

void barrier_listening(struct barrier *barrier)
{
	barrier->listening = true;
}

void barrier_begin_again(struct barrier *barrier)
{
	barrier->listening = false;
	barrier->overdue = false;
	for (size_t i = 0; i < barrier->node_count; i++)
		node_forget(barrier, &barrier->nodes[i]);
}

int barrier_failed(struct barrier *barrier, const char *text)
{
	if (set(&barrier->text, text) < 0)
		return -1;
	barrier->failed = true;
	for (size_t i = 0; i < barrier->node_count; i++) {
		struct barrier_node *node = &barrier->nodes[i];
		take_out(barrier, node);
		for (unsigned index = 0; index < node->room; index++)
			if (node->workers[index].state == STATE_JOINED)
				worker_set(node, index, STATE_LEFT);
		put_in(barrier, node);
	}
	return 0;
}

int barrier_resize(struct barrier *barrier, unsigned count)
{
	if (count > SESSION_WORKERS_NODE_MAX) {
		errno = EINVAL;
		return -1;
	}
	for (size_t i = 0; i < barrier->node_count; i++)
		if (node_room(&barrier->nodes[i], count) < 0)
			return -1;
	barrier->guessed = false;
	for (size_t i = 0; i < barrier->node_count; i++) {
		take_out(barrier, &barrier->nodes[i]);
		node_count(&barrier->nodes[i], count);
		put_in(barrier, &barrier->nodes[i]);
	}
	barrier->late = barrier->overdue = false;
	barrier->was_ready = false;
	latch(barrier);
	return 0;
}

void barrier_deadline(struct barrier *barrier)
{
	barrier->late = true;
	barrier->overdue = is_coming(barrier);
}

enum barrier_state barrier_state(const struct barrier *barrier)
{
	const size_t *states = barrier->states;

	if (barrier->failed)
		return BARRIER_FAILED;
	if (states[NODE_HERE] == barrier->node_count && barrier->ready == barrier->expected)
		return BARRIER_READY;
	/* One that was ready is not starting when it has lost one. */
	if (barrier->late || barrier->was_ready || barrier->gone || states[NODE_LOST] ||
	    states[NODE_FAILED])
		return BARRIER_DEGRADED;
	return BARRIER_STARTING;
}

bool barrier_settled(const struct barrier *barrier)
{
	return barrier->failed || barrier->overdue || !is_coming(barrier);
}

unsigned barrier_expected(const struct barrier *barrier)
{
	return barrier->expected;
}

unsigned barrier_ready(const struct barrier *barrier)
{
	return barrier->ready;
}

bool barrier_all_heard(const struct barrier *barrier)
{
	return !barrier->states[NODE_UNHEARD];
}

bool barrier_any_joined(const struct barrier *barrier)
{
	return barrier->joined > 0;
}

unsigned barrier_node_count(const struct barrier *barrier, size_t node)
{
	return node < barrier->node_count && barrier->nodes[node].state == NODE_HERE
		       ? barrier->nodes[node].count
		       : 0;
}
