/* SPDX-License-Identifier: MIT */
/*
 * What the files of a kind's step share: srun_step.c (its life) and srun_step_words.c (srun's
 * command line).  Nobody else includes it; srun_step.h is the interface.
 */
#ifndef WORKERS_SRUN_STEP_PRIVATE_H
#define WORKERS_SRUN_STEP_PRIVATE_H

#include "launcher/workers/srun_step.h"

enum {
	SRUN_STEP_WORDS_MAX = 64 /* of ours; the recipe has RECIPE_WORDS_MAX more */
};

struct srun_step {
	struct loop *loop;
	const struct srun_step_options *options;
	srun_step_ended *ended;
	void *arg;
	struct env *environment; /* of srun */
	char *srun;		 /* its path */
	char *kinds;		 /* of MPI, as srun lists them */
	const char *mpi;	 /* the one of them that is tried */
	struct capture *list;	 /* while srun tells its kinds of MPI */
	struct process *process;
	unsigned *counts; /* by the node's rank */
	char *words[SRUN_STEP_WORDS_MAX];
	size_t word_count;
	bool stopping;
};

/* Sets words for the kind of MPI that is tried now.  0, or -1 with a reason. */
int srun_step_make_words(struct srun_step *step, struct reason *reason);
void srun_step_free_words(struct srun_step *step);

#endif
