/* SPDX-License-Identifier: MIT */
/* See rank.h. */
#include "launcher/workers/rank.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/hostlist.h"
#include "common/session.h"
#include "common/text.h"
#include "launcher/agent/init_change.h"
#include "launcher/job_env.h"
#include "launcher/runtime_dir.h"
#include "launcher/workers/cpus.h"
#include "launcher/workers/gpus.h"
#include "launcher/workers/message.h"
#include "launcher/workers/variables.h"

enum { EXIT_FAILED = 1, PAIRS_MAX = 64 };

/* What it knows of itself. */
struct rank {
	struct agent agent;	    /* of this node, as far as it is needed */
	struct runtime_dir runtime; /* the agent's: only its path */
	struct env *job;	    /* the job's own environment */
	struct variables_options options;
	struct variables variables;
	struct env *environment;
	unsigned index; /* on this node */
	char number[VARIABLES_NUMBER_MAX], id[2 * VARIABLES_NUMBER_MAX];
};

static int number_of(const struct env *env, const char *name, unsigned long max,
		     unsigned long *number, struct reason *reason)
{
	const char *text = env_get(env, name);

	if (!text || text_to_ulong(text, 0, max, number) < 0)
		return reason_set(reason, "%s is missing or no number: the head starts this",
				  name);
	return 0;
}

static int find_node(struct rank *rank, const char *nodes, struct reason *reason)
{
	const char *name = env_get(rank->agent.environment, "SLURMD_NODENAME");
	char **names = NULL;
	size_t count = 0, at = 0;

	if (!name || hostlist_expand(nodes, SESSION_NODES_MAX, &names, &count) < 0)
		return reason_set(reason, "SLURMD_NODENAME, or --nodes=%s: not right", nodes);
	while (at < count && strcmp(names[at], name) != 0)
		at++;
	hostlist_free(names, count);
	rank->agent.node = strdup(name);
	rank->agent.rank = at;
	rank->agent.ranks = count;
	if (!rank->agent.node)
		return reason_set(reason, "%s", strerror(errno));
	return at < count ? 0 : reason_set(reason, "%s is no node of the session", name);
}

/* How many ranks are on this node: of "2(x3),1", as Slurm counts the step's nodes. */
static int count_here(const struct rank *rank, unsigned *count, struct reason *reason)
{
	const char *list = env_get(rank->agent.environment, "SLURM_STEP_TASKS_PER_NODE");
	unsigned long node, tasks, times;

	if (number_of(rank->agent.environment, "SLURM_NODEID", SESSION_NODES_MAX, &node,
		      reason) < 0)
		return -1;
	for (const char *at = list; at && *at;) {
		char *end;
		tasks = strtoul(at, &end, 10);
		times = 1;
		if (!strncmp(end, "(x", 2))
			times = strtoul(end + 2, &end, 10);
		end += *end == ')';
		if (end == at || (*end && *end != ',') || tasks > WORKERS_COUNT_MAX)
			break;
		if (node < times) {
			*count = (unsigned) tasks;
			return 0;
		}
		node -= times;
		at = end + (*end == ',');
	}
	return reason_set(reason, "SLURM_STEP_TASKS_PER_NODE=%s: not right",
			  list ? list : "(not set)");
}

static int read_place(struct rank *rank, const struct rank_options *options,
		      struct reason *reason)
{
	extern char **environ;
	const char *job_id;
	unsigned long index, port;

	if (!(rank->agent.environment = env_create(environ)) ||
	    !(rank->job = env_create(environ)) || job_env_restore(rank->job) < 0)
		return reason_set(reason, "%s", strerror(errno));
	job_env_forget(rank->agent.environment);
	/* An order for the srun of this step alone. */
	env_unset(rank->agent.environment, "SLURM_HOSTFILE");
	if (!(job_id = env_get(rank->agent.environment, "SLURM_JOB_ID")) ||
	    !(rank->agent.job_id = strdup(job_id)))
		return reason_set(reason, "SLURM_JOB_ID is missing: the head starts this");
	if (find_node(rank, options->nodes, reason) < 0 ||
	    number_of(rank->agent.environment, "SLURM_LOCALID", WORKERS_COUNT_MAX - 1, &index,
		      reason) < 0 ||
	    count_here(rank, &rank->options.count, reason) < 0)
		return -1;
	if (text_to_ulong(options->port, 0, UINT16_MAX, &port) < 0)
		return reason_set(reason, "--port=%s: no port", options->port);
	rank->index = (unsigned) index;
	rank->options.port = (unsigned) port;
	rank->options.ip = options->ip;
	return 0;
}

