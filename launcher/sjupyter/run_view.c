/* SPDX-License-Identifier: MIT */
/* See run_view.h. */
#include "launcher/sjupyter/run_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher/loop.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/phases.h"
#include "launcher/sjupyter/workers_view.h"

enum {
	POLL_FIRST_MS = 1000, /* between two questions to the queue ... */
	POLL_MAX_MS = 10000,  /* ... growing up to this */
	/* From the job's start until a session that has not begun is worth a word. */
	LATE_MS = 30000
};

void run_view_init(struct run_view *view, const char *job_id)
{
	*view = (struct run_view){
		.job_id = job_id, .begun = loop_now(), .poll_ms = POLL_FIRST_MS};
	progress_init(&view->progress, STDERR_FILENO);
	snprintf(view->what, sizeof(view->what), "submitted");
}

void run_view_record(const struct session *session, void *arg)
{
	struct run_view *view = arg;
	char workers[QUEUE_WORDS_MAX];

	phases_show(session, &view->told, &view->progress);
	workers_view_line(session, workers, sizeof(workers));
	snprintf(view->what, sizeof(view->what), "%s: waiting for %s%s%s",
		 session_state_name(session->state), session->app ? session->app : "the server",
		 *workers ? ", " : "", workers);
}

static void show_pending(struct run_view *view)
{
	char words[QUEUE_WORDS_MAX], when[OUTPUT_TIME_MAX];
	double start = view->job.start;

	queue_words(view->job.reason, words);
	if (start > session_now())
		snprintf(view->what, sizeof(view->what), "pending: %s, expected to start at %s",
			 words, output_time(start, when));
	else
		snprintf(view->what, sizeof(view->what), "pending: %s", words);
}

static void show_running(struct run_view *view)
{
	char span[OUTPUT_TIME_MAX];

	if (!view->running_at) {
		view->running_at = loop_now();
		progress_line(
			&view->progress, "running on %s%s after %s in the queue",
			*view->job.node ? view->job.node : "its node",
			view->job.nodes > 1 ? " and others" : "",
			output_span((double) (view->running_at - view->begun) / 1000, span));
	}
	snprintf(view->what, sizeof(view->what), "waiting for the session to begin");
	if (view->said_late || loop_now() - view->running_at < LATE_MS)
		return;
	view->said_late = true;
	progress_line(
		&view->progress,
		"no session has begun in the job yet.  If its script is to start one "
		"(--jupyter-start=manual), it takes its time; else the plugin may not be "
		"loaded on the node: `sjupyter doctor` looks, and the job's output may say "
		"more");
}

/* Asks the queue; the growing pause keeps a thousand of us from being a burden to it. */
void run_view_ask(struct run_view *view, bool has_record)
{
	struct queue_job *jobs = NULL;
	struct reason reason;
	size_t count = 0;

	if (queue_ask(view->job_id, &jobs, &count, &reason) < 0) {
		/* Forgotten by Slurm: it has ended.  No answer: nothing is known. */
		view->over = errno == ENOENT;
		if (!view->over && !has_record)
			snprintf(view->what, sizeof(view->what),
				 "Slurm does not answer (%.400s); asking again", reason.text);
		goto out;
	}
	view->job = jobs[0];
	view->is_array = *jobs[0].array_id != '\0';
	view->over = queue_state_is_final(view->job.state);
	if (has_record || view->over || view->is_array)
		goto out;
	if (queue_state_is_pending(view->job.state))
		show_pending(view);
	else
		show_running(view);
out:
	free(jobs);
	view->poll_ms =
		view->poll_ms * 3 / 2 > POLL_MAX_MS ? POLL_MAX_MS : view->poll_ms * 3 / 2;
	view->poll_at = loop_now() + view->poll_ms;
}

int run_view_tick(const struct session *session, void *arg)
{
	struct run_view *view = arg;
	char span[OUTPUT_TIME_MAX];

	if (loop_now() >= view->poll_at)
		run_view_ask(view, session != NULL);
	progress_now(&view->progress, view->what,
		     output_span((double) (loop_now() - view->begun) / 1000, span));
	return view->over || view->is_array;
}
