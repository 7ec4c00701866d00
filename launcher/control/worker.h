/* SPDX-License-Identifier: MIT */
/*
 * A worker: one thread that does what would block the event loop, one job after the other. Used
 * by the head and the agents, as the user, for libmunge alone: a call takes 0.06 ms (measured),
 * but 10 s when munged hangs (MUNGE_SOCKET_TIMEOUT_MSECS times MUNGE_SOCKET_RETRY_ATTEMPTS),
 * and the relay must not stand still for that.
 */
#ifndef CONTROL_WORKER_H
#define CONTROL_WORKER_H

#include <stddef.h>

#include "launcher/loop.h"

struct worker;

/* Part of the caller's own structure; owned by the worker from submit until done or drop. */
struct worker_job {
	struct worker_job *next;
	void (*run)(struct worker_job *job);  /* in the thread; touches nothing but the job */
	void (*done)(struct worker_job *job); /* in the loop, after run; owns the job again */
	void (*drop)(
		struct worker_job *job); /* instead of done, in either: only frees the job */
};

/* The thread starts with the first job.  At most max jobs wait.  NULL with errno. */
struct worker *worker_create(struct loop *loop, size_t max);

/* 0, or -1 with EAGAIN (max jobs wait) or the errno of pthread_create: the job stays the
 * caller's. */
int worker_submit(struct worker *worker, struct worker_job *job);

/*
 * Drops all jobs.  A job that is running is not waited for: the thread drops it, and ends, when
 * it returns.  Safe from within done().  Accepts NULL.
 */
void worker_destroy(struct worker *worker);

#endif
