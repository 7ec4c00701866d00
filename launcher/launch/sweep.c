/* SPDX-License-Identifier: MIT */
/*
 * jupyter-sweep: removes what an agent has left on its node when it was killed.  The session
 * step's task epilog: slurmstepd runs it on each node when the agent has ended, however that
 * did, as the user; it has a few seconds, nowhere to complain to, and no arguments.
 */
#include <stdlib.h>

#include "launcher/job_env.h"
#include "launcher/runtime_dir.h"
#include "launcher/settings.h"

int main(void)
{
	const char *job_id = getenv("SLURM_JOB_ID"), *node = getenv("SLURMD_NODENAME");
	struct settings *settings = settings_load(getenv(JOB_ENV_CONFIG), NULL);

	if (settings && job_id && node)
		runtime_dir_remove_job(settings->tmpdir, job_id, node);
	settings_destroy(settings);
	return 0;
}
