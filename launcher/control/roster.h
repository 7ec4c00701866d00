/* SPDX-License-Identifier: MIT */
/*
 * The roster: which agent holds which rank, by which way it is reached, and when it was last
 * heard.  The head's is of all agents, a branch's of those that have joined through it.  Runs
 * in the event loops of both, as the user.
 */
#ifndef CONTROL_ROSTER_H
#define CONTROL_ROSTER_H

#include <stdbool.h>

#include "launcher/control/frame.h"
#include "launcher/control/wire.h"

#define ROSTER_DIRECT SIZE_MAX

enum peer_state {
	PEER_JOINED,
	PEER_CLOSING, /* its connection is gone; what it had sent is still to be read */
	PEER_ADRIFT   /* its branch is lost; it will come again another way, or is lost too */
};

struct peer {
	enum peer_state state;
	size_t rank;
	size_t via;		  /* rank of the branch, or ROSTER_DIRECT */
	uint8_t id[WIRE_ID_SIZE]; /* these two of a direct one */
	int fd;
	char key[CONTROL_KEY_SIZE];
	char nonce[FRAME_NONCE_MAX]; /* of its hello */
	int64_t since;		     /* loop_now() when it came adrift */
	int64_t heard;		     /* loop_now() of its last message, of a direct one */
	bool told;		     /* a branch's: the head was asked for it */
	bool broken;  /* a branch's: a message of it was lost, so all others are */
	bool untold;  /* the head's: joined() is still to be called */
	bool bye;     /* the head's: a branch that said it would end */
	bool reached; /* the head's: by the broadcast that is going on */
	struct peer *next, *previous;
	char node[]; /* NUL-terminated */
};

struct roster {
	struct peer **ranks; /* NULL where nobody is */
	struct peer *first;
	size_t size, joined, direct, closing, adrift; /* direct: of those that joined */
};

int roster_open(struct roster *roster, size_t size); /* -1 with ENOMEM */
void roster_close(struct roster *roster);

/* Who holds the rank, in whatever state, or NULL.  rank may be any. */
struct peer *roster_find(const struct roster *roster, size_t rank);
/* The agent of the rank, if that is who sent the message; NULL otherwise.  rank may be any. */
struct peer *roster_sender(const struct roster *roster, size_t rank,
			   const struct wire_message *message);

struct roster_entry {
	size_t rank, via;
	const char *key, *nonce, *node;
	const uint8_t *id; /* of a direct one, or NULL */
	int fd;		   /* of a direct one */
};

/* The rank is from now on that agent's; whoever held it is freed.  NULL with ENOMEM, and
 * nothing has changed. */
struct peer *roster_join(struct roster *roster, const struct roster_entry *entry, int64_t now);
/* Nothing when it is in that state already. */
void roster_set(struct roster *roster, struct peer *peer, enum peer_state state);
/* Takes it out; the caller frees it. */
struct peer *roster_leave(struct roster *roster, struct peer *peer);

#endif
