/* SPDX-License-Identifier: MIT */
/*
 * The session's ip:port, as the tunnel's end: its address, and whether it is still held.  In
 * sjupyter tunnel's event loop, as the user.
 */
#ifndef SJUPYTER_BACKEND_H
#define SJUPYTER_BACKEND_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "launcher/loop.h"

union backend_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* 0, or -1 with EINVAL when ip is no address or port is 0. */
int backend_address(union backend_address *address, const char *ip, unsigned port,
		    socklen_t *length);

struct backend;

/*
 * Calls gone, once, when the head has died without bringing its record to an end: its lock is
 * free as far as can be seen (state_fd stays the caller's) and its port refuses connections,
 * which while it lives it never does.  NULL with errno.
 */
struct backend *backend_create(struct loop *loop, const union backend_address *address,
			       int state_fd, void (*gone)(void *arg), void *arg);
void backend_destroy(struct backend *backend); /* accepts NULL */

#endif
