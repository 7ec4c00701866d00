/* SPDX-License-Identifier: MIT */
/*
 * The port of the tunnel to a session's kernels: the session's own where it is a bare kernel,
 * else that which its head opens when it is asked.  For sjupyter kernel, as the user.
 */
#ifndef SJUPYTER_KERNEL_PORT_H
#define SJUPYTER_KERNEL_PORT_H

#include <stdbool.h>

#include "common/reason.h"
#include "launcher/sjupyter/target.h"

/*
 * 0 and the port, or -1 with a reason.  is_own: the session's own kernel is meant, which a
 * session that is a server has not.  Blocks as order_send() does where the head is asked.
 */
int kernel_port_find(const struct target *target, bool is_own, unsigned *port,
		     struct reason *reason);

#endif
