/* SPDX-License-Identifier: MIT */
/*
 * The loopback addresses: a hub whose URL names one is meant to be on this node, and whoever
 * listens there could be any user of it.  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_LOOPBACK_H
#define HUB_CALLBACK_LOOPBACK_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* 127.0.0.0/8, ::1, both written as the other, and the wildcards, which lead there too. */
bool loopback_is(const struct sockaddr *address);

enum loopback_listener {
	LOOPBACK_NOBODY,  /* nothing listens there */
	LOOPBACK_TRUSTED, /* root, this user, or the one given */
	LOOPBACK_STRANGER /* somebody else does */
};

/*
 * Who listens at the loopback address and its port, by /proc/net/tcp and tcp6.  trusted is the
 * hub's uid, or that of this process where that is not known; *uid gets a stranger's.  Where
 * /proc cannot be read it is LOOPBACK_NOBODY.
 */
enum loopback_listener loopback_listener(const struct sockaddr *address, uid_t trusted,
					 uid_t *uid);

#endif
