/* SPDX-License-Identifier: MIT */
/*
 * How a kernel is reached: its key, its five sockets and the connection file that tells it of
 * them.  In jupyter-agent, as the user.
 *
 * The sockets are unix sockets in the session's private directory: no other user reaches them,
 * and no port of the node can be taken.  A kernel that knows TCP alone binds loopback, chooses
 * the ports and writes them into the file; other users of the node can connect to these, but
 * say nothing without the key; what the kernel publishes they could read.
 */
#ifndef KERNEL_CONNECTION_H
#define KERNEL_CONNECTION_H

#include <stdbool.h>

#include "common/reason.h"
#include "launcher/loop.h"

/* In the order of jupyter_client.connect.port_names: with ipc they are "ports" 1 to 5. */
enum connection_channel {
	CONNECTION_SHELL,
	CONNECTION_IOPUB,
	CONNECTION_STDIN,
	CONNECTION_CONTROL,
	CONNECTION_HEARTBEAT,
	CONNECTION_CHANNELS
};

enum {
	CONNECTION_KEY_MAX = 65, /* bytes with NUL: 32 random ones in hex */
	/* Bytes of zmq's "ipc://" and a unix socket's path (107, unix(7)), with NUL. */
	CONNECTION_ENDPOINT_MAX = 6 + 107 + 1
};

#define CONNECTION_FILE	  "kernel.json"
#define CONNECTION_SCHEME "hmac-sha256"

struct connection;

/* With a fresh key; dirfd is the directory of that path, both stay the caller's.  The file is
 * not there yet.  NULL with errno (ENAMETOOLONG: path does not leave room for a socket). */
struct connection *connection_create(const char *path, int dirfd, const char *kernel_name,
				     bool tcp);
void connection_destroy(struct connection *connection); /* file and sockets stay; or NULL */

/* Before each start of the kernel: removes what an earlier one has left and writes the file
 * anew, 0600.  0, or -1 with a reason. */
int connection_prepare(struct connection *connection, struct reason *reason);

/*
 * Whether all ports are known: always with unix sockets; with TCP once the kernel has written
 * them, which this call looks for.  1, 0 (not yet), or -1 with a reason: what it wrote is
 * wrong.
 */
int connection_look(struct connection *connection, struct reason *reason);

/* "ipc:///tmp/.../kernel-1", "tcp://127.0.0.1:4711". */
const char *connection_endpoint(const struct connection *connection,
				enum connection_channel channel,
				char text[CONNECTION_ENDPOINT_MAX]);
/* "shell", "iopub", "stdin", "control", "hb". */
const char *connection_name(enum connection_channel channel);
const char *connection_key(const struct connection *connection);
const char *connection_kernel(const struct connection *connection);
const char *connection_file(const struct connection *connection); /* path */

/* Calls back whenever the file has been written: with TCP, when to look.  NULL with errno. */
struct connection_watch;
struct connection_watch *connection_watch_create(struct loop *loop,
						 const struct connection *connection,
						 void (*callback)(void *arg), void *arg);
void connection_watch_destroy(struct connection_watch *watch); /* accepts NULL */

#endif
