/* SPDX-License-Identifier: MIT */
/*
 * Tests of the job's environment on its way through the step (launcher/job_env.h).  Run by
 * `make check`, as anybody.
 */
#include "launcher/job_env.h"

#include <sys/resource.h>

#include "scratch.h"

static char joined_text[4096];

static int append(const char *name, const char *value, void *arg)
{
	size_t *used = arg;

	*used += (size_t) snprintf(joined_text + *used, sizeof(joined_text) - *used, "%s=%s|",
				   name, value);
	return *used >= sizeof(joined_text);
}

static const char *joined(const struct env *env)
{
	size_t used = 0;

	joined_text[0] = '\0';
	env_each(env, append, &used);
	return joined_text;
}

static struct env *make(char *const *vector)
{
	struct env *env = env_create(vector);

	if (!env)
		bail_out("env_create");
	return env;
}

static void test_hide(void)
{
	static char *const job[] = {"PATH=/bin",
				    "SLURM_JOB_ID=7",
				    "SLURM_JOB_NUM_NODES=2",
				    "SLURM_NTASKS=4",
				    "SLURM_CONF=/etc/slurm.conf",
				    "SRUN_DEBUG=3",
				    "SBATCH_PARTITION=p",
				    "SALLOC_X=y",
				    "PMI_RANK=0",
				    "PMIX_RANK=0",
				    "SLURMD_NODENAME=n1",
				    "SLURM_SPANK_X=1",
				    "_SLURM_SPANK_OPTION_X=1",
				    "SPANK_Y=1",
				    "SPANK_JUPYTER_SPAWN_ID=secret",
				    "SPANK_JUPYTER_HUB_UID=7",
				    "SLURM_RLIMIT_CORE=0",
				    "SLURM_UMASK=0022",
				    "SLURM_JUPYTER_OPTIONS=secret",
				    "SJ_JOB_LD_PRELOAD=evil",
				    "XSLURM_A=1",
				    "SLURM=1",
				    "EMPTY=",
				    NULL};
	struct env *env = make(job);

	is_int(job_env_hide(env), 0, "a job's environment is hidden");
	is_str(joined(env),
	       "PATH=/bin|SLURM_JOB_ID=7|SLURM_CONF=/etc/slurm.conf|XSLURM_A=1|SLURM=1|EMPTY=|"
	       "SJ_JOB_SPANK_JUPYTER_SPAWN_ID=secret|SJ_JOB_SPANK_JUPYTER_HUB_UID=7|"
	       "SJ_JOB_SLURM_JOB_ID=7|SJ_JOB_SLURM_JOB_NUM_NODES=2|SJ_JOB_SLURM_NTASKS=4|"
	       "SJ_JOB_SLURM_CONF=/etc/slurm.conf|SJ_JOB_SRUN_DEBUG=3|"
	       "SJ_JOB_SBATCH_PARTITION=p|SJ_JOB_SALLOC_X=y|SJ_JOB_PMI_RANK=0|"
	       "SJ_JOB_PMIX_RANK=0|SJ_JOB_SLURMD_NODENAME=n1|",
	       "but for what srun needs, and without what is nobody's");

	/* What srun and slurmd make of it on the way. */
	env_set(env, "SLURM_NTASKS", "1");
	env_set(env, "SLURM_STEP_ID", "0");
	env_set(env, "SLURM_PROCID", "0");
	env_set(env, "PMI_FD", "9");
	env_set(env, "SPANK_Z", "1");
	is_int(job_env_restore(env), 0, "and comes back");
	is_str(joined(env),
	       "PATH=/bin|XSLURM_A=1|SLURM=1|EMPTY=|SPANK_Z=1|SLURM_JOB_ID=7|"
	       "SLURM_JOB_NUM_NODES=2|SLURM_NTASKS=4|SLURM_CONF=/etc/slurm.conf|SRUN_DEBUG=3|"
	       "SBATCH_PARTITION=p|SALLOC_X=y|PMI_RANK=0|PMIX_RANK=0|SLURMD_NODENAME=n1|",
	       "as it was, without the step's");
	env_destroy(env);
}

