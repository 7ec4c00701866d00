/* SPDX-License-Identifier: MIT */
/*
 * The shape of the tree that the agents of a large session are connected as.  Used by the head
 * and the agents, as the user.
 *
 * With a span of k the agents of the ranks k, 2k, 3k ... are branches: agents that connect to
 * the head, and to which the k-1 agents of the ranks behind theirs connect.  Those of the ranks
 * below k connect to the head.  So with k about the square root of the agents nobody has more
 * than some 2k connections, and every message goes over at most two.  Ranks that follow each
 * other are close to each other, as Slurm numbers the nodes.
 */
#ifndef CONTROL_SPAN_H
#define CONTROL_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPAN_NO_BRANCH SIZE_MAX

/* The rank of the agent's branch, or SPAN_NO_BRANCH: it connects to the head.  span 0: a star.
 */
size_t span_branch_of(size_t rank, size_t span);
bool span_is_branch(size_t rank, size_t span);
/* So many agents connect to the head. */
size_t span_direct(size_t agents, size_t span);

#endif
