/* SPDX-License-Identifier: MIT */
/* See listener.h. */
#include "launcher/listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "launcher/tcp.h"

enum {
	TURN_PEERS = 32,      /* accepted in one go before others get their turn */
	ACCEPT_PAUSE_MS = 100 /* after descriptors or memory have run out */
};

struct listener {
	struct listener_callbacks callbacks;
	struct network *networks;
	size_t network_count;
	int fd;
	struct loop_fd *watch;
	bool paused;
	struct loop_timer *resume;
	uint64_t refused;
};

static void pause_accept(struct listener *listener, int64_t ms)
{
	listener->paused = true;
	loop_fd_events(listener->watch, 0);
	loop_timer_set(listener->resume, ms);
}

static void resume_accept(void *arg)
{
	struct listener *listener = arg;

	if (!listener->paused)
		return;
	listener->paused = false;
	loop_timer_set(listener->resume, -1);
	if (loop_fd_events(listener->watch, EPOLLIN) < 0)
		pause_accept(listener, ACCEPT_PAUSE_MS);
}

void listener_resume(struct listener *listener)
{
	resume_accept(listener);
}

static bool allowed(const struct listener *listener, const struct sockaddr *address)
{
	for (size_t i = 0; i < listener->network_count; i++)
		if (network_contains(&listener->networks[i], address))
			return true;
	return listener->network_count == 0;
}

/* One peer.  0, or -1 with errno when there is none now. */
static int accept_one(struct listener *listener)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} address;
	socklen_t size = sizeof(address);
	int fd = accept4(listener->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	/* Without a TIME_WAIT for each one who knocks. */
	if (!allowed(listener, &address.any)) {
		tcp_reset(fd);
		listener->refused++;
		return 0;
	}
	tcp_tune(fd);
	if (listener->callbacks.accepted(fd, listener->callbacks.arg) < 0) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static void handle_accept(uint32_t events, void *arg)
{
	struct listener *listener = arg;

	(void) events;
	for (int i = 0; i < TURN_PEERS; i++) {
		int room = listener->callbacks.room(listener->callbacks.arg);

		if (room == 0) {
			pause_accept(listener, -1);
			return;
		}
		if (room > 0 && accept_one(listener) == 0)
			continue;
		switch (errno) {
		case EAGAIN:
			return;
		/* accept(2): what went wrong with that one peer is to be taken as EAGAIN. */
		case EINTR:
		case ECONNABORTED:
		case EPERM:
		case EPROTO:
		case ENETDOWN:
		case ENOPROTOOPT:
		case EHOSTDOWN:
		case ENONET:
		case EHOSTUNREACH:
		case EOPNOTSUPP:
		case ENETUNREACH:
			continue;
		/* Descriptors or memory: the queue stays readable, so do not look at it. */
		default:
			pause_accept(listener, ACCEPT_PAUSE_MS);
			return;
		}
	}
}

struct listener *listener_create(struct loop *loop, int fd, const struct network *networks,
				 size_t network_count,
				 const struct listener_callbacks *callbacks)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener) {
		fd_close(&fd);
		return NULL;
	}
	listener->fd = fd;
	listener->callbacks = *callbacks;
	if (network_count > 0) {
		listener->networks = reallocarray(NULL, network_count, sizeof(*networks));
		if (!listener->networks)
			goto error;
		memcpy(listener->networks, networks, network_count * sizeof(*networks));
		listener->network_count = network_count;
	}
	listener->resume = loop_timer_create(loop, resume_accept, listener);
	listener->watch = loop_fd_add(loop, fd, EPOLLIN, handle_accept, listener);
	if (listener->resume && listener->watch)
		return listener;
error:
	listener_destroy(listener);
	return NULL;
}

void listener_destroy(struct listener *listener)
{
	int saved = errno;

	if (!listener)
		return;
	loop_timer_destroy(listener->resume);
	loop_fd_remove(listener->watch);
	fd_close(&listener->fd);
	free(listener->networks);
	free(listener);
	errno = saved;
}

uint64_t listener_refused(const struct listener *listener)
{
	return listener->refused;
}
