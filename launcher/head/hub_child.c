/* SPDX-License-Identifier: MIT */
/* See hub_child.h. */
#include "launcher/head/hub_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/spawn.h"
#include "launcher/workers/exit_words.h"

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_MAX_MS = 60000, STABLE_MS = 600000, TURNS_MAX = 16 };

struct hub_child {
	struct loop *loop;
	struct hub_child_options options;
	struct hub_child_callbacks callbacks;
	struct loop_child *process;
	struct loop_timer *timer; /* the next start */
	struct loop_fd *in_watch, *out_watch;
	int in, out; /* its stdin and stdout; -1: closed */
	char *queue;
	size_t queued;
	char *line;
	size_t used;
	bool too_long, finishing;
	unsigned deaths;
	int64_t started;
};

static void close_in(struct hub_child *child)
{
	loop_fd_remove(child->in_watch);
	child->in_watch = NULL;
	fd_close(&child->in);
	if (child->queue)
		explicit_bzero(child->queue, child->queued);
	child->queued = 0;
}

static void close_out(struct hub_child *child)
{
	loop_fd_remove(child->out_watch);
	child->out_watch = NULL;
	fd_close(&child->out);
	/* A line may be the server's environment. */
	if (child->line)
		explicit_bzero(child->line, HUB_CHILD_LINE_MAX);
	child->used = 0;
	child->too_long = false;
}

static void flush(struct hub_child *child)
{
	while (child->queued > 0) {
		ssize_t sent = write(child->in, child->queue, child->queued);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN) {
			/* Its end is about to be told. */
			close_in(child);
			return;
		}
		if (sent < 0)
			break;
		child->queued -= (size_t) sent;
		memmove(child->queue, child->queue + sent, child->queued);
	}
	loop_fd_events(child->in_watch, child->queued > 0 ? EPOLLOUT : 0);
}

static void on_writable(uint32_t events, void *arg)
{
	(void) events;
	flush(arg);
}

static void take_line(struct hub_child *child, const char *line, size_t size)
{
	json_error_t error;
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(object))
		child->callbacks.line(object, child->callbacks.arg);
	else
		child->callbacks.trouble("it said something that is not a line of JSON",
					 child->callbacks.arg);
	json_decref(object);
}

/* Whether there may be more at once.  The callbacks do not destroy the child. */
static bool take_output(struct hub_child *child)
{
	ssize_t got =
		read(child->out, child->line + child->used, HUB_CHILD_LINE_MAX - child->used);

	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got <= 0) {
		close_out(child);
		return false;
	}
	child->used += (size_t) got;
	char *end;
	while (child->used > 0 && (end = memchr(child->line, '\n', child->used))) {
		size_t size = (size_t) (end - child->line);

		if (!child->too_long)
			take_line(child, child->line, size);
		child->too_long = false;
		child->used -= size + 1;
		memmove(child->line, end + 1, child->used);
	}
	if (child->used == HUB_CHILD_LINE_MAX) {
		if (!child->too_long)
			child->callbacks.trouble("it said a line of more than 256 KiB",
						 child->callbacks.arg);
		child->too_long = true;
		child->used = 0;
	}
	return true;
}

static void on_readable(uint32_t events, void *arg)
{
	struct hub_child *child = arg;

	(void) events;
	(void) take_output(child);
}

