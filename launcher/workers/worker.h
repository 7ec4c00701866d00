/* SPDX-License-Identifier: MIT */
/*
 * One worker: started as a command or forked from the host, bound to its share of the node,
 * heard on its channel, watched, told to retire, killed.  In jupyter-agent's event loop, as the
 * user.
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/recipe.h"
#include "launcher/workers/cpus.h"
#include "launcher/workers/host.h"
#include "launcher/workers/memory_kill.h"

struct worker;

enum worker_state {
	WORKER_DUE,	/* to be started by worker_start() */
	WORKER_FORKING, /* the host has been asked */
	WORKER_RUNNING,
	WORKER_WAITING, /* it has died, and is due after some time */
	WORKER_GIVEN_UP,
	WORKER_RETIRED /* it has ended as it was told to */
};

enum worker_event {
	WORKER_IS_DUE,
	WORKER_HAS_STARTED,
	WORKER_HAS_SETTLED, /* it needs the node's attention no more: another may start */
	WORKER_IS_READY,    /* it says so */
	WORKER_HAS_EXITED,  /* or could not be started: worker_state() tells what follows */
	WORKER_HAS_RETIRED
};

/* What all workers of a kind on this node have in common; it outlives them. */
struct worker_kind {
	struct loop *loop;
	const struct recipe *recipe;
	struct env *environment;      /* of the kind: variables.h */
	const char *const *variables; /* likewise */
	struct host *host;	      /* to fork from; NULL: the recipe's command */
	const struct cpus *cpus;
	struct memory_kill *memory;
	int log_dirfd;
	size_t rank;
	unsigned count;	   /* by which the node is divided */
	int64_t stable_ms; /* of life, after which old deaths are forgotten */
	/* From within worker_start(), else from the loop.  It may destroy a worker that has
	 * retired, no other. */
	void (*event)(struct worker *worker, enum worker_event event, void *arg);
	void *arg;
};

/* NULL with errno. */
struct worker *crew_worker_create(const struct worker_kind *kind, unsigned index);
/* Kills its process group; nobody is called.  Accepts NULL. */
void crew_worker_destroy(struct worker *worker);

/* One that is due.  What is wrong is told as its exit, from within. */
void worker_start(struct worker *worker);

/* Finish what runs, then end: "retire" on the channel of a forked one, SIGTERM to a command.
 * One that does not run is retired at once, which is not told by an event. */
void worker_retire(struct worker *worker);

/* The kind's count has changed: says so to a forked one that runs. */
void worker_tell_count(struct worker *worker);

/* The same, but at once: SIGTERM to its process group. */
void worker_stop(struct worker *worker);

/* To its process group, if it runs. */
void worker_signal(struct worker *worker, int signo);

unsigned worker_index(const struct worker *worker);
enum worker_state worker_state(const struct worker *worker);
bool worker_runs(const struct worker *worker);	   /* there is a process */
bool worker_settling(const struct worker *worker); /* it is being started */
bool worker_ready(const struct worker *worker);	   /* it has said so */
bool worker_retiring(const struct worker *worker);
pid_t worker_pid(const struct worker *worker);
const char *worker_words(const struct worker *worker); /* how it ended last; "" */
/* Its last lines.  Returns text. */
const char *worker_tail(const struct worker *worker, char *text, size_t size);

#endif
