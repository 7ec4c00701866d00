/* SPDX-License-Identifier: MIT */
/* See step.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_env.h"
#include "launcher/launch/step.h"
#include "launcher/spawn.h"

enum { ARGUMENTS_MAX = 32 };

pid_t step_start(const struct step_options *options, struct reason *reason)
{
	char nodes[24], ntasks[32], jobid[48];
	char *words[4] = {NULL};
	const char *argv[ARGUMENTS_MAX];
	size_t argc = 0;
	pid_t pid = -1;

	const char *path = env_get(options->environment, "PATH");
	char *srun = spawn_find("srun", path);
	if (!srun)
		srun = spawn_find("/usr/bin/srun", NULL);
	if (!srun)
		return reason_set(reason, "srun is neither in PATH (%s) nor in /usr/bin",
				  path ? path : "not set");
	snprintf(jobid, sizeof(jobid), "--jobid=%s", options->job_id);
	snprintf(nodes, sizeof(nodes), "--nodes=%lu", options->nodes);
	snprintf(ntasks, sizeof(ntasks), "--ntasks=%lu", options->nodes);
	if (asprintf(&words[0], "--options=%s", options->options) < 0 ||
	    asprintf(&words[1], "--triggered=%s",
		     options->triggered ? options->triggered : "") < 0 ||
	    asprintf(&words[2], "--config=%s", options->config ? options->config : "") < 0 ||
	    asprintf(&words[3], "--task-epilog=%s", options->sweep) < 0) {
		reason_set(reason, "srun: %s", strerror(errno));
		goto out;
	}

	argv[argc++] = "srun";
	argv[argc++] = jobid;
	argv[argc++] = nodes;
	argv[argc++] = ntasks;
	argv[argc++] = "--ntasks-per-node=1";
	argv[argc++] = "--job-name=jupyter";
	/* The user's own steps lose nothing to ours, and one agent's end is not everybody's. */
	argv[argc++] = "--overlap";
	argv[argc++] = "--mem=0";
	argv[argc++] = "--cpu-bind=none";
	argv[argc++] = "--mpi=none";
	argv[argc++] = "--kill-on-bad-exit=0";
	argv[argc++] = "--wait=0";
	argv[argc++] = "--no-kill";
	argv[argc++] = words[3];
	argv[argc++] = options->agent;
	argv[argc++] = words[0];
	if (options->triggered)
		argv[argc++] = words[1];
	if (options->config)
		argv[argc++] = words[2];
	argv[argc] = NULL;

	if (job_env_hide(options->environment) < 0 ||
	    env_set(options->environment, "SLURM_JOB_ID", options->job_id) < 0 ||
	    (options->config &&
	     env_set(options->environment, JOB_ENV_CONFIG, options->config) < 0)) {
		reason_set(reason, "srun: %s", strerror(errno));
		goto out;
	}
	struct spawn_options spawn = {
		.program = srun,
		.argv = (char *const *) argv,
		.environment = env_vector(options->environment),
		.in = options->in,
		.out = options->out,
		.err = options->err,
		.own_session = true,
	};
	pid = spawn_process(&spawn, reason);
	if (pid < 0 && errno == E2BIG)
		reason_set(reason,
			   "srun: the job's environment is too large to start a program: "
			   "make it smaller");
out:
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		free(words[i]);
	free(srun);
	return pid;
}
