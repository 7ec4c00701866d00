/* SPDX-License-Identifier: MIT */
/*
 * The relay: owns ip:port from the session's first moment and carries bytes between its clients
 * and the server's unix socket, by splice, without looking at them, so that websockets and TLS
 * pass.  Runs in the head's event loop, as the user.
 */
#ifndef HEAD_RELAY_H
#define HEAD_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/network.h"

struct relay;

/* A client that may come in before the backend is up waits this long. */
enum {
	RELAY_HOLD_MS = 60000,
	RELAY_CONNECTIONS_MAX =
		4096 /* at once; one more is not accepted until another has ended */
};

struct relay_options {
	const char *socket_path; /* the backend; copied; bound by the server later */
	/* The backend instead, where socket_path is NULL: of any family; copied. */
	const struct sockaddr *backend;
	socklen_t backend_length;
	const struct network *networks; /* allowed peers; copied; none: everybody */
	size_t network_count;
	int64_t hold_ms;	/* 0: RELAY_HOLD_MS */
	size_t connections_max; /* 0: RELAY_CONNECTIONS_MAX */
};

/*
 * Binds ip (v4 or v6 text, "::" is v4 too), a port of first..last (0,0: the kernel's choice)
 * and listens, so that the port is the session's from here on.  A taken port of a range is
 * passed over; the search begins anywhere in it.  Returns the fd (close-on-exec, non-blocking)
 * and *port, or -1 with errno and a reason.
 */
int relay_listen(const char *ip, unsigned first, unsigned last, unsigned *port,
		 struct reason *reason);

/* Takes the listening fd (also on failure).  NULL with errno.  Ignores SIGPIPE in the process,
 * as splice(2) cannot do without.  Needs two descriptors per connection (RLIMIT_NOFILE), and
 * lets clients wait when there are none. */
struct relay *relay_create(struct loop *loop, int listen_fd,
			   const struct relay_options *options);
void relay_destroy(struct relay *relay); /* closes all connections */

/* Whether the server accepts connections: while it does not (start, restart), new clients are
 * held up to RELAY_HOLD_MS each instead of being refused. */
void relay_backend(struct relay *relay, bool up);

struct relay_counts {
	uint64_t accepted;	      /* let in */
	uint64_t refused;	      /* by the networks */
	uint64_t bytes_in, bytes_out; /* to the server, from the server */
	size_t open;		      /* now, held ones too */
	int64_t last_activity_ms;     /* loop_now() of the last bytes carried; 0 none yet */
};
void relay_counts(const struct relay *relay, struct relay_counts *counts);

#endif
