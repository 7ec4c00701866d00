/* SPDX-License-Identifier: MIT */
/* See srun_step.h.  Its tasks are `jupyter-agent --rank=KIND`: see rank.h. */
#include "launcher/workers/srun_step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/hostlist.h"
#include "common/session.h"
#include "common/text.h"
#include "launcher/capture.h"
#include "launcher/job_env.h"
#include "launcher/workers/message.h"
#include "launcher/workers/mpi_list.h"
#include "launcher/workers/process.h"

enum {
	LIST_MAX = 65536,
	LIST_MS = 30000, /* srun asks the controller of Slurm for nothing here */
	WORDS_MAX = 64,	 /* of ours; the recipe has RECIPE_WORDS_MAX more */
	LOG_TAIL = 65536 /* of which one rank's lines are taken */
};

struct srun_step {
	struct loop *loop;
	const struct srun_step_options *options;
	srun_step_ended *ended;
	void *arg;
	struct env *environment; /* of srun */
	char *srun;		 /* its path */
	char *kinds;		 /* of MPI, as srun lists them */
	const char *mpi;	 /* the one of them that is tried */
	struct capture *list;	 /* while srun tells its kinds of MPI */
	struct process *process;
	unsigned *counts; /* by the node's rank */
	char *words[WORDS_MAX];
	size_t word_count;
	bool stopping;
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

/* One more word of srun's command line; ENOMEM and too many are told at the end. */
__attribute__((format(printf, 2, 3))) static void add(struct srun_step *step,
						      const char *format, ...)
{
	va_list arguments;

	if (step->word_count == WORDS_MAX - 1)
		return;
	va_start(arguments, format);
	if (vasprintf(&step->words[step->word_count], format, arguments) < 0)
		step->words[step->word_count] = NULL;
	va_end(arguments);
	step->word_count++;
}

/* The nodes that have workers: how many, their names, and whether all have as many. */
struct places {
	size_t nodes;
	unsigned tasks, each; /* each: 0, they differ */
	char *names;	      /* of nodes, with commas */
};

static int places_find(const struct srun_step *step, struct places *places)
{
	const struct agent *agent = step->options->agent;
	char **names = NULL;
	size_t count = 0, size = 1, used = 0;
	bool differ = false;

	*places = (struct places){.nodes = 0};
	if (hostlist_expand(agent->nodes, SESSION_NODES_MAX, &names, &count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		size += strlen(names[i]) + 1;
	places->names = calloc(1, size);
	for (size_t i = 0; places->names && i < count && i < agent->ranks; i++) {
		if (!step->counts[i])
			continue;
		used += (size_t) snprintf(places->names + used, size - used, "%s%s",
					  used ? "," : "", names[i]);
		differ = differ || (places->nodes && step->counts[i] != places->each);
		places->each = step->counts[i];
		places->tasks += step->counts[i];
		places->nodes++;
	}
	hostlist_free(names, count);
	if (differ)
		places->each = 0;
	return places->names ? 0 : -1;
}

/* Where nodes have different numbers of workers, srun takes a file with one line for each
 * task: --distribution=arbitrary. */
static int write_hosts(struct srun_step *step)
{
	const struct agent *agent = step->options->agent;
	int fd = openat(step->options->log_dirfd, "hosts",
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	char **names = NULL, *path = NULL;
	size_t count = 0;
	int rc = -1;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file || hostlist_expand(agent->nodes, SESSION_NODES_MAX, &names, &count) < 0)
		goto out;
	for (size_t i = 0; i < count && i < agent->ranks; i++)
		for (unsigned task = 0; task < step->counts[i]; task++)
			fprintf(file, "%s\n", names[i]);
	if (asprintf(&path, "/proc/%d/fd/%d/hosts", (int) getpid(), step->options->log_dirfd) <
	    0) {
		path = NULL;
		goto out;
	}
	rc = env_set(step->environment, "SLURM_HOSTFILE", path);
out:
	if (file && fclose(file) != 0)
		rc = -1;
	if (!file)
		fd_close(&fd);
	hostlist_free(names, count);
	free(path);
	return rc;
}

static int add_geometry(struct srun_step *step, struct reason *reason)
{
	struct places places;
	int rc = places_find(step, &places);

	if (rc == 0) {
		add(step, "--nodes=%zu", places.nodes);
		add(step, "--ntasks=%u", places.tasks);
		if (places.each) {
			add(step, "--ntasks-per-node=%u", places.each);
			add(step, "--distribution=block");
			add(step, "--nodelist=%s", places.names);
		} else {
			add(step, "--distribution=arbitrary");
			rc = write_hosts(step);
		}
	}
	free(places.names);
	return rc < 0 ? reason_set(reason, "srun: %s", strerror(errno)) : 0;
}

/* The recipe's own words, with the kind of MPI.  They come after ours: the last wins. */
static int add_recipe_words(struct srun_step *step, struct reason *reason)
{
	const struct recipe *recipe = step->options->recipe;
	const char *pairs[64] = {"mpi", step->mpi};
	size_t count = 2;

	if (!recipe->srun)
		return 0;
	for (size_t i = 0; step->options->variables[i] && count < 63; i++)
		pairs[count++] = step->options->variables[i];
	char **words = recipe_command(recipe, recipe->srun, pairs, reason);
	for (size_t i = 0; words && words[i]; i++) {
		if (step->word_count > WORDS_MAX - 16) {
			text_words_free(words);
			errno = E2BIG;
			return reason_set(reason, "too many words in srun of [workers %s]",
					  recipe->name);
		}
		add(step, "%s", words[i]);
	}
	text_words_free(words);
	return words ? 0 : -1;
}

static int add_rank(struct srun_step *step, struct reason *reason)
{
	const struct srun_step_options *options = step->options;
	char *encoded = options_encode(&options->agent->options);

	if (!encoded)
		return reason_set(reason, "options: %s", strerror(errno));
	add(step, "%s", PKGLIBEXECDIR "/jupyter-agent");
	add(step, "--rank=%s", options->recipe->name);
	add(step, "--options=%s", encoded);
	if (options->agent->config)
		add(step, "--config=%s", options->agent->config);
	add(step, "--nodes=%s", options->agent->nodes);
	add(step, "--ip=%s", options->ip);
	add(step, "--port=%u", options->port);
	free(encoded);
	return 0;
}

static int make_words(struct srun_step *step, struct reason *reason)
{
	add(step, "srun");
	add(step, "--jobid=%s", step->options->agent->job_id);
	add(step, "--job-name=jupyter-%s", step->options->recipe->name);
	/* The user's own steps lose nothing to ours; each rank binds itself to its share. */
	add(step, "--overlap");
	add(step, "--mem=0");
	add(step, "--overcommit");
	add(step, "--cpu-bind=none");
	add(step, "--mpi=%s", step->mpi);
	/* The controller tells which ranks are left. */
	add(step, "--kill-on-bad-exit=0");
	add(step, "--wait=0");
	add(step, "--label");
	add(step, "--input=none");
	if (add_geometry(step, reason) < 0 || add_recipe_words(step, reason) < 0 ||
	    add_rank(step, reason) < 0)
		return -1;
	for (size_t i = 0; i < step->word_count; i++)
		if (!step->words[i])
			return reason_set(reason, "srun: %s", strerror(errno = ENOMEM));
	return 0;
}

static void free_words(struct srun_step *step)
{
	for (size_t i = 0; i < step->word_count; i++)
		free(step->words[i]);
	memset(step->words, 0, sizeof(step->words));
	step->word_count = 0;
}

static int run(struct srun_step *step, struct reason *reason)
{
	free_words(step);
	if (make_words(step, reason) < 0)
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
	free_words(step);
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
