/* SPDX-License-Identifier: MIT */
/* See worker_command.h. */
#include "launcher/workers/worker_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/spawn.h"
#include "launcher/workers/worker_pairs.h"

enum { ARGUMENTS_MAX = 64 /* names and values for it */ };

static struct env *make_environment(const struct worker_command *command)
{
	struct env *environment = env_create(env_vector(command->kind->environment));
	struct worker_pairs pairs;
	int rc = worker_pairs_set(&pairs, command->kind, command->index, command->id);

	for (size_t i = 0; environment && rc == 0 && i < pairs.count; i++)
		rc = env_set(environment, pairs.list[2 * i], pairs.list[2 * i + 1]);
	worker_pairs_clear(&pairs);
	if (environment && rc == 0 && env_set(environment, "SPANK_JUPYTER_FD", "3") == 0)
		return environment;
	env_destroy(environment);
	return NULL;
}

/* The kind's variables and the worker's own. */
static char **make_argv(const struct worker_command *command, struct reason *reason)
{
	const struct worker_kind *kind = command->kind;
	char index[16];
	const char *pairs[ARGUMENTS_MAX] = {"index", index, "id", command->id};
	size_t count = 4;

	snprintf(index, sizeof(index), "%u", command->index);
	for (size_t i = 0; kind->variables[i] && count < ARGUMENTS_MAX - 2; i++)
		pairs[count++] = kind->variables[i];
	return recipe_argv(kind->recipe, pairs, reason);
}

pid_t worker_command_spawn(const struct worker_command *command, struct reason *reason)
{
	const struct worker_kind *kind = command->kind;
	const unsigned *numbers = NULL;
	size_t size = 0, count = cpus_share(kind->cpus, command->index, kind->count, &numbers);
	cpu_set_t *cpus = cpus_set(numbers, count, &size);
	struct env *environment = make_environment(command);
	char **argv = make_argv(command, reason), *program = NULL;
	pid_t pid = -1;

	if (!argv)
		goto out;
	if (!environment) {
		reason_set(reason, "%s", strerror(ENOMEM));
		goto out;
	}
	if (!(program = recipe_program_of(kind->recipe, argv[0], env_get(environment, "PATH"),
					  reason)))
		goto out;
	struct spawn_options options = {
		.program = program,
		.argv = argv,
		.environment = env_vector(environment),
		.in = -1,
		.out = command->out,
		.err = command->out,
		.more = &command->channel,
		.more_count = 1,
		.cpus = cpus,
		.cpus_size = size,
		.own_session = true,
		.dies_with_us = true,
		.core_dumps = true,
	};
	pid = spawn_process(&options, reason);
out:
	if (pid < 0)
		reason_prefix(reason, "could not be started");
	env_destroy(environment);
	text_words_free(argv);
	free(program);
	if (cpus)
		CPU_FREE(cpus);
	return pid;
}
