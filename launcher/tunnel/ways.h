/* SPDX-License-Identifier: MIT */
/*
 * Where a tunnel leads to: addresses on the head's node by the names that clients ask for.  Of
 * the tunnel's server, in the head, as the user.
 */
#ifndef TUNNEL_WAYS_H
#define TUNNEL_WAYS_H

#include <sys/socket.h>

#include "launcher/tunnel/link.h"

enum { TUNNEL_WAYS_MAX = 160 };

struct way {
	char name[TUNNEL_NAME_MAX]; /* empty: no way */
	struct sockaddr_storage address;
	socklen_t length;
};

struct ways {
	struct way ways[TUNNEL_WAYS_MAX]; /* all zero: none */
};

/* Of that name; NULL: there is none (any more, or yet). */
const struct way *ways_find(const struct ways *ways, const char *name);

/* As tunnel_server_way(). */
int ways_set(struct ways *ways, const char *name, const struct sockaddr *address,
	     socklen_t length);

#endif
