/* SPDX-License-Identifier: MIT */
/*
 * What the files of the event loop share: loop.c (descriptors, signals, running), loop_timer.c
 * and loop_child.c.  Nobody else includes it; loop.h is the interface.
 */
#ifndef LAUNCHER_LOOP_PRIVATE_H
#define LAUNCHER_LOOP_PRIVATE_H

#include "launcher/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/queue.h>

enum {
	EVENTS_MAX = 64 /* of one epoll_wait; more come with the next one */
};

LIST_HEAD(loop_timer_list, loop_timer);
LIST_HEAD(loop_child_list, loop_child);
struct signal_entry {
	loop_signal_callback *callback;
	void *arg;
};

LIST_HEAD(loop_fd_list, loop_fd);

struct loop {
	int epoll_fd;
	bool stop;

	struct loop_fd_list fds;
	struct loop_fd_list removed;
	/* What the last epoll_wait gave.  Kept here so that a loop that was stopped in the
	 * midst of a round loses no edge when it is run again. */
	struct epoll_event events[EVENTS_MAX];
	size_t event_count;
	size_t event_next;

	struct loop_timer_list timers;
	size_t timer_count;
	struct loop_timer **heap; /* always room for timer_count: arming cannot fail */
	size_t heap_count;
	size_t heap_size;
	uint64_t sequence;

	int signal_fd;
	struct loop_fd *signal_watch;
	sigset_t signal_set;
	struct signal_entry signals[NSIG];

	struct loop_child_list children;
	bool reaps_orphans;
};

/* In ms for epoll_wait until the nearest timer, rounded up so that none is early; -1: none. */
int loop_timer_wait(const struct loop *loop);
void loop_timer_dispatch(struct loop *loop);

#endif
