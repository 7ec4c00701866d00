/* SPDX-License-Identifier: MIT */
/*
 * Networks in CIDR form: which clients the relay lets in, and which of a node's addresses a
 * session is offered on.  Used by jupyter-launch, jupyter-agent and sjupyter, as the user.
 */
#ifndef LAUNCHER_NETWORK_H
#define LAUNCHER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/reason.h"

/* v4 or v6; v4-mapped v6 addresses are matched as v4. */
struct network {
	int family;
	uint8_t address[16];
	unsigned prefix; /* bits */
};

/* ADDRESS/BITS, or an address alone; no bits set beyond the prefix.  -1 with EINVAL. */
int network_parse(const char *cidr, struct network *network, struct reason *reason);

/* CIDRs separated by commas; NULL: none.  Caller frees *networks.  0, or -1 and a reason. */
int network_list_parse(const char *cidrs, struct network **networks, size_t *count,
		       struct reason *reason);

bool network_contains(const struct network *network, const struct sockaddr *address);

#endif
