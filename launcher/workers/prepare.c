/* SPDX-License-Identifier: MIT */
/* See prepare.h. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/spawn.h"
#include "launcher/workers/exit_words.h"
#include "launcher/workers/message.h"
#include "launcher/workers/prepare.h"
#include "launcher/workers/worker_log.h"

struct prepare {
	prepare_callback *callback;
	void *arg;
	const struct recipe *recipe;
	char name[WORKER_LOG_NAME_MAX];
	struct memory_kill *memory;
	struct worker_log *log;
	struct loop_child *child;
	struct loop_timer *deadline;
	int64_t deadline_ms;
	pid_t pid;
	bool too_late;
};

static void on_exit_of_command(pid_t pid, int status, void *arg)
{
	struct prepare *prepare = arg;
	char how[EXIT_WORDS_MAX], tail[WORKERS_TAIL_MAX];
	struct reason failure;
	bool failed = status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0;

	(void) pid;
	prepare->child = NULL;
	loop_timer_set(prepare->deadline, -1);
	worker_log_close(prepare->log);
	worker_log_tail(prepare->log, tail, sizeof(tail));
	exit_words(status, prepare->memory, how);
	if (prepare->too_late)
		reason_set(&failure, "%s of [workers %s] was not done within %lld s",
			   prepare->name, prepare->recipe->name,
			   (long long) prepare->deadline_ms / 1000);
	else
		reason_set(&failure, "%s of [workers %s] %s", prepare->name,
			   prepare->recipe->name, how);
	prepare->callback(failed || prepare->too_late ? failure.text : NULL, tail,
			  prepare->arg);
}

static void on_deadline(void *arg)
{
	struct prepare *prepare = arg;

	prepare->too_late = true;
	kill(-prepare->pid, SIGKILL);
}

static int spawn(struct prepare *prepare, struct loop *loop,
		 const struct prepare_options *options, struct reason *reason)
{
	char **argv =
		recipe_command(options->recipe, options->command, options->variables, reason);
	char *program = argv ? recipe_program_of(options->recipe, argv[0],
						 env_get(options->environment, "PATH"), reason)
			     : NULL;
	int out = -1;

	prepare->pid = -1;
	if (program && worker_log_open(prepare->log, loop, &out) < 0) {
		reason_set(reason, "%s: its output: %s", program, strerror(errno));
	} else if (program) {
		struct spawn_options spawn = {
			.program = program,
			.argv = argv,
			.environment = env_vector(options->environment),
			.in = -1,
			.out = out,
			.err = out,
			.own_session = true,
			.dies_with_us = true,
			.core_dumps = true,
		};
		prepare->pid = spawn_process(&spawn, reason);
	}
	int saved = errno;
	fd_close(&out);
	free(program);
	text_words_free(argv);
	errno = saved;
	return prepare->pid < 0 ? -1 : 0;
}

struct prepare *prepare_start(struct loop *loop, const struct prepare_options *options,
			      prepare_callback *callback, void *arg, struct reason *reason)
{
	struct prepare *prepare = calloc(1, sizeof(*prepare));

	if (!prepare) {
		reason_set(reason, "%s: %s", options->name, strerror(errno));
		return NULL;
	}
	prepare->callback = callback;
	prepare->arg = arg;
	prepare->recipe = options->recipe;
	prepare->memory = options->memory;
	prepare->deadline_ms = options->deadline_ms;
	snprintf(prepare->name, sizeof(prepare->name), "%s", options->name);
	if (!(prepare->log = worker_log_create(options->log_dirfd, options->name)) ||
	    !(prepare->deadline = loop_timer_create(loop, on_deadline, prepare))) {
		reason_set(reason, "%s: %s", options->name, strerror(errno));
		goto error;
	}
	if (spawn(prepare, loop, options, reason) < 0)
		goto error;
	if (!(prepare->child =
		      loop_child_add(loop, prepare->pid, on_exit_of_command, prepare))) {
		reason_set(reason, "watching %s: %s", options->name, strerror(errno));
		kill(-prepare->pid, SIGKILL);
		goto error;
	}
	loop_timer_set(prepare->deadline, options->deadline_ms);
	return prepare;
error:
	prepare_destroy(prepare);
	return NULL;
}

void prepare_destroy(struct prepare *prepare)
{
	int saved = errno;

	if (!prepare)
		return;
	if (prepare->child) {
		kill(-prepare->pid, SIGKILL);
		loop_child_remove(prepare->child);
	}
	loop_timer_destroy(prepare->deadline);
	worker_log_destroy(prepare->log);
	free(prepare);
	errno = saved;
}
