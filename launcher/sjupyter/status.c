/* SPDX-License-Identifier: MIT */
/*
 * sjupyter status: one session in words.  As the user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/phases.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/workers_view.h"

static const char help[] =
	"usage: sjupyter status [JOBID] [--json]\n"
	"\n"
	"Shows a session: its state and since when, why, its nodes, its workers with those "
	"that\n"
	"are missing and the last lines of their logs, how long each phase took, the time "
	"that\n"
	"is left, where its log is.  For a job that waits: why, and until when.\n"
	"\n"
	"  --json  the record, with \"job_state\" as the queue has it, as JSON\n"
	"  --help  this\n";

struct status {
	struct target target;
	bool has_record;
	bool answered; /* by the queue */
	bool has_job;
	struct queue_job job;
};

enum { NAME_WIDTH = 11 };

/* A name in its column, then the rest of the line is the value. */
static void print_name(const char *name)
{
	printf("%-*s", NAME_WIDTH, name);
}

/* The moment of the state: of the phase that brought it. */
static double state_since(const struct session *session)
{
	static const enum session_phase phase_of[] = {
		[SESSION_STARTING] = PHASE_TRIGGERED, [SESSION_SERVING] = PHASE_SERVING,
		[SESSION_READY] = PHASE_READY,	      [SESSION_DRAINING] = PHASE_DRAINING,
		[SESSION_ENDED] = PHASE_ENDED,	      [SESSION_FAILED] = PHASE_ENDED,
	};

	/* When a node was lost is not in the record. */
	if (session->state == SESSION_DEGRADED)
		return 0;
	return session->phases[phase_of[session->state]];
}

static void print_state(const struct session *session, enum describe_job about)
{
	char when[OUTPUT_TIME_MAX], span[OUTPUT_TIME_MAX];
	const char *state = describe_state(session, about);
	bool is_told = !strcmp(state, session_state_name(session->state));
	double since = state_since(session);

	print_name("state");
	if (!is_told)
		printf("%s: %s\n", state,
		       about == DESCRIBE_UNKNOWN ? "Slurm does not answer"
		       : about == DESCRIBE_PENDING
			       ? "its job waits to run again"
			       : "nobody is left who could bring its record to an end");
	if (!is_told)
		print_name(about == DESCRIBE_PENDING ? "last run" : "recorded");
	printf("%s", session_state_name(session->state));
	if (since > 0)
		printf(" since %s (%s)", output_time(since, when),
		       output_span(session_now() - since, span));
	putchar('\n');
	if (session->reason) {
		print_name("reason");
		printf("%s\n", session->reason);
	}
}

static void print_nodes(const struct session *session)
{
	char nodes[DESCRIBE_NODES_MAX];
	const char *before = ", lost: ";

	if (session->node_count == 0)
		return;
	print_name("nodes");
	printf("%s", describe_nodes(session, nodes));
	if (session->head_node)
		printf(", the first is %s", session->head_node);
	for (size_t i = 0; i < session->node_count; i++) {
		if (strcmp(session->nodes[i].state, "lost") != 0)
			continue;
		printf("%s%s", before, session->nodes[i].name);
		before = " ";
	}
	putchar('\n');
}

/* Those that can be reached by `sjupyter kernel --number`, and who has been there. */
static void print_kernels(const struct session *session)
{
	const char *name = "kernels";

	if (session_state_final(session->state))
		return;
	for (size_t i = 0; i < session->kernel_count; i++) {
		const struct session_kernel *kernel = &session->kernels[i];

		print_name(name);
		printf("%u: %s, %s\n", kernel->number, kernel->name, kernel->state);
		name = "";
	}
}

static void print_phases(const struct session *session)
{
	char words[PHASES_TEXT_MAX], span[OUTPUT_TIME_MAX];
	enum session_phase phase;
	unsigned told = 0;
	const char *name = "phases";

	while ((phase = phases_next(session, &told)) != PHASE_COUNT) {
		print_name(name);
		printf("+%-9s %s\n", output_span(phases_since_begin(session, phase), span),
		       phases_words(session, phase, words));
		name = "";
	}
}

/* What the JupyterHub knows of it that it is told to. */
static void print_hub(const struct session *session)
{
	if (!session->hub_state)
		return;
	print_name("hub");
	printf("%s", session->hub_state);
	if (session->hub_url)
		printf(", %s", session->hub_url);
	if (session->hub_reason)
		printf(": %s", session->hub_reason);
	putchar('\n');
}

/* Why it waits, and until when. */
static void print_pending(const struct queue_job *job)
{
	char words[QUEUE_WORDS_MAX], when[OUTPUT_TIME_MAX], span[OUTPUT_TIME_MAX];
	double now = session_now();

	print_name("queue");
	printf("%s\n", queue_words(job->reason, words));
	print_name("start");
	if (job->start > now)
		printf("expected at %s, in %s\n", output_time(job->start, when),
		       output_span(job->start - now, span));
	else
		printf("Slurm has no estimate\n");
}

