/* SPDX-License-Identifier: MIT */
/*
 * The channel between an agent and a worker or a controller: one end of a stream socketpair
 * that carries lines of printable ASCII.  End of file says that the other side has died.  In
 * jupyter-agent's event loop, as the user.
 */
#ifndef WORKERS_CHANNEL_H
#define WORKERS_CHANNEL_H

#include <stddef.h>

#include "launcher/loop.h"

enum { CHANNEL_LINE_MAX = 255 /* bytes of a line, with its \n or its NUL */ };

struct channel;

struct channel_callbacks {
	/* One line without \n; it may be written to and is the channel's. */
	void (*line)(char *line, void *arg);
	/* A line that is too long or not printable ASCII was passed over; may be NULL. */
	void (*refused)(const char *why, void *arg);
	/* Once: the other side is gone.  Nothing more comes; saying fails with EPIPE. */
	void (*closed)(void *arg);
	void *arg;
};

/* Both ends close-on-exec; theirs is blocking, as a program expects it; ours need not be
 * anything.  0, or -1 with errno. */
int channel_pair(int *ours, int *theirs);

/*
 * Reads lines from fd, which is the channel's from now on, also on failure.  A program that
 * writes without end is read a bounded piece a round.  Every callback may destroy the channel.
 * NULL with errno.
 */
struct channel *channel_create(struct loop *loop, int fd,
			       const struct channel_callbacks *callbacks);
void channel_destroy(struct channel *channel); /* closes fd; accepts NULL */

/*
 * Sends the line (without \n), whole or not at all, and never waits.  0, or -1 with EPIPE (the
 * other side is gone), EAGAIN (it has not read many that were sent before), EINVAL (not a
 * line). Of a NULL channel EPIPE.
 */
int channel_say(struct channel *channel, const char *line);

/* Reads what has come and is not read yet, the end of file included, as when the loop finds it:
 * the last words of a process that has ended.  Bounded.  A callback may destroy the channel. */
void channel_drain(struct channel *channel);

#endif
