/* SPDX-License-Identifier: MIT */
/*
 * One kind of workers of the session, as the head keeps it: what is prepared for it, its
 * controller or step, what its nodes have been told, and its barrier.  workers.c has all kinds.
 * In the head's event loop, as the user.
 */
#ifndef HEAD_KIND_H
#define HEAD_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/head/head.h"
#include "launcher/workers/barrier.h"
#include "launcher/workers/controller.h"
#include "launcher/workers/prepare.h"
#include "launcher/workers/share.h"
#include "launcher/workers/srun_step.h"
#include "launcher/workers/variables.h"

/* What a node has been told of the kind, and has said. */
struct kind_node {
	uint8_t told;	/* of begin, the files, start: how many; see kind_nodes.c */
	bool joined;	/* the control plane has it */
	bool count_due; /* to be told how many workers it is to have */
	bool shared;	/* it has written all files */
	bool forgotten; /* the controller was told that its workers are gone */
	bool leaving;	/* they were told to go, which the node has not answered */
	uint16_t count; /* of workers, as it has said */
};

struct kind {
	struct head *head;
	const struct recipe *recipe;
	struct session_workers *record;
	unsigned count; /* on each node; 0: one for each CPU */
	int share_fd, log_fd;
	int listeners[RECIPE_PORTS_MAX];
	size_t listener_count;
	unsigned port; /* of the first listener */
	struct barrier *barrier;
	enum barrier_state state; /* as it was told last */
	struct variables_options variables_options;
	struct variables variables;
	struct env *environment; /* of what is started here; NULL: not begun, or failed */
	struct prepare *prepare; /* while it runs */
	struct controller_options controller_options;
	struct controller *controller;
	struct srun_step_options step_options;
	struct srun_step *step;
	unsigned step_deaths; /* in a row */
	int64_t step_started; /* loop_now() */
	struct share share;
	struct kind_node *nodes; /* by rank */
	struct loop_timer *deadline, *retry, *gather;
	struct loop_timer *step_again; /* until the step is started again */
	double begun;		       /* as session_now() */
	unsigned exits_logged;
	bool settled; /* the barrier is, and the record says what came of it */
	bool waits;   /* the deadline is set, for those that are on their way */
	bool open;    /* workers may start: nodes are told so */
	bool pausing; /* the controller starts again, and workers of the old one end */
	bool resized; /* count is not what nodes would take by themselves, or 0 */
	bool failed, stopping;
};

/* kind.c */
/* 0 of count: what the recipe says.  NULL with a reason. */
struct kind *kind_create(struct head *head, const struct recipe *recipe, unsigned count,
			 struct reason *reason);
void kind_destroy(struct kind *kind); /* kills what is left; accepts NULL */

/* Gives those that are on their way now all the time that the recipe allows. */
void kind_wait(struct kind *kind);

/* Something has changed: tells the record, and the head where the state is another. */
void kind_update(struct kind *kind);

/* It cannot be had any more: its workers end, the session goes on without. */
void kind_fail(struct kind *kind, const char *reason, const char *tail);

/* What a process of it wrote last, into session.log, below a line that says whose it is. */
void kind_log_tail(struct kind *kind, const char *tail);

/* 0, or -1 with a reason for the one who asked. */
int kind_resize(struct kind *kind, unsigned count, struct reason *reason);

/* head_workers_stopped() is called when nothing of it runs here, maybe at once. */
void kind_stop(struct kind *kind, int64_t grace_ms);
bool kind_has_stopped(const struct kind *kind);

/* kind_start.c */
/* With the environment that --jupyter-init has left: prepares; head_workers_prepared() is
 * called when that is done, if there is something to prepare. */
void kind_begin(struct kind *kind);
void kind_start(struct kind *kind); /* the controller, or the workers where there is none */

/* The environment lines for the server.  0, or -1 with a reason. */
int kind_environment(const struct kind *kind, struct env *environment, struct reason *reason);

/* kind_step.c */
/* The step of a kind with start = srun, once all nodes that are there have its files; where it
 * has ended, again, as often as the recipe allows. */
void kind_start_step(struct kind *kind);
void kind_start_step_again(void *arg); /* the timer's */

/* kind_nodes.c */
void kind_node_joined(struct kind *kind, size_t rank);
void kind_node_lost(struct kind *kind, size_t rank, const char *reason);
/* A node's message about this kind. */
void kind_message(struct kind *kind, size_t rank, const char *type,
		  const struct workers_message *message);
void kind_tell_all(struct kind *kind); /* what has not been told yet */
void kind_tell_count(struct kind *kind);
/* After the controller has ended: files and start are to be told again. */
void kind_untell(struct kind *kind);
/* Asks nodes for the last lines of those that are missing. */
void kind_ask_tails(struct kind *kind);

#endif
