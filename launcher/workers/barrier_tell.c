/* SPDX-License-Identifier: MIT */
/* The second half of barrier.c: who is missing and why, in a person's words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "launcher/workers/barrier_private.h"

enum {
	TELL_GROUPS = 4, /* of nodes with missing workers, in the reason; the record has more */
	TELL_NAMES = 8,	 /* of nodes in a group */
	TELL_RANGES = 4	 /* of indexes on one node */
};

static const struct barrier_worker unknown;

static const struct barrier_worker *worker_at(const struct barrier_node *node, unsigned index)
{
	return index < node->room ? &node->workers[index] : &unknown;
}

static bool is_missing(const struct barrier_node *node, unsigned index)
{
	return node->state != NODE_HERE || worker_at(node, index)->state != STATE_JOINED;
}

static void why_missing(const struct barrier *barrier, const struct barrier_node *node,
			unsigned index, struct reason *reason)
{
	const struct barrier_worker *worker = worker_at(node, index);
	const char *end = worker->end && worker->end->text ? worker->end->text : "";
	const char *text = node->text ? node->text : "";

	if (node->state == NODE_LOST)
		reason_set(reason, "its node is lost%s%s", *text ? ": " : "", text);
	else if (node->state == NODE_FAILED)
		reason_set(reason, "%s", *text ? text : "it cannot be started on its node");
	else if (barrier->failed &&
		 (worker->state == STATE_LEFT || worker->state == STATE_RUNS))
		reason_set(reason, "its controller has ended");
	else if (worker->state == STATE_RUNS && *end)
		reason_set(reason, "%s; it was started again, but has not joined", end);
	else if (worker->state == STATE_RUNS)
		reason_set(reason, barrier->controlled
					   ? "it runs, but has not joined its controller"
					   : "it runs, but has not said that it is ready");
	else if (worker->state == STATE_LEFT)
		reason_set(reason, "it has left its controller");
	else if (worker->state == STATE_AGAIN)
		reason_set(reason, "%s; it is started again", *end ? end : "it has ended");
	else if (worker->state == STATE_GONE)
		reason_set(reason, "%s", *end ? end : "it has ended");
	else if (node->state == NODE_UNHEARD)
		reason_set(reason, "its node has not answered");
	else if (barrier->controlled && !barrier->listening)
		reason_set(reason, "its controller does not listen yet");
	else
		reason_set(reason, "it has not been started");
}

void barrier_each_missing(const struct barrier *barrier, size_t max,
			  barrier_missing_callback *callback, void *arg)
{
	for (size_t i = 0; i < barrier->node_count && max; i++) {
		const struct barrier_node *node = &barrier->nodes[i];
		if (node->state == NODE_HERE && node->joined == node->count)
			continue;
		for (unsigned index = 0; index < node->count && max; index++) {
			const struct barrier_end *end = worker_at(node, index)->end;
			if (!is_missing(node, index))
				continue;
			callback(i, index, node->state == NODE_HERE && !(end && end->tail),
				 arg);
			max--;
		}
	}
}

/* printf behind what is there; what does not fit is cut. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size,
							 const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

/* "0-2,5" of a node's missing; how many there are. */
static unsigned indexes(const struct barrier_node *node, char *text, size_t size,
			unsigned *first)
{
	unsigned missing = 0, ranges = 0;

	*text = '\0';
	for (unsigned index = 0; index < node->count; index++) {
		if (!is_missing(node, index))
			continue;
		unsigned last = index;
		while (last + 1 < node->count && is_missing(node, last + 1))
			last++;
		if (!missing)
			*first = index;
		missing += last - index + 1;
		if (++ranges <= TELL_RANGES)
			append(text, size, "%s%u", ranges > 1 ? "," : "", index);
		else if (ranges == TELL_RANGES + 1)
			append(text, size, ",...");
		if (ranges <= TELL_RANGES && last > index)
			append(text, size, "-%u", last);
		index = last;
	}
	return missing;
}

/* Nodes that miss the same workers for the same reason are told together. */
struct group {
	char list[64];
	struct reason why;
	unsigned nodes;	       /* 0: nothing to tell yet */
	char text[REASON_MAX]; /* of it, without the reason */
};

