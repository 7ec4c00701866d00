/* SPDX-License-Identifier: MIT */
/* See tcp.h. */
#include "launcher/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/fd.h"

enum {
	/* A peer whose machine has vanished is noticed after PEER_TIMEOUT_S, whether it owed us
	 * an acknowledgement or said nothing: as long as the kernel by itself retransmits
	 * (tcp_retries2 in tcp(7), about 15 minutes).  A laptop that slept for less keeps its
	 * connections, and a minute between keepalives is less than NATs forget in. */
	KEEPALIVE_S = 60,
	PEER_TIMEOUT_S = 900
};

void tcp_tune(int fd)
{
	static const int on = 1, interval = KEEPALIVE_S;
	static const unsigned timeout = PEER_TIMEOUT_S * 1000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

int tcp_connect(const struct sockaddr *address, socklen_t length)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, address, length) < 0 && errno != EINPROGRESS && errno != EINTR)
		fd_close(&fd);
	return fd;
}

int tcp_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

void tcp_reset(int fd)
{
	static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}
