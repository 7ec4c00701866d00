/* SPDX-License-Identifier: MIT */
/* See job.h. */
#include "launcher/launch/job.h"

#include <stdint.h>

#include "common/hostlist.h"
#include "common/session.h"
#include "common/text.h"

int job_read(const struct env *environment, struct job *job, struct reason *reason)
{
	const char *nodes = env_get(environment, "SLURM_JOB_NUM_NODES");
	unsigned long number;
	char **names;
	size_t count;

	job->id = env_get(environment, "SLURM_JOB_ID");
	if (!job->id || text_to_ulong(job->id, 1, UINT32_MAX, &number) < 0)
		return reason_set(reason, "SLURM_JOB_ID is %s: run this inside a job",
				  job->id ? job->id : "not set");
	if (!nodes)
		nodes = env_get(environment, "SLURM_NNODES");
	if (!nodes || text_to_ulong(nodes, 1, SESSION_NODES_MAX, &job->nodes) < 0)
		return reason_set(reason, "SLURM_JOB_NUM_NODES is %s: 1 to %d are allowed",
				  nodes ? nodes : "not set", SESSION_NODES_MAX);
	/* In a step over several components of a heterogeneous job these count all; ours is on
	 * the first.  PACK is Slurm's older word for it. */
	const char *first = env_get(environment, "SLURM_JOB_NODELIST_HET_GROUP_0");
	if (!first)
		first = env_get(environment, "SLURM_JOB_NODELIST_PACK_GROUP_0");
	if (first && hostlist_expand(first, SESSION_NODES_MAX, &names, &count) == 0) {
		job->nodes = count;
		hostlist_free(names, count);
	}
	return 0;
}
