/* SPDX-License-Identifier: MIT */
/*
 * The trigger: whether this task is the one that starts the session, and the start itself.
 * Called in slurmstepd's task process, in slurm_spank_task_init, where uid, gid, groups, cgroup
 * and environment are already the job's user's.
 */
#ifndef SPANK_TRIGGER_H
#define SPANK_TRIGGER_H

#include <stdbool.h>

#include <slurm/spank.h>

#include "common/options.h"

/* Task 0 of the batch step, of the interactive step, or of a step whose srun made the
 * allocation. */
bool trigger_is_due(spank_t spank);

/*
 * Starts jupyter-launch as a process that is nobody's child, with fds 0 and 1 on /dev/null, 2
 * the task's own, no other fd, default signals and the job's environment.  Returns when it is
 * started; -1 with errno and a reason when it could not be.
 */
int trigger_start(spank_t spank, const struct options *options, const char *config,
		  struct reason *reason);

#endif
