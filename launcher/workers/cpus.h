/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of this node that are the job's, and each worker's share of them.  In jupyter-agent,
 * as the user.
 */
#ifndef WORKERS_CPUS_H
#define WORKERS_CPUS_H

#include <sched.h>
#include <stddef.h>

enum {
	CPUS_MAX = 65536 /* numbers of CPUs of one node; Linux allows 8192 */
};

struct cpus {
	unsigned count; /* how many the job has on this node, at least 1 */
	/* What workers are divided over; empty: they are not bound.  Threads of one core are
	 * together, cores of one socket are. */
	unsigned *numbers;
	size_t number_count;
	size_t *cores; /* where each core begins in numbers, and after the last the end */
	size_t core_count;
};

/*
 * From SLURM_JOB_CPUS_PER_NODE ("4(x2),8") or NULL, the node's rank in the job and the affinity
 * of this process.  Where these disagree:
 * - Slurm counts cores and the affinity is that many whole cores: they are the job's.
 * - The affinity is less: count is Slurm's, which is what was asked for, and the workers share
 *   what there is.
 * - The affinity is more, so that Slurm does not bind (no cgroup that constrains cores): which
 *   of the CPUs are the job's is not known, and workers bound to a guess would crowd the same
 *   CPUs as those of the next job: they are not bound.
 * - Slurm says nothing that can be read: the affinity is the job's.
 * 0, or -1 with ENOMEM.
 */
int cpus_find(struct cpus *cpus, const char *per_node, size_t rank);

/* The same with an affinity and a root directory of /sys of another machine. */
int cpus_find_in(struct cpus *cpus, const char *per_node, size_t rank, const unsigned *affinity,
		 size_t affinity_count, const char *sys);
void cpus_clear(struct cpus *cpus); /* accepts a zeroed struct */

/*
 * The share of worker index of count: whole cores in a row while there are as many, then CPUs
 * in a row, then one CPU each in turn.  How many CPUs, *numbers points to them; 0: not bound.
 */
size_t cpus_share(const struct cpus *cpus, unsigned index, unsigned count,
		  const unsigned **numbers);

/* As sched_setaffinity takes it; free with CPU_FREE.  NULL with ENOMEM, or when count is 0. */
cpu_set_t *cpus_set(const unsigned *numbers, size_t count, size_t *size);

#endif
