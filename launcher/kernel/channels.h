/* SPDX-License-Identifier: MIT */
/*
 * The head's own ZeroMQ sockets to one run of a kernel: whether it is ready, whether its
 * heartbeat is answered, and what it is asked on control.  In the head's event loop, as the
 * user.  What is published is listened to only until the kernel is ready, since its output may
 * be hundreds of megabytes.
 */
#ifndef KERNEL_CHANNELS_H
#define KERNEL_CHANNELS_H

#include "launcher/kernel/connection.h"

struct channels;

struct channels_callbacks {
	/* Once: the heartbeat has been answered, a kernel_info_request on shell too, signed,
	 * and something signed has come on iopub. */
	void (*ready)(void *arg);
	/* A heartbeat has been answered, the first one too. */
	void (*beat)(void *arg);
	/* Once, before ready(): what it says cannot be trusted or understood. */
	void (*broken)(const char *reason, void *arg);
	void *arg;
};

/* connection's ports are known; it must outlive the channels.  The kernel need not listen yet.
 * Any callback may destroy them.  NULL with a reason. */
struct channels *channels_create(struct loop *loop, const struct connection *connection,
				 const struct channels_callbacks *callbacks,
				 struct reason *reason);
void channels_destroy(struct channels *channels); /* does not wait; accepts NULL */

/* Sends a heartbeat.  beat() for it, or none. */
void channels_beat(struct channels *channels);

/* Sends a request on control, whose reply is not waited for: "interrupt_request", "{}".  0, or
 * -1 with errno (EAGAIN: the kernel does not take any more). */
int channels_request(struct channels *channels, const char *type, const char *content);

/* For people, what of ready() is missing: "no answer on its heartbeat". */
const char *channels_missing(const struct channels *channels);

#endif
