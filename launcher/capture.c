/* SPDX-License-Identifier: MIT */
/* See capture.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/capture.h"
#include "launcher/workers/exit_words.h"

struct capture {
	capture_callback *callback;
	void *arg;
	struct loop_timer *deadline;
	struct loop_child *child;
	struct loop_fd *watch;
	pid_t pid;
	int status;
	int fd;
	char *output;
	size_t used, size, max;
	const char *killed; /* why we ended it */
};

/* Both the end of the program and the end of its output are needed; the former ends both. */
static void check(struct capture *capture)
{
	char failure[EXIT_WORDS_MAX];

	if (capture->child || capture->watch)
		return;
	loop_timer_set(capture->deadline, -1);
	if (capture->killed)
		snprintf(failure, sizeof(failure), "%s", capture->killed);
	else
		exit_words(capture->status, NULL, failure);
	bool failed = capture->killed || !WIFEXITED(capture->status) ||
		      WEXITSTATUS(capture->status) != 0;
	capture->output[capture->used] = '\0';
	capture->callback(failed ? failure : NULL, capture->output, capture->used,
			  capture->arg);
}

static void end_output(struct capture *capture)
{
	loop_fd_remove(capture->watch);
	capture->watch = NULL;
}

static void end_program(struct capture *capture, const char *why)
{
	if (!capture->killed)
		capture->killed = why;
	kill(-capture->pid, SIGKILL);
	end_output(capture);
}

/* Reads once; whether there may be more at once. */
static bool take_output(struct capture *capture)
{
	if (capture->used + 1 == capture->size) {
		/* One byte beyond max tells too much from just enough; one for the NUL. */
		size_t most = capture->max + 2, twice = 2 * capture->size;
		size_t size = twice < most ? twice : most;
		char *output = realloc(capture->output, size);
		if (!output) {
			end_program(capture, "no memory for what it printed");
			return false;
		}
		capture->output = output;
		capture->size = size;
	}
	ssize_t got = read(capture->fd, capture->output + capture->used,
			   capture->size - capture->used - 1);
	if (got > 0) {
		capture->used += (size_t) got;
		if (capture->used <= capture->max)
			return true;
		capture->used = capture->max;
		end_program(capture, "it printed too much");
		return false;
	}
	if (got < 0 && errno == EINTR)
		return true;
	if (got == 0 || errno != EAGAIN)
		end_output(capture);
	return false;
}

/* All that the program has printed is in the pipe; its children may hold that open for long. */
static void on_exit_of_program(pid_t pid, int status, void *arg)
{
	struct capture *capture = arg;

	(void) pid;
	capture->child = NULL;
	capture->status = status;
	while (capture->watch && take_output(capture))
		;
	end_output(capture);
	check(capture);
}

static void on_output(uint32_t events, void *arg)
{
	struct capture *capture = arg;

	(void) events;
	(void) take_output(capture);
	check(capture);
}

static void on_deadline(void *arg)
{
	struct capture *capture = arg;

	end_program(capture, "not done in time");
	check(capture);
}

struct capture *capture_start(struct loop *loop, struct spawn_options *options, size_t max,
			      int64_t deadline_ms, capture_callback *callback, void *arg,
			      struct reason *reason)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int ends[2] = {-1, -1};

	if (!capture ||
	    !(capture->output = malloc(capture->size = max < 4096 ? max + 2 : 4096)) ||
	    pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		reason_set(reason, "%s: %s", options->program, strerror(errno));
		goto error;
	}
	capture->callback = callback;
	capture->arg = arg;
	capture->max = max;
	options->own_session = true;
	options->out = ends[1];
	if ((capture->pid = spawn_process(options, reason)) < 0)
		goto error;
	fd_close(&ends[1]);
	if (!(capture->child =
		      loop_child_add(loop, capture->pid, on_exit_of_program, capture)) ||
	    !(capture->watch = loop_fd_add(loop, ends[0], EPOLLIN, on_output, capture)) ||
	    !(capture->deadline = loop_timer_create(loop, on_deadline, capture))) {
		reason_set(reason, "%s: %s", options->program, strerror(errno));
		kill(-capture->pid, SIGKILL);
		goto error;
	}
	capture->fd = ends[0];
	loop_timer_set(capture->deadline, deadline_ms);
	return capture;
error:
	if (capture)
		capture->fd = ends[0];
	else
		fd_close(&ends[0]);
	fd_close(&ends[1]);
	capture_destroy(capture);
	return NULL;
}

void capture_destroy(struct capture *capture)
{
	int error = errno;

	if (!capture)
		return;
	if (capture->child) {
		kill(-capture->pid, SIGKILL);
		loop_child_remove(capture->child);
	}
	loop_fd_remove(capture->watch);
	loop_timer_destroy(capture->deadline);
	fd_close(&capture->fd);
	free(capture->output);
	free(capture);
	errno = error;
}
