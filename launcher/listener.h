/* SPDX-License-Identifier: MIT */
/*
 * A listening TCP socket from which a program lets peers in: those of the allowed networks,
 * some at a time, and nobody while there is no room or no descriptor.  Used by the relay
 * (head/relay.c) and the tunnel's server (tunnel/tunnel_accept.c), in their event loop, as the
 * user.
 */
#ifndef LAUNCHER_LISTENER_H
#define LAUNCHER_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/loop.h"
#include "launcher/network.h"

struct listener;

struct listener_callbacks {
	/* Before each accept(2): 1, or 0 when there is no room until listener_resume(), or -1
	 * with errno when one more cannot be served now, which is tried again soon. */
	int (*room)(void *arg);
	/* A peer that is let in, non-blocking, close-on-exec, tuned: takes fd and returns 0, or
	 * -1 with errno and leaves it to be closed. */
	int (*accepted)(int fd, void *arg);
	void *arg;
};

/*
 * Takes the listening fd, non-blocking (also on failure).  networks: allowed peers; copied;
 * none of them: everybody.  NULL with errno.
 */
struct listener *listener_create(struct loop *loop, int fd, const struct network *networks,
				 size_t network_count,
				 const struct listener_callbacks *callbacks);
void listener_destroy(struct listener *listener); /* accepts NULL, keeps errno */

/* There may be room again; also from within the callbacks, and where it was not paused. */
void listener_resume(struct listener *listener);

/* How many the networks have kept out. */
uint64_t listener_refused(const struct listener *listener);

#endif
