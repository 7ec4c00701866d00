/* SPDX-License-Identifier: MIT */
/*
 * The command line of a kind's step: where srun is to start how many tasks, the recipe's own
 * words, and what each task is, see rank.h.  Called by srun_step.c, in the head, as the user.
 */
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
#include "launcher/workers/srun_step_private.h"

/* One more word of srun's command line; ENOMEM and too many are told at the end. */
__attribute__((format(printf, 2, 3))) static void add(struct srun_step *step,
						      const char *format, ...)
{
	va_list arguments;

	if (step->word_count == SRUN_STEP_WORDS_MAX - 1)
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
		if (step->word_count > SRUN_STEP_WORDS_MAX - 16) {
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

int srun_step_make_words(struct srun_step *step, struct reason *reason)
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

void srun_step_free_words(struct srun_step *step)
{
	for (size_t i = 0; i < step->word_count; i++)
		free(step->words[i]);
	memset(step->words, 0, sizeof(step->words));
	step->word_count = 0;
}
