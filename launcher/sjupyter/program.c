/* SPDX-License-Identifier: MIT */
/* See program.h. */
#include "launcher/sjupyter/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/spawn.h"

enum {
	CHUNK = 16384,
	LOOK_MS = 10,	     /* at its end, where there is no pidfd_open(2): before Linux 5.3 */
	KILL_AFTER_MS = 3000 /* for srun to give its allocation back */
};

struct run {
	const struct program *program;
	pid_t pid;
	int pidfd;
	int out, err;	/* our ends; -1 closed */
	int64_t end_at; /* loop_now() */
	char *text;
	size_t size, room;
	size_t told; /* bytes of text given to line() */
	char *errors;
	size_t errors_size;
};

static char *find(const char *name)
{
	char *path = spawn_find(name, getenv("PATH"));

	return path ? path : spawn_find(name, "/usr/bin");
}

/* The text as a file to read from: no pipe, so nothing to write while it runs. */
static int input_open(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && (fd_write_all(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		fd_close(&fd);
	return fd;
}

/* Waits for its end, also after Ctrl-C if it is being stopped.  1, 0 when it does not come by
 * `until`, or -1 with EINTR. */
static int wait_end(const struct run *run, int64_t until, bool is_stopping)
{
	struct pollfd end = {.fd = run->pidfd, .events = POLLIN};

	for (;;) {
		siginfo_t info = {0};
		if (waitid(P_PID, (id_t) run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == run->pid)
			return 1;
		int64_t left = until - loop_now();
		if (left <= 0)
			return 0;
		if (run->pidfd < 0 && left > LOOK_MS)
			left = LOOK_MS;
		if (is_stopping)
			(void) poll(&end, 1, (int) left);
		else if (interrupt_poll(&end, 1, left) < 0)
			return -1;
	}
}

static void stop(const struct run *run)
{
	int error = errno;

	/* It is the leader of a process group of its own, so its children go too. */
	kill(-run->pid, SIGTERM);
	if (wait_end(run, loop_now() + KILL_AFTER_MS, true) != 1)
		kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = error;
}

static int start(struct run *run, const char *path, struct reason *reason)
{
	extern char **environ;
	const struct program *program = run->program;
	int out[2] = {-1, -1}, err[2] = {-1, -1}, in = -1;

	if ((program->input && (in = input_open(program->input)) < 0) ||
	    pipe2(out, O_CLOEXEC) < 0 || (!program->show_errors && pipe2(err, O_CLOEXEC) < 0)) {
		reason_set(reason, "%s: %s", program->argv[0], strerror(errno));
		run->pid = -1;
	} else {
		struct spawn_options options = {
			.program = path,
			.argv = (char *const *) program->argv,
			.environment = program->environment ? env_vector(program->environment)
							    : environ,
			.in = in,
			.out = out[1],
			.err = program->show_errors ? STDERR_FILENO : err[1],
			/* Ctrl-C is ours to handle, not also the child's. */
			.own_session = true,
			.dies_with_us = true,
		};
		run->pid = spawn_process(&options, reason);
	}
	int error = errno;
	fd_close(&in);
	fd_close(&out[1]);
	fd_close(&err[1]);
	run->out = out[0];
	run->err = err[0];
	errno = error;
	/* A child of ours, not reaped yet, so the pid is its own. */
	if (run->pid > 0)
		run->pidfd = (int) syscall(SYS_pidfd_open, run->pid, 0);
	return run->pid < 0 ? -1 : 0;
}

static void tell_lines(struct run *run)
{
	char *newline;

	if (!run->program->line)
		return;
	while ((newline = memchr(run->text + run->told, '\n', run->size - run->told))) {
		*newline = '\0';
		run->program->line(run->text + run->told, run->program->arg);
		*newline = '\n';
		run->told = (size_t) (newline - run->text) + 1;
	}
}

static int read_out(struct run *run)
{
	if (run->room - run->size < CHUNK + 1) {
		size_t room = run->room * 2 + 2 * CHUNK;
		char *text = realloc(run->text, room);
		if (!text)
			return -1;
		run->text = text;
		run->room = room;
	}
	ssize_t got = read(run->out, run->text + run->size, CHUNK);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	if (got == 0)
		fd_close(&run->out);
	run->size += (size_t) got;
	run->text[run->size] = '\0';
	if (run->size > run->program->output_max) {
		errno = EFBIG;
		return -1;
	}
	tell_lines(run);
	return 0;
}

/* Keeps the last bytes. */
static int read_err(struct run *run)
{
	char chunk[PROGRAM_ERRORS_MAX / 2];
	size_t most = PROGRAM_ERRORS_MAX - 1;
	ssize_t got = read(run->err, chunk, sizeof(chunk));

	if (got < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	if (got == 0)
		fd_close(&run->err);
	size_t size = (size_t) got;
	if (run->errors_size + size > most) {
		size_t dropped = run->errors_size + size - most;
		memmove(run->errors, run->errors + dropped, run->errors_size - dropped);
		run->errors_size -= dropped;
	}
	memcpy(run->errors + run->errors_size, chunk, size);
	run->errors_size += size;
	run->errors[run->errors_size] = '\0';
	return 0;
}

static int64_t time_left(const struct run *run)
{
	int64_t left = run->end_at - loop_now();

	return left > 0 ? left : 0;
}

/* Reads until the program has closed both. */
static int collect(struct run *run)
{
	while (run->out >= 0 || run->err >= 0) {
		struct pollfd fds[] = {{.fd = run->out, .events = POLLIN},
				       {.fd = run->err, .events = POLLIN}};
		if (time_left(run) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (interrupt_poll(fds, 2, time_left(run)) < 0 ||
		    (fds[0].revents && read_out(run) < 0) ||
		    (fds[1].revents && read_err(run) < 0))
			return -1;
	}
	return 0;
}

/* It has closed its output; takes its status. */
static int reap(const struct run *run, int *status)
{
	int ended = wait_end(run, run->end_at, false);

	if (ended == 0)
		errno = ETIMEDOUT;
	return ended == 1 && waitpid(run->pid, status, 0) == run->pid ? 0 : -1;
}

static int explain(const struct run *run, struct reason *reason)
{
	const char *name = run->program->argv[0];

	if (errno == ETIMEDOUT)
		return reason_set(reason, "%s has not answered within %lld s", name,
				  (long long) run->program->deadline_ms / 1000);
	if (errno == EFBIG)
		return reason_set(reason, "%s has printed more than %zu bytes", name,
				  run->program->output_max);
	return reason_set(reason, "%s: %s", name, strerror(errno));
}

int program_run(const struct program *program, struct program_output *output,
		struct reason *reason)
{
	struct run run = {.program = program,
			  .pidfd = -1,
			  .out = -1,
			  .err = -1,
			  .errors = output->errors};
	char *path = find(program->argv[0]);
	int status = 0, rc = -1;

	if (!path)
		return reason_set(reason, "%s is neither in PATH nor in /usr/bin",
				  program->argv[0]);
	output->errors[0] = '\0';
	run.end_at = loop_now() + program->deadline_ms;
	if (!(run.text = calloc(1, 1))) {
		reason_set(reason, "%s: %s", program->argv[0], strerror(errno));
		goto out;
	}
	if (start(&run, path, reason) < 0)
		goto out;
	if (collect(&run) < 0 || reap(&run, &status) < 0) {
		stop(&run);
		explain(&run, reason);
		goto out;
	}
	output->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	output->text = run.text;
	output->size = run.size;
	run.text = NULL;
	rc = 0;
out:
	fd_close(&run.pidfd);
	fd_close(&run.out);
	fd_close(&run.err);
	int error = errno;
	free(run.text);
	free(path);
	errno = error;
	return rc;
}

const char *program_complaint(struct program_output *output, struct reason *reason)
{
	char *last = NULL, *rest = output->errors;
	int is_error = 0;

	for (char *line; (line = strsep(&rest, "\n"));) {
		int says_error = strstr(line, "error") != NULL;
		if (*line && says_error >= is_error) {
			last = line;
			is_error = says_error;
		}
	}
	if (last)
		reason_set(reason, "%s", last);
	else
		reason_set(reason, "exit status %d", output->status);
	return reason->text;
}
