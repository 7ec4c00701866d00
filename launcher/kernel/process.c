/* SPDX-License-Identifier: MIT */
/* See process.h. */
#include "launcher/kernel/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/tail.h"
#include "launcher/workers/exit_words.h"

/* Pieces read of a process that has ended: what it has started may hold the pipe and write on.
 */
enum { LAST_PIECES = 64 };

struct kernel_process {
	struct session_log *log;
	struct memory_kill *memory;
	kernel_process_callback *callback;
	void *arg;
	pid_t pid;   /* and that of its group */
	bool killed; /* by us */
	struct loop_child *child;
	struct loop_fd *watch;
	int fd;
	struct tail tail;
};

/* 0 when there may be more. */
static int read_piece(struct kernel_process *process)
{
	char data[8192];
	ssize_t got = read(process->fd, data, sizeof(data));

	if (got > 0) {
		if (process->log != NULL)
			session_log_bytes(process->log, data, (size_t) got);
		tail_keep(&process->tail, data, (size_t) got);
		return 0;
	}
	if (got == 0)
		errno = 0;
	return got < 0 && errno == EINTR ? 0 : -1;
}

static void close_output(struct kernel_process *process)
{
	loop_fd_remove(process->watch);
	process->watch = NULL;
	fd_close(&process->fd);
}

static void on_output(uint32_t events, void *arg)
{
	struct kernel_process *process = arg;

	(void) events;
	if (read_piece(process) < 0 && errno != EAGAIN)
		close_output(process);
}

static void on_exit_of_process(pid_t pid, int status, void *arg)
{
	struct kernel_process *process = arg;
	char how[EXIT_WORDS_MAX];

	(void) pid;
	process->child = NULL;
	for (int i = 0; i < LAST_PIECES && process->fd >= 0 && read_piece(process) == 0; i++)
		;
	close_output(process);
	exit_words(status, process->killed ? NULL : process->memory, how);
	process->callback(status, how, process->arg);
}

struct kernel_process *kernel_process_start(struct loop *loop, struct spawn_options *options,
					    struct session_log *log, struct memory_kill *memory,
					    kernel_process_callback *callback, void *arg,
					    struct reason *reason)
{
	struct kernel_process *process = calloc(1, sizeof(*process));
	int ends[2] = {-1, -1};

	if (process == NULL) {
		reason_set(reason, "%s", strerror(errno));
		return NULL;
	}
	*process = (struct kernel_process){
		.log = log, .memory = memory, .callback = callback, .arg = arg, .fd = -1};
	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		reason_set(reason, "%s: pipe: %s", options->program, strerror(errno));
		goto error;
	}
	process->fd = ends[0];
	if (memory != NULL)
		memory_kill_forget(memory);
	options->in = -1;
	options->out = options->err = ends[1];
	options->own_session = true;
	options->dies_with_us = true;
	options->core_dumps = true;
	process->pid = spawn_process(options, reason);
	if (process->pid < 0)
		goto error;
	process->child = loop_child_add(loop, process->pid, on_exit_of_process, process);
	if (process->child == NULL) {
		reason_set(reason, "%s: pidfd: %s", options->program, strerror(errno));
		kill(-process->pid, SIGKILL);
		goto error;
	}
	process->watch = loop_fd_add(loop, process->fd, EPOLLIN, on_output, process);
	if (process->watch == NULL) {
		reason_set(reason, "%s: its output: %s", options->program, strerror(errno));
		goto error;
	}
	fd_close(&ends[1]);
	return process;

error:
	fd_close(&ends[1]);
	if (process->fd < 0)
		fd_close(&ends[0]);
	kernel_process_destroy(process);
	return NULL;
}

void kernel_process_signal(struct kernel_process *process, int signo, bool group)
{
	process->killed |= signo == SIGKILL;
	/* Its pid is not anybody else's before it is reaped, which the loop does. */
	if (process->child != NULL && group)
		kill(-process->pid, signo);
	else if (process->child != NULL)
		loop_child_kill(process->child, signo);
}

void kernel_process_destroy(struct kernel_process *process)
{
	int saved = errno;

	if (process == NULL)
		return;
	kernel_process_signal(process, SIGKILL, true);
	loop_child_remove(process->child);
	close_output(process);
	free(process);
	errno = saved;
}

pid_t kernel_process_pid(const struct kernel_process *process)
{
	return process->pid;
}

const char *kernel_process_last_words(const struct kernel_process *process, char *line,
				      size_t size)
{
	return tail_last_line(&process->tail, line, size);
}