static void group_end(struct group *group, char *text, size_t size)
{
	if (group->nodes > TELL_NAMES)
		append(text, size, "%s and %u more nodes (%.120s)", group->text,
		       group->nodes - TELL_NAMES, group->why.text);
	else if (group->nodes)
		append(text, size, "%s (%.120s)", group->text, group->why.text);
}

static void group_begin(struct group *group, const char *list, const struct reason *why,
			bool first)
{
	snprintf(group->list, sizeof(group->list), "%s", list);
	group->why = *why;
	group->nodes = 0;
	snprintf(group->text, sizeof(group->text), "%s%s on", first ? "" : ", ", list);
}

static void tell_reason(const struct barrier *barrier, const struct session_node *names,
			struct reason *reason)
{
	char text[REASON_MAX] = "", list[64];
	unsigned told = 0, groups = 0, first = 0;
	unsigned missing = barrier->expected - barrier->ready;
	struct group group = {.nodes = 0};
	struct reason why;

	for (size_t i = 0; i < barrier->node_count; i++) {
		const struct barrier_node *node = &barrier->nodes[i];
		unsigned here = indexes(node, list, sizeof(list), &first);
		if (!here)
			continue;
		why_missing(barrier, node, first, &why);
		if (!group.nodes || strcmp(list, group.list) != 0 ||
		    strcmp(why.text, group.why.text) != 0) {
			group_end(&group, text, sizeof(text));
			if (groups++ == TELL_GROUPS) {
				group.nodes = 0;
				break;
			}
			group_begin(&group, list, &why, groups == 1);
		}
		if (group.nodes++ < TELL_NAMES)
			append(group.text, sizeof(group.text), "%s%s",
			       group.nodes > 1 ? ", " : " ", names[i].name);
		told += here;
	}
	group_end(&group, text, sizeof(text));
	if (missing > told)
		append(text, sizeof(text), " and %u more", missing - told);
	reason_set(reason, "%u of %u workers are there; missing: %s", barrier->ready,
		   barrier->expected, text);
}

struct naming {
	const struct barrier *barrier;
	const struct session_node *names;
	struct session_workers *workers;
	int rc;
};

static void name_missing(size_t at, unsigned index, bool asked, void *arg)
{
	struct naming *naming = arg;
	const struct barrier_node *node = &naming->barrier->nodes[at];
	const struct barrier_end *end = worker_at(node, index)->end;
	const char *tail = node->state == NODE_FAILED ? node->tail : end ? end->tail : NULL;
	struct reason why;

	(void) asked;
	why_missing(naming->barrier, node, index, &why);
	if (session_missing_add(naming->workers, naming->names[at].name, index, why.text,
				tail) < 0)
		naming->rc = -1;
}

int barrier_tell(const struct barrier *barrier, const struct session_node *nodes,
		 struct session_workers *workers)
{
	static const char *const names[] = {
		[BARRIER_STARTING] = "starting",
		[BARRIER_READY] = "ready",
		[BARRIER_DEGRADED] = "degraded",
		[BARRIER_FAILED] = "failed",
	};
	enum barrier_state state = barrier_state(barrier);
	struct naming naming = {barrier, nodes, workers, 0};
	struct reason reason = {""};

	if (state == BARRIER_FAILED)
		reason_set(&reason, "%s", barrier->text ? barrier->text : "it has failed");
	else if (state == BARRIER_DEGRADED)
		tell_reason(barrier, nodes, &reason);
	snprintf(workers->state, sizeof(workers->state), "%s", names[state]);
	workers->settled = barrier_settled(barrier);
	workers->expected = barrier->expected;
	workers->ready = barrier->ready;
	for (size_t i = 0; i < barrier->node_count; i++) {
		const struct barrier_node *node = &barrier->nodes[i];
		workers->nodes[i].expected = node->count;
		workers->nodes[i].ready = node->state == NODE_HERE ? node->joined : 0;
	}
	session_missing_clear(workers);
	if (session_set(&workers->reason, reason.text[0] ? reason.text : NULL) < 0)
		return -1;
	if (state == BARRIER_DEGRADED || state == BARRIER_FAILED)
		barrier_each_missing(barrier, SESSION_MISSING_MAX, name_missing, &naming);
	return naming.rc;
}
