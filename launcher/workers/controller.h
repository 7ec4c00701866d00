/* SPDX-License-Identifier: MIT */
/*
 * The controller of one kind of workers, on the first node: started as a command or forked from
 * the node's preload process, heard on its channel, started again while it can be, ended in
 * order.  In the head's event loop, as the user.
 */
#ifndef WORKERS_CONTROLLER_H
#define WORKERS_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/recipe.h"
#include "launcher/workers/node.h"

struct controller;

struct controller_options {
	const struct recipe *recipe;
	struct env *environment;      /* with the recipe's lines; changed: the channel's */
	const char *const *variables; /* NAME, VALUE, ..., NULL for the recipe */
	const int *listeners;	      /* listening sockets that it inherits */
	size_t listener_count;
	int log_dirfd;
	struct workers_node *node; /* to fork it from where the recipe says preload */
};

struct controller_callbacks {
	/* Its files are complete, and workers may come. */
	void (*listening)(void *arg);
	/* The worker INDEX of the node of that rank has registered, or is gone. */
	void (*joined)(size_t rank, unsigned index, void *arg);
	void (*left)(size_t rank, unsigned index, void *arg);
	/* It has died before any worker had joined, and is started again. */
	void (*again)(const char *reason, const char *tail, void *arg);
	/* It cannot be kept up: the last that is heard of it. */
	void (*failed)(const char *reason, const char *tail, void *arg);
	/* It has ended after controller_stop(). */
	void (*stopped)(void *arg);
	/* For the log. */
	void (*remark)(const char *text, void *arg);
	void *arg;
};

/* options and what it points to must outlive it.  NULL with errno. */
struct controller *controller_create(struct loop *loop,
				     const struct controller_options *options,
				     const struct controller_callbacks *callbacks);
/* Kills what is left; the node that it is forked from must be gone, or have no callback to come
 * (it is destroyed first).  Accepts NULL. */
void controller_destroy(struct controller *controller);

/* 0, or -1 with errno and a reason: it cannot be started at all. */
int controller_start(struct controller *controller, struct reason *reason);

/* So many workers in all are to come. */
void controller_expect(struct controller *controller, unsigned count);

/* The node's workers from first on, count of them, are known to have ended. */
void controller_gone(struct controller *controller, size_t rank, unsigned first,
		     unsigned count);

/* "end" on its channel and SIGTERM, and SIGKILL after the recipe's stop_timeout, but at most
 * grace_ms.  stopped() is called when it has ended, at once where it does not run. */
void controller_stop(struct controller *controller, int64_t grace_ms);
bool controller_runs(const struct controller *controller);

/* Whether its workers have anything to do, as it has said while it lives.  *last_ms: when they
 * had last, as loop_now(); 0: never. */
bool controller_is_busy(const struct controller *controller, int64_t *last_ms);

/* The last lines of its output.  Returns text. */
const char *controller_tail(const struct controller *controller, char *text, size_t size);

#endif
