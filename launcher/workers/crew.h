/* SPDX-License-Identifier: MIT */
/*
 * The workers of one kind on this node: as many as the head says, a few of them started at a
 * time, each started again while its recipe allows it.  In jupyter-agent's event loop, as the
 * user.
 */
#ifndef WORKERS_CREW_H
#define WORKERS_CREW_H

#include <stdbool.h>

#include "launcher/agent/agent.h"
#include "launcher/recipe.h"
#include "launcher/runtime_dir.h"
#include "launcher/workers/cpus.h"
#include "launcher/workers/memory_kill.h"
#include "launcher/workers/message.h"
#include "launcher/workers/node.h"

struct crew;

/* All of it outlives the crew. */
struct crew_options {
	struct agent *agent;
	const struct runtime_dir *runtime;
	const struct recipe *recipe;
	const struct cpus *cpus;
	struct memory_kill *memory;
	/* For the head; the message's kind is set. */
	void (*tell)(const char *type, const struct workers_message *message, void *arg);
	/* crew_stop() is done. */
	void (*stopped)(void *arg);
	void *arg;
};

/*
 * Gets ready as WORKERS_BEGIN says, and tells "here"; where that fails, "failed".  NULL with
 * ENOMEM alone.
 */
struct crew *crew_create(const struct crew_options *options,
			 const struct workers_message *begin);
void crew_destroy(struct crew *crew); /* kills what is left; accepts NULL */

const char *crew_kind(const struct crew *crew);

/* What the head says: see message.h.  crew_begin() is a repetition. */
void crew_begin(struct crew *crew);
void crew_file(struct crew *crew, const struct workers_file *file);
void crew_start(struct crew *crew);
void crew_count(struct crew *crew, unsigned count);
void crew_tail(struct crew *crew, unsigned index);

/* Tells here, failed, and of each worker what it is. */
void crew_repeat(struct crew *crew);

/* SIGTERM to all, SIGKILL after the recipe's stop_timeout but at most grace_ms; then stopped(),
 * from the loop. */
void crew_stop(struct crew *crew, int64_t grace_ms);

/* As workers_node_fork_controller(). */
int crew_fork_controller(struct crew *crew, const int *fds, size_t fd_count, int out,
			 int *channel, workers_forked *forked, void *arg,
			 struct reason *reason);

#endif
