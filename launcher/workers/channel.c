/* SPDX-License-Identifier: MIT */
/* See channel.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "launcher/workers/channel.h"

enum {
	PIECE = 4096,	  /* bytes read in one round */
	DRAIN_PIECES = 64 /* of a process that has ended: it may have children that write on */
};

struct channel {
	struct loop_fd *watch; /* NULL once closed */
	struct channel_callbacks callbacks;
	int fd;
	char line[CHANNEL_LINE_MAX];
	size_t used;
	bool too_long;	  /* the rest of the line is passed over */
	unsigned reading; /* rounds of read_piece() that run, from within each other */
	bool ending;	  /* destroyed by a callback: the last of these frees */
};

int channel_pair(int *ours, int *theirs)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	*ours = ends[0];
	*theirs = ends[1];
	return 0;
}

static bool is_line(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return size > 0 && size < CHANNEL_LINE_MAX;
}

static void refuse(struct channel *channel, const char *why)
{
	if (channel->callbacks.refused)
		channel->callbacks.refused(why, channel->callbacks.arg);
}

static void end_line(struct channel *channel)
{
	size_t size = channel->used;
	bool too_long = channel->too_long;

	channel->used = 0;
	channel->too_long = false;
	if (too_long) {
		refuse(channel, "a line has over 255 bytes");
	} else if (!is_line(channel->line, size)) {
		refuse(channel, "a line is empty or not printable ASCII");
	} else {
		channel->line[size] = '\0';
		channel->callbacks.line(channel->line, channel->callbacks.arg);
	}
}

static void take(struct channel *channel, const char *data, size_t size)
{
	for (size_t i = 0; i < size && !channel->ending; i++) {
		if (data[i] == '\n')
			end_line(channel);
		else if (channel->used < CHANNEL_LINE_MAX - 1)
			channel->line[channel->used++] = data[i];
		else
			channel->too_long = true;
	}
}

static void end_of_file(struct channel *channel)
{
	loop_fd_remove(channel->watch);
	channel->watch = NULL;
	/* The other side sees our end now too; a line that was cut is no line. */
	fd_close(&channel->fd);
	channel->callbacks.closed(channel->callbacks.arg);
}

/* Reads once; whether there may be more at once. */
static bool read_piece(struct channel *channel)
{
	char data[PIECE];
	ssize_t got = recv(channel->fd, data, sizeof(data), MSG_DONTWAIT);
	bool more;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	channel->reading++;
	if (got > 0)
		take(channel, data, (size_t) got);
	else
		end_of_file(channel);
	channel->reading--;
	more = channel->watch;
	if (channel->ending)
		channel_destroy(channel);
	return more;
}

static void on_ready(uint32_t events, void *arg)
{
	(void) events;
	(void) read_piece(arg);
}

struct channel *channel_create(struct loop *loop, int fd,
			       const struct channel_callbacks *callbacks)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel) {
		fd_close(&fd);
		return NULL;
	}
	channel->fd = fd;
	channel->callbacks = *callbacks;
	if (!(channel->watch = loop_fd_add(loop, fd, EPOLLIN, on_ready, channel))) {
		channel_destroy(channel);
		return NULL;
	}
	return channel;
}

void channel_destroy(struct channel *channel)
{
	int saved = errno;

	if (!channel)
		return;
	loop_fd_remove(channel->watch);
	channel->watch = NULL;
	fd_close(&channel->fd);
	channel->ending = channel->reading > 0;
	if (!channel->ending)
		free(channel);
	errno = saved;
}

int channel_say(struct channel *channel, const char *line)
{
	size_t size = strlen(line);
	char data[CHANNEL_LINE_MAX];

	if (!is_line(line, size)) {
		errno = EINVAL;
		return -1;
	}
	if (!channel || channel->fd < 0) {
		errno = EPIPE;
		return -1;
	}
	memcpy(data, line, size);
	data[size] = '\n';
	/* Linux takes so few bytes for a unix stream socket whole or not at all. */
	if (send(channel->fd, data, size + 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == ECONNRESET)
			errno = EPIPE;
		return -1;
	}
	return 0;
}

void channel_drain(struct channel *channel)
{
	for (int i = 0; i < DRAIN_PIECES && channel->watch && read_piece(channel); i++)
		;
}
