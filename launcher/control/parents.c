/* SPDX-License-Identifier: MIT */
/* See parents.h. */
#include "launcher/control/parents.h"

#include <string.h>

#include "launcher/control/span.h"

static void set(struct parent *parent, const char *endpoint, const char *key)
{
	memcpy(parent->endpoint, endpoint, strlen(endpoint) + 1);
	memcpy(parent->key, key, strlen(key) + 1);
}

/*
 * Branches are numbered from 1 to `branches`; the others that an agent tries are those behind
 * its own by its number among its own's agents, so that the agents of one that is lost go to as
 * many different ones as there are.
 */
void parents_open(struct parents *parents, size_t rank, size_t agents, size_t span,
		  const char *endpoint, const char *key)
{
	size_t own = span_branch_of(rank, span);

	*parents = (struct parents){.count = 0};
	if (own != SPAN_NO_BRANCH) {
		size_t branches = (agents - 1) / span, number = own / span;

		parents->list[parents->count++].rank = own;
		for (size_t i = 0; i < PARENTS_OTHERS && i + 1 < branches; i++) {
			size_t behind = 1 + (rank % span - 1 + i) % (branches - 1);

			parents->list[parents->count++].rank =
				span * (1 + (number - 1 + behind) % branches);
		}
	}
	set(&parents->list[parents->count++], endpoint, key);
}

bool parents_add(struct parents *parents, size_t rank, const char *endpoint, const char *key)
{
	for (size_t i = 0; i < parents->count; i++)
		if (rank > 0 && parents->list[i].rank == rank) {
			set(&parents->list[i], endpoint, key);
			return i == parents->next;
		}
	return false;
}

const struct parent *parents_next(const struct parents *parents, bool waited)
{
	for (size_t i = 0; i < parents->count; i++) {
		size_t at = (parents->next + i) % parents->count;

		if (parents->list[at].key[0] != '\0')
			return &parents->list[at];
		if (at == 0 && !waited)
			return NULL;
	}
	return NULL;
}

bool parents_failed(struct parents *parents)
{
	const struct parent *tried = parents_next(parents, true);

	parents->next = ((size_t) (tried - parents->list) + 1) % parents->count;
	return parents->next == 0;
}

void parents_found(struct parents *parents)
{
	parents->next = 0;
}

const struct parent *parents_head(const struct parents *parents)
{
	return &parents->list[parents->count - 1];
}

bool parents_single(const struct parents *parents)
{
	return parents->count == 1;
}
