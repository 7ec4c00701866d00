/* SPDX-License-Identifier: MIT */
/* See slurm_env.h. */
#include "launcher/sjupyter/slurm_env.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Input variables that sbatch(1) and srun(1) document and that no job sets. */
static const char *const persons[] = {
	"SLURM_CONF",	    "SLURM_CLUSTERS",	    "SLURM_DEBUG_FLAGS",
	"SLURM_EXIT_ERROR", "SLURM_EXIT_IMMEDIATE", "SLURM_HINT",
	"SLURM_JWT",	    "SLURM_TIME_FORMAT",    NULL};

static bool begins_with(const char *name, const char *prefix)
{
	return !strncmp(name, prefix, strlen(prefix));
}

static bool is_persons(const char *name)
{
	for (size_t i = 0; persons[i]; i++)
		if (!strcmp(name, persons[i]))
			return true;
	return false;
}

static bool match_of_query(const char *name, void *arg)
{
	(void) arg;
	return begins_with(name, "SQUEUE_") || begins_with(name, "SCANCEL_") ||
	       begins_with(name, "SCONTROL_") || begins_with(name, "SLURM_SPANK_");
}

static bool match_of_job(const char *name, void *arg)
{
	(void) arg;
	return ((begins_with(name, "SLURM_") || begins_with(name, "SLURMD_")) &&
		!is_persons(name)) ||
	       begins_with(name, SLURM_ENV_OPTION) || begins_with(name, "PMI_") ||
	       begins_with(name, "PMI2_") || begins_with(name, "PMIX_") ||
	       begins_with(name, "SPANK_") || !strcmp(name, SLURM_ENV_SESSION_OPTIONS);
}

struct env *slurm_env_query(void)
{
	extern char **environ;
	struct env *env = env_create(environ);

	if (!env)
		return NULL;
	env_remove(env, match_of_query, NULL);
	if (env_set(env, "SLURM_TIME_FORMAT", "%s") == 0)
		return env;
	env_destroy(env);
	return NULL;
}

struct env *slurm_env_outside(void)
{
	extern char **environ;
	struct env *env = env_create(environ);

	if (env && getenv("SLURM_JOB_ID"))
		env_remove(env, match_of_job, NULL);
	return env;
}

const char *slurm_env_job(void)
{
	const char *job = getenv("SLURM_JOB_ID");
	unsigned long number;

	return job && text_to_ulong(job, 1, UINT32_MAX, &number) == 0 ? job : NULL;
}
