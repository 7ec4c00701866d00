/* SPDX-License-Identifier: MIT */
/*
 * See kind.h.  How a kind starts: what is prepared, the environment of what runs on the first
 * node, and its controller with all that it says.
 */
#include <errno.h>
#include <string.h>

#include "launcher/head/kind.h"
#include "launcher/head/workers.h"
#include "launcher/workers/cpus.h"

enum {
	/* The server waits for it, and a cold shared file system is slow. */
	PREPARE_MS = 60000
};

/* Workers may start, and its files are complete. */
static void open_kind(struct kind *kind)
{
	bool paused = kind->pausing;

	kind->open = true;
	kind->pausing = false;
	barrier_listening(kind->barrier);
	if (paused)
		kind_tell_count(kind);
	else
		kind_tell_all(kind);
	kind_start_step(kind);
	kind_update(kind);
}

static void on_listening(void *arg)
{
	struct kind *kind = arg;
	struct reason reason;

	head_log(kind->head, LOG_INFO, "%s: the controller listens", kind->recipe->name);
	share_clear(&kind->share);
	if (share_read(kind->share_fd, kind->recipe->name, &kind->share, &reason) < 0)
		kind_fail(kind, reason.text, "");
	else
		open_kind(kind);
}

static void on_joined(size_t rank, unsigned index, void *arg)
{
	struct kind *kind = arg;

	if (kind->failed)
		return;
	if (barrier_joined(kind->barrier, rank, index) < 0)
		head_log(kind->head, LOG_WARNING, "%s: %zu.%u has joined: not expected",
			 kind->recipe->name, rank, index);
	kind_update(kind);
}

static void on_left(size_t rank, unsigned index, void *arg)
{
	struct kind *kind = arg;

	/* Those that were told to go are not known any more. */
	if (!kind->failed && barrier_left(kind->barrier, rank, index) == 0)
		kind_update(kind);
}

/* What workers of the old controller know is of no use with the new one. */
static void on_again(const char *reason, const char *tail, void *arg)
{
	struct kind *kind = arg;

	head_say(kind->head, "%s workers: %s; starting it again", kind->recipe->name, reason);
	kind_log_tail(kind, tail);
	kind->pausing = kind->open;
	kind->open = false;
	barrier_begin_again(kind->barrier);
	kind_wait(kind);
	if (kind->pausing)
		kind_untell(kind);
	kind_update(kind);
}

static void on_failed(const char *reason, const char *tail, void *arg)
{
	kind_fail(arg, reason, tail);
}

static void on_stopped(void *arg)
{
	struct kind *kind = arg;

	head_workers_stopped(kind->head);
}

static void on_remark(const char *text, void *arg)
{
	struct kind *kind = arg;

	head_log(kind->head, LOG_WARNING, "%s: %s", kind->recipe->name, text);
}

void kind_start(struct kind *kind)
{
	struct controller_callbacks callbacks = {
		.listening = on_listening,
		.joined = on_joined,
		.left = on_left,
		.again = on_again,
		.failed = on_failed,
		.stopped = on_stopped,
		.remark = on_remark,
		.arg = kind,
	};
	struct reason reason;

	if (kind->failed || kind->stopping)
		return;
	if (!kind->recipe->controller) {
		open_kind(kind);
		return;
	}
	kind->controller_options = (struct controller_options){
		.recipe = kind->recipe,
		.environment = kind->environment,
		.variables = kind->variables.pairs,
		.listeners = kind->listeners,
		.listener_count = kind->listener_count,
		.log_dirfd = kind->log_fd,
		.node = head_workers_node(kind->head),
	};
	kind->controller = controller_create(kind->head->agent->loop, &kind->controller_options,
					     &callbacks);
	if (!kind->controller) {
		kind_fail(kind, strerror(errno), "");
	} else {
		controller_expect(kind->controller, barrier_expected(kind->barrier));
		if (controller_start(kind->controller, &reason) < 0)
			kind_fail(kind, reason.text, "");
	}
}

static void on_prepared(const char *failure, const char *tail, void *arg)
{
	struct kind *kind = arg;

	if (failure)
		kind_fail(kind, failure, tail);
	prepare_destroy(kind->prepare);
	kind->prepare = NULL;
	head_workers_prepared(kind->head);
}

static int start_prepare(struct kind *kind, struct reason *reason)
{
	struct prepare_options options = {
		.recipe = kind->recipe,
		.command = kind->recipe->prepare,
		.name = "prepare",
		.variables = kind->variables.pairs,
		.environment = variables_own_environment(&kind->variables,
							 &kind->variables_options, reason),
		.log_dirfd = kind->log_fd,
		.deadline_ms = PREPARE_MS,
	};

	if (!options.environment)
		return -1;
	kind->prepare =
		prepare_start(kind->head->agent->loop, &options, on_prepared, kind, reason);
	env_destroy(options.environment);
	return kind->prepare ? 0 : -1;
}

/* How many there are on this node. */
static unsigned count_here(const struct kind *kind)
{
	const struct agent *agent = kind->head->agent;
	struct cpus cpus;

	if (kind->count || kind->resized)
		return kind->count;
	if (cpus_find(&cpus, env_get(agent->environment, "SLURM_JOB_CPUS_PER_NODE"),
		      agent->rank) < 0)
		return 1;
	unsigned count = cpus.count < WORKERS_COUNT_MAX ? cpus.count : WORKERS_COUNT_MAX;
	cpus_clear(&cpus);
	return count;
}

void kind_begin(struct kind *kind)
{
	struct head *head = kind->head;
	struct reason reason;

	kind->begun = session_now();
	kind_wait(kind);
	kind->variables_options = (struct variables_options){
		.agent = head->agent,
		.runtime = &head->runtime,
		.recipe = kind->recipe,
		.ip = head->ip,
		.port = kind->port,
		.count = count_here(kind),
	};
	if (variables_set(&kind->variables, &kind->variables_options, &reason) < 0 ||
	    !(kind->environment = variables_environment(&kind->variables,
							&kind->variables_options, &reason)) ||
	    (kind->recipe->prepare && start_prepare(kind, &reason) < 0))
		kind_fail(kind, reason.text, "");
}

int kind_environment(const struct kind *kind, struct env *environment, struct reason *reason)
{
	if (!kind->environment)
		return 0;
	return recipe_environment(kind->recipe, environment, kind->variables.pairs, reason);
}
