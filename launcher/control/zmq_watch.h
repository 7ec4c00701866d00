/* SPDX-License-Identifier: MIT */
/*
 * A ZeroMQ socket in the event loop.  Used by the control plane in the head and the agents, as
 * the user.
 *
 * ZMQ_FD does not say whether there is a message: it becomes readable when the I/O thread has
 * left a command for the socket, and any use of the socket, a send too, takes the commands and
 * with them the readability, although a message that they brought is still to be read.  So
 * after every use ZMQ_EVENTS must be asked again: within the callback zmq_watch does, elsewhere
 * the user calls zmq_watch_check().  zmq_getsockopt(3),
 * ZMQ_FD, and the tests in t/unit/test_control.c.
 */
#ifndef CONTROL_ZMQ_WATCH_H
#define CONTROL_ZMQ_WATCH_H

#include <stdbool.h>

#include "launcher/loop.h"

struct zmq_watch;

/* There is a message: takes one, with all its frames.  Called again while there are more, but
 * other callbacks of the loop get their turn in between. */
typedef void zmq_watch_callback(void *arg);

/* socket stays the caller's: destroy the watch before zmq_close.  NULL with errno. */
struct zmq_watch *zmq_watch_create(struct loop *loop, void *socket,
				   zmq_watch_callback *callback, void *arg);

/* After a use of the socket anywhere but in its callback.  Does not call back by itself. */
void zmq_watch_check(struct zmq_watch *watch);

/* Whether there is a message now; whether there is room for one. */
bool zmq_watch_readable(const struct zmq_watch *watch);
bool zmq_watch_writable(const struct zmq_watch *watch);

/* While it is paused nothing is read. */
void zmq_watch_pause(struct zmq_watch *watch, bool paused);

/* Calls back from the loop, once, when there is room for a message; NULL: not any more. */
void zmq_watch_wait(struct zmq_watch *watch, zmq_watch_callback *writable);

void zmq_watch_destroy(struct zmq_watch *watch); /* also within the callback; accepts NULL */

#endif
