/* SPDX-License-Identifier: MIT */
/*
 * The event loop: epoll for descriptors, one signalfd; the timers are in loop_timer.c, the
 * children in loop_child.c.  Used by jupyter-launch, jupyter-agent and sjupyter tunnel, as the
 * user.
 */
#include "launcher/loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct loop_fd {
	LIST_ENTRY(loop_fd) link;
	struct loop *loop;
	int fd;
	uint32_t events; /* 0: not in the epoll set, and not called */
	loop_fd_callback *callback;
	void *arg;
};

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->signal_fd = -1;
	sigemptyset(&loop->signal_set);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

static void free_removed(struct loop *loop)
{
	while (!LIST_EMPTY(&loop->removed)) {
		struct loop_fd *watch = LIST_FIRST(&loop->removed);

		LIST_REMOVE(watch, link);
		free(watch);
	}
}

void loop_destroy(struct loop *loop)
{
	int saved = errno;

	if (!loop)
		return;
	while (!LIST_EMPTY(&loop->children))
		loop_child_remove(LIST_FIRST(&loop->children));
	while (!LIST_EMPTY(&loop->timers))
		loop_timer_destroy(LIST_FIRST(&loop->timers));
	while (!LIST_EMPTY(&loop->fds))
		loop_fd_remove(LIST_FIRST(&loop->fds));
	free_removed(loop);
	free(loop->heap);
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	close(loop->epoll_fd);
	free(loop);
	errno = saved;
}

/* Descriptors. */

struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events,
			    loop_fd_callback *callback, void *arg)
{
	struct loop_fd *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->loop = loop;
	watch->fd = fd;
	watch->callback = callback;
	watch->arg = arg;
	LIST_INSERT_HEAD(&loop->fds, watch, link);
	if (loop_fd_events(watch, events) < 0) {
		int saved = errno;

		LIST_REMOVE(watch, link);
		free(watch);
		errno = saved;
		return NULL;
	}
	return watch;
}

/* A paused watch leaves the epoll set: EPOLLHUP and EPOLLERR cannot be masked there. */
int loop_fd_events(struct loop_fd *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};
	int operation = EPOLL_CTL_MOD;

	if (!watch->events && !events)
		return 0;
	if (!watch->events)
		operation = EPOLL_CTL_ADD;
	else if (!events)
		operation = EPOLL_CTL_DEL;
	if (epoll_ctl(watch->loop->epoll_fd, operation, watch->fd, &event) < 0)
		return -1;
	watch->events = events;
	return 0;
}

void loop_fd_remove(struct loop_fd *watch)
{
	int saved = errno;
	struct loop *loop;

	if (!watch)
		return;
	loop = watch->loop;
	loop_fd_events(watch, 0);
	watch->events = 0;
	LIST_REMOVE(watch, link);
	/* An event of this round may still name it. */
	if (loop->event_next < loop->event_count)
		LIST_INSERT_HEAD(&loop->removed, watch, link);
	else
		free(watch);
	errno = saved;
}

static void dispatch_fds(struct loop *loop)
{
	while (!loop->stop && loop->event_next < loop->event_count) {
		const struct epoll_event *event = &loop->events[loop->event_next++];
		struct loop_fd *watch = event->data.ptr;
		uint32_t events = event->events & (watch->events | EPOLLERR | EPOLLHUP);

		/* A callback of this round may have narrowed, paused or removed the watch. */
		if (watch->events && events)
			watch->callback(events, watch->arg);
	}
	if (loop->event_next == loop->event_count)
		free_removed(loop);
}

/* Running. */

int loop_run(struct loop *loop)
{
	int rc = 0;

	/* What a stop left over from the round before. */
	dispatch_fds(loop);
	while (!loop->stop) {
		int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX,
				       loop_timer_wait(loop));

		if (count < 0 && errno != EINTR) {
			rc = -1;
			break;
		}
		loop->event_count = count > 0 ? (size_t) count : 0;
		loop->event_next = 0;
		dispatch_fds(loop);
		loop_timer_dispatch(loop);
	}
	loop->stop = false;
	return rc;
}

void loop_stop(struct loop *loop)
{
	loop->stop = true;
}

/* Signals. */

/* One signal a call: the descriptor stays ready while there are more, and a stop loses none. */
static void handle_signal(uint32_t events, void *arg)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void) events;
	if (read(loop->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo < NSIG && loop->signals[info.ssi_signo].callback)
		loop->signals[info.ssi_signo].callback((int) info.ssi_signo,
						       loop->signals[info.ssi_signo].arg);
}

int loop_signal_add(struct loop *loop, int signo, loop_signal_callback *callback, void *arg)
{
	sigset_t set = loop->signal_set, one, before;
	int fd, saved;

	if (signo < 1 || signo >= NSIG) {
		errno = EINVAL;
		return -1;
	}
	sigemptyset(&one);
	sigaddset(&one, signo);
	if (sigaddset(&set, signo) < 0 || sigprocmask(SIG_BLOCK, &one, &before) < 0)
		return -1;
	fd = signalfd(loop->signal_fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		goto error;
	if (loop->signal_fd < 0) {
		loop->signal_watch = loop_fd_add(loop, fd, EPOLLIN, handle_signal, loop);
		if (!loop->signal_watch) {
			saved = errno;
			close(fd);
			errno = saved;
			goto error;
		}
		loop->signal_fd = fd;
	}
	loop->signal_set = set;
	loop->signals[signo].callback = callback;
	loop->signals[signo].arg = arg;
	return 0;

error:
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return -1;
}
