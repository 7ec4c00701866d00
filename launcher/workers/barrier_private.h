/* SPDX-License-Identifier: MIT */
/*
 * What barrier.c, which takes events, and barrier_tell.c, which puts them into words, share.
 * In the head, as the user.
 */
#ifndef WORKERS_BARRIER_PRIVATE_H
#define WORKERS_BARRIER_PRIVATE_H

#include "launcher/workers/barrier.h"

enum barrier_worker_state {
	STATE_WAITS, /* it is not started yet */
	STATE_EARLY, /* nor is it by its node's word, but its controller has one of its name */
	STATE_RUNS,
	STATE_JOINED,
	STATE_LEFT,  /* it runs, but the controller has lost it */
	STATE_AGAIN, /* it has ended and is started again */
	STATE_GONE   /* it has ended for good */
};

enum node_state { NODE_UNHEARD, NODE_HERE, NODE_LOST, NODE_FAILED, NODE_STATES };

/* How one has ended last; few have, so that others need no room for it. */
struct barrier_end {
	char *text, *tail; /* either may be NULL */
};

struct barrier_worker {
	struct barrier_end *end;
	enum barrier_worker_state state;
};

struct barrier_node {
	enum node_state state;
	unsigned count;	       /* that there are to be */
	unsigned joined, gone; /* of them */
	bool anew;	       /* who joins may be one of before: see barrier_node_anew() */
	unsigned room;
	struct barrier_worker *workers; /* room of them */
	char *text, *tail;		/* why it is lost or has failed */
};

struct barrier {
	struct barrier_node *nodes;
	size_t node_count;
	size_t states[NODE_STATES]; /* nodes in each */
	unsigned expected, ready, joined, gone, coming;
	bool controlled, listening;
	bool guessed;	/* no node has said how many it has */
	bool late;	/* the time for the start is over */
	bool overdue;	/* so is the time for those that are on their way now */
	bool was_ready; /* since then every missing one is one too many */
	bool failed;
	char *text; /* why failed */
};

#endif
