/* SPDX-License-Identifier: MIT */
/* See node.h. */
#include "launcher/workers/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/text.h"
#include "launcher/workers/crew.h"

struct letter {
	STAILQ_ENTRY(letter) link;
	const char *type;
	char *payload;
	size_t size;
};

struct workers_node {
	struct agent *agent;
	const struct runtime_dir *runtime;
	struct workers_node_callbacks callbacks;
	struct cpus cpus;
	struct memory_kill *memory;
	struct crew *crews[OPTIONS_KINDS_MAX];
	size_t crew_count;
	/* What is told from within our functions; the timer sends it, in order. */
	STAILQ_HEAD(, letter) letters;
	struct loop_timer *timer;
	size_t stopped; /* crews that have */
	bool stopping, over;
};

/* To the head. */

static void post(struct workers_node *node, const char *type, char *payload, size_t size)
{
	struct letter *letter = payload ? calloc(1, sizeof(*letter)) : NULL;

	/* Without memory it is lost, as with a connection: the head asks again. */
	if (!letter) {
		free(payload);
		return;
	}
	letter->type = type;
	letter->payload = payload;
	letter->size = size;
	STAILQ_INSERT_TAIL(&node->letters, letter, link);
	loop_timer_set(node->timer, 0);
}

static void on_tell(const char *type, const struct workers_message *message, void *arg)
{
	size_t size = 0;
	char *payload = workers_message_encode(message, &size);

	post(arg, type, payload, size);
}

static void tell_failed(struct workers_node *node, const char *kind, const char *why)
{
	struct workers_message message = {.count = 0};

	snprintf(message.kind, sizeof(message.kind), "%s", kind);
	text_excerpt(why, message.text, sizeof(message.text));
	on_tell(WORKERS_FAILED, &message, node);
}

static void on_timer(void *arg)
{
	struct workers_node *node = arg;
	struct letter *letter;

	while ((letter = STAILQ_FIRST(&node->letters))) {
		STAILQ_REMOVE_HEAD(&node->letters, link);
		node->callbacks.send(letter->type, letter->payload, letter->size,
				     node->callbacks.arg);
		free(letter->payload);
		free(letter);
	}
	if (node->stopping && !node->over && node->stopped == node->crew_count) {
		/* The node may be destroyed from within. */
		node->over = true;
		node->callbacks.stopped(node->callbacks.arg);
	}
}

static void on_crew_stopped(void *arg)
{
	struct workers_node *node = arg;

	node->stopped++;
	loop_timer_set(node->timer, 0);
}

/* From the head. */

static struct crew *find_crew(const struct workers_node *node, const char *kind)
{
	for (size_t i = 0; i < node->crew_count; i++)
		if (!strcmp(crew_kind(node->crews[i]), kind))
			return node->crews[i];
	return NULL;
}

static void begin(struct workers_node *node, const struct workers_message *message)
{
	struct reason reason;
	const struct recipe *recipe =
		settings_workers(node->agent->settings, message->kind, &reason);
	struct crew_options options = {
		.agent = node->agent,
		.runtime = node->runtime,
		.recipe = recipe,
		.cpus = &node->cpus,
		.memory = node->memory,
		.tell = on_tell,
		.stopped = on_crew_stopped,
		.arg = node,
	};
	struct crew *crew = NULL;

	if (!recipe)
		tell_failed(node, message->kind, reason.text);
	else if (node->crew_count == OPTIONS_KINDS_MAX)
		tell_failed(node, message->kind, "too many kinds of workers in one job");
	else if (!(crew = crew_create(&options, message)))
		tell_failed(node, message->kind, strerror(errno));
	if (crew)
		node->crews[node->crew_count++] = crew;
}

static void take_file(struct workers_node *node, const void *payload, size_t size)
{
	struct workers_file file;

	/* What cannot be read names no kind that it could be told of; nothing of ours sends it.
	 */
	if (workers_file_decode(payload, size, &file, NULL) < 0)
		return;
	struct crew *crew = find_crew(node, file.kind);
	if (crew)
		crew_file(crew, &file);
	else
		tell_failed(node, file.kind, "its files have come before it has begun");
}

