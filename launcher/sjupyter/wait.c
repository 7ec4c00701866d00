/* SPDX-License-Identifier: MIT */
/*
 * sjupyter wait: blocks until a session has ended, or is ready.  The body of a job that is
 * nothing but a session.  As the user, mostly in the job's batch script.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/ready.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/sjupyter/wait_begin.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/wanted.h"

static const char help[] =
	"usage: sjupyter wait [JOBID] [--ready] [--timeout=TIME]\n"
	"\n"
	"Blocks until the session has ended: the body of a job that is nothing but a session,\n"
	"\n"
	"    sbatch --jupyter=lab --wrap 'sjupyter wait'\n"
	"\n"
	"In an allocation in which no step has started one (salloc with a command) it starts\n"
	"the session first.\n"
	"\n"
	"  --ready         only until the session is ready: the server answers, and all nodes\n"
	"                  and workers that were asked for are there\n"
	"  --timeout=TIME  not longer than this, in Slurm's formats: 30 (minutes), 1:30:00, "
	"...\n"
	"  --help          this\n"
	"\n"
	"Exit codes: 0 it has ended as asked (--ready: it is ready), 1 it has failed, or the\n"
	"time is over (--ready: or it has ended, or it serves without all that was asked for,\n"
	"and nothing of that is on its way any more), 3 there is none.\n";

static int say_none(const struct wait *wait)
{
	if (wait->wanted)
		output_error("job %s was submitted with --jupyter, but no session has begun in "
			     "it: the job's output may say why, and `sjupyter doctor` looks "
			     "whether the plugin is loaded on the node",
			     wait->job_id);
	else
		output_error("job %s has no session: it was submitted without --jupyter; "
			     "`sjupyter start` starts one in it",
			     wait->job_id);
	return COMMAND_NO_SESSION;
}

static int judge(const struct wait *wait, enum follow_end end, const struct session *session,
		 const struct reason *reason)
{
	char span[OUTPUT_TIME_MAX];

	if (end == FOLLOW_REACHED && wait->ready)
		return COMMAND_OK;
	switch (end) {
	case FOLLOW_MISSED:
		fprintf(stderr, "sjupyter: the session of job %s is degraded: ", wait->job_id);
		output_note(session->reason ? session->reason : "not all is there");
		return COMMAND_FAILED;
	case FOLLOW_REACHED:
	case FOLLOW_FINAL:
		fprintf(stderr, "sjupyter: the session of job %s has %s: ", wait->job_id,
			session_state_name(session->state));
		output_note(session->reason ? session->reason : "no reason is known");
		/* It ended as asked, but what --ready waits for will not come. */
		return session->state == SESSION_FAILED || wait->ready ? COMMAND_FAILED
								       : COMMAND_OK;
	case FOLLOW_NO_RECORD:
		return say_none(wait);
	case FOLLOW_TIMEOUT:
		fprintf(stderr, "sjupyter: the session of job %s is %s after %s", wait->job_id,
			session ? session_state_name(session->state) : "not there",
			output_span((double) wait->deadline_ms / 1000, span));
		fputs(session && session->reason ? ": " : "\n", stderr);
		if (session && session->reason)
			output_note(session->reason);
		return COMMAND_FAILED;
	case FOLLOW_STOPPED:
		if (!wait->is_started)
			return wait->code;
		output_error("jupyter-launch has ended without a record of the session");
		return COMMAND_FAILED;
	default:
		output_error("job %s: %s", wait->job_id, reason->text);
		return COMMAND_FAILED;
	}
}

/* Whether a record of the job's session can be kept at all; says why not. */
static bool can_have_record(const struct wait *wait)
{
	struct reason reason;
	int fd = statedir_open(wait->job_id, 1, &reason);

	if (fd < 0)
		output_error("no record of the session can be kept: %s", reason.text);
	bool can = fd >= 0;
	fd_close(&fd);
	return can;
}

static int wait_for(struct wait *wait)
{
	struct follow follow = {
		.job_id = wait->job_id,
		.until_final = !wait->ready,
		.verdict = wait->ready ? ready_verdict : NULL,
		.deadline_ms = wait->deadline_ms,
		.tick = wait_tick,
		.arg = wait,
	};
	struct session *session = NULL;
	struct reason reason = {.text = ""};

	if (wait->own && !can_have_record(wait)) {
		int step_code = wait->ready ? COMMAND_FAILED : wait_for_step(wait);
		if (step_code != COMMAND_OK || !options_notebook(&wait->options))
			return step_code;
		output_error("without a record it is not known whether the notebook has "
			     "failed: the job's output says so");
		return COMMAND_FAILED;
	}
	int code = wait_begin(wait, &follow.filter, &follow.record_ms);

	if (code != COMMAND_OK)
		return code;
	enum follow_end end = follow_run(&follow, &session, &reason);
	code = judge(wait, end, session, &reason);
	session_destroy(session);
	return code;
}

static int parse(int argc, char *argv[], struct wait *wait, const char **id)
{
	static const struct option words[] = {{"ready", no_argument, NULL, 'r'},
					      {"timeout", required_argument, NULL, 't'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	long seconds;
	int word;

	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		switch (word) {
		case 'r':
			wait->ready = true;
			break;
		case 't':
			if (text_to_seconds(optarg, &seconds) < 0)
				return command_wrong(&command_wait,
						     "--timeout=%s is no time: give minutes, "
						     "H:M:S, or another of Slurm's formats",
						     optarg);
			wait->deadline_ms = seconds > 0 ? (int64_t) seconds * 1000 : -1;
			break;
		case 'h':
			return command_help(&command_wait);
		default:
			return command_unknown(&command_wait);
		}
	}
	return command_take_id(&command_wait, argc, argv, id);
}

static int run(int argc, char *argv[], const char *config)
{
	struct wait wait = {.config = config, .deadline_ms = -1};
	const char *id = NULL, *own = slurm_env_job();
	struct reason reason;
	int code = parse(argc, argv, &wait, &id);

	if (code != COMMAND_OK)
		return code;
	char *job_id = target_job(id, &reason);
	if (!job_id) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	wait.job_id = job_id;
	wait.own = own && !strcmp(own, job_id);
	options_init(&wait.options);
	int wanted = wait.own ? wanted_take(&wait.options, &reason) : 0;
	if (wanted < 0)
		output_error("%s", reason.text);
	wait.wanted = wanted > 0 && wait.options.app;
	code = wait_for(&wait);
	options_clear(&wait.options);
	free(job_id);
	return code;
}

const struct command command_wait = {"wait", "block until a session has ended, or is ready",
				     help, run};