static int fill_in(struct rank *rank, const struct rank_options *options, struct reason *reason)
{
	struct agent *agent = &rank->agent;

	if (options_decode(options->options, &agent->options, reason) < 0 ||
	    !(agent->settings = settings_load(options->config, reason)) ||
	    !(rank->options.recipe = settings_workers(agent->settings, options->kind, reason)))
		return -1;
	rank->runtime.path =
		runtime_dir_find(agent->settings->tmpdir, agent->job_id, agent->node);
	if (!rank->runtime.path)
		return reason_set(reason, "the session has no directory on %s in %s: %s",
				  agent->node, agent->settings->tmpdir, strerror(errno));
	/* Of this node: the step's own is that of the first one, before its file. */
	if (agent->options.init &&
	    init_change_apply(rank->runtime.path, agent->environment, reason) < 0)
		return -1;
	rank->options.agent = agent;
	rank->options.runtime = &rank->runtime;
	if (variables_set(&rank->variables, &rank->options, reason) < 0 ||
	    !(rank->environment =
		      variables_environment(&rank->variables, &rank->options, reason)))
		return -1;
	snprintf(rank->number, sizeof(rank->number), "%u", rank->index);
	snprintf(rank->id, sizeof(rank->id), "%zu.%u", agent->rank, rank->index);
	if (env_set(rank->environment, "SPANK_JUPYTER_WORKER", rank->id) < 0)
		return reason_set(reason, "%s", strerror(errno));
	return 0;
}

/* What cannot be bound runs as it is. */
static void bind_to_share(struct rank *rank)
{
	struct cpus cpus;
	const unsigned *numbers;
	size_t size;

	if (cpus_find(&cpus, env_get(rank->job, "SLURM_JOB_CPUS_PER_NODE"), rank->agent.rank) ==
	    0) {
		size_t count = cpus_share(&cpus, rank->index, rank->options.count, &numbers);
		cpu_set_t *set = cpus_set(numbers, count, &size);
		if (set)
			(void) sched_setaffinity(0, size, set);
		CPU_FREE(set);
		cpus_clear(&cpus);
	}
	for (size_t i = 0; gpus_variables[i]; i++) {
		const char *devices = env_get(rank->environment, gpus_variables[i]);
		char *share =
			devices ? gpus_share(devices, rank->index, rank->options.count) : NULL;
		if (share)
			(void) env_set(rank->environment, gpus_variables[i], share);
		free(share);
	}
}

static int become(struct rank *rank, struct reason *reason)
{
	const struct recipe *recipe = rank->options.recipe;
	const char *pairs[PAIRS_MAX] = {"index", rank->number, "id", rank->id};
	size_t count = 4;

	for (size_t i = 0; rank->variables.pairs[i] && count < PAIRS_MAX - 1; i++)
		pairs[count++] = rank->variables.pairs[i];
	char **argv = recipe_argv(recipe, pairs, reason);
	char *program = argv ? recipe_program_of(recipe, argv[0],
						 env_get(rank->environment, "PATH"), reason)
			     : NULL;
	if (program) {
		bind_to_share(rank);
		execve(program, argv, env_vector(rank->environment));
		reason_set(reason, "%s: %s", program, strerror(errno));
	}
	free(program);
	text_words_free(argv);
	return -1;
}

int rank_run(const struct rank_options *options)
{
	struct rank rank = {.runtime = {.fd = -1, .lock_fd = -1}};
	struct reason reason = {""};

	options_init(&rank.agent.options);
	if (read_place(&rank, options, &reason) == 0 && fill_in(&rank, options, &reason) == 0)
		(void) become(&rank, &reason);
	fprintf(stderr, "jupyter-agent: %s worker: %s\n", options->kind, reason.text);
	variables_clear(&rank.variables);
	env_destroy(rank.environment);
	env_destroy(rank.job);
	env_destroy(rank.agent.environment);
	settings_destroy(rank.agent.settings);
	options_clear(&rank.agent.options);
	free(rank.agent.job_id);
	free(rank.agent.node);
	free(rank.runtime.path);
	return EXIT_FAILED;
}
