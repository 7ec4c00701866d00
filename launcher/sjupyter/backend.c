/* SPDX-License-Identifier: MIT */
/* See backend.h. */
#include "launcher/sjupyter/backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/sjupyter/follow.h"

enum {
	LOOK_MS = 15000,  /* between two looks at the locks, which cost the head nothing */
	ANSWER_MS = 5000, /* for the port to answer; a silent one proves nothing */
	REFUSALS = 3	  /* in a row */
};

struct backend {
	struct loop *loop;
	union backend_address address;
	socklen_t length;
	int state_fd;
	void (*gone)(void *arg);
	void *arg;
	struct loop_timer *timer;
	int fd; /* while it is asked; -1 */
	struct loop_fd *watch;
	int refusals;
};

int backend_address(union backend_address *address, const char *ip, unsigned port,
		    socklen_t *length)
{
	memset(address, 0, sizeof(*address));
	if (ip && port && inet_pton(AF_INET, ip, &address->v4.sin_addr) == 1) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_port = htons((in_port_t) port);
		*length = sizeof(address->v4);
		return 0;
	}
	if (ip && port && inet_pton(AF_INET6, ip, &address->v6.sin6_addr) == 1) {
		address->v6.sin6_family = AF_INET6;
		address->v6.sin6_port = htons((in_port_t) port);
		*length = sizeof(address->v6);
		return 0;
	}
	errno = EINVAL;
	return -1;
}

static void answered(struct backend *backend, int error)
{
	loop_fd_remove(backend->watch);
	backend->watch = NULL;
	fd_close(&backend->fd);
	loop_timer_set(backend->timer, LOOK_MS);
	backend->refusals = error == ECONNREFUSED ? backend->refusals + 1 : 0;
	if (backend->refusals == REFUSALS)
		backend->gone(backend->arg);
}

static void on_connected(uint32_t events, void *arg)
{
	struct backend *backend = arg;
	int error = 0;
	socklen_t size = sizeof(error);

	(void) events;
	if (getsockopt(backend->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	answered(backend, error);
}

static void ask(struct backend *backend)
{
	backend->fd = socket(backend->address.any.sa_family,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (backend->fd < 0)
		return;
	int rc = connect(backend->fd, &backend->address.any, backend->length);
	if (rc == 0 || errno != EINPROGRESS) {
		answered(backend, rc == 0 ? 0 : errno);
		return;
	}
	backend->watch =
		loop_fd_add(backend->loop, backend->fd, EPOLLOUT, on_connected, backend);
	if (backend->watch)
		loop_timer_set(backend->timer, ANSWER_MS);
	else
		fd_close(&backend->fd);
}

static void on_timer(void *arg)
{
	struct backend *backend = arg;

	loop_timer_set(backend->timer, LOOK_MS);
	if (backend->fd >= 0)
		answered(backend, ETIMEDOUT);
	else if (follow_locks_held(backend->state_fd))
		backend->refusals = 0;
	else
		ask(backend);
}

struct backend *backend_create(struct loop *loop, const union backend_address *address,
			       int state_fd, void (*gone)(void *arg), void *arg)
{
	struct backend *backend = calloc(1, sizeof(*backend));

	if (!backend)
		return NULL;
	*backend = (struct backend){
		.loop = loop,
		.address = *address,
		.length = address->any.sa_family == AF_INET ? sizeof(address->v4)
							    : sizeof(address->v6),
		.state_fd = state_fd,
		.gone = gone,
		.arg = arg,
		.timer = loop_timer_create(loop, on_timer, backend),
		.fd = -1,
	};
	if (!backend->timer) {
		free(backend);
		return NULL;
	}
	loop_timer_set(backend->timer, LOOK_MS);
	return backend;
}

void backend_destroy(struct backend *backend)
{
	if (!backend)
		return;
	loop_fd_remove(backend->watch);
	loop_timer_destroy(backend->timer);
	fd_close(&backend->fd);
	free(backend);
}
