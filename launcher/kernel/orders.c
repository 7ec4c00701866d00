/* SPDX-License-Identifier: MIT */
/* See orders.h. */
#include "launcher/kernel/orders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"

struct stream {
	struct orders *orders;
	struct loop_fd *watch;
	int fd; /* -1: this place is free */
	char line[ORDERS_LINE_MAX];
	size_t used;
};

struct orders {
	struct loop *loop;
	struct kernels *kernels;
	struct stream streams[ORDERS_STREAMS_MAX];
};

static void stream_close(struct stream *stream)
{
	loop_fd_remove(stream->watch);
	stream->watch = NULL;
	fd_close(&stream->fd);
}

/* The client has gone, or is to go. */
static void stream_end(struct stream *stream)
{
	stream_close(stream);
	kernels_leave(stream->orders->kernels, stream);
}

/* Answers are short: a client who does not read them has gone.  False: close. */
static bool answer(struct stream *stream, const char *line, size_t size)
{
	char *text = kernels_answer(stream->orders->kernels, stream, line, size);
	ssize_t length = text != NULL ? (ssize_t) strlen(text) : 0, sent;

	if (text == NULL)
		return false;
	sent = send(stream->fd, text, (size_t) length, MSG_DONTWAIT | MSG_NOSIGNAL);
	explicit_bzero(text, (size_t) length);
	free(text);
	return sent == length;
}

static void on_stream(uint32_t events, void *arg)
{
	struct stream *stream = arg;
	ssize_t got = recv(stream->fd, stream->line + stream->used,
			   sizeof(stream->line) - stream->used, MSG_DONTWAIT);
	char *end;

	(void) events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		stream_end(stream);
		return;
	}
	stream->used += (size_t) got;
	while ((end = memchr(stream->line, '\n', stream->used)) != NULL) {
		size_t length = (size_t) (end - stream->line);

		if (!answer(stream, stream->line, length)) {
			stream_end(stream);
			return;
		}
		stream->used -= length + 1;
		memmove(stream->line, end + 1, stream->used);
	}
	if (stream->used == sizeof(stream->line))
		stream_end(stream);
}

int orders_take(struct orders *orders, int fd)
{
	struct stream *stream = NULL;

	for (size_t i = 0; stream == NULL && i < ORDERS_STREAMS_MAX; i++) {
		if (orders->streams[i].fd < 0)
			stream = &orders->streams[i];
	}
	if (stream == NULL) {
		fd_close(&fd);
		errno = EMFILE;
		return -1;
	}
	stream->fd = fd;
	stream->used = 0;
	stream->watch = loop_fd_add(orders->loop, fd, EPOLLIN, on_stream, stream);
	if (stream->watch != NULL)
		return 0;
	fd_close(&stream->fd);
	return -1;
}

struct orders *orders_create(struct loop *loop, struct kernels *kernels)
{
	struct orders *orders = calloc(1, sizeof(*orders));

	if (orders == NULL)
		return NULL;
	orders->loop = loop;
	orders->kernels = kernels;
	for (size_t i = 0; i < ORDERS_STREAMS_MAX; i++)
		orders->streams[i] = (struct stream){.orders = orders, .fd = -1};
	return orders;
}

void orders_destroy(struct orders *orders)
{
	int saved = errno;

	if (orders == NULL)
		return;
	for (size_t i = 0; i < ORDERS_STREAMS_MAX; i++)
		stream_close(&orders->streams[i]);
	free(orders);
	errno = saved;
}
