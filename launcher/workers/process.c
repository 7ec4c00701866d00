/* SPDX-License-Identifier: MIT */
/* See process.h. */
#include "launcher/workers/process.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/spawn.h"
#include "launcher/tail.h"
#include "launcher/workers/exit_words.h"
#include "launcher/workers/memory_kill.h"
#include "launcher/workers/worker_log.h"

struct process {
	struct loop *loop;
	struct worker_log *log;
	struct memory_kill *memory;
	struct loop_timer *kill_timer;
	struct loop_child *child;
	process_ended *ended;
	void *arg;
	pid_t pid;
	bool killed; /* by us */
};

/* Not only the process: what it has started goes with it. */
static void kill_group(struct process *process)
{
	process->killed = true;
	kill(-process->pid, SIGKILL);
	loop_child_kill(process->child, SIGKILL);
}

static void on_kill_timer(void *arg)
{
	struct process *process = arg;

	if (process->child)
		kill_group(process);
}

static void on_exit_of_process(pid_t pid, int status, void *arg)
{
	struct process *process = arg;
	char how[EXIT_WORDS_MAX];

	(void) pid;
	process->child = NULL;
	loop_timer_set(process->kill_timer, -1);
	worker_log_close(process->log);
	exit_words(status, process->killed ? NULL : process->memory, how);
	process->ended(how, status, process->arg);
}

struct process *process_create(struct loop *loop, int log_dirfd, const char *name,
			       process_ended *ended, void *arg)
{
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->loop = loop;
	process->ended = ended;
	process->arg = arg;
	if (!(process->log = worker_log_create(log_dirfd, name)) ||
	    !(process->memory = memory_kill_create("")) ||
	    !(process->kill_timer = loop_timer_create(loop, on_kill_timer, process))) {
		process_destroy(process);
		return NULL;
	}
	return process;
}

void process_destroy(struct process *process)
{
	int error = errno;

	if (!process)
		return;
	if (process->child) {
		kill_group(process);
		loop_child_remove(process->child);
	}
	loop_timer_destroy(process->kill_timer);
	memory_kill_destroy(process->memory);
	worker_log_destroy(process->log);
	free(process);
	errno = error;
}

int process_open_log(struct process *process, int *fd)
{
	return worker_log_open(process->log, process->loop, fd);
}

int process_adopt(struct process *process, pid_t pid)
{
	process->pid = pid;
	process->killed = false;
	memory_kill_forget(process->memory);
	process->child = loop_child_add(process->loop, pid, on_exit_of_process, process);
	return process->child ? 0 : -1;
}

int process_start(struct process *process, const struct process_options *options,
		  struct reason *reason)
{
	int out = -1;

	if (process_open_log(process, &out) < 0)
		return reason_set(reason, "%s: pipe: %s", options->argv[0], strerror(errno));
	struct spawn_options spawn = {
		.program = options->program,
		.argv = options->argv,
		.environment = env_vector(options->environment),
		.in = -1,
		.out = out,
		.err = out,
		.more = options->fds,
		.more_count = options->fd_count,
		.own_session = true,
		.dies_with_us = true,
		.core_dumps = true,
	};
	pid_t pid = spawn.environment ? spawn_process(&spawn, reason)
				      : reason_set(reason, "%s", strerror(errno));
	fd_close(&out);
	if (pid < 0) {
		worker_log_close(process->log);
		return -1;
	}
	if (process_adopt(process, pid) < 0) {
		reason_set(reason, "%s: pidfd: %s", options->argv[0], strerror(errno));
		kill(-pid, SIGKILL);
		return -1;
	}
	return 0;
}

bool process_runs(const struct process *process)
{
	return process && process->child;
}

void process_stop(struct process *process, int64_t grace_ms)
{
	if (!process->child)
		return;
	loop_child_kill(process->child, SIGTERM);
	loop_timer_set(process->kill_timer, grace_ms);
}

const char *process_tail(const struct process *process, char *text, size_t size)
{
	return worker_log_tail(process->log, text, size);
}

const char *process_last_line(const struct process *process, char *text, size_t size)
{
	char tail[TAIL_MAX];

	process_tail(process, tail, sizeof(tail));
	return tail_last_line_of(tail, strlen(tail), text, size);
}
