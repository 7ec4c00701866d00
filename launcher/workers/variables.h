/* SPDX-License-Identifier: MIT */
/*
 * What the recipe of a kind of workers is filled with on this node: the variables of its
 * commands, and the environment of all that is started of it.  In jupyter-agent, of the head
 * and of members, as the user.
 */
#ifndef WORKERS_VARIABLES_H
#define WORKERS_VARIABLES_H

#include "common/env.h"
#include "common/reason.h"
#include "launcher/agent/agent.h"
#include "launcher/recipe.h"
#include "launcher/runtime_dir.h"

enum { VARIABLES_MAX = 16, VARIABLES_NUMBER_MAX = 24 };

struct variables_options {
	const struct agent *agent;
	const struct runtime_dir *runtime;
	const struct recipe *recipe;
	const char *ip; /* of the head, v4 or v6 */
	unsigned port;	/* the first of the recipe's, 0: none */
	unsigned count; /* workers on this node */
};

struct variables {
	/* NAME, VALUE, ..., NULL, as recipe.h takes them. */
	const char *pairs[2 * VARIABLES_MAX + 1];
	char *share, *python, *kinds, *ip, *host;
	char port[VARIABLES_NUMBER_MAX], rank[VARIABLES_NUMBER_MAX];
	char nodes[VARIABLES_NUMBER_MAX], count[VARIABLES_NUMBER_MAX];
};

/*
 * Those of the plan for every kind: python, share, runtime_dir, job_id, kind, kinds, ip, host,
 * port, node, node_rank, nodes, count.  Python is looked for only where the recipe uses it, and
 * is "" else.  What options point to must outlive them, but for ip.  0, or -1 with errno and a
 * reason, and nothing to clear.
 */
int variables_set(struct variables *variables, const struct variables_options *options,
		  struct reason *reason);
void variables_clear(struct variables *variables); /* accepts a zeroed struct */

/*
 * The job's environment with SPANK_JUPYTER_KIND and _SHARE: what prepare and prepare_node start
 * from, which may look for what the recipe's lines change for all others.  NULL with errno and
 * a reason.
 */
struct env *variables_own_environment(const struct variables *variables,
				      const struct variables_options *options,
				      struct reason *reason);

/*
 * The job's environment with the recipe's lines and SPANK_JUPYTER_KIND and _SHARE: what workers
 * and controllers of the kind start from.  NULL with errno and a reason.
 */
struct env *variables_environment(const struct variables *variables,
				  const struct variables_options *options,
				  struct reason *reason);

#endif
