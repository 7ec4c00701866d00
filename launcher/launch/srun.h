/* SPDX-License-Identifier: MIT */
/*
 * The srun of the session step and what goes over its stdio: the head's lines on its stdout,
 * which are for the other agents (by its stdin) or for the job's user, and words of Slurm's and
 * the agents' on its stderr.  In jupyter-launch's event loop, as the user.
 */
#ifndef LAUNCH_SRUN_H
#define LAUNCH_SRUN_H

#include "common/reason.h"
#include "launcher/launch/step.h"
#include "launcher/loop.h"
#include "launcher/session_log.h"

struct srun;

struct srun_options {
	struct loop *loop; /* stopped when srun has ended */
	struct session_log *log;
	void (*say)(const char *text); /* the head's words for the job's user */
};

/* Starts it; in, out and err of the step are set here.  NULL with a reason. */
struct srun *srun_start(const struct srun_options *options, struct step_options *step,
			struct reason *reason);
/* What others still hold of its stdio is read until then.  Does not end srun; accepts NULL. */
void srun_destroy(struct srun *srun);

/* When it has ended: its status as of waitpid(), and the first that was complained of on its
 * stderr, or "": that says what has happened, the others what came of it. */
int srun_status(const struct srun *srun);
const char *srun_first_error(const struct srun *srun);

#endif
