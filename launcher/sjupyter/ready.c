/* SPDX-License-Identifier: MIT */
/* See ready.h. */
#include "launcher/sjupyter/ready.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "launcher/loop.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/phases.h"
#include "launcher/sjupyter/workers_view.h"

struct view {
	struct progress *progress;
	unsigned *told;
	int64_t begun; /* loop_now() */
};

/* Whether something is on its way still, within its deadline. */
static bool is_coming(const struct session *session)
{
	for (size_t i = 0; i < session->workers_count; i++)
		if (!session->workers[i].settled)
			return true;
	for (size_t i = 0; i < session->node_count; i++)
		if (!strcmp(session->nodes[i].state, "expected"))
			return true;
	return false;
}

int ready_verdict(const struct session *session, void *arg)
{
	(void) arg;
	if (session->state == SESSION_READY)
		return 1;
	return session->state == SESSION_DEGRADED && !is_coming(session) ? -1 : 0;
}

static void show_record(const struct session *session, void *arg)
{
	struct view *view = arg;

	phases_show(session, view->told, view->progress);
}

static int tick(const struct session *session, void *arg)
{
	struct view *view = arg;
	char line[PROGRESS_TEXT_MAX], span[OUTPUT_TIME_MAX];

	if (session)
		progress_now(view->progress, workers_view_line(session, line, sizeof(line)),
			     output_span((double) (loop_now() - view->begun) / 1000, span));
	return 0;
}

static int judge(enum follow_end end, struct progress *progress, const struct session *session,
		 const struct reason *reason)
{
	progress_clear(progress);
	switch (end) {
	case FOLLOW_REACHED:
	case FOLLOW_INTERRUPTED:
		return COMMAND_OK;
	case FOLLOW_MISSED:
		progress_line(progress,
			      "the session serves, but is degraded: %.700s: `sjupyter status "
			      "%s` shows more",
			      session->reason ? session->reason : "workers are missing",
			      session->job_id);
		return COMMAND_OK;
	case FOLLOW_FINAL:
		output_error("the session %s: %s",
			     session->state == SESSION_FAILED ? "has failed" : "has ended",
			     session->reason ? session->reason : "no reason is known");
		return COMMAND_FAILED;
	default:
		output_error("%s", reason->text);
		return COMMAND_FAILED;
	}
}

int ready_show(const struct session *session, const struct watch_filter *filter,
	       struct progress *progress, unsigned *told)
{
	struct view view = {.progress = progress, .told = told, .begun = loop_now()};
	struct follow follow = {
		.job_id = session->job_id,
		.filter = *filter,
		.verdict = ready_verdict,
		.deadline_ms = -1, /* the head has deadlines of its own, and a last word */
		.record_ms = -1,
		.changed = show_record,
		.tick = tick,
		.arg = &view,
	};
	struct session *last = NULL;
	struct reason reason;

	if (session->workers_count == 0)
		return COMMAND_OK;
	fflush(stdout); /* the URL is wanted now */
	enum follow_end end = follow_run(&follow, &last, &reason);
	int code = judge(end, progress, last, &reason);
	session_destroy(last);
	return code;
}
