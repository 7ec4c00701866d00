/* SPDX-License-Identifier: MIT */
/*
 * The roster: which agent holds which rank, on which connection, and when it was last heard.
 * Runs in the head's event loop, as the user.
 */
#ifndef CONTROL_ROSTER_H
#define CONTROL_ROSTER_H

#include <stdbool.h>

#include "launcher/control/wire.h"

enum peer_state {
	PEER_ABSENT,
	PEER_JOINED,
	PEER_CLOSING /* its connection is gone; what it had sent is still to be read */
};

struct peer {
	enum peer_state state;
	uint8_t id[WIRE_ID_SIZE];
	int fd;
	char key[CONTROL_KEY_SIZE];
	char *node;    /* owned */
	int64_t heard; /* loop_now() of its last message */
};

struct roster {
	struct peer *peers; /* by rank */
	size_t size, joined, closing;
};

int roster_open(struct roster *roster, size_t size); /* -1 with ENOMEM */
void roster_close(struct roster *roster);

size_t roster_rank(const struct roster *roster, const struct peer *peer);

/* The agent of the rank, if that is who sent the message; NULL otherwise.  rank may be any. */
struct peer *roster_sender(struct roster *roster, size_t rank,
			   const struct wire_message *message);

/* The agent of the rank is from now on the one with that connection and key.  Takes node. */
void roster_join(struct roster *roster, struct peer *peer, const uint8_t *id, int fd,
		 const char *key, char *node, int64_t now);
/* From joined to closing; false when it is not joined. */
bool roster_closing(struct roster *roster, struct peer *peer);
/* From joined or closing to absent; returns its node, which the caller frees. */
char *roster_leave(struct roster *roster, struct peer *peer);

#endif
