/* SPDX-License-Identifier: MIT */
/* See connection.h: when a kernel that chooses its own ports has written them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/kernel/connection.h"

struct connection_watch {
	struct loop_fd *watch;
	int fd;
	void (*callback)(void *arg);
	void *arg;
};

static void on_change(uint32_t events, void *arg)
{
	struct connection_watch *watch = arg;
	_Alignas(struct inotify_event) char data[4096];
	bool written = false;
	ssize_t size;

	(void) events;
	size = read(watch->fd, data, sizeof(data));
	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event = (const void *) (data + at);

		/* Of more than the queue holds we know nothing. */
		if ((event->mask & IN_Q_OVERFLOW) != 0 ||
		    (event->len > 0 && strcmp(event->name, CONNECTION_FILE) == 0))
			written = true;
		at += (ssize_t) (sizeof(*event) + event->len);
	}
	if (written)
		watch->callback(watch->arg);
}

struct connection_watch *connection_watch_create(struct loop *loop,
						 const struct connection *connection,
						 void (*callback)(void *arg), void *arg)
{
	struct connection_watch *watch = calloc(1, sizeof(*watch));
	char *directory = NULL;

	if (watch == NULL)
		return NULL;
	watch->callback = callback;
	watch->arg = arg;
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	directory = strdup(connection_file(connection));
	if (watch->fd < 0 || directory == NULL)
		goto error;
	*strrchr(directory, '/') = '\0';
	if (inotify_add_watch(watch->fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
		goto error;
	watch->watch = loop_fd_add(loop, watch->fd, EPOLLIN, on_change, watch);
	if (watch->watch == NULL)
		goto error;
	free(directory);
	return watch;

error:
	free(directory);
	connection_watch_destroy(watch);
	return NULL;
}

void connection_watch_destroy(struct connection_watch *watch)
{
	int saved = errno;

	if (watch == NULL)
		return;
	loop_fd_remove(watch->watch);
	fd_close(&watch->fd);
	free(watch);
	errno = saved;
}
