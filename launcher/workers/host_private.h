/* SPDX-License-Identifier: MIT */
/*
 * What the files of the host share: host.c (the process) and host_request.c (its datagrams).
 * Nobody else includes it; host.h is the interface.
 */
#ifndef WORKERS_HOST_PRIVATE_H
#define WORKERS_HOST_PRIVATE_H

#include <sys/queue.h>

#include "launcher/workers/host.h"

struct host_request {
	TAILQ_ENTRY(host_request) link;
	char id[HOST_ID_MAX];
	char *text; /* JSON */
	int fds[HOST_FDS_MAX];
	size_t fd_count; /* 0 once it is sent */
	bool sent;
	bool doomed;	     /* about to be answered with -1 */
	host_forked *forked; /* NULL: cancelled, and kept to take its answer */
	void *arg;
	struct host *host;
};

enum host_says {
	HOST_LOADED,
	HOST_FAILED,	  /* reason: why it cannot import */
	HOST_FORKED,	  /* id, pid */
	HOST_FORK_FAILED, /* id, reason */
	HOST_NONSENSE
};

struct host_answer {
	enum host_says says;
	char id[HOST_ID_MAX];
	pid_t pid;
	struct reason reason;
};

/* With descriptors of its own.  NULL with errno. */
struct host_request *host_request_create(const struct host_fork *fork);
void host_request_destroy(struct host_request *request); /* accepts NULL */

/* Sends it and closes its descriptors here.  0, or -1 with EAGAIN and so on. */
int host_request_send(struct host_request *request, int socket);

/* One datagram of the host, which is not trusted to keep to the protocol. */
void host_answer_parse(const char *data, size_t size, struct host_answer *answer);

#endif
