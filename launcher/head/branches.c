/* SPDX-License-Identifier: MIT */
/* See branches.h. */
#include "launcher/head/branches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/control/control.h"
#include "launcher/rendezvous.h"

struct place {
	unsigned told;
	char endpoint[CONTROL_ENDPOINT_MAX], key[CONTROL_KEY_SIZE];
};

struct branches {
	int fd;
	size_t agents, span;
	struct place places[]; /* by rank / span; nobody is the first */
};

struct branches *branches_create(int fd, size_t agents, size_t span)
{
	size_t count = agents / span + 1;
	struct branches *branches =
		calloc(1, sizeof(*branches) + count * sizeof(branches->places[0]));

	if (!branches)
		return NULL;
	branches->fd = fd;
	branches->agents = agents;
	branches->span = span;
	return branches;
}

void branches_destroy(struct branches *branches)
{
	free(branches);
}

int branches_announce(struct branches *branches)
{
	return rendezvous_send_tree(branches->fd, branches->span);
}

int branches_tell(struct branches *branches, size_t rank, const char *endpoint, const char *key)
{
	struct place *place =
		&branches->places[rank < branches->agents ? rank / branches->span : 0];

	if (rank == 0 || rank >= branches->agents || rank % branches->span != 0 ||
	    strlen(endpoint) >= sizeof(place->endpoint) || strlen(key) >= sizeof(place->key)) {
		errno = EPROTO;
		return -1;
	}
	if (place->told > 0 && !strcmp(place->endpoint, endpoint) && !strcmp(place->key, key))
		return 0;
	if (place->told == BRANCHES_TOLD_MAX) {
		errno = EMFILE;
		return -1;
	}
	if (rendezvous_send_branch(branches->fd, rank, endpoint, key) < 0)
		return -1;
	place->told++;
	strcpy(place->endpoint, endpoint);
	strcpy(place->key, key);
	return 1;
}
