/* SPDX-License-Identifier: MIT */
/* See loopback.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hub-callback/loopback.h"

/* The state of a listening socket in /proc/net/tcp: TCP_LISTEN of the kernel. */
enum { STATE_LISTEN = 0x0a };

static bool is_loopback_v4(in_addr_t address)
{
	return (ntohl(address) >> 24) == IN_LOOPBACKNET || address == INADDR_ANY;
}

/* The IPv4 address in a mapped one. */
static in_addr_t mapped_v4(const struct in6_addr *address)
{
	in_addr_t v4;

	memcpy(&v4, &address->s6_addr[12], sizeof(v4));
	return v4;
}

bool loopback_is(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_loopback_v4(((const struct sockaddr_in *) address)->sin_addr.s_addr);
	if (address->sa_family == AF_INET6) {
		const struct in6_addr *v6 = &((const struct sockaddr_in6 *) address)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_UNSPECIFIED(v6) ||
		       (IN6_IS_ADDR_V4MAPPED(v6) && is_loopback_v4(mapped_v4(v6)));
	}
	return false;
}

/* An address as the kernel prints it: its 32-bit words as they lie in memory. */
struct place {
	uint32_t words[4]; /* IPv6; an IPv4 address is mapped */
	unsigned port;
};

static void place_of(const struct sockaddr *address, struct place *place)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

		*place = (struct place){{0, 0, htonl(0xffff), v4->sin_addr.s_addr},
					ntohs(v4->sin_port)};
	} else {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

		memcpy(place->words, &v6->sin6_addr, sizeof(place->words));
		place->port = ntohs(v6->sin6_port);
	}
}

static bool is_wildcard(const uint32_t words[4])
{
	return words[0] == 0 && words[1] == 0 && (words[2] == 0 || words[2] == htonl(0xffff)) &&
	       words[3] == 0;
}

/* Whether a connection to `to` would come to who listens at `at`. */
static bool reaches(const struct place *to, const struct place *at)
{
	return to->port == at->port && (is_wildcard(at->words) || is_wildcard(to->words) ||
					!memcmp(to->words, at->words, sizeof(to->words)));
}

/* "  0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 ..." */
static bool line_read(const char *line, bool v6, struct place *at, unsigned *state,
		      unsigned *uid)
{
	static const char rest[] = " %*[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %u";
	const char *text = strchr(line, ':');
	int used = 0;

	if (!text)
		return false;
	if (v6) {
		if (sscanf(text, ": %8x%8x%8x%8x:%x%n", &at->words[0], &at->words[1],
			   &at->words[2], &at->words[3], &at->port, &used) != 5)
			return false;
	} else {
		at->words[0] = at->words[1] = 0;
		at->words[2] = htonl(0xffff);
		if (sscanf(text, ": %8x:%x%n", &at->words[3], &at->port, &used) != 2)
			return false;
	}
	return sscanf(text + used, rest, state, uid) == 2;
}

static enum loopback_listener table_search(const char *path, bool v6, const struct place *to,
					   uid_t trusted, uid_t *stranger)
{
	enum loopback_listener found = LOOPBACK_NOBODY;
	FILE *table = fopen(path, "re");
	char line[512];

	if (!table)
		return LOOPBACK_NOBODY;
	while (found != LOOPBACK_STRANGER && fgets(line, sizeof(line), table)) {
		unsigned state, uid;
		struct place at;

		if (!line_read(line, v6, &at, &state, &uid))
			continue; /* the heading */
		/* Those that listen come first. */
		if (state != STATE_LISTEN)
			break;
		if (!reaches(to, &at))
			continue;
		if (uid == 0 || uid == geteuid() || uid == trusted) {
			found = LOOPBACK_TRUSTED;
		} else {
			found = LOOPBACK_STRANGER;
			*stranger = uid;
		}
	}
	fclose(table);
	return found;
}

enum loopback_listener loopback_listener(const struct sockaddr *address, uid_t trusted,
					 uid_t *uid)
{
	enum loopback_listener v4, v6;
	struct place to;

	place_of(address, &to);
	v4 = table_search("/proc/net/tcp", false, &to, trusted, uid);
	if (v4 == LOOPBACK_STRANGER)
		return v4;
	v6 = table_search("/proc/net/tcp6", true, &to, trusted, uid);
	return v6 != LOOPBACK_NOBODY ? v6 : v4;
}
