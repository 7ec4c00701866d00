/* SPDX-License-Identifier: MIT */
/*
 * A member's part in the session's workers: the node's private directory, --jupyter-init, the
 * node itself (launcher/workers/node.h), and what it tells the head, kept while there is no
 * connection.  In jupyter-agent of every node but the first, as the user.
 */
#ifndef AGENT_MEMBER_WORKERS_H
#define AGENT_MEMBER_WORKERS_H

#include <stdint.h>

#include "launcher/agent/agent.h"

struct member_workers;

struct member_workers_callbacks {
	/* As control_client_send(). */
	int (*send)(const char *type, const void *payload, size_t size, void *arg);
	/* All have ended after member_workers_stop(). */
	void (*stopped)(void *arg);
	void *arg;
};

/* Begins with --jupyter-init, which changes agent->environment; what goes wrong the head is
 * told of each kind.  agent must outlive it.  NULL with ENOMEM. */
struct member_workers *member_workers_create(struct agent *agent,
					     const struct member_workers_callbacks *callbacks);
/* Kills what is left and removes the directory; accepts NULL. */
void member_workers_destroy(struct member_workers *workers);

/* A message of the head of a type "workers.*". */
void member_workers_message(struct member_workers *workers, const char *type,
			    const void *payload, size_t size);

/* There is a connection, the first or a new one. */
void member_workers_welcomed(struct member_workers *workers);

/* See workers_node_stop(). */
void member_workers_stop(struct member_workers *workers, int64_t grace_ms);

#endif