static void print_session(const struct status *status)
{
	const struct session *session = status->target.session;
	enum describe_job about =
		describe_job(session, status->target.state_fd, status->answered,
			     status->has_job ? &status->job : NULL);
	double end = session->job_end_time;
	char name[TARGET_NAME_MAX], span[OUTPUT_TIME_MAX];

	print_name("job");
	printf("%s", target_name(session, name));
	if (strcmp(name, session->job_id) != 0)
		printf(" (%s)", session->job_id);
	printf("%s%s\n", session->app ? ", " : "", session->app ? session->app : "");
	print_state(session, about);
	if (about == DESCRIBE_PENDING)
		print_pending(&status->job);
	print_nodes(session);
	workers_view_print(session, "workers", NAME_WIDTH);
	print_kernels(session);
	if (session->notebook) {
		print_name("notebook");
		printf("%s\n", session->notebook);
	}
	if (session->cell) {
		print_name("cell");
		printf("%u of %u\n", session->cell, session->cells);
	}
	if (session->output) {
		print_name("result");
		printf("%s\n", session->output);
	}
	if (session->url && !session_state_final(session->state)) {
		print_name("url");
		if (session->hub_mode)
			printf("%s\n", session->url);
		else
			printf("%s  (`sjupyter url %s` shows it whole)\n", session->url, name);
	}
	print_hub(session);
	print_phases(session);
	if (session->server_restarts) {
		print_name("restarts");
		printf("the server was started again %u time%s\n", session->server_restarts,
		       session->server_restarts == 1 ? "" : "s");
	}
	if (about == DESCRIBE_LIVE && end <= 0)
		end = status->job.end;
	if (!session_state_final(session->state) && about != DESCRIBE_GONE && end > 0) {
		print_name("time left");
		printf("%s\n", output_span(end - session_now(), span));
	}
	if (session->log) {
		print_name("log");
		printf("%s\n", session->log);
	}
}

/* Of a job without a session so far. */
static void print_job(const struct queue_job *job)
{
	print_name("job");
	if (*job->array_id && *job->task_id)
		printf("%s_%s (%s)\n", job->array_id, job->task_id, job->id);
	else
		printf("%s\n", job->id);
	print_name("state");
	printf("%s, no session has begun\n", job->state);
	if (queue_state_is_pending(job->state))
		print_pending(job);
}

static int print_json(const struct status *status)
{
	const struct queue_job *job = &status->job;

	if (status->has_record)
		return output_json(
			describe_json(status->target.session, status->has_job	 ? job->state
							      : status->answered ? "GONE"
										 : NULL));
	return output_json(json_pack(
		"{s:s, s:s?, s:s?, s:s, s:s, s:o}", "job_id", job->id, "array_job_id",
		*job->array_id ? job->array_id : NULL, "array_task_id",
		*job->task_id ? job->task_id : NULL, "job_state", job->state, "job_reason",
		job->reason, "job_start",
		job->start > 0 ? json_integer((json_int_t) job->start) : json_null()));
}

/* What the queue has of the job. */
static void ask_queue(struct status *status, const char *id, struct reason *reason)
{
	struct queue_job *jobs = NULL;
	size_t count;

	status->answered = true;
	if (queue_ask(id, &jobs, &count, reason) == 0) {
		status->has_job = true;
		status->job = jobs[0];
	} else {
		status->answered = errno == ENOENT;
	}
	free(jobs);
}

static int run(int argc, char *argv[], const char *config)
{
	struct status status = {.target = {.state_fd = -1}};
	bool json = false;
	const struct command_flag flags[] = {{"json", &json}, {NULL, NULL}};
	const char *id = NULL;
	struct reason reason, queue_reason;
	int code = command_parse(&command_status, argc, argv, flags, &id), error = 0;

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &status.target, &reason) == 0)
		status.has_record = true;
	else
		error = errno;
	char *job_id = status.has_record ? NULL : target_job(id, NULL);
	if (status.has_record)
		ask_queue(&status, status.target.job_id, &queue_reason);
	else if (error == ENOENT && (id || job_id))
		ask_queue(&status, id ? id : job_id, &queue_reason);
	if (!status.has_record && !status.has_job) {
		code = command_exit_code(error);
		output_error("%s", reason.text);
		/* The job may be there all the same. */
		if (error == ENOENT && (id || job_id) && !status.answered) {
			code = COMMAND_FAILED;
			output_error("%s", queue_reason.text);
		}
	} else if (json) {
		code = print_json(&status) < 0 ? COMMAND_FAILED : COMMAND_OK;
	} else if (status.has_record) {
		print_session(&status);
	} else {
		print_job(&status.job);
	}
	free(job_id);
	target_clear(&status.target);
	return code;
}

const struct command command_status = {"status", "how a session is, in words", help, run};