static void test_from_outside(void)
{
	static char *const step[] = {"PATH=/bin",
				     "SLURM_JOB_ID=7",
				     "SLURM_JOB_NAME=x",
				     "SLURM_JOBID=7",
				     "SLURM_NNODES=3",
				     "SLURM_NTASKS=3",
				     "SLURM_PROCID=0",
				     "SLURM_STEP_ID=1",
				     "PMI_RANK=0",
				     "SLURM_CONF=/etc",
				     "SRUN_DEBUG=3",
				     "SLURM_NODELIST=n[1-3]",
				     NULL};
	struct env *env = make(step);

	is_int(job_env_restore(env), 0, "where nothing was hidden");
	is_str(joined(env),
	       "PATH=/bin|SLURM_JOB_ID=7|SLURM_JOBID=7|SLURM_NNODES=3|SLURM_CONF=/etc|"
	       "SLURM_NODELIST=n[1-3]|SLURM_JOB_NUM_NODES=3|",
	       "the job's part stays, and what a batch script would have is there");
	env_destroy(env);
	env = make((char *const[]){"PATH=/bin", "SLURM_PROCID=3", "SJ_JOB_SLURM_PROCID=0",
				   "PMI_RANK=3", "SJ_JOB_LD_PRELOAD=evil", NULL});
	job_env_forget(env);
	is_str(joined(env), "PATH=/bin|SLURM_PROCID=3|PMI_RANK=3|",
	       "a task that goes on with its step's own loses what was hidden");
	env_destroy(env);
	env = make((char *const[]){NULL});
	is_int(job_env_hide(env), 0, "an empty one is hidden");
	is_int(job_env_restore(env), 0, "and restored");
	is_str(joined(env), "", "to nothing");
	env_destroy(env);
}

static void test_hostile(void)
{
	static char *const hostile[] = {"SJ_JOB_=x",
					"SJ_JOB_LD_PRELOAD=evil.so",
					"SJ_JOB_PATH=/evil",
					"SJ_JOB_SJ_JOB_SLURM_X=1",
					"SJ_JOB_SLURM_NTASKS=4",
					"PATH=/bin",
					NULL};
	struct env *env = make(hostile);

	is_int(job_env_restore(env), 0, "what looks as if it was hidden");
	is_str(joined(env), "PATH=/bin|SLURM_NTASKS=4|", "comes back where it could have been");
	env_destroy(env);
}

/* 20,000 variables of 100 bytes are Linux' default for a whole environment. */
static void test_large(void)
{
	enum { COUNT = 20000 };
	struct env *env = make((char *const[]){NULL});
	char name[32], value[96];
	bool all = true;

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	env_set(env, "SLURM_JOB_NUM_NODES", "1");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%s%d", i % 2 ? "SLURM_V" : "OTHER_V", i);
		env_set(env, name, value);
	}
	is_int(job_env_hide(env), 0, "2 MB are hidden");
	ok(!env_get(env, "SLURM_V1") && env_get(env, "SJ_JOB_SLURM_V1") &&
		   env_get(env, "OTHER_V0"),
	   "those that are the job's");
	is_int(job_env_restore(env), 0, "and restored");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "%s%d", i % 2 ? "SLURM_V" : "OTHER_V", i);
		const char *got = env_get(env, name);
		all &= got && !strcmp(got, value);
	}
	ok(all, "all of them");
	env_destroy(env);

	env = make((char *const[]){NULL});
	char *large = malloc((2 << 20) + 1);
	if (!large)
		bail_out("malloc");
	memset(large, 'x', 2 << 20);
	large[2 << 20] = '\0';
	env_set(env, "SLURM_JOB_NUM_NODES", "1");
	env_set(env, "SLURM_LARGE", large);
	ok(job_env_hide(env) == 0 && job_env_restore(env) == 0 &&
		   !strcmp(env_get(env, "SLURM_LARGE"), large),
	   "one variable of 2 MB goes through as well");
	free(large);
	env_destroy(env);
}

static rlim_t soft(__rlimit_resource_t resource)
{
	struct rlimit limit;

	return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

static int limits(int dir)
{
	struct rlimit limit = {.rlim_cur = 256, .rlim_max = 512};
	struct env *env = make((char *const[]){NULL});

	(void) dir;
	if (setrlimit(RLIMIT_CPU, &limit) < 0)
		return CANNOT;
	env_set(env, "SLURM_RLIMIT_CPU", "300");
	env_set(env, "SLURM_RLIMIT_CORE", "0");
	job_env_limits(env);
	if (soft(RLIMIT_CPU) != 300 || soft(RLIMIT_CORE) != 0)
		return 1;
	/* Slurm's RLIM_INFINITY, beyond the hard limit. */
	env_set(env, "SLURM_RLIMIT_CPU", "18446744073709551615");
	job_env_limits(env);
	if (soft(RLIMIT_CPU) != 512)
		return 2;
	static const char *const wrong[] = {"",	    "x",  "64x", "99999999999999999999",
					    "0x40", "1 2"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		env_set(env, "SLURM_RLIMIT_CPU", wrong[i]);
		job_env_limits(env);
		if (soft(RLIMIT_CPU) != 512)
			return 3;
	}
	env_destroy(env);
	return 0;
}

int main(void)
{
	test_hide();
	test_from_outside();
	test_hostile();
	test_large();
	is_child(in_child(limits, -1), "limits are applied as far as they may be");
	return done_testing();
}
