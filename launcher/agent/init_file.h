/* SPDX-License-Identifier: MIT */
/*
 * --jupyter-init=FILE: sources a shell file in bash and takes over the environment that it
 * leaves. In jupyter-agent's event loop, as the user.
 */
#ifndef AGENT_INIT_FILE_H
#define AGENT_INIT_FILE_H

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"

struct init_file;

struct init_file_options {
	const char *path;
	struct env *environment; /* to start with */
	long timeout_s;
	int err; /* where the file's own output goes; stays the caller's */
};

/* Once: the new environment (now the callback's), or NULL and why. */
typedef void init_file_callback(struct env *environment, const char *reason, void *arg);

/* NULL with a reason when the file cannot be read or bash cannot be started. */
struct init_file *init_file_start(struct loop *loop, const struct init_file_options *options,
				  init_file_callback *callback, void *arg,
				  struct reason *reason);
void init_file_destroy(struct init_file *init); /* ends what still runs; accepts NULL */

#endif
