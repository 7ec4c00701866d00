/* SPDX-License-Identifier: MIT */
/*
 * A branch's docket: what it has to settle with the head.  Agents with a good credential wait
 * on it until the head has answered for them, and agents that have gone until the head is told.
 * Runs in the agent's event loop, as the user.
 */
#ifndef CONTROL_DOCKET_H
#define CONTROL_DOCKET_H

#include "launcher/control/batch.h"
#include "launcher/control/port.h"

struct docket_guest {
	struct port_guest guest;
	struct docket_guest *next;
	bool told; /* the head was asked */
};

struct docket_gone;

struct docket {
	struct docket_guest *guests;
	size_t count; /* of them */
	struct docket_gone *gone, **last;
};

void docket_open(struct docket *docket);
void docket_close(struct docket *docket);

/* Adds the agent, or its newer hello; -1 with ENOMEM. */
int docket_guest(struct docket *docket, const struct port_guest *guest);
/* The one of the rank with the key, and with the nonce if that is not NULL. */
struct docket_guest *docket_find(const struct docket *docket, size_t rank, const char *key,
				 const char *nonce);
void docket_remove(struct docket *docket, struct docket_guest *guest);

/* -1 with ENOMEM. */
int docket_gone(struct docket *docket, size_t rank, const char *key, const char *nonce,
		const char *reason);

/* Takes those that have gone off the docket into the batch, as many as it holds. */
void docket_tell(struct docket *docket, struct batch *batch);
/* Puts the guests that the head was not asked for into the batch; false: it is full. */
bool docket_ask(struct docket *docket, struct batch *batch);

/* The link to the head is lost: what was asked is to be asked again, and who has gone is not
 * told any more. */
void docket_reset(struct docket *docket);

#endif
