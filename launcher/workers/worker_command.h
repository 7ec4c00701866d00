/* SPDX-License-Identifier: MIT */
/*
 * The command of one worker of a kind that is not forked: the recipe's, with the worker's own
 * environment, on its share of the node's CPUs.  Called by worker.c, in jupyter-agent, as the
 * user.
 */
#ifndef WORKERS_WORKER_COMMAND_H
#define WORKERS_WORKER_COMMAND_H

#include <sys/types.h>

#include "common/reason.h"
#include "launcher/workers/worker.h"

struct worker_command {
	const struct worker_kind *kind;
	unsigned index;
	const char *id;
	int out, channel; /* the caller's: of its output, and its end of the line channel */
};

/* Its pid, the first of a session of its own; or -1 with a reason. */
pid_t worker_command_spawn(const struct worker_command *command, struct reason *reason);

#endif
