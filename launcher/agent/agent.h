/* SPDX-License-Identifier: MIT */
/*
 * What every agent of a session step knows of itself, and its two bodies: the head (rank 0) and
 * a member (all others).  In jupyter-agent, as the user.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stddef.h>

#include "common/env.h"
#include "common/options.h"
#include "launcher/loop.h"
#include "launcher/settings.h"

struct agent {
	struct loop *loop;
	struct settings *settings;
	const char *config; /* the settings' path as it was given, or NULL */
	struct options options;
	/* The job's own, restored; with --jupyter-init what that left, and what was before:
	 * NULL where there is no such file, or it has not ended. */
	struct env *environment, *before_init;
	char *spawn_id, *hub_uid; /* that our spawner has given the job, or NULL */
	double triggered;	  /* unix seconds */
	size_t rank, ranks;
	char *job_id;  /* digits */
	char *step_id; /* digits */
	char *node;    /* Slurm's name of this node */
	char *nodes;   /* Slurm's hostlist of the step, in the order of ranks */
};

/* Each runs the loop to its end and returns the exit status. */
int head_run(struct agent *agent);
int member_run(struct agent *agent);

#endif
