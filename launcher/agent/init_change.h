/* SPDX-License-Identifier: MIT */
/*
 * What --jupyter-init has changed in the environment of a node, kept in the session's directory
 * there for those that do not descend from the agent: the ranks of a step.  In jupyter-agent,
 * as the user.
 */
#ifndef AGENT_INIT_CHANGE_H
#define AGENT_INIT_CHANGE_H

#include "common/env.h"
#include "common/reason.h"

/* Into the directory, mode 0600.  0, or -1 with errno. */
int init_change_write(int dirfd, const struct env *before, const struct env *after);

/* The same again in another environment of that node.  0, or -1 with errno and a reason. */
int init_change_apply(const char *directory, struct env *environment, struct reason *reason);

#endif
