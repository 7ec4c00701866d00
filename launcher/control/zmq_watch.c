/* SPDX-License-Identifier: MIT */
/* See zmq_watch.h. */
#include "launcher/control/zmq_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <zmq.h>

/* Messages in one turn; few enough that the relay's clients do not notice, under 1 ms. */
enum { BATCH = 64 };

struct zmq_watch {
	void *socket;
	struct loop_fd *watch;
	struct loop_timer *again; /* a message is known to wait, but ZMQ_FD may not tell */
	zmq_watch_callback *callback;
	zmq_watch_callback *writable; /* NULL: nobody waits */
	void *arg;
	bool paused, dispatching, ending; /* destroyed from within the callback */
};

static int events_of(const struct zmq_watch *watch)
{
	int events = 0;
	size_t size = sizeof(events);

	return zmq_getsockopt(watch->socket, ZMQ_EVENTS, &events, &size) == 0 ? events : 0;
}

bool zmq_watch_readable(const struct zmq_watch *watch)
{
	return (events_of(watch) & ZMQ_POLLIN) != 0;
}

bool zmq_watch_writable(const struct zmq_watch *watch)
{
	return (events_of(watch) & ZMQ_POLLOUT) != 0;
}

void zmq_watch_check(struct zmq_watch *watch)
{
	int events = events_of(watch);

	if (((events & ZMQ_POLLIN) && !watch->paused) ||
	    ((events & ZMQ_POLLOUT) && watch->writable))
		loop_timer_set(watch->again, 0);
}

void zmq_watch_pause(struct zmq_watch *watch, bool paused)
{
	watch->paused = paused;
	zmq_watch_check(watch);
}

void zmq_watch_wait(struct zmq_watch *watch, zmq_watch_callback *writable)
{
	watch->writable = writable;
	zmq_watch_check(watch);
}

static void tell_writable(struct zmq_watch *watch)
{
	zmq_watch_callback *writable = watch->writable;

	watch->writable = NULL;
	writable(watch->arg);
	if (!watch->ending)
		zmq_watch_check(watch);
}

/* Ends with ZMQ_EVENTS asked and nothing there, or with the timer armed; nothing lies in
 * between. */
static void dispatch(struct zmq_watch *watch)
{
	int events = 0;

	watch->dispatching = true;
	for (int count = 0; !watch->ending; count++) {
		events = events_of(watch);
		if (watch->paused || !(events & ZMQ_POLLIN))
			break;
		if (count == BATCH) {
			loop_timer_set(watch->again, 0);
			break;
		}
		watch->callback(watch->arg);
	}
	if (!watch->ending && watch->writable && (events & ZMQ_POLLOUT))
		tell_writable(watch);
	watch->dispatching = false;
	if (watch->ending)
		free(watch);
}

static void on_fd(uint32_t events, void *arg)
{
	(void) events;
	dispatch(arg);
}

static void on_again(void *arg)
{
	dispatch(arg);
}

struct zmq_watch *zmq_watch_create(struct loop *loop, void *socket,
				   zmq_watch_callback *callback, void *arg)
{
	struct zmq_watch *watch = calloc(1, sizeof(*watch));
	int fd = -1;
	size_t size = sizeof(fd);

	if (!watch)
		return NULL;
	watch->socket = socket;
	watch->callback = callback;
	watch->arg = arg;
	if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) < 0)
		goto error;
	watch->again = loop_timer_create(loop, on_again, watch);
	if (!watch->again)
		goto error;
	/* Level-triggered: readable until ZMQ_EVENTS is asked, so no edge can be missed here.
	 */
	watch->watch = loop_fd_add(loop, fd, EPOLLIN, on_fd, watch);
	if (!watch->watch)
		goto error;
	zmq_watch_check(watch);
	return watch;

error:
	zmq_watch_destroy(watch);
	return NULL;
}

void zmq_watch_destroy(struct zmq_watch *watch)
{
	int saved = errno;

	if (!watch)
		return;
	loop_fd_remove(watch->watch);
	loop_timer_destroy(watch->again);
	watch->ending = true;
	if (!watch->dispatching)
		free(watch);
	errno = saved;
}
