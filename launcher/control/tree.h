/* SPDX-License-Identifier: MIT */
/*
 * The head's part of a tree: the branches, and what comes and goes through them; which agents
 * are branches is in span.h.  Runs in the head's event loop, as the user.
 *
 * A branch judges who joins through it as the head does, with CURVE and munge; the head sees
 * that nobody has the rank.  It is trusted with what its agents say and hear: it is an agent of
 * the same user in the same job, and who controls one controls them all.
 */
#ifndef CONTROL_TREE_H
#define CONTROL_TREE_H

#include "launcher/control/port.h"

struct tree;

struct tree_callbacks {
	/* An agent wants to join through a branch; false with a reason: it may not. */
	bool (*wants)(size_t rank, const char *key, struct reason *reason, void *arg);
	void (*joined)(struct peer *peer, void *arg);
	/* Taken off the roster by the callee. */
	void (*lost)(struct peer *peer, const char *reason, void *arg);
	void (*message)(size_t rank, const char *type, const void *payload, size_t size,
			void *arg);
	void (*branch)(size_t rank, const char *endpoint, const char *key, void *arg);
	void *arg;
};

struct tree_options {
	size_t span;
	struct port *port;
	struct roster *roster;
	int64_t rejoin_ms;    /* agents whose branch is lost may come again within */
	int64_t heartbeat_ms; /* so much later they may find out when it is silent */
};

/* NULL with errno. */
struct tree *tree_create(struct loop *loop, struct guard *guard,
			 const struct tree_options *options,
			 const struct tree_callbacks *callbacks);
void tree_destroy(struct tree *tree); /* accepts NULL */

/* A message of a kind that only branches send. */
void tree_message(struct tree *tree, struct peer *branch, enum frame_kind kind,
		  struct wire_message *message);

/* A direct agent is lost; if it is a branch its agents are adrift. */
void tree_lost(struct tree *tree, struct peer *peer);

/* To one that has joined through a branch; errors: control_server_send(). */
int tree_send(struct tree *tree, struct peer *peer, const char *type, const void *payload,
	      size_t size);
/* Sends to the direct agent, and when it is a branch also to those behind it; 0 or -1. */
int tree_broadcast(struct tree *tree, struct peer *peer, const char *type, const void *payload,
		   size_t size);

#endif
