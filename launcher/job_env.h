/* SPDX-License-Identifier: MIT */
/*
 * The job's environment on its way through the session step: jupyter-launch hides the job's
 * SLURM_* from srun, which would take them as orders for the step, and the agents give them
 * back to the server, so that srun in a notebook's terminal works as in the job script.  As the
 * user.
 */
#ifndef LAUNCHER_JOB_ENV_H
#define LAUNCHER_JOB_ENV_H

#include "common/env.h"

/* Where the step's own programs read the site's settings: of the names that are hidden, so that
 * no agent hands it on. */
#define JOB_ENV_CONFIG "SJ_JOB_CONFIG"

/* Where the head finds what our spawner has given the job: SPANK_JUPYTER_SPAWN_ID, good for one
 * job, and SPANK_JUPYTER_HUB_UID.  Of the same names, so nobody else gets them. */
#define JOB_ENV_SPAWN_ID "SJ_JOB_SPANK_JUPYTER_SPAWN_ID"
#define JOB_ENV_HUB_UID	 "SJ_JOB_SPANK_JUPYTER_HUB_UID"

/*
 * For srun: SLURM_*, SRUN_*, SBATCH_*, SALLOC_*, PMI* and PMIX* are kept under another name,
 * but for what tells srun where the job is; so are the two above; Slurm's own records of SPANK
 * options and limits are dropped. 0, or -1 with ENOMEM.
 */
int job_env_hide(struct env *env);

/*
 * In an agent: the step's own variables of these families are dropped and the hidden ones come
 * back under their names.  Where nothing was hidden (a session started from outside of the job)
 * the job's part of the step's variables stays.  0, or -1 with ENOMEM.
 */
int job_env_restore(struct env *env);

/* In a task that goes on with its step's own variables: the hidden ones are dropped. */
void job_env_forget(struct env *env);

/* Applies SLURM_RLIMIT_* of env to this process, as Slurm does for a task after the plugins
 * have run; what the hard limit forbids is passed over. */
void job_env_limits(const struct env *env);

#endif
