/* SPDX-License-Identifier: MIT */
/*
 * `jupyter-agent --rank=KIND`: a task of the step that the head starts for a kind with start =
 * srun.  Finds the session's directory on its node, fills in the recipe, binds itself to its
 * share of the node, and becomes the worker.  As the user.
 */
#ifndef WORKERS_RANK_H
#define WORKERS_RANK_H

#include "launcher/agent/agent.h"

struct rank_options {
	const char *kind;
	const char *options; /* options_encode() */
	const char *config;  /* NULL: the package's */
	const char *nodes;   /* Slurm's hostlist of the session, in the order of ranks */
	const char *ip;	     /* of the head */
	const char *port;    /* digits; 0: none */
};

/* The exit status, when it could not become the worker; why is on stderr, which the step's log
 * takes. */
int rank_run(const struct rank_options *options);

#endif
