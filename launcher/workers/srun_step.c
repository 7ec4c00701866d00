/* SPDX-License-Identifier: MIT */
/* See srun_step.h; srun's command line is in srun_step_words.c.  Its tasks are `jupyter-agent
 * --rank=KIND`: see rank.h. */
#include "launcher/workers/srun_step_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "launcher/capture.h"
#include "launcher/job_env.h"
#include "launcher/workers/message.h"
#include "launcher/workers/mpi_list.h"
#include "launcher/workers/process.h"

enum {
	LIST_MAX = 65536,
	LIST_MS = 30000, /* srun asks the controller of Slurm for nothing here */
	LOG_TAIL = 65536 /* of which one rank's lines are taken */
};

static int run(struct srun_step *step, struct reason *reason);

/* The first of srun's complaints: what follows are its consequences. */
static void first_error(const struct srun_step *step, const char *words, char *text,
			size_t size)
{
	static const char begin[] = "srun: error: ";
	const char *line = strstr(words, begin);

	if (line)
		snprintf(text, size, "%.*s", (int) strcspn(line, "\n"), line);
	else
		process_last_line(step->process, text, size);
}

/* With the next kind of MPI, where srun has refused the one before.  1: there is none. */
static int run_next(struct srun_step *step, struct reason *reason)
{
	const char *next = mpi_list_choose(step->kinds, step->mpi);

	if (!next)
		return 1;
	step->mpi = next;
	return run(step, reason);
}

static void on_process_ended(const char *how, int status, void *arg)
{
	struct srun_step *step = arg;
	char line[256], words[WORKERS_TAIL_MAX];
	struct reason reason;
	int rc = 1;

	srun_step_words(step, words, sizeof(words));
	if (status != 0 && !step->stopping && mpi_list_refused(words))
		rc = run_next(step, &reason);
	if (rc == 0)
		return;
	if (rc > 0) {
		first_error(step, words, line, sizeof(line));
		reason_set(&reason, "%s%s%s", how, line[0] ? ": " : "", line);
	}
	step->ended(reason.text, step->arg);
}

static int run(struct srun_step *step, struct reason *reason)
{
	srun_step_free_words(step);
	if (srun_step_make_words(step, reason) < 0)
		return -1;
	struct process_options options = {
		.program = step->srun,
		.argv = step->words,
		.environment = step->environment,
	};
	return process_start(step->process, &options, reason);
}

static void on_list(const char *failure, char *output, size_t size, void *arg)
{
	struct srun_step *step = arg;
	struct reason reason;
	int rc;

	(void) size;
	if (failure)
		rc = reason_set(&reason, "srun --mpi=list: %s", failure);
	else if (!(step->kinds = strdup(output)))
		rc = reason_set(&reason, "%s", strerror(errno));
	else
		rc = run_next(step, &reason);
	if (rc > 0)
		rc = reason_set(&reason,
				"srun --mpi=list names neither pmix nor pmi2, with which MPI "
				"ranks find each other");
	capture_destroy(step->list);
	step->list = NULL;
	if (rc < 0) {
		reason_prefix(&reason, "cannot be started");
		step->ended(reason.text, step->arg);
	}
}

static int find_srun(struct srun_step *step, struct reason *reason)
{
	const char *path = env_get(step->environment, "PATH");

	if (!(step->srun = spawn_find("srun", path)))
		step->srun = spawn_find("/usr/bin/srun", NULL);
	if (!step->srun)
		return reason_set(reason, "srun is neither in PATH (%s) nor in /usr/bin",
				  path ? path : "not set");
	return 0;
}

int srun_step_start(struct srun_step *step, const unsigned *counts, struct reason *reason)
{
	const struct agent *agent = step->options->agent;
	char *argv[] = {"srun", "--mpi=list", NULL};

	step->counts = calloc(agent->ranks, sizeof(*step->counts));
	if (!step->counts)
		return reason_set(reason, "srun: %s", strerror(errno));
	memcpy(step->counts, counts, agent->ranks * sizeof(*counts));
	if (job_env_hide(step->environment) < 0 ||
	    env_set(step->environment, "SLURM_JOB_ID", agent->job_id) < 0)
		return reason_set(reason, "srun: %s", strerror(errno));
	if (find_srun(step, reason) < 0)
		return -1;
	struct spawn_options options = {
		.program = step->srun,
		.argv = argv,
		.environment = env_vector(step->environment),
		.in = -1,
		.err = -1,
		.dies_with_us = true,
	};
	step->list =
		capture_start(step->loop, &options, LIST_MAX, LIST_MS, on_list, step, reason);
	return step->list ? 0 : -1;
}

struct srun_step *srun_step_create(struct loop *loop, const struct srun_step_options *options,
				   srun_step_ended *ended, void *arg)
{
	struct srun_step *step = calloc(1, sizeof(*step));

	if (!step)
		return NULL;
	step->loop = loop;
	step->options = options;
	step->ended = ended;
	step->arg = arg;
	if (!(step->environment = env_create(env_vector(options->environment))) ||
	    !(step->process = process_create(loop, options->log_dirfd, "step", on_process_ended,
					     step))) {
		srun_step_destroy(step);
		return NULL;
	}
	return step;
}

void srun_step_destroy(struct srun_step *step)
{
	int error = errno;

	if (!step)
		return;
	capture_destroy(step->list);
	process_destroy(step->process);
	env_destroy(step->environment);
	srun_step_free_words(step);
	free(step->kinds);
	free(step->srun);
	free(step->counts);
	free(step);
	errno = error;
}

void srun_step_stop(struct srun_step *step, int64_t grace_ms)
{
	step->stopping = true;
	capture_destroy(step->list);
	step->list = NULL;
	process_stop(step->process, grace_ms);
}

bool srun_step_runs(const struct srun_step *step)
{
	return process_runs(step->process);
}

/* The number before ": " that --label puts before a line; -1: none. */
static long label_of(const char *line)
{
	size_t digits = strspn(line, "0123456789");

	if (digits == 0 || digits > 9 || line[digits] != ':')
		return -1;
	return strtol(line, NULL, 10);
}

/* The last lines of that label, -1: those of none, as many as there is room for. */
static const char *lines_of(const struct srun_step *step, long label, char *text, size_t size)
{
	char *log = malloc(LOG_TAIL), *kept = log;

	text[0] = '\0';
	if (!log)
		return text;
	process_tail(step->process, log, LOG_TAIL);
	for (char *line = log, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		end += *end == '\n';
		if (label_of(line) != label)
			continue;
		memmove(kept, line, (size_t) (end - line));
		kept += end - line;
	}
	*kept = '\0';
	text_excerpt_lines(log, text, size);
	free(log);
	return text;
}

const char *srun_step_tail(const struct srun_step *step, size_t rank, unsigned index,
			   char *text, size_t size)
{
	long task = index;

	for (size_t i = 0; i < rank; i++)
		task += step->counts[i];
	return lines_of(step, task, text, size);
}

const char *srun_step_words(const struct srun_step *step, char *text, size_t size)
{
	return lines_of(step, -1, text, size);
}
