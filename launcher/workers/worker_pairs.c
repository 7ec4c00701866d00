/* SPDX-License-Identifier: MIT */
/* See worker_pairs.h. */
#include "launcher/workers/worker_pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/workers/gpus.h"

void worker_pairs_clear(struct worker_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		free(pairs->owned[i]);
}

static void add(struct worker_pairs *pairs, const char *name, const char *value, char *owned)
{
	pairs->list[2 * pairs->count] = name;
	pairs->list[2 * pairs->count + 1] = value;
	pairs->owned[pairs->count++] = owned;
}

/* The host has them as they were when it was started. */
static void add_counts(struct worker_pairs *pairs, const struct worker_kind *kind)
{
	const struct recipe *recipe = kind->recipe;

	for (size_t i = 0; i < recipe->env_count; i++)
		if (recipe_text_uses(recipe->env[i].value, "count"))
			add(pairs, recipe->env[i].name,
			    env_get(kind->environment, recipe->env[i].name), NULL);
}

int worker_pairs_set(struct worker_pairs *pairs, const struct worker_kind *kind, unsigned index,
		     const char *id)
{
	pairs->count = 0;
	memset(pairs->list, 0, sizeof(pairs->list));
	add_counts(pairs, kind);
	add(pairs, "SPANK_JUPYTER_WORKER", id, NULL);
	for (size_t i = 0; gpus_variables[i]; i++) {
		char *share = gpus_share(env_get(kind->environment, gpus_variables[i]), index,
					 kind->count);
		if (share)
			add(pairs, gpus_variables[i], share, share);
		else if (errno == ENOMEM)
			return -1;
	}
	return 0;
}
