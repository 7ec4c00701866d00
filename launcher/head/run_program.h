/* SPDX-License-Identifier: MIT */
/*
 * The program that executes a notebook, contrib/recipes/run/run_notebook.py, as a process: what
 * it is told, and in which Python it runs.  In the head's event loop, as the user.
 */
#ifndef HEAD_RUN_PROGRAM_H
#define HEAD_RUN_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/head/run_event.h"
#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/session_log.h"
#include "launcher/settings.h"
#include "launcher/workers/kernel_choice.h"
#include "launcher/workers/memory_kill.h"

struct run_program;

struct run_program_options {
	const struct settings *settings;
	const struct runtime_dir *runtime;
	struct env *environment;
	const char *directory;		    /* of the kernel */
	const char *notebook, *output;	    /* absolute */
	const char *params;		    /* of struct options, or NULL */
	const struct kernel_choice *kernel; /* of the notebook */
	struct session_log *log;
};

struct run_program_callbacks {
	void (*event)(const struct run_event *event, void *arg);
	/* The last; how in words, with the last line of its output.  It may be destroyed here.
	 */
	void (*ended)(bool without_error, const char *how, void *arg);
	void *arg;
};

/* What options point to must outlive it.  NULL with a reason. */
struct run_program *run_program_start(struct loop *loop,
				      const struct run_program_options *options,
				      const struct run_program_callbacks *callbacks,
				      struct reason *reason);
void run_program_destroy(struct run_program *program); /* kills it; accepts NULL */

/* The first cell may begin. */
int run_program_go(struct run_program *program);

/* SIGTERM, upon which it writes what it has, and SIGKILL after grace_ms. */
void run_program_stop(struct run_program *program, int64_t grace_ms);

#endif
