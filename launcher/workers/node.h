/* SPDX-License-Identifier: MIT */
/*
 * The workers of all kinds on this node: starts, binds, watches, restarts and ends them as the
 * head says, and tells it what becomes of them.  In the event loop of every agent, the head's
 * included, as the user.
 */
#ifndef WORKERS_NODE_H
#define WORKERS_NODE_H

#include "launcher/agent/agent.h"
#include "launcher/runtime_dir.h"
#include "launcher/workers/message.h"

struct workers_node;

struct workers_node_callbacks {
	/* For the head; called from the loop, never from within a function of this file. */
	void (*send)(const char *type, const void *payload, size_t size, void *arg);
	/* All have ended after workers_node_stop(). */
	void (*stopped)(void *arg);
	void *arg;
};

/*
 * agent and runtime must outlive it; agent->environment (after --jupyter-init) is what workers
 * start from.  Makes this process the subreaper of its descendants, since forked workers are
 * its grandchildren.  NULL with errno and a reason.
 */
struct workers_node *workers_node_create(struct agent *agent, const struct runtime_dir *runtime,
					 const struct workers_node_callbacks *callbacks,
					 struct reason *reason);
void workers_node_destroy(struct workers_node *node); /* kills what is left; accepts NULL */

/* A message of the head, of any type above; what cannot be done is told by "failed". */
void workers_node_message(struct workers_node *node, const char *type, const void *payload,
			  size_t size);

/* The head may have missed something: tells it here, started, ready and failed again. */
void workers_node_repeat(struct workers_node *node);

/* SIGTERM to all, SIGKILL after each kind's stop_timeout but at most grace_ms; then stopped(),
 * at once (but not from within) when there is none. */
void workers_node_stop(struct workers_node *node, int64_t grace_ms);

/*
 * Forks the controller of a kind with controller = preload from this node's host process, for
 * the head (rank 0).  fds are the listening sockets, in order; they and out stay the caller's.
 * channel is our end of its line channel, now the caller's (see host.h); forked() is called
 * with its pid, now a child of this process that waits for "go\n" on the channel, or with -1
 * and why.
 */
typedef void workers_forked(pid_t pid, const char *reason, void *arg);
int workers_node_fork_controller(struct workers_node *node, const char *kind, const int *fds,
				 size_t fd_count, int out, int *channel, workers_forked *forked,
				 void *arg, struct reason *reason);

#endif
