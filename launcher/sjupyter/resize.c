/* SPDX-License-Identifier: MIT */
/* See resize.h. */
#include "launcher/sjupyter/resize.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher/loop.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/order.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/progress.h"
#include "launcher/sjupyter/workers_view.h"

struct waiting {
	const struct resize *list;
	size_t count;
	struct progress progress;
	int64_t begun; /* loop_now() */
};

/* Whether the session has workers of this kind; else says which it has. */
static bool has_kind(const struct session *session, const char *kind)
{
	char list[512] = "";
	size_t used = 0;

	if (session_workers_find(session, kind))
		return true;
	for (size_t i = 0; i < session->workers_count && used < sizeof(list); i++)
		used += (size_t) snprintf(list + used, sizeof(list) - used, "%s%s",
					  i > 0 ? ", " : "", session->workers[i].kind);
	if (*list)
		output_error("the session of job %s has no workers of the kind \"%s\": it has "
			     "%s",
			     session->job_id, kind, list);
	else
		output_error("the session of job %s has no workers: it was started without "
			     "--jupyter-workers",
			     session->job_id);
	return false;
}

/* What the head has answered is kept in the resize. */
static int send_one(const struct session *session, struct resize *resize)
{
	json_t *order = json_pack("{s:{s:s, s:i}}", "workers", "kind", resize->workers.kind,
				  "count", (int) resize->workers.count);
	json_t *answer = NULL;
	struct reason reason;
	int rc = -1;

	if (!order)
		reason_set(&reason, "%s", strerror(ENOMEM));
	else
		rc = order_send(session, order, &answer, &reason);
	json_decref(order);
	json_int_t expected = json_integer_value(json_object_get(answer, "expected"));
	bool is_number = json_is_integer(json_object_get(answer, "expected"));
	json_decref(answer);
	if (rc == 0 && (!is_number || expected < 0 ||
			expected > SESSION_NODES_MAX * SESSION_WORKERS_NODE_MAX))
		rc = reason_set(&reason, "the head has answered without a number of workers");
	if (rc < 0) {
		output_error("%s: %s", resize->workers.kind, reason.text);
		return COMMAND_FAILED;
	}
	resize->expected = (unsigned) expected;
	return COMMAND_OK;
}

int resize_send(const struct target *target, struct resize *list, size_t count,
		void (*told)(const struct resize *resize))
{
	if (!target_is_serving(target))
		return COMMAND_FAILED;
	for (size_t i = 0; i < count; i++)
		if (!has_kind(target->session, list[i].workers.kind))
			return COMMAND_FAILED;
	interrupt_catch();
	for (size_t i = 0; i < count; i++) {
		if (send_one(target->session, &list[i]) != COMMAND_OK)
			return COMMAND_FAILED;
		told(&list[i]);
	}
	return COMMAND_OK;
}

/* For follow.h: the record may be older than the answer, which its numbers tell. */
static int verdict(const struct session *session, void *arg)
{
	const struct waiting *waiting = arg;
	int verdict = 1;

	for (size_t i = 0; i < waiting->count; i++) {
		const struct resize *resize = &waiting->list[i];
		const struct session_workers *workers =
			session_workers_find(session, resize->workers.kind);

		if (!workers || workers->expected != resize->expected || !workers->settled)
			return 0;
		if (!strcmp(workers->state, "degraded") || !strcmp(workers->state, "failed"))
			verdict = -1;
		else if (workers->ready != workers->expected)
			return 0;
	}
	return verdict;
}

static int tick(const struct session *session, void *arg)
{
	struct waiting *waiting = arg;
	char line[PROGRESS_TEXT_MAX], span[OUTPUT_TIME_MAX];

	if (session)
		progress_now(&waiting->progress, workers_view_line(session, line, sizeof(line)),
			     output_span((double) (loop_now() - waiting->begun) / 1000, span));
	return 0;
}

static int judge(const struct waiting *waiting, enum follow_end end,
		 const struct session *session, const struct reason *reason)
{
	switch (end) {
	case FOLLOW_REACHED:
		return COMMAND_OK;
	case FOLLOW_MISSED:
		for (size_t i = 0; i < waiting->count; i++) {
			const struct session_workers *workers =
				session_workers_find(session, waiting->list[i].workers.kind);
			if (workers && strcmp(workers->state, "ready") != 0)
				output_error("%s is %s: %s", workers->kind, workers->state,
					     workers->reason ? workers->reason
							     : "some are missing");
		}
		return COMMAND_FAILED;
	case FOLLOW_FINAL:
		output_error("the session of job %s has %s: %s", session->job_id,
			     session_state_name(session->state),
			     session->reason ? session->reason : "no reason is known");
		return COMMAND_FAILED;
	case FOLLOW_INTERRUPTED:
		return COMMAND_FAILED;
	default:
		output_error("%s", reason->text);
		return COMMAND_FAILED;
	}
}

int resize_wait(struct target *target, const struct resize *list, size_t count)
{
	struct session *before = target->session, *session = NULL;
	struct waiting waiting = {.list = list, .count = count, .begun = loop_now()};
	struct follow follow = {
		.job_id = target->job_id,
		.filter = {.restart = (long) before->restart,
			   .not_before = before->phases[PHASE_TRIGGERED]},
		.verdict = verdict,
		.deadline_ms = -1, /* the head has deadlines of its own, and a last word */
		.record_ms = -1,
		.tick = tick,
		.arg = &waiting,
	};
	struct reason reason;

	fflush(stdout); /* the answers are wanted now */
	progress_init(&waiting.progress, STDERR_FILENO);
	enum follow_end end = follow_run(&follow, &session, &reason);
	progress_clear(&waiting.progress);
	int code = judge(&waiting, end, session, &reason);
	if (session) {
		session_destroy(before);
		target->session = session;
	}
	return code;
}
