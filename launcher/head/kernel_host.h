/* SPDX-License-Identifier: MIT */
/*
 * The session's bare kernels, and the tunnel to them: of --jupyter=kernel from the beginning on
 * the session's port, of a server's session on a port of its own once a kernel is wanted beside
 * it.  In the agent of rank 0, as the user.
 */
#ifndef HEAD_KERNEL_HOST_H
#define HEAD_KERNEL_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/head/head.h"
#include "launcher/kernel/kernel.h"
#include "launcher/network.h"

/* Takes the listening socket (also on failure) of that port and lets in whoever holds the
 * token.  0, or -1 with a reason. */
int kernel_host_create(struct head *head, int listen_fd, unsigned port,
		       const struct network *networks, size_t network_count,
		       struct reason *reason);
/* Where it is; makes one if there is none yet.  0, or -1 with a reason. */
int kernel_host_open(struct head *head, unsigned *port, struct reason *reason);
void kernel_host_destroy(struct head *head); /* kills what is left; one there need not be */

/* The session's own kernel, with head->server_environment.  Its number, or -1 with a reason. */
int kernel_host_start(struct head *head, const char *name, const struct kernel_callbacks *own,
		      struct reason *reason);

/* Of those that live; there need not be any. */
size_t kernel_host_alive(const struct head *head);
struct kernel *kernel_host_find(const struct head *head, unsigned number);
void kernel_host_stop(struct head *head, int64_t grace_ms);
void kernel_host_end(struct head *head); /* kills them, without a call */

#endif
