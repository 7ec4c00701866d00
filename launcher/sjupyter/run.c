/* SPDX-License-Identifier: MIT */
/*
 * sjupyter run: submits with sbatch, then shows how the job comes to its session.  As the user,
 * on the login host.  The submission is in submit.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/log_tail.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/progress.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/ready.h"
#include "launcher/sjupyter/run_view.h"
#include "launcher/sjupyter/submit.h"

static const char help[] =
	"usage: sjupyter run [--no-wait] [--json] [SBATCH-OPTIONS...] [SCRIPT [ARGUMENTS]]\n"
	"\n"
	"Submits a job with a Jupyter session, shows how it comes up, then its URL, then how\n"
	"its workers come up.\n"
	"All options of sbatch are taken as they are, with those of the plugin:\n"
	"\n"
	"    sjupyter run -N2 -t 4:00:00 --jupyter=lab --jupyter-dir=$HOME/work\n"
	"\n"
	"Without --jupyter, here or in the script, the app is lab.  Without a script the job\n"
	"is the session alone and ends with it.  Ctrl-C leaves the job as it is.\n"
	"\n"
	"Before sbatch's options:\n"
	"  --no-wait  submit, print the job's number, and no more\n"
	"  --json     wait until it serves, then print the session's record as JSON\n"
	"  --help     this\n";

enum { LOG_LINES = 15 /* of a log that is shown unasked */ };

static int leave(struct run_view *view)
{
	progress_clear(&view->progress);
	fprintf(stderr,
		"The job goes on.  `sjupyter url %s` shows the URL, `sjupyter status %s` how "
		"it "
		"is,\n`sjupyter stop --job %s` ends it.\n",
		view->job_id, view->job_id, view->job_id);
	return COMMAND_FAILED;
}

static int leave_array(struct run_view *view, const char *id)
{
	progress_line(
		&view->progress,
		"job %s is an array, each task with a session of its own: `sjupyter list` "
		"shows them, `sjupyter url %s_N` the URL of task N",
		id, id);
	return COMMAND_OK;
}

/* The session's log, or if there is none the job's own output. */
static void show_logs(const char *job_id, const struct session *session)
{
	char *path = NULL;

	if (session && log_tail_session(job_id, LOG_LINES) > 0)
		return;
	path = queue_error_file(job_id, NULL);
	if (path)
		log_tail_file(path, LOG_LINES);
	free(path);
}

/* The job or its session is over before it has served. */
static int fail(struct run_view *view, const struct session *session, const char *why)
{
	progress_clear(&view->progress);
	if (why)
		output_error("job %s: %s", view->job_id, why);
	if (session && session->reason) {
		fprintf(stderr, "sjupyter: the session %s: ",
			session->state == SESSION_FAILED ? "has failed" : "has ended");
		output_note(session->reason);
	}
	/* As it is by now: a session's failure usually ends the job. */
	run_view_ask(view, true);
	if (*view->job.state) {
		char words[QUEUE_WORDS_MAX];
		queue_words(view->job.reason, words);
		fprintf(stderr, "sjupyter: the job is %s%s%s\n", view->job.state,
			strcmp(view->job.reason, "None") != 0 ? ": " : "",
			strcmp(view->job.reason, "None") != 0 ? words : "");
	}
	show_logs(view->job_id, session);
	return COMMAND_FAILED;
}

static int succeed(struct run_view *view, const struct session *session, bool json)
{
	struct reason reason;
	int state_fd, rc;

	progress_clear(&view->progress);
	if (json)
		return COMMAND_OK;
	state_fd = describe_open(session, &reason);
	rc = state_fd < 0 ? -1 : address_print(session, state_fd, &reason);
	if (state_fd >= 0)
		close(state_fd);
	if (rc < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	if (session->notebook) {
		printf("The job goes on without this command: `sjupyter wait %s` waits for the "
		       "notebook's end.\n",
		       view->job_id);
		return COMMAND_OK;
	}
	printf("\nThe job goes on without this command: `sjupyter url %s` shows this again,\n"
	       "`sjupyter stop %s` ends the session.\n",
	       view->job_id, view->job_id);
	return COMMAND_OK;
}

static json_t *make_json(const struct run_view *view, const struct session *session)
{
	const char *state = *view->job.state ? view->job.state : NULL;

	if (session)
		return describe_json(session, state);
	return json_pack("{s:s, s:s?}", "job_id", view->job_id, "job_state", state);
}

static int follow_job(const char *job_id, bool json)
{
	struct run_view view;
	struct follow follow = {
		.job_id = job_id,
		/* What an earlier job of this number has left does not count. */
		.filter = {.restart = -1, .not_before = session_now() - WATCH_SKEW_S},
		.deadline_ms = -1, /* it is the job that ends */
		.record_ms = -1,
		.changed = run_view_record,
		.tick = run_view_tick,
		.arg = &view,
	};
	struct session *session = NULL;
	struct reason reason;
	int code;

	run_view_init(&view, job_id);
	switch (follow_run(&follow, &session, &reason)) {
	case FOLLOW_REACHED:
		code = succeed(&view, session, json);
		if (code == COMMAND_OK && !json)
			code = ready_show(session, &follow.filter, &view.progress, &view.told);
		break;
	case FOLLOW_FINAL:
		/* A short notebook has got to its end already. */
		if (session->notebook && session->state == SESSION_ENDED)
			code = succeed(&view, session, json);
		else
			code = fail(&view, session, NULL);
		break;
	case FOLLOW_STOPPED:
		code = view.is_array
			       ? leave_array(&view, view.job.array_id)
			       : fail(&view, session, "it has ended before its session served");
		break;
	case FOLLOW_INTERRUPTED:
		code = leave(&view);
		break;
	default:
		code = fail(&view, session, reason.text);
	}
	if (json && output_json(make_json(&view, session)) < 0)
		code = COMMAND_FAILED;
	session_destroy(session);
	return code;
}

static int run(int argc, char *argv[], const char *config)
{
	bool wait = true, json = false;
	char *job_id = NULL;
	int at = 1, code;

	(void) config;
	for (; at < argc; at++) {
		if (!strcmp(argv[at], "--help"))
			return command_help(&command_run);
		if (!strcmp(argv[at], "--no-wait"))
			wait = false;
		else if (!strcmp(argv[at], "--json"))
			json = true;
		else
			break;
	}
	interrupt_catch();
	code = submit_job(argv + at, &job_id);
	if (!job_id)
		return code;
	if (wait) {
		fprintf(stderr, "job %s is submitted\n", job_id);
		code = follow_job(job_id, json);
	} else if (json) {
		code = output_json(json_pack("{s:s}", "job_id", job_id)) < 0;
	} else {
		printf("%s\n", job_id);
	}
	free(job_id);
	return code;
}

const struct command command_run = {
	"run", "submit a job with a session, show how it comes up, then its URL", help, run};
