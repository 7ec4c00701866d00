/* SPDX-License-Identifier: MIT */
/*
 * The step of a kind of workers with start = srun, such as MPI ranks: one overlapping srun over
 * the nodes, whose tasks are the workers, with the site's PMI.  In the head's event loop, as
 * the user.
 */
#ifndef WORKERS_SRUN_STEP_H
#define WORKERS_SRUN_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/agent/agent.h"
#include "launcher/recipe.h"

struct srun_step;

struct srun_step_options {
	const struct agent *agent;
	const struct recipe *recipe;
	struct env *environment;      /* what ranks start from; the recipe's lines come there */
	const char *const *variables; /* NAME, VALUE, ..., NULL for the recipe's srun words */
	const char *ip;		      /* of the head, for the ranks' own variables */
	unsigned port;
	int log_dirfd;
};

/* Once, when srun has ended or could not be started; how is in its own words. */
typedef void srun_step_ended(const char *how, void *arg);

/* options and what it points to must outlive it.  NULL with errno. */
struct srun_step *srun_step_create(struct loop *loop, const struct srun_step_options *options,
				   srun_step_ended *ended, void *arg);
void srun_step_destroy(struct srun_step *step); /* kills srun; accepts NULL */

/*
 * counts[rank] workers on the node of that rank, 0: none; at least one in all.  Asks srun for
 * its kinds of MPI first.  0, or -1 with errno and a reason: ended() is not called then.
 */
int srun_step_start(struct srun_step *step, const unsigned *counts, struct reason *reason);

/* SIGTERM, at which srun ends its tasks, and SIGKILL after grace_ms; then ended(), if it runs.
 */
void srun_step_stop(struct srun_step *step, int64_t grace_ms);
bool srun_step_runs(const struct srun_step *step);

/* The last lines of one worker, or of srun itself.  Return text. */
const char *srun_step_tail(const struct srun_step *step, size_t rank, unsigned index,
			   char *text, size_t size);
const char *srun_step_words(const struct srun_step *step, char *text, size_t size);

#endif
