/* SPDX-License-Identifier: MIT */
/*
 * How a job that was submitted comes to its session, as `sjupyter run` shows it: the queue,
 * then the phases of the session.  As the user.
 */
#ifndef SJUPYTER_RUN_VIEW_H
#define SJUPYTER_RUN_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/session.h"
#include "launcher/sjupyter/progress.h"
#include "launcher/sjupyter/queue.h"

/* Where the job is on its way. */
struct run_view {
	const char *job_id;
	struct progress progress;
	char what[QUEUE_WORDS_MAX + 128];
	unsigned told;			    /* of the phases */
	int64_t begun, poll_at, running_at; /* loop_now() */
	int64_t poll_ms;
	bool said_late;
	bool is_array;	      /* the job is, so there is not one session to wait for */
	bool over;	      /* the job has ended */
	struct queue_job job; /* as last heard of */
};

void run_view_init(struct run_view *view, const char *job_id);

/* For follow.h: shows a new record; looks at the queue when it is time, and ends the following
 * when the job is over or an array.  arg is the view. */
void run_view_record(const struct session *session, void *arg);
int run_view_tick(const struct session *session, void *arg);

/* Asks the queue now, into view->job. */
void run_view_ask(struct run_view *view, bool has_record);

#endif
