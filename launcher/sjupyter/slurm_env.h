/* SPDX-License-Identifier: MIT */
/*
 * The environments that sjupyter gives to Slurm's commands and to jupyter-launch.  As the user.
 */
#ifndef SJUPYTER_SLURM_ENV_H
#define SJUPYTER_SLURM_ENV_H

#include "common/env.h"

/* By which Slurm takes options of ours from the environment: the prefix of the variable's name,
 * before the option's with "_" for "-".  Slurm's SPANK_OPTION_ENV_PREFIX with our plugin's
 * name, as spank/inherited.c has it. */
#define SLURM_ENV_OPTION     "_SLURM_SPANK_OPTION_jupyter_"
#define SLURM_ENV_JOB_OPTION "SLURM_SPANK_" SLURM_ENV_OPTION

/* The encoded options, set by the plugin: spank/inherited.h. */
#define SLURM_ENV_SESSION_OPTIONS "JUPYTER_SESSION_OPTIONS"

/* All parameters of a notebook, encoded, likewise. */
#define SLURM_ENV_PARAMS "SLURM_JUPYTER_PARAMS"

/*
 * For squeue, scontrol and scancel: without the variables that change what they do or print,
 * with times as unix seconds.  NULL with ENOMEM.
 */
struct env *slurm_env_query(void);

/*
 * For what is to be outside of the job that this process may be in (sbatch, srun that makes an
 * allocation of its own, a launch in another job): without what that job has set.  What a
 * person may set for Slurm's commands stays.  NULL with ENOMEM.
 */
struct env *slurm_env_outside(void);

/* The job this process is in, a number; NULL outside. */
const char *slurm_env_job(void);

#endif
