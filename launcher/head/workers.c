/* SPDX-License-Identifier: MIT */
/* See workers.h. */
#include "launcher/head/workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/kind.h"

struct workers {
	struct kind *kinds[OPTIONS_KINDS_MAX];
	size_t count;
	struct workers_node *node;
	bool beginning, stopping, node_stopped;
};

static struct kind *find(const struct workers *workers, const char *name)
{
	for (size_t i = 0; workers && i < workers->count; i++)
		if (!strcmp(workers->kinds[i]->recipe->name, name))
			return workers->kinds[i];
	return NULL;
}

struct workers_node *head_workers_node(const struct head *head)
{
	return head->workers->node;
}

int head_workers_create(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	struct options_workers list[OPTIONS_KINDS_MAX];
	int count = options_worker_list(agent->options.workers, list, OPTIONS_KINDS_MAX);

	if (count < 0)
		return reason_set(reason, "--jupyter-workers=%s: not a list of kinds",
				  agent->options.workers);
	if (count == 0)
		return 0;
	if (!(head->workers = calloc(1, sizeof(*head->workers))))
		return reason_set(reason, "workers: %s", strerror(errno));
	for (int i = 0; i < count; i++) {
		const struct recipe *recipe =
			settings_workers(agent->settings, list[i].kind, reason);
		struct kind *kind =
			recipe ? kind_create(head, recipe, list[i].count, reason) : NULL;
		if (!kind)
			return -1;
		head->workers->kinds[head->workers->count++] = kind;
	}
	return 0;
}

void head_workers_destroy(struct head *head)
{
	struct workers *workers = head->workers;

	if (!workers)
		return;
	/* First, since it may have to tell of a controller that it was to fork. */
	workers_node_destroy(workers->node);
	for (size_t i = 0; i < workers->count; i++)
		kind_destroy(workers->kinds[i]);
	free(workers);
	head->workers = NULL;
}

static void on_send(const char *type, const void *payload, size_t size, void *arg)
{
	struct head *head = arg;

	(void) head_workers_message(head, head->agent->rank, type, payload, size);
}

static void on_node_stopped(void *arg)
{
	struct head *head = arg;

	head->workers->node_stopped = true;
	head_workers_stopped(head);
}

void head_workers_begin(struct head *head)
{
	struct workers *workers = head->workers;
	struct workers_node_callbacks callbacks = {on_send, on_node_stopped, head};
	struct reason reason;

	if (!workers) {
		head_prepared(head);
		return;
	}
	workers->beginning = true;
	workers->node = workers_node_create(head->agent, &head->runtime, &callbacks, &reason);
	for (size_t i = 0; i < workers->count; i++) {
		struct kind *kind = workers->kinds[i];
		if (!workers->node) {
			kind_fail(kind, reason.text, "");
			continue;
		}
		kind_begin(kind);
		if (!kind->failed)
			kind_node_joined(kind, head->agent->rank);
	}
	workers->beginning = false;
	head_workers_prepared(head);
}

void head_workers_prepared(struct head *head)
{
	struct workers *workers = head->workers;

	if (workers->beginning || head->ending)
		return;
	for (size_t i = 0; i < workers->count; i++)
		if (workers->kinds[i]->prepare)
			return;
	head_prepared(head);
}

int head_workers_environment(struct head *head, struct env *environment, struct reason *reason)
{
	struct workers *workers = head->workers;

	for (size_t i = 0; workers && i < workers->count; i++)
		if (kind_environment(workers->kinds[i], environment, reason) < 0)
			return reason_prefix(reason, "%s workers",
					     workers->kinds[i]->recipe->name);
	return 0;
}

void head_workers_start(struct head *head)
{
	struct workers *workers = head->workers;

	for (size_t i = 0; workers && i < workers->count; i++)
		kind_start(workers->kinds[i]);
}

void head_workers_joined(struct head *head, size_t rank)
{
	struct workers *workers = head->workers;

	for (size_t i = 0; workers && i < workers->count; i++)
		kind_node_joined(workers->kinds[i], rank);
}

void head_workers_lost(struct head *head, size_t rank, const char *reason)
{
	struct workers *workers = head->workers;

	for (size_t i = 0; workers && i < workers->count; i++)
		kind_node_lost(workers->kinds[i], rank, reason);
}

