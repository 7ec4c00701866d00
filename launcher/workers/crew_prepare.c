/* SPDX-License-Identifier: MIT */
/*
 * What is done on a node before the first worker of a kind: its directories, its variables and
 * environment, the recipe's prepare_node, and the host that imports while the controller
 * starts. Called by crew.c, in jupyter-agent, as the user.
 */
#include "launcher/workers/crew_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/workers/backoff.h"
#include "launcher/workers/share.h"

enum {
	/* Of the host in a row without a fork in between: by accident, not by nature. */
	HOST_RESTARTS = 3
};

static int open_directories(struct crew *crew, struct reason *reason)
{
	const struct crew_options *options = &crew->options;

	if ((crew->share_fd = share_open(options->runtime->fd, options->recipe->name, reason)) <
	    0)
		return -1;
	if ((crew->log_fd = dir_private(crew->share_fd, "log")) < 0)
		return reason_set(reason, "%s/workers/%s/log: %s", options->runtime->path,
				  options->recipe->name, strerror(errno));
	return 0;
}

static unsigned default_count(const struct crew_options *options)
{
	unsigned count = options->recipe->count ? options->recipe->count : options->cpus->count;

	return count < WORKERS_COUNT_MAX ? count : WORKERS_COUNT_MAX;
}

static void on_host_failed(const char *reason, const char *tail, void *arg)
{
	crew_failed(arg, reason, tail);
}

static void on_host_gone(void *arg)
{
	crew_check_stopped(arg);
}

static int make_host(struct crew *crew, struct reason *reason)
{
	const struct recipe *recipe = crew->options.recipe;
	struct host_callbacks callbacks = {on_host_failed, on_host_gone, crew};

	crew->host_argv[0] = strdup(crew->variables.python);
	if (asprintf(&crew->host_argv[1], "%s/workers/preload.py", recipe->recipes_dir) < 0)
		crew->host_argv[1] = NULL;
	if (!(crew->host_argv[2] =
		      recipe_expand(recipe, recipe->preload, crew->variables.pairs, reason)))
		return -1;
	crew->host_environment = env_create(env_vector(crew->kind.environment));
	if (!crew->host_argv[0] || !crew->host_argv[1] || !crew->host_environment ||
	    env_set(crew->host_environment, "SPANK_JUPYTER_HOST_FD", HOST_FD) < 0)
		return reason_set(reason, "%s", strerror(errno));
	struct host_options options = {
		.program = crew->host_argv[0],
		.argv = crew->host_argv,
		.environment = env_vector(crew->host_environment),
		.module = crew->host_argv[2],
		.log_dirfd = crew->log_fd,
		.memory = crew->options.memory,
		/* What comes later than the head waits for it is still welcome. */
		.load_ms = 2000 * recipe->ready_timeout_s,
		.answer_ms = HOST_ANSWER_MS,
		.restarts = HOST_RESTARTS,
	};
	crew->host = host_create(crew->options.agent->loop, &options, &callbacks);
	return crew->host ? 0 : reason_set(reason, "%s", strerror(errno));
}

int crew_setup(struct crew *crew, const struct workers_message *begin, struct reason *reason)
{
	const struct crew_options *options = &crew->options;

	crew->kind.count = begin->count ? begin->count : default_count(options);
	snprintf(crew->ip, sizeof(crew->ip), "%s", begin->ip);
	crew->variables_options = (struct variables_options){
		.agent = options->agent,
		.runtime = options->runtime,
		.recipe = options->recipe,
		.ip = crew->ip,
		.port = begin->port,
		.count = crew->kind.count,
	};
	if (open_directories(crew, reason) < 0 ||
	    variables_set(&crew->variables, &crew->variables_options, reason) < 0 ||
	    !(crew->kind.environment = variables_environment(&crew->variables,
							     &crew->variables_options, reason)))
		return -1;
	crew->kind.loop = options->agent->loop;
	crew->kind.recipe = options->recipe;
	crew->kind.variables = crew->variables.pairs;
	crew->kind.cpus = options->cpus;
	crew->kind.memory = options->memory;
	crew->kind.log_dirfd = crew->log_fd;
	crew->kind.rank = options->agent->rank;
	crew->kind.stable_ms = BACKOFF_STABLE_MS;
	if (options->recipe->preload && make_host(crew, reason) < 0)
		return -1;
	crew->kind.host = crew->host;
	return 0;
}

static void start_host(struct crew *crew)
{
	struct reason reason;

	crew->prepared = true;
	if (crew->host && host_start(crew->host, &reason) < 0)
		crew_failed(crew, reason.text, "");
	else
		crew_prepared(crew);
}

static void on_prepared(const char *failure, const char *tail, void *arg)
{
	struct crew *crew = arg;

	prepare_destroy(crew->prepare);
	crew->prepare = NULL;
	if (crew->stopping)
		crew_check_stopped(crew);
	else if (failure)
		crew_failed(crew, failure, tail);
	else
		start_host(crew);
}

void crew_prepare(struct crew *crew)
{
	const struct recipe *recipe = crew->options.recipe;
	struct reason reason;

	if (!recipe->prepare_node) {
		start_host(crew);
		return;
	}
	struct prepare_options options = {
		.recipe = recipe,
		.command = recipe->prepare_node,
		.name = "prepare_node",
		.variables = crew->variables.pairs,
		.environment = variables_own_environment(&crew->variables,
							 &crew->variables_options, &reason),
		.log_dirfd = crew->log_fd,
		.memory = crew->options.memory,
		.deadline_ms = 1000 * recipe->ready_timeout_s,
	};
	if (options.environment)
		crew->prepare = prepare_start(crew->options.agent->loop, &options, on_prepared,
					      crew, &reason);
	env_destroy(options.environment);
	if (!crew->prepare)
		crew_failed(crew, reason.text, "");
}

void crew_cleanup(struct crew *crew)
{
	prepare_destroy(crew->prepare);
	host_destroy(crew->host);
	env_destroy(crew->host_environment);
	for (size_t i = 0; i < sizeof(crew->host_argv) / sizeof(crew->host_argv[0]); i++)
		free(crew->host_argv[i]);
	env_destroy(crew->kind.environment);
	variables_clear(&crew->variables);
	fd_close(&crew->share_fd);
	fd_close(&crew->log_fd);
}
