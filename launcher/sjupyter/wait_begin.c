/* SPDX-License-Identifier: MIT */
/* See wait_begin.h. */
#include "launcher/sjupyter/wait_begin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/queue.h"

enum {
	/* For the launcher that the plugin starts beside the script to begin its record. */
	RECORD_MS = 60000,
	/* The same where nothing says that there is one, as under sbatch --export=NONE. */
	RECORD_UNSURE_MS = 20000,
	ASK_AGAIN_MS = 10000,
	STEP_FIRST_MS = 2000, /* between two questions for the step, until it is there ... */
	STEP_AGAIN_MS = 15000 /* ... and then, for hours */
};

/* Whether a step's slurmstepd, with the plugin in it, has set this process' environment; salloc
 * on the login host has not. */
static bool is_in_step(void)
{
	return getenv("SLURMD_NODENAME") != NULL;
}

/* Whether the plugin has started a session beside us, if there is to be one. */
static bool is_somebody_starting(const struct wait *wait)
{
	return is_in_step() && !(wait->wanted && wait->options.start_manual);
}

/*
 * Whether a record that counts is there now.  Job numbers come again when a cluster is set up
 * anew: what was over before this job began is not its own, and the filter is told so.
 */
static bool has_record(const struct wait *wait, struct watch_filter *filter)
{
	struct session *session = NULL;
	struct queue_job *jobs = NULL;
	size_t count = 0;
	int fd = statedir_open(wait->job_id, 0, NULL);
	bool has = fd >= 0 && session_read(fd, &session, NULL) == 0 &&
		   watch_filter_match(filter, session);

	if (has && wait->own &&
	    (session_state_final(session->state) || !follow_locks_held(fd)) &&
	    queue_ask(wait->job_id, &jobs, &count, NULL) == 0 && jobs[0].start > 0) {
		filter->not_before = jobs[0].start - WATCH_SKEW_S;
		has = watch_filter_match(filter, session);
	}
	free(jobs);
	session_destroy(session);
	fd_close(&fd);
	return has;
}

/* For a job that this does not run in: whether a session may still begin there.  An exit code;
 * COMMAND_FAILED, which is_quiet leaves unsaid: Slurm does not answer. */
static int ask_job(const char *id, bool is_quiet)
{
	struct queue_job *jobs = NULL;
	struct reason reason;
	size_t count = 0;
	int code = COMMAND_OK;

	if (queue_ask(id, &jobs, &count, &reason) < 0) {
		bool is_gone = errno == ENOENT;
		code = is_gone ? COMMAND_NO_SESSION : COMMAND_FAILED;
		if (is_gone || !is_quiet)
			output_error("job %s has no session, and %s", id,
				     is_gone ? "Slurm does not know it (any more)"
					     : reason.text);
	} else if (queue_state_is_final(jobs[0].state)) {
		code = COMMAND_NO_SESSION;
		output_error("job %s had no session and is %s", id, jobs[0].state);
	}
	free(jobs);
	return code;
}

int wait_tick(const struct session *session, void *arg)
{
	struct wait *wait = arg;

	if (session)
		return 0;
	if (wait->is_started)
		return starter_launcher_ended(&wait->starter);
	if (wait->own || loop_now() < wait->ask_at)
		return 0;
	wait->ask_at = loop_now() + ASK_AGAIN_MS;
	wait->code = ask_job(wait->job_id, true);
	/* No answer is no reason to give up. */
	return wait->code == COMMAND_NO_SESSION;
}

/* Starts the session that the allocation was asked to have. */
static int start(struct wait *wait)
{
	struct reason reason;

	wait->starter = (struct starter){
		.job_id = wait->job_id, .options = &wait->options, .config = wait->config};
	if (starter_check(&wait->starter, &reason) < 0 ||
	    starter_launch(&wait->starter, &reason) < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	wait->is_started = true;
	return COMMAND_OK;
}

int wait_begin(struct wait *wait, struct watch_filter *filter, int64_t *record_ms)
{
	int code = COMMAND_OK;

	*filter = (struct watch_filter){.restart = -1};
	*record_ms = 0;
	if (wait->own)
		watch_filter_own(filter);
	if (has_record(wait, filter))
		return COMMAND_OK;
	if (!wait->own) {
		*record_ms = -1; /* as long as the job may bring one forth */
		code = ask_job(wait->job_id, false);
	} else if (is_somebody_starting(wait)) {
		*record_ms = wait->wanted ? RECORD_MS : RECORD_UNSURE_MS;
	} else if (wait->wanted) {
		*record_ms = RECORD_MS;
		code = start(wait);
		*filter = wait->starter.filter;
	}
	return code;
}

int wait_for_step(struct wait *wait)
{
	int64_t begun = loop_now();
	char step[QUEUE_ID_MAX];
	bool is_there = false;

	if (wait->wanted && !is_somebody_starting(wait) && start(wait) != COMMAND_OK)
		return COMMAND_FAILED;
	for (;;) {
		int64_t gone = loop_now() - begun;
		if (queue_step(wait->job_id, step, NULL) == 0)
			is_there = true;
		else if (errno == ENOENT && (is_there || gone > RECORD_MS))
			return is_there ? COMMAND_OK : COMMAND_NO_SESSION;
		if (wait->deadline_ms >= 0 && gone > wait->deadline_ms) {
			output_error("the session's step has not ended in time");
			return COMMAND_FAILED;
		}
		if (interrupt_poll(NULL, 0, is_there ? STEP_AGAIN_MS : STEP_FIRST_MS) < 0)
			return COMMAND_FAILED;
	}
}