void workers_node_message(struct workers_node *node, const char *type, const void *payload,
			  size_t size)
{
	struct workers_message message;

	if (node->stopping)
		return;
	if (!strcmp(type, WORKERS_FILE)) {
		take_file(node, payload, size);
		return;
	}
	if (workers_message_decode(payload, size, &message, NULL) < 0)
		return;
	struct crew *crew = find_crew(node, message.kind);
	if (!strcmp(type, WORKERS_BEGIN) && !crew)
		begin(node, &message);
	else if (!crew)
		tell_failed(node, message.kind, "it has not begun on this node");
	else if (!strcmp(type, WORKERS_BEGIN))
		crew_begin(crew);
	else if (!strcmp(type, WORKERS_START))
		crew_start(crew);
	else if (!strcmp(type, WORKERS_COUNT))
		crew_count(crew, message.count);
	else if (!strcmp(type, WORKERS_TAIL))
		crew_tail(crew, message.index);
}

void workers_node_repeat(struct workers_node *node)
{
	for (size_t i = 0; i < node->crew_count && !node->stopping; i++)
		crew_repeat(node->crews[i]);
}

int workers_node_fork_controller(struct workers_node *node, const char *kind, const int *fds,
				 size_t fd_count, int out, int *channel, workers_forked *forked,
				 void *arg, struct reason *reason)
{
	struct crew *crew = find_crew(node, kind);

	if (!crew || node->stopping) {
		errno = EINVAL;
		return reason_set(reason, "%s has not begun on this node, or ends", kind);
	}
	return crew_fork_controller(crew, fds, fd_count, out, channel, forked, arg, reason);
}

/* Its life. */

void workers_node_stop(struct workers_node *node, int64_t grace_ms)
{
	if (node->stopping)
		return;
	node->stopping = true;
	for (size_t i = 0; i < node->crew_count; i++)
		crew_stop(node->crews[i], grace_ms);
	loop_timer_set(node->timer, 0);
}

struct workers_node *workers_node_create(struct agent *agent, const struct runtime_dir *runtime,
					 const struct workers_node_callbacks *callbacks,
					 struct reason *reason)
{
	struct workers_node *node = calloc(1, sizeof(*node));

	if (!node) {
		reason_set(reason, "workers: %s", strerror(errno));
		return NULL;
	}
	STAILQ_INIT(&node->letters);
	node->agent = agent;
	node->runtime = runtime;
	node->callbacks = *callbacks;
	const char *per_node = env_get(agent->environment, "SLURM_JOB_CPUS_PER_NODE");
	if (!(node->timer = loop_timer_create(agent->loop, on_timer, node)) ||
	    !(node->memory = memory_kill_create("")) ||
	    cpus_find(&node->cpus, per_node, agent->rank) < 0 ||
	    loop_reap_orphans(agent->loop) < 0) {
		reason_set(reason, "workers: %s", strerror(errno));
		goto error;
	}
	if (runtime_dir_set_job(runtime, agent->job_id, agent->node) < 0) {
		reason_set(reason, "%s/job: %s", runtime->path, strerror(errno));
		goto error;
	}
	return node;
error:
	workers_node_destroy(node);
	return NULL;
}

void workers_node_destroy(struct workers_node *node)
{
	struct letter *letter;
	int saved = errno;

	if (!node)
		return;
	for (size_t i = 0; i < node->crew_count; i++)
		crew_destroy(node->crews[i]);
	while ((letter = STAILQ_FIRST(&node->letters))) {
		STAILQ_REMOVE_HEAD(&node->letters, link);
		free(letter->payload);
		free(letter);
	}
	cpus_clear(&node->cpus);
	memory_kill_destroy(node->memory);
	loop_timer_destroy(node->timer);
	free(node);
	errno = saved;
}
