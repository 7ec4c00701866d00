/* SPDX-License-Identifier: MIT */
/*
 * The variables that are set for one worker of a kind: its ID, its share of the node's GPUs,
 * and those of the recipe in which the number of workers is.  Made by worker.c and
 * worker_command.c, in jupyter-agent, as the user.
 */
#ifndef WORKERS_WORKER_PAIRS_H
#define WORKERS_WORKER_PAIRS_H

#include <stddef.h>

#include "launcher/workers/worker.h"

enum { WORKER_PAIRS_MAX = 8 + RECIPE_ENV_MAX };

/* NAME, VALUE, ..., NULL. */
struct worker_pairs {
	const char *list[2 * WORKER_PAIRS_MAX + 1];
	char *owned[WORKER_PAIRS_MAX];
	size_t count;
};

/* The kind and id must outlive them.  0, or -1 with ENOMEM; to be cleared in either case. */
int worker_pairs_set(struct worker_pairs *pairs, const struct worker_kind *kind, unsigned index,
		     const char *id);
void worker_pairs_clear(struct worker_pairs *pairs);

#endif
