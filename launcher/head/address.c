/* SPDX-License-Identifier: MIT */
/* See address.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>

#include "launcher/head/address.h"
#include "launcher/network.h"

static const void *raw(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return &((const struct sockaddr_in *) address)->sin_addr;
	return &((const struct sockaddr_in6 *) address)->sin6_addr;
}

static bool is_usable(const struct ifaddrs *interface, bool loopback)
{
	const struct sockaddr *address = interface->ifa_addr;

	if (!address || !(interface->ifa_flags & IFF_UP) ||
	    !(interface->ifa_flags & IFF_LOOPBACK) != !loopback)
		return false;
	if (address->sa_family == AF_INET6)
		return !IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *) raw(address));
	return address->sa_family == AF_INET;
}

static bool same(const struct sockaddr *one, const struct sockaddr *other)
{
	return one->sa_family == other->sa_family &&
	       !memcmp(raw(one), raw(other), one->sa_family == AF_INET ? 4 : 16);
}

static const struct sockaddr *by_name(const struct ifaddrs *list, const char *node)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	const struct sockaddr *match = NULL;

	if (getaddrinfo(node, NULL, &hints, &found))
		return NULL;
	for (const struct addrinfo *name = found; name && !match; name = name->ai_next)
		for (const struct ifaddrs *i = list; i && !match; i = i->ifa_next)
			if (is_usable(i, false) && same(i->ifa_addr, name->ai_addr))
				match = i->ifa_addr;
	freeaddrinfo(found);
	return match;
}

static const struct sockaddr *first(const struct ifaddrs *list, int family, bool loopback)
{
	for (; list; list = list->ifa_next)
		if (is_usable(list, loopback) && list->ifa_addr->sa_family == family)
			return list->ifa_addr;
	return NULL;
}

int address_choose(const char *network_text, const char *node, char ip[INET6_ADDRSTRLEN],
		   struct reason *reason)
{
	struct network network;
	struct ifaddrs *list = NULL;
	const struct sockaddr *address = NULL;

	if (network_text && network_parse(network_text, &network, reason) < 0)
		return reason_prefix(reason, "network of the site's settings");
	if (getifaddrs(&list) < 0)
		return reason_set(reason, "this node's addresses: %s", strerror(errno));
	if (network_text) {
		for (const struct ifaddrs *i = list; i && !address; i = i->ifa_next)
			if ((is_usable(i, false) || is_usable(i, true)) &&
			    network_contains(&network, i->ifa_addr))
				address = i->ifa_addr;
	} else if (!(address = by_name(list, node)) &&
		   !(address = first(list, AF_INET, false)) &&
		   !(address = first(list, AF_INET6, false))) {
		address = first(list, AF_INET, true);
	}
	if (address)
		inet_ntop(address->sa_family, raw(address), ip, INET6_ADDRSTRLEN);
	freeifaddrs(list);
	if (!address) {
		errno = EADDRNOTAVAIL;
		return reason_set(reason,
				  "%s has no address in %s (network of the site's settings)",
				  node, network_text ? network_text : "any network");
	}
	return 0;
}
