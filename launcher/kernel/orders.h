/* SPDX-License-Identifier: MIT */
/*
 * The streams of orders to a session's kernels: lines of JSON, each with its answer, from
 * clients who have proved to be the user.  In the head's event loop, as the user.
 */
#ifndef KERNEL_ORDERS_H
#define KERNEL_ORDERS_H

#include "launcher/kernel/kernels.h"

enum {
	ORDERS_STREAMS_MAX = 64, /* at once; one more is closed */
	ORDERS_LINE_MAX = 4096	 /* bytes with its \n; a longer one closes the stream */
};

struct orders;

/* Whose kernels_answer() answers; a stream that ends is a client that leaves.  NULL with errno.
 */
struct orders *orders_create(struct loop *loop, struct kernels *kernels);
void orders_destroy(struct orders *orders); /* closes all; not from an order; accepts NULL */

/* Takes fd, a stream socket that does not block (also on failure).  0 or -1 with errno. */
int orders_take(struct orders *orders, int fd);

#endif
