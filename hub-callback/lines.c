/* SPDX-License-Identifier: MIT */
/* See lines.h. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hub-callback/lines.h"

struct lines {
	struct loop *loop;
	struct loop_fd *watch;	  /* NULL once closed */
	struct loop_timer *timer; /* instead of it for a file, which epoll does not take */
	struct lines_callbacks callbacks;
	int fd;
	bool closed;
	bool too_long; /* the rest of the line is passed over */
	size_t used;
	char line[LINES_MAX];
};

/* Gives out the whole lines, and keeps the rest. */
static void take(struct lines *lines)
{
	char *start = lines->line, *end = lines->line + lines->used, *newline;

	while ((newline = memchr(start, '\n', (size_t) (end - start)))) {
		*newline = '\0';
		if (lines->too_long)
			lines->callbacks.too_long(lines->callbacks.arg);
		else
			lines->callbacks.line(start, (size_t) (newline - start),
					      lines->callbacks.arg);
		lines->too_long = false;
		start = newline + 1;
	}
	lines->used = (size_t) (end - start);
	memmove(lines->line, start, lines->used);
	if (lines->used == sizeof(lines->line)) {
		lines->too_long = true;
		lines->used = 0;
	}
}

static void close_lines(struct lines *lines)
{
	lines->closed = true;
	loop_fd_remove(lines->watch);
	lines->watch = NULL;
	/* What was said may hold secrets; a line that was cut is no line. */
	explicit_bzero(lines->line, sizeof(lines->line));
	lines->callbacks.closed(lines->callbacks.arg);
}

static void read_piece(struct lines *lines)
{
	ssize_t got =
		read(lines->fd, lines->line + lines->used, sizeof(lines->line) - lines->used);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		close_lines(lines);
		return;
	}
	lines->used += (size_t) got;
	take(lines);
}

static void on_ready(uint32_t events, void *arg)
{
	(void) events;
	read_piece(arg);
}

static void on_turn(void *arg)
{
	struct lines *lines = arg;

	read_piece(lines);
	if (!lines->closed)
		loop_timer_set(lines->timer, 0);
}

struct lines *lines_create(struct loop *loop, int fd, const struct lines_callbacks *callbacks)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	if (!lines)
		return NULL;
	lines->loop = loop;
	lines->fd = fd;
	lines->callbacks = *callbacks;
	lines->timer = loop_timer_create(loop, on_turn, lines);
	if (!lines->timer)
		goto error;
	lines->watch = loop_fd_add(loop, fd, EPOLLIN, on_ready, lines);
	if (!lines->watch && errno != EPERM)
		goto error;
	if (!lines->watch)
		loop_timer_set(lines->timer, 0);
	return lines;

error:
	lines_destroy(lines);
	return NULL;
}

void lines_destroy(struct lines *lines)
{
	int saved = errno;

	if (!lines)
		return;
	loop_fd_remove(lines->watch);
	loop_timer_destroy(lines->timer);
	explicit_bzero(lines->line, sizeof(lines->line));
	free(lines);
	errno = saved;
}

/* A pipe that is ready takes PIPE_BUF bytes without blocking. */
static int write_patiently(int fd, const char *text, size_t size)
{
	int64_t end = loop_now() + LINES_PATIENCE_MS;

	while (size > 0) {
		struct pollfd ready = {.fd = fd, .events = POLLOUT};
		size_t piece = size < PIPE_BUF ? size : PIPE_BUF;
		int64_t left = end - loop_now();
		ssize_t written;
		int rc = poll(&ready, 1, left > 0 ? (int) left : 0);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0) {
			if (rc == 0)
				errno = ETIMEDOUT;
			return -1;
		}
		written = write(fd, text, piece);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0)
			return -1;
		text += written;
		size -= (size_t) written;
	}
	return 0;
}

int lines_say(int fd, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t size;
	int rc, saved;

	if (!text) {
		errno = ENOMEM;
		return -1;
	}
	size = strlen(text);
	if (size >= LINES_MAX) {
		errno = EMSGSIZE;
		rc = -1;
	} else {
		text[size] = '\n'; /* in the NUL's place */
		rc = write_patiently(fd, text, size + 1);
	}
	saved = errno;
	explicit_bzero(text, size);
	free(text);
	errno = saved;
	return rc;
}
