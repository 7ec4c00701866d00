/* SPDX-License-Identifier: MIT */
/* See job_env.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "launcher/job_env.h"

#define HIDDEN "SJ_JOB_"

/* Variables by which Slurm's commands take orders, or which describe one step. */
static const char *const families[] = {"SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SALLOC_",
				       "PMI_",	 "PMI2_",   "PMIX_", NULL};
/* What srun needs to find the job and the controller. */
static const char *const for_srun[] = {"SLURM_JOB_ID",	     "SLURM_CONF",
				       "SLURM_CLUSTER_NAME", "SLURM_WORKING_CLUSTER",
				       "SLURM_HET_SIZE",     NULL};
/* What Slurm recorded for itself; never anybody's to inherit. */
static const char *const dropped[] = {
	"SLURM_SPANK_", "_SLURM_SPANK_",  "SPANK_", "SLURM_RLIMIT_",
	"SLURM_UMASK",	"SLURM_JUPYTER_", NULL};
/* Of a step's variables, those that describe the job. */
static const char *const of_job[] = {"SLURM_JOB_",	    "SLURM_JOBID",
				     "SLURM_CONF",	    "SLURM_CLUSTER_NAME",
				     "SLURM_ARRAY_",	    "SLURM_SUBMIT",
				     "SLURM_NODELIST",	    "SLURM_NNODES",
				     "SLURM_HET_",	    "SLURMD_NODENAME",
				     "SLURM_TOPOLOGY_",	    "SLURM_WORKING_CLUSTER",
				     "SLURM_RESTART_COUNT", NULL};

static bool begins_with_any(const char *name, const char *const prefixes[])
{
	for (; *prefixes; prefixes++)
		if (!strncmp(name, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

static bool is_any(const char *name, const char *const names[])
{
	for (; *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static bool match_dropped(const char *name, void *arg)
{
	(void) arg;
	return begins_with_any(name, dropped);
}

static bool match_family(const char *name, void *keep)
{
	return begins_with_any(name, families) &&
	       !(keep && is_any(name, (const char *const *) keep));
}

static bool match_not_of_job(const char *name, void *arg)
{
	(void) arg;
	return begins_with_any(name, families) &&
	       (!begins_with_any(name, of_job) || !strcmp(name, "SLURM_JOB_NAME"));
}

static bool match_hidden(const char *name, void *arg)
{
	(void) arg;
	return !strncmp(name, HIDDEN, strlen(HIDDEN));
}

static int hide(const char *name, const char *value, void *hidden)
{
	char *other = NULL;

	if (!begins_with_any(name, families))
		return 0;
	if (asprintf(&other, HIDDEN "%s", name) < 0)
		return -1;
	int rc = env_set(hidden, other, value);
	free(other);
	return rc;
}

/* Of the name that is hidden in other. */
static int hide_one(const struct env *env, const char *other, struct env *hidden)
{
	const char *value = env_get(env, other + strlen(HIDDEN));

	return value ? env_set(hidden, other, value) : 0;
}

static int restore(const char *name, const char *value, void *restored)
{
	/* Nothing but what job_env_hide() hides. */
	if (!match_hidden(name, NULL) || !begins_with_any(name + strlen(HIDDEN), families))
		return 0;
	return env_set(restored, name + strlen(HIDDEN), value);
}

static int copy(const char *name, const char *value, void *env)
{
	return env_set(env, name, value);
}

int job_env_hide(struct env *env)
{
	struct env *hidden = env_create(NULL);
	int rc = -1;

	env_remove(env, match_hidden, NULL);
	if (!hidden || hide_one(env, JOB_ENV_SPAWN_ID, hidden) < 0 ||
	    hide_one(env, JOB_ENV_HUB_UID, hidden) < 0)
		goto out;
	env_remove(env, match_dropped, NULL);
	if (env_each(env, hide, hidden))
		goto out;
	env_remove(env, match_family, (void *) for_srun);
	rc = env_each(hidden, copy, env);
out:
	env_destroy(hidden);
	return rc;
}

int job_env_restore(struct env *env)
{
	struct env *restored = env_create(NULL);
	int rc = -1;

	if (!restored || env_each(env, restore, restored))
		goto out;
	env_remove(env, match_hidden, NULL);
	if (env_get(restored, "SLURM_JOB_NUM_NODES")) {
		env_remove(env, match_family, NULL);
	} else {
		env_remove(env, match_not_of_job, NULL);
		/* A batch script has it and a step has not: scripts count on it. */
		const char *nodes = env_get(env, "SLURM_NNODES");
		if (nodes && env_set(restored, "SLURM_JOB_NUM_NODES", nodes) < 0)
			goto out;
	}
	rc = env_each(restored, copy, env);
out:
	env_destroy(restored);
	return rc;
}

void job_env_forget(struct env *env)
{
	env_remove(env, match_hidden, NULL);
}

void job_env_limits(const struct env *env)
{
	/* The names Slurm uses: slurm_rlimits_info.c, as sbatch(1) documents for --propagate.
	 */
	static const struct {
		const char *name;
		__rlimit_resource_t resource;
	} limits[] = {{"CPU", RLIMIT_CPU},	   {"FSIZE", RLIMIT_FSIZE},
		      {"DATA", RLIMIT_DATA},	   {"STACK", RLIMIT_STACK},
		      {"CORE", RLIMIT_CORE},	   {"RSS", RLIMIT_RSS},
		      {"NPROC", RLIMIT_NPROC},	   {"NOFILE", RLIMIT_NOFILE},
		      {"MEMLOCK", RLIMIT_MEMLOCK}, {"AS", RLIMIT_AS}};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		char name[32];
		struct rlimit limit;
		snprintf(name, sizeof(name), "SLURM_RLIMIT_%s", limits[i].name);
		const char *value = env_get(env, name);
		char *end;
		if (!value || getrlimit(limits[i].resource, &limit) < 0)
			continue;
		errno = 0;
		unsigned long long soft = strtoull(value, &end, 10);
		if (errno || end == value || *end)
			continue;
		limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
		setrlimit(limits[i].resource, &limit);
	}
}
