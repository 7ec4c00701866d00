/* SPDX-License-Identifier: MIT */
/*
 * The environment variables by which Slurm hands our options on, wanted or not: from sbatch to
 * the batch step, and also from a job to every srun and sbatch inside it.  Used by the plugin
 * in every context.
 */
#ifndef SPANK_INHERITED_H
#define SPANK_INHERITED_H

#include <slurm/spank.h>

#include "common/options.h"

/* The encoded options for `sjupyter start` and `sjupyter wait`, in the user's environment. */
#define INHERITED_FOR_SJUPYTER "JUPYTER_SESSION_OPTIONS"

/* Set by the srun that made the allocation, to its job id.  Names that begin with SLURM survive
 * --export=NONE. */
#define INHERITED_ALLOCATED_BY "SLURM_JUPYTER_ALLOCATED"

/* What a JupyterHub gives a job for its session alone: names and values are good for one job.
 */
#define INHERITED_SPAWN_ID "SPANK_JUPYTER_SPAWN_ID"
#define INHERITED_HUB_UID  "SPANK_JUPYTER_HUB_UID"

/* All parameters of the notebook, encoded: Slurm itself hands on the last of a repeated option
 * alone.  Also a name that survives. */
#define INHERITED_PARAMS "SLURM_JUPYTER_PARAMS"

/* In sbatch, salloc and srun, after options are processed: puts into the environment what Slurm
 * does not hand on by itself.  0, or -1 with errno. */
int inherited_give(const struct options *options);

/*
 * In sbatch, salloc and srun, before options are processed: forgets what an outer job's options
 * left in this process' own environment.  from_job_only: only what Slurm made of the job's
 * options; false: also what salloc keeps for its interactive step.
 */
void inherited_forget(int from_job_only);

/*
 * In sbatch, salloc, and an srun that makes an allocation: forgets every variable with a path of
 * a session's private directory, as the terminals and kernels of a session have them.  In a new
 * job, on other nodes and later, there is no such directory; where others can write to /tmp they
 * could make it, and the user's programs would take their configuration, keys and code from it.
 */
void inherited_forget_paths(void);

/*
 * In slurmstepd: takes from the job's environment the options that Slurm recorded with the job
 * and stores those that were not stored yet, then removes them from the task's environment, so
 * that no sbatch in the job hands them on.  Values that are wrong are passed over with a reason
 * in the log.
 */
void inherited_take(spank_t spank, struct options *options);

#endif
