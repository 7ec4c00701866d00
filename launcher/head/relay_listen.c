/* SPDX-License-Identifier: MIT */
/*
 * Takes ip:port for the session: see relay_listen() in relay.h.  Called once by the head when
 * it starts, as the user.
 */
#include "launcher/head/relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { PORT_MAX = 65535 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t address_size(const union address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static int parse_ip(const char *ip, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, ip, &address->v4.sin_addr) == 1)
		address->any.sa_family = AF_INET;
	else if (inet_pton(AF_INET6, ip, &address->v6.sin6_addr) == 1)
		address->any.sa_family = AF_INET6;
	else {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/*
 * SO_REUSEADDR for a port of a range only: there the connections of the session that had the
 * port before may be in TIME_WAIT, which must not make it look taken for a minute.  On Linux it
 * never lets two sockets listen on one port, nor bind beside one that listens (socket(7)), so
 * the port cannot be stolen by it; two that are bound but not yet listening are told apart by
 * listen().
 */
static int listen_on(union address *address, unsigned port, bool reuse)
{
	static const int on = 1, off = 0;
	int fd, saved;

	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (reuse && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto error;
	if (address->any.sa_family == AF_INET) {
		address->v4.sin_port = htons((in_port_t) port);
	} else {
		address->v6.sin6_port = htons((in_port_t) port);
		/* "::" means every address, whatever net.ipv6.bindv6only says. */
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
			goto error;
	}
	if (bind(fd, &address->any, address_size(address)) < 0 || listen(fd, SOMAXCONN) < 0)
		goto error;
	return fd;

error:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Where in the range to begin: not always at its first port, or a link to a session that has
 * just ended would lead to the next one, perhaps another user's. */
static unsigned random_below(unsigned count)
{
	unsigned value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = (unsigned) getpid();
	return value % count;
}

int relay_listen(const char *ip, unsigned first, unsigned last, unsigned *port,
		 struct reason *reason)
{
	union address address;
	socklen_t size = sizeof(address);
	unsigned count = last - first + 1, start;
	int fd = -1, saved;

	if (first > last || last > PORT_MAX || (first == 0 && last != 0)) {
		errno = EINVAL;
		return reason_set(reason, "ports %u-%u: not a range within 1-%d", first, last,
				  PORT_MAX);
	}
	if (parse_ip(ip, &address) < 0)
		return reason_set(reason,
				  "cannot listen on \"%s\": not an IPv4 or IPv6 address", ip);
	start = random_below(count);
	for (unsigned i = 0; i < count && fd < 0; i++) {
		fd = listen_on(&address, first + (start + i) % count, first != 0);
		if (fd < 0 && errno != EADDRINUSE && errno != EACCES)
			break;
	}
	if (fd < 0 && first != 0 && errno == EADDRINUSE)
		return reason_set(reason,
				  "cannot listen on %s: every port of %u-%u is taken; "
				  "widen the site's port range",
				  ip, first, last);
	if (fd < 0)
		return reason_set(reason, "cannot listen on %s: %s", ip, strerror(errno));
	if (getsockname(fd, &address.any, &size) < 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return reason_set(reason, "cannot listen on %s: %s", ip, strerror(errno));
	}
	*port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port
						       : address.v6.sin6_port);
	return fd;
}
