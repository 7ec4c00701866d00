/* SPDX-License-Identifier: MIT */
/* See roster.h. */
#include "launcher/control/roster.h"

#include <stdlib.h>
#include <string.h>

int roster_open(struct roster *roster, size_t size)
{
	/* One more than none: calloc(0) may be NULL. */
	*roster = (struct roster){.ranks = calloc(size + 1, sizeof(struct peer *))};
	roster->size = roster->ranks ? size : 0;
	return roster->ranks ? 0 : -1;
}

void roster_close(struct roster *roster)
{
	while (roster->first)
		free(roster_leave(roster, roster->first));
	free(roster->ranks);
	roster->ranks = NULL;
}

struct peer *roster_find(const struct roster *roster, size_t rank)
{
	return rank < roster->size ? roster->ranks[rank] : NULL;
}

struct peer *roster_sender(const struct roster *roster, size_t rank,
			   const struct wire_message *message)
{
	struct peer *peer = roster_find(roster, rank);

	if (!peer || peer->via != ROSTER_DIRECT ||
	    memcmp(peer->id, message->id, WIRE_ID_SIZE) != 0 ||
	    strcmp(peer->key, message->key) != 0)
		return NULL;
	return peer;
}

/* Counts the peer in its state, or with -1 out of it. */
static void count(struct roster *roster, const struct peer *peer, size_t one)
{
	if (peer->state == PEER_JOINED) {
		roster->joined += one;
		if (peer->via == ROSTER_DIRECT)
			roster->direct += one;
	} else if (peer->state == PEER_CLOSING) {
		roster->closing += one;
	} else {
		roster->adrift += one;
	}
}

struct peer *roster_join(struct roster *roster, const struct roster_entry *entry, int64_t now)
{
	size_t size = strlen(entry->node) + 1;
	struct peer *peer = malloc(sizeof(*peer) + size), *before;

	if (!peer)
		return NULL;
	*peer = (struct peer){.state = PEER_JOINED,
			      .rank = entry->rank,
			      .via = entry->via,
			      .fd = -1,
			      .heard = now};
	memcpy(peer->node, entry->node, size);
	memcpy(peer->key, entry->key, strlen(entry->key) + 1);
	memcpy(peer->nonce, entry->nonce, strlen(entry->nonce) + 1);
	if (entry->id) {
		memcpy(peer->id, entry->id, sizeof(peer->id));
		peer->fd = entry->fd;
	}
	before = roster->ranks[entry->rank];
	if (before)
		free(roster_leave(roster, before));
	peer->next = roster->first;
	if (peer->next)
		peer->next->previous = peer;
	roster->first = peer;
	roster->ranks[peer->rank] = peer;
	count(roster, peer, 1);
	return peer;
}

void roster_set(struct roster *roster, struct peer *peer, enum peer_state state)
{
	count(roster, peer, (size_t) -1);
	peer->state = state;
	count(roster, peer, 1);
}

struct peer *roster_leave(struct roster *roster, struct peer *peer)
{
	count(roster, peer, (size_t) -1);
	roster->ranks[peer->rank] = NULL;
	if (peer->previous)
		peer->previous->next = peer->next;
	else
		roster->first = peer->next;
	if (peer->next)
		peer->next->previous = peer->previous;
	peer->next = peer->previous = NULL;
	return peer;
}
