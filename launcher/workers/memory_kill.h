/* SPDX-License-Identifier: MIT */
/*
 * Whether the kernel has killed a process of this session on this node for want of memory: by
 * the counter of our own cgroup, v1 (memory.oom_control) or v2 (memory.events), in which
 * workers are too.  In jupyter-agent, as the user.
 */
#ifndef WORKERS_MEMORY_KILL_H
#define WORKERS_MEMORY_KILL_H

#include <stdbool.h>

struct memory_kill;

/*
 * root is "" or, for tests, a directory that has proc/self and the mounts named there below it.
 * Where there is no such counter (no memory controller, Linux before 4.13 with v1) nothing is
 * ever taken for such a kill.  NULL with ENOMEM.
 */
struct memory_kill *memory_kill_create(const char *root);
void memory_kill_destroy(struct memory_kill *kill); /* accepts NULL */

/*
 * A child has been ended by SIGKILL: whether the counter has grown since the last kill that was
 * taken from it, which takes one.  What the kernel kills of other processes of the session
 * counts too, until memory_kill_forget().
 */
bool memory_kill_take(struct memory_kill *kill);

/* What has been counted up to now is not about a child that ends later. */
void memory_kill_forget(struct memory_kill *kill);

#endif
