/* SPDX-License-Identifier: MIT */
/*
 * An agent's parents: whom it may connect to, and in which order it tries them.  In a star that
 * is the head; in a tree (span.h) its branch, then three others, then the head.  What they are
 * called comes by the rendezvous.  Used by the agents, as the user.
 */
#ifndef CONTROL_PARENTS_H
#define CONTROL_PARENTS_H

#include <stdbool.h>

#include "launcher/control/control.h"

enum {
	PARENTS_OTHERS = 3, /* branches that are not its own; each is another agent's first */
	PARENTS_MAX = 1 + PARENTS_OTHERS + 1,
	/* An agent waits so long to be told of its branch, and so long for one to admit it,
	 * before it tries the next. */
	PARENTS_WAIT_MS = 10000,
	PARENTS_TRY_MS = 8000
};

struct parent {
	size_t rank; /* 0: the head */
	char endpoint[CONTROL_ENDPOINT_MAX];
	char key[CONTROL_KEY_SIZE]; /* "": not told yet */
};

struct parents {
	struct parent list[PARENTS_MAX];
	size_t count;
	size_t next; /* to be tried */
};

/* The head is known, the branches are not. */
void parents_open(struct parents *parents, size_t rank, size_t agents, size_t span,
		  const char *endpoint, const char *key);

/* What the rendezvous told.  Whether it is the one that parents_next() waits for. */
bool parents_add(struct parents *parents, size_t rank, const char *endpoint, const char *key);

/* The one to try now; NULL: its branch is not known yet, and is worth waiting for. */
const struct parent *parents_next(const struct parents *parents, bool waited);
/* It did not work out: the next one, after the last the first again; whether that is so. */
bool parents_failed(struct parents *parents);
/* It did: when it is lost the first comes first. */
void parents_found(struct parents *parents);

/* The last of them. */
const struct parent *parents_head(const struct parents *parents);
/* Whether there is but one. */
bool parents_single(const struct parents *parents);

#endif