bool head_workers_message(struct head *head, size_t rank, const char *type, const void *payload,
			  size_t size)
{
	struct workers_message message;
	struct reason reason;
	struct kind *kind = NULL;

	if (!head->workers || strncmp(type, "workers.", strlen("workers.")) != 0)
		return false;
	if (workers_message_decode(payload, size, &message, &reason) < 0)
		head_log(head, LOG_WARNING, "rank %zu, %s: %s", rank, type, reason.text);
	else if (!(kind = find(head->workers, message.kind)))
		head_log(head, LOG_WARNING, "rank %zu, %s: no such kind: %s", rank, type,
			 message.kind);
	else
		kind_message(kind, rank, type, &message);
	return true;
}

enum barrier_state head_workers_state(const struct head *head, struct reason *reason)
{
	const struct workers *workers = head->workers;
	enum barrier_state worst = BARRIER_READY;
	bool starting = false;
	char text[REASON_MAX] = "";
	size_t used = 0;

	for (size_t i = 0; workers && i < workers->count; i++) {
		const struct kind *kind = workers->kinds[i];
		starting = starting || kind->state == BARRIER_STARTING;
		if (kind->state != BARRIER_DEGRADED && kind->state != BARRIER_FAILED)
			continue;
		worst = kind->state > worst ? kind->state : worst;
		int more = snprintf(text + used, sizeof(text) - used, "%s%s: %s",
				    used ? "; " : "", kind->recipe->name,
				    kind->record->reason ? kind->record->reason : "");
		used += more > 0 && (size_t) more < sizeof(text) - used ? (size_t) more : 0;
	}
	reason_set(reason, "%s", text);
	return worst == BARRIER_READY && starting ? BARRIER_STARTING : worst;
}

bool head_workers_settled(const struct head *head)
{
	const struct workers *workers = head->workers;

	for (size_t i = 0; workers && i < workers->count; i++)
		if (!barrier_settled(workers->kinds[i]->barrier))
			return false;
	return true;
}

unsigned head_workers_expected(const struct head *head)
{
	const struct workers *workers = head->workers;
	unsigned expected = 0;

	for (size_t i = 0; workers && i < workers->count; i++)
		expected += barrier_expected(workers->kinds[i]->barrier);
	return expected;
}

bool head_workers_busy(const void *arg, int64_t *last_ms)
{
	const struct head *head = arg;
	const struct workers *workers = head->workers;
	bool busy = false;

	*last_ms = 0;
	for (size_t i = 0; workers && i < workers->count; i++) {
		const struct controller *controller = workers->kinds[i]->controller;
		int64_t last = 0;
		busy |= controller && controller_is_busy(controller, &last);
		*last_ms = last > *last_ms ? last : *last_ms;
	}
	return busy;
}

int head_workers_resize(struct head *head, const char *name, unsigned count, unsigned *expected,
			struct reason *reason)
{
	struct kind *kind = find(head->workers, name);

	errno = EINVAL;
	if (head->ending)
		return reason_set(reason, "the session ends");
	if (!kind)
		return reason_set(
			reason, "this session has no %s workers: it was started %s%s", name,
			head->workers ? "with --jupyter-workers=" : "without --jupyter-workers",
			head->workers ? head->agent->options.workers : "");
	if (kind_resize(kind, count, reason) < 0)
		return -1;
	*expected = barrier_expected(kind->barrier);
	return 0;
}

bool head_workers_have_stopped(const struct head *head)
{
	const struct workers *workers = head->workers;

	if (!workers)
		return true;
	for (size_t i = 0; i < workers->count; i++)
		if (!kind_has_stopped(workers->kinds[i]))
			return false;
	return !workers->node || workers->node_stopped;
}

void head_workers_stopped(struct head *head)
{
	if (head->workers->stopping && head_workers_have_stopped(head))
		head_workers_gone(head);
}

void head_workers_stop(struct head *head, int64_t grace_ms)
{
	struct workers *workers = head->workers;

	if (!workers || workers->stopping)
		return;
	workers->stopping = true;
	for (size_t i = 0; i < workers->count; i++)
		kind_stop(workers->kinds[i], grace_ms);
	if (workers->node)
		workers_node_stop(workers->node, grace_ms);
	head_workers_stopped(head);
}
