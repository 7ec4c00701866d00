/* SPDX-License-Identifier: MIT */
/*
 * A command of a kind's recipe that is run once before its workers or its controller, within a
 * time.  In jupyter-agent's event loop, as the user.
 */
#ifndef WORKERS_PREPARE_H
#define WORKERS_PREPARE_H

#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/recipe.h"
#include "launcher/workers/memory_kill.h"

struct prepare;

struct prepare_options {
	const struct recipe *recipe;
	const char *command; /* recipe->prepare_node, or another of it */
	const char *name;    /* its key in the recipe: for reasons and NAME.log */
	const char *const *variables;
	struct env *environment;
	int log_dirfd;		    /* must outlive it */
	struct memory_kill *memory; /* may be NULL */
	int64_t deadline_ms;
};

/*
 * Once: failure is NULL when it ended with exit status 0, else says how it ended or that it
 * took too long; it was killed then with its process group.  tail: its last lines.  May destroy
 * it.
 */
typedef void prepare_callback(const char *failure, const char *tail, void *arg);

/* options are not needed afterwards but for recipe.  NULL with errno and a reason. */
struct prepare *prepare_start(struct loop *loop, const struct prepare_options *options,
			      prepare_callback *callback, void *arg, struct reason *reason);
void prepare_destroy(struct prepare *prepare); /* kills what still runs; accepts NULL */

#endif