static void on_exit_of_child(pid_t pid, int status, void *arg)
{
	struct hub_child *child = arg;
	char words[EXIT_WORDS_MAX], how[EXIT_WORDS_MAX + 32];

	(void) pid;
	child->process = NULL;
	for (int turns = 0; child->out >= 0 && turns < TURNS_MAX && take_output(child); turns++)
		;
	close_in(child);
	close_out(child);
	snprintf(how, sizeof(how), "jupyter-hub-callback %s", exit_words(status, NULL, words));
	if (loop_now() - child->started > STABLE_MS)
		child->deaths = 0;
	if (child->finishing || ++child->deaths > HUB_CHILD_RESTARTS_MAX) {
		child->callbacks.gone(how, child->callbacks.arg);
		return;
	}
	int64_t delay = child->options.backoff_ms;
	for (unsigned i = 1; i < child->deaths && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	loop_timer_set(child->timer, delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
	child->callbacks.trouble(how, child->callbacks.arg);
}

static int start(struct hub_child *child, struct reason *reason)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	int rc = -1;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    fcntl(in[1], F_SETFL, O_NONBLOCK) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) < 0) {
		reason_set(reason, "jupyter-hub-callback: pipe: %s", strerror(errno));
		goto out;
	}
	struct spawn_options spawn = {
		.program = child->options.program,
		.argv = child->options.argv,
		.environment = child->options.environment,
		.in = in[0],
		.out = out[1],
		.err = STDERR_FILENO,
		.own_session = true,
		.dies_with_us = true,
	};
	pid_t pid = spawn_process(&spawn, reason);
	if (pid < 0)
		goto out;
	child->started = loop_now();
	child->process = loop_child_add(child->loop, pid, on_exit_of_child, child);
	child->in_watch = loop_fd_add(child->loop, in[1], 0, on_writable, child);
	child->out_watch = loop_fd_add(child->loop, out[0], EPOLLIN, on_readable, child);
	child->in = in[1];
	child->out = out[0];
	in[1] = out[0] = -1;
	if (!child->process || !child->in_watch || !child->out_watch) {
		reason_set(reason, "jupyter-hub-callback: %s", strerror(errno));
		kill(pid, SIGKILL);
		goto out;
	}
	rc = 0;
out:
	for (int i = 0; i < 2; i++) {
		fd_close(&in[i]);
		fd_close(&out[i]);
	}
	return rc;
}

static void on_timer(void *arg)
{
	struct hub_child *child = arg;
	struct reason reason;

	if (start(child, &reason) < 0)
		child->callbacks.gone(reason.text, child->callbacks.arg);
	else
		child->callbacks.restarted(child->callbacks.arg);
}

int hub_child_say(struct hub_child *child, json_t *event)
{
	char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;
	size_t size = text ? strlen(text) : 0;
	int rc = -1;

	json_decref(event);
	if (!text || child->in < 0 || child->finishing || size + 1 > HUB_CHILD_LINE_MAX ||
	    child->queued + size + 1 > HUB_CHILD_QUEUE_MAX)
		goto out;
	char *queue = realloc(child->queue, child->queued + size + 1);
	if (!queue)
		goto out;
	child->queue = queue;
	memcpy(queue + child->queued, text, size);
	queue[child->queued + size] = '\n';
	child->queued += size + 1;
	flush(child);
	rc = 0;
out:
	free(text);
	return rc;
}

void hub_child_finish(struct hub_child *child)
{
	child->finishing = true;
	loop_timer_set(child->timer, -1);
}

struct hub_child *hub_child_create(struct loop *loop, const struct hub_child_options *options,
				   const struct hub_child_callbacks *callbacks,
				   struct reason *reason)
{
	struct hub_child *child = calloc(1, sizeof(*child));

	if (!child) {
		reason_set(reason, "%s", strerror(errno));
		return NULL;
	}
	child->loop = loop;
	child->options = *options;
	if (child->options.backoff_ms == 0)
		child->options.backoff_ms = BACKOFF_FIRST_MS;
	child->callbacks = *callbacks;
	child->in = child->out = -1;
	if (!(child->line = malloc(HUB_CHILD_LINE_MAX)) ||
	    !(child->timer = loop_timer_create(loop, on_timer, child))) {
		reason_set(reason, "%s", strerror(errno));
		goto error;
	}
	if (start(child, reason) < 0)
		goto error;
	return child;
error:
	hub_child_destroy(child);
	return NULL;
}

void hub_child_destroy(struct hub_child *child)
{
	int error = errno;

	if (!child)
		return;
	if (child->process) {
		loop_child_kill(child->process, SIGKILL);
		loop_child_remove(child->process);
	}
	close_in(child);
	close_out(child);
	loop_timer_destroy(child->timer);
	free(child->queue);
	free(child->line);
	free(child);
	errno = error;
}
