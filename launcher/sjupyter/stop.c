/* SPDX-License-Identifier: MIT */
/*
 * sjupyter stop: ends a session in order, by SIGTERM to its step, and its job where that is
 * asked for.  As the user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/loop.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/sjupyter/target.h"

static const char help[] =
	"usage: sjupyter stop [JOBID] [--job]\n"
	"\n"
	"Ends a session in order and waits until it has ended.  The job goes on, unless the\n"
	"session was all that it ran.\n"
	"\n"
	"  --job   end the job too\n"
	"  --help  this\n";

enum {
	/* Beyond Slurm's KillWait: for the record to be seen through a network file system. */
	MARGIN_S = 15,
	/* For a job that was `sjupyter wait` alone to end by itself. */
	JOB_END_MS = 5000,
	JOB_ASK_MS = 500
};

/* The job's state in the queue; "" when it is over or nothing is known. */
static void ask_state(const char *job_id, char state[QUEUE_STATE_MAX])
{
	struct queue_job *jobs = NULL;
	size_t count = 0;

	*state = '\0';
	if (queue_ask(job_id, &jobs, &count, NULL) == 0 && !queue_state_is_final(jobs[0].state))
		strcpy(state, jobs[0].state);
	free(jobs);
}

/* After the session's end: tells whether the job goes on. */
static void tell_job(const char *job_id)
{
	int64_t until = loop_now() + JOB_END_MS;
	char state[QUEUE_STATE_MAX];

	/* From inside the job it is plain that it goes on. */
	if (slurm_env_job() && !strcmp(slurm_env_job(), job_id))
		until = 0;
	for (;;) {
		ask_state(job_id, state);
		if (strcmp(state, "RUNNING") != 0)
			return;
		if (loop_now() >= until || interrupt_poll(NULL, 0, JOB_ASK_MS) < 0)
			break;
	}
	fprintf(stderr, "job %s goes on: `scancel %s` ends it\n", job_id, job_id);
}

/* SIGTERM for the session step.  0, or -1 and a reason; ENOENT: no such step. */
static int signal_step(const struct target *target, struct reason *reason)
{
	char step[QUEUE_ID_MAX];
	const char *known = target->session->step_id;

	if (!known) {
		/* The head has not written its record yet. */
		if (queue_step(target->job_id, step, reason) < 0)
			return -1;
		known = step;
	}
	return queue_cancel(target->job_id, known, "TERM", reason);
}

static bool has_lost_node(const struct session *session)
{
	for (size_t i = 0; i < session->node_count; i++)
		if (!strcmp(session->nodes[i].state, "lost"))
			return true;
	return false;
}

static int judge(const struct target *target, enum follow_end end,
		 const struct session *session, const struct reason *reason)
{
	switch (end) {
	case FOLLOW_REACHED:
		fprintf(stderr, "the session of job %s has %s: ", target->job_id,
			session_state_name(session->state));
		output_note(session->reason ? session->reason : "no reason is known");
		return COMMAND_OK;
	case FOLLOW_DEAD:
		fprintf(stderr, "the session of job %s is over\n", target->job_id);
		return COMMAND_OK;
	case FOLLOW_TIMEOUT:
		output_error(
			"the session of job %s has not ended in time: `scancel %s` ends the "
			"job with all in it",
			target->job_id, target->job_id);
		return COMMAND_FAILED;
	case FOLLOW_INTERRUPTED:
		output_error("the session of job %s was told to end, and may still be at it",
			     target->job_id);
		return COMMAND_FAILED;
	default:
		output_error("%s", reason->text);
		return COMMAND_FAILED;
	}
}

static int stop(const struct target *target)
{
	struct follow follow = {
		.job_id = target->job_id,
		.filter = {.restart = (long) target->session->restart,
			   .not_before = target->session->phases[PHASE_TRIGGERED]},
		.until_final = true,
		.record_ms = -1,
	};
	struct session *session = NULL;
	struct reason reason;

	if (session_state_final(target->session->state)) {
		fprintf(stderr, "the session of job %s has %s already\n", target->job_id,
			session_state_name(target->session->state));
		return COMMAND_OK;
	}
	follow.deadline_ms = (queue_kill_wait() + MARGIN_S) * 1000;
	if (signal_step(target, &reason) < 0) {
		if (errno == ENOENT || !follow_is_alive(target->job_id, target->state_fd)) {
			fprintf(stderr,
				"the session of job %s is over: its step does not run\n",
				target->job_id);
			return COMMAND_OK;
		}
		output_error("%s", reason.text);
		/* scancel tells each node, and complains of one that is cut off; the head's has
		 * been told all the same. */
		if (!has_lost_node(target->session))
			return COMMAND_FAILED;
	}
	interrupt_catch();
	enum follow_end end = follow_run(&follow, &session, &reason);
	int code = judge(target, end, session, &reason);
	session_destroy(session);
	return code;
}

/* scancel says nothing of jobs that are over, or never were. */
static int cancel_job(const char *job_id, bool had_session)
{
	struct queue_job *jobs = NULL;
	struct reason reason;
	size_t count = 0;
	int code = COMMAND_OK;
	bool is_over = queue_ask(job_id, &jobs, &count, &reason) < 0
			       ? errno == ENOENT
			       : queue_state_is_final(jobs[0].state);

	free(jobs);
	if (is_over) {
		fprintf(stderr, "job %s is over, or never was\n", job_id);
		code = had_session ? COMMAND_OK : COMMAND_NO_SESSION;
	} else if (queue_cancel(job_id, NULL, NULL, &reason) < 0) {
		output_error("%s", reason.text);
		code = COMMAND_FAILED;
	} else {
		fprintf(stderr, "job %s is told to end\n", job_id);
	}
	return code;
}

static int run(int argc, char *argv[], const char *config)
{
	bool with_job = false;
	const struct command_flag flags[] = {{"job", &with_job}, {NULL, NULL}};
	struct target target = {.state_fd = -1};
	struct reason reason;
	const char *id = NULL;
	int code = command_parse(&command_stop, argc, argv, flags, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &target, &reason) < 0) {
		code = command_exit_code(errno);
		/* A job that waits, or has no session: there is still the job. */
		if (!(id && with_job && errno == ENOENT)) {
			output_error("%s", reason.text);
			return code;
		}
		code = COMMAND_OK;
	} else {
		code = stop(&target);
	}
	const char *job_id = target.job_id ? target.job_id : id;
	if (with_job) {
		int job_code = cancel_job(job_id, target.job_id != NULL);
		code = code == COMMAND_OK ? job_code : code;
	} else if (code == COMMAND_OK) {
		tell_job(job_id);
	}
	target_clear(&target);
	return code;
}

const struct command command_stop = {"stop", "end a session in order", help, run};
