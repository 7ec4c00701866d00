/* SPDX-License-Identifier: MIT */
/*
 * The branches of a large session (control_span()): the agents that others connect to.  Tells
 * all agents by the rendezvous that there are some, and where.  In the agent of rank 0, as the
 * user.
 */
#ifndef HEAD_BRANCHES_H
#define HEAD_BRANCHES_H

#include <stddef.h>

#include "common/reason.h"

enum {
	/* An agent's place is the same as long as it lives, and Slurm starts none again: what
	 * is told to all agents, whether they read it or not, is bounded. */
	BRANCHES_TOLD_MAX = 2
};

struct branches;

/* fd is where the rendezvous' lines go, and stays the caller's.  NULL with ENOMEM. */
struct branches *branches_create(int fd, size_t agents, size_t span);
void branches_destroy(struct branches *branches); /* accepts NULL */

/* That there are branches; before the endpoint is told.  0, or -1 with errno. */
int branches_announce(struct branches *branches);

/* As control_server's branch().  1: told; 0: it was told before; -1 with errno: EPROTO for one
 * that is none, EMFILE for one that moves too often. */
int branches_tell(struct branches *branches, size_t rank, const char *endpoint,
		  const char *key);

#endif
