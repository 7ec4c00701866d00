/* SPDX-License-Identifier: MIT */
/*
 * The ZAP handler of the head (ZeroMQ RFC 27): lets every CURVE client in and puts its public
 * key, as Z85, on all its messages as "User-Id".  Who may join is decided by the hello, which
 * names that key.  Runs in the head's event loop, as the user.
 */
#ifndef CONTROL_ZAP_H
#define CONTROL_ZAP_H

#include "launcher/loop.h"

struct zap;

/* Serves all sockets of the context; before any of them binds.  NULL with errno. */
struct zap *zap_create(struct loop *loop, void *context);
void zap_destroy(struct zap *zap); /* accepts NULL */

#endif
