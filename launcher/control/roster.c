/* SPDX-License-Identifier: MIT */
/* See roster.h. */
#include "launcher/control/roster.h"

#include <stdlib.h>
#include <string.h>

int roster_open(struct roster *roster, size_t size)
{
	/* One more than none: calloc(0) may be NULL. */
	roster->peers = calloc(size + 1, sizeof(*roster->peers));
	roster->size = roster->peers ? size : 0;
	return roster->peers ? 0 : -1;
}

void roster_close(struct roster *roster)
{
	for (size_t rank = 0; rank < roster->size; rank++)
		free(roster->peers[rank].node);
	free(roster->peers);
}

size_t roster_rank(const struct roster *roster, const struct peer *peer)
{
	return (size_t) (peer - roster->peers);
}

struct peer *roster_sender(struct roster *roster, size_t rank,
			   const struct wire_message *message)
{
	struct peer *peer;

	if (rank >= roster->size)
		return NULL;
	peer = &roster->peers[rank];
	if (peer->state == PEER_ABSENT || memcmp(peer->id, message->id, WIRE_ID_SIZE) != 0 ||
	    strcmp(peer->key, message->key) != 0)
		return NULL;
	return peer;
}

void roster_join(struct roster *roster, struct peer *peer, const uint8_t *id, int fd,
		 const char *key, char *node, int64_t now)
{
	if (peer->state != PEER_ABSENT)
		free(roster_leave(roster, peer));
	*peer = (struct peer){.state = PEER_JOINED, .fd = fd, .node = node, .heard = now};
	memcpy(peer->id, id, sizeof(peer->id));
	memcpy(peer->key, key, sizeof(peer->key));
	roster->joined++;
}

bool roster_closing(struct roster *roster, struct peer *peer)
{
	if (peer->state != PEER_JOINED)
		return false;
	peer->state = PEER_CLOSING;
	roster->joined--;
	roster->closing++;
	return true;
}

char *roster_leave(struct roster *roster, struct peer *peer)
{
	char *node = peer->node;

	if (peer->state == PEER_CLOSING)
		roster->closing--;
	else
		roster->joined--;
	peer->state = PEER_ABSENT;
	peer->node = NULL;
	return node;
}
