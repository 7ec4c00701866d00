/* SPDX-License-Identifier: MIT */
/*
 * sjupyter start: starts a session in an allocation that has none, from inside the job or from
 * outside.  As the user.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/phases.h"
#include "launcher/sjupyter/progress.h"
#include "launcher/sjupyter/ready.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/sjupyter/starter.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/wanted.h"

static const char help[] =
	"usage: sjupyter start [JOBID] [--jupyter=APP] [--jupyter-...=VALUE] [--no-wait]\n"
	"\n"
	"Starts a session in the job that this is run in, or in the running job JOBID of\n"
	"yours, and waits until it serves and its workers are up, or it is clear that some\n"
	"will not come.  Inside the job the options that it was submitted with count, those\n"
	"given here before them; else the app is lab.\n"
	"\n"
	"  --jupyter=APP, --jupyter-workers=KIND:N, --jupyter-dir=DIR, --jupyter-init=FILE, "
	"...\n"
	"              as for sbatch: `sbatch --help` lists them\n"
	"  --no-wait   do not wait, neither for the server nor for workers\n"
	"  --help      this\n";

enum {
	/* For the launcher to write its first record: it reads its settings before. */
	RECORD_MS = 20000
};

struct view {
	struct starter *starter;
	struct progress progress;
	unsigned told;
	int64_t begun;
};

static void show_record(const struct session *session, void *arg)
{
	struct view *view = arg;

	phases_show(session, &view->told, &view->progress);
}

static int tick(const struct session *session, void *arg)
{
	struct view *view = arg;
	char span[OUTPUT_TIME_MAX];

	progress_now(&view->progress,
		     session ? "waiting for the server" : "waiting for the launcher",
		     output_span((double) (loop_now() - view->begun) / 1000, span));
	/* A record that it has written stands, also when its launcher has ended. */
	return starter_launcher_ended(view->starter) && !session;
}

static int judge(enum follow_end end, struct view *view, const struct session *session,
		 bool wait, const struct reason *reason)
{
	struct reason why;
	int fd, code = COMMAND_FAILED;

	progress_clear(&view->progress);
	switch (end) {
	case FOLLOW_REACHED:
		if (!wait)
			return COMMAND_OK;
		fd = describe_open(session, &why);
		if (fd >= 0 && address_print(session, fd, &why) == 0)
			code = ready_show(session, &view->starter->filter, &view->progress,
					  &view->told);
		else
			output_error("%s", why.text);
		fd_close(&fd);
		return code;
	case FOLLOW_FINAL:
		/* A short notebook has got to its end already. */
		if (session->notebook && session->state == SESSION_ENDED)
			return address_print(session, -1, &why) == 0 ? COMMAND_OK
								     : COMMAND_FAILED;
		output_error("the session %s: %s",
			     session->state == SESSION_FAILED ? "has failed" : "has ended",
			     session->reason ? session->reason : "no reason is known");
		return COMMAND_FAILED;
	case FOLLOW_STOPPED:
		output_error("jupyter-launch has ended without a record of the session");
		return COMMAND_FAILED;
	case FOLLOW_NO_RECORD:
		output_error("jupyter-launch runs, but has not begun a record of the session");
		return COMMAND_FAILED;
	case FOLLOW_INTERRUPTED:
		fprintf(stderr, "The session goes on: `sjupyter url %s` shows its URL.\n",
			view->starter->job_id);
		return COMMAND_FAILED;
	default:
		output_error("%s", reason->text);
		return COMMAND_FAILED;
	}
}

static int start(struct starter *starter, bool wait)
{
	struct reason reason;
	struct view view = {.starter = starter, .begun = loop_now()};
	struct session *session = NULL;

	if (starter_tell_running(starter->job_id))
		return COMMAND_OK;
	if (starter_check(starter, &reason) < 0 || starter_launch(starter, &reason) < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	/* Made here too, so that what forbids it is told here. */
	int fd = statedir_open(starter->job_id, 1, &reason);
	if (fd < 0) {
		output_error("the session is being started, but it can have no record to "
			     "follow: %s",
			     reason.text);
		return COMMAND_FAILED;
	}
	fd_close(&fd);
	interrupt_catch();
	progress_init(&view.progress, STDERR_FILENO);
	struct follow follow = {
		.job_id = starter->job_id,
		.filter = starter->filter,
		/* Without waiting, too: until it is this session that the next command finds.
		 */
		.until_record = !wait,
		.deadline_ms = -1, /* the head has deadlines of its own, and a last word */
		.record_ms = RECORD_MS,
		.changed = wait ? show_record : NULL,
		.tick = tick,
		.arg = &view,
	};
	enum follow_end end = follow_run(&follow, &session, &reason);
	int code = judge(end, &view, session, wait, &reason);
	session_destroy(session);
	return code;
}

struct given {
	int word;
	const char *value;
};

/* Takes the command line apart; what it says of the options is kept in given, of argc places.
 */
static int parse(int argc, char *argv[], struct given *given, size_t *count, const char **id,
		 bool *wait)
{
	static const struct option own[] = {{"no-wait", no_argument, NULL, 'n'},
					    {"help", no_argument, NULL, 'h'},
					    {NULL, 0, NULL, 0}};
	struct option *words = wanted_words(own);
	int word, code = COMMAND_OK;
	bool is_help = false;

	if (!words) {
		output_error("%s", strerror(ENOMEM));
		return COMMAND_FAILED;
	}
	while (code == COMMAND_OK && (word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		if (word == 'n')
			*wait = false;
		else if (word == 'h')
			is_help = true;
		else if (word < WANTED_FIRST)
			code = command_unknown(&command_start);
		else
			given[(*count)++] = (struct given){word, optarg};
	}
	free(words);
	if (code == COMMAND_OK && is_help)
		return command_help(&command_start);
	return code == COMMAND_OK ? command_take_id(&command_start, argc, argv, id) : code;
}

/* What the job itself was submitted with, and before that what was given here. */
static int collect(const struct given *given, size_t count, bool own_job,
		   struct options *options)
{
	struct reason reason;

	if (own_job && wanted_take(options, &reason) < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	for (size_t i = 0; i < count; i++)
		if (wanted_set(options, given[i].word, given[i].value, &reason) < 0)
			return command_wrong(&command_start, "%s", reason.text);
	if (!options->app && options_set(options, "jupyter", NULL, &reason) < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	return COMMAND_OK;
}

static int run(int argc, char *argv[], const char *config)
{
	struct given *given = calloc((size_t) argc, sizeof(*given));
	const char *own = slurm_env_job(), *id = NULL;
	struct queue_job other;
	struct options options;
	struct starter starter = {.job_id = own, .options = &options, .config = config};
	size_t count = 0;
	bool wait = true;
	int code;

	options_init(&options);
	if (!given) {
		output_error("%s", strerror(ENOMEM));
		return COMMAND_FAILED;
	}
	code = parse(argc, argv, given, &count, &id, &wait);
	if (code != COMMAND_OK)
		goto out;
	if (!id && !own) {
		code = command_wrong(&command_start, "this is not run in a job: give a JOBID");
		goto out;
	}
	if (id && !(own && !strcmp(id, own))) {
		code = starter_ask_job(id, &other);
		if (code != COMMAND_OK)
			goto out;
		if (!own || strcmp(own, other.id) != 0) {
			starter.other = &other;
			starter.job_id = other.id;
		}
	}
	code = collect(given, count, !starter.other, &options);
	if (code == COMMAND_OK)
		code = start(&starter, wait);
out:
	options_clear(&options);
	free(given);
	return code;
}

const struct command command_start = {"start", "start a session in a job that has none", help,
				      run};
