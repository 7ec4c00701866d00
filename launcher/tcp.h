/* SPDX-License-Identifier: MIT */
/*
 * How the TCP connections of relay and tunnel are set up: small messages go at once, and a peer
 * that has vanished is noticed, however long both sides have been silent.  As the user.
 */
#ifndef LAUNCHER_TCP_H
#define LAUNCHER_TCP_H

#include <sys/socket.h>

/* None of it is needed to work: a failure makes a connection that is slower, or patient for
 * longer. */
void tcp_tune(int fd);

/* A socket of ours that begins to connect, non-blocking and close-on-exec: it is connected, or
 * will be when it is writable, see tcp_error().  -1 with errno. */
int tcp_connect(const struct sockaddr *address, socklen_t length);

/* What has become of it: 0, or the error. */
int tcp_error(int fd);

/* Closes it so that the peer sees a reset, and nothing is left of it. */
void tcp_reset(int fd);

#endif
