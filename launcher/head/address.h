/* SPDX-License-Identifier: MIT */
/*
 * Which of this node's addresses the session is offered on.  In the head, as the user.
 */
#ifndef HEAD_ADDRESS_H
#define HEAD_ADDRESS_H

#include <netinet/in.h>

#include "common/reason.h"

/*
 * Into ip, as text: the first address in network (CIDR) if one is given, else the one that this
 * node's name resolves to, else the first that is neither loopback nor link-local, IPv4 before
 * IPv6, else the loopback address.  -1 and a reason when there is no address in network.
 */
int address_choose(const char *network, const char *node, char ip[INET6_ADDRSTRLEN],
		   struct reason *reason);

#endif
