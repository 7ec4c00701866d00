/* SPDX-License-Identifier: MIT */
/*
 * The host of one kind of workers on this node: the Python process that imports a module once
 * and forks workers and the controller from it (recipes' workers/preload.py).  In
 * jupyter-agent's event loop, as the user.
 *
 * It is spoken with by JSON datagrams, one for each fork, which carry the process' output and
 * its end of a line channel.  A forked process becomes a child of this one
 * (loop_reap_orphans()) and waits for "go\n" on its channel, so that nothing of it is missed;
 * at the channel's end of file it ends.
 */
#ifndef WORKERS_HOST_H
#define WORKERS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/workers/memory_kill.h"

enum {
	HOST_ID_MAX = 32,  /* bytes of a fork's id with NUL */
	HOST_FDS_MAX = 10, /* output, channel, and a recipe's ports */
	HOST_ANSWER_MS =
		60000 /* for a fork, which takes milliseconds on a node that swaps not */
};

struct host;
struct host_request;

struct host_options {
	const char *program;
	char *const *argv;
	char *const *environment;   /* SPANK_JUPYTER_HOST_FD=HOST_FD is in it */
	const char *module;	    /* its file, for reasons */
	int log_dirfd;		    /* for host.log */
	struct memory_kill *memory; /* may be NULL */
	int64_t load_ms;	    /* for importing */
	int64_t answer_ms;	    /* for a fork */
	unsigned restarts;	    /* in a row, without a fork in between */
};

/* The number that its socket has in the host. */
#define HOST_FD "3"

struct host_callbacks {
	/* Nothing can be forked any more: importing has failed, or it dies again and again.
	 * tail: its last lines.  Requests that wait are answered after it. */
	void (*failed)(const char *reason, const char *tail, void *arg);
	/* Each time the process has gone, for whatever reason. */
	void (*gone)(void *arg);
	void *arg;
};

/* What to fork. */
struct host_fork {
	bool controller;
	const char *id;		/* "2.1" of a worker; some name of a controller */
	const unsigned *cpus;	/* to be bound to */
	size_t cpu_count;	/* 0: not bound */
	const char *const *env; /* NAME, VALUE, ..., NULL; set in the fork */
	int fds[HOST_FDS_MAX];	/* output, its end of the channel, ports; the caller's */
	size_t fd_count;
};

/* Copies options.  Nothing is started yet, and forks wait.  NULL with ENOMEM. */
struct host *host_create(struct loop *loop, const struct host_options *options,
			 const struct host_callbacks *callbacks);
/* Kills it; what it has forked lives.  Nobody is called.  Accepts NULL. */
void host_destroy(struct host *host);

/* Starts the process, so that it imports.  0, or -1 with a reason: it cannot be started. */
int host_start(struct host *host, struct reason *reason);

/* Its socket is closed, at which it ends; requests are answered (from the loop) with -1. */
void host_stop(struct host *host);
void host_kill(struct host *host); /* SIGKILL for it and what it has in its process group */
bool host_runs(const struct host *host);

/*
 * Asks for a fork, which comes when the module is imported; a host that has died is started
 * again for it.  forked() is called once, from the loop: with the pid, a child of this process
 * that waits for its "go", or with -1 and why.  The handle is valid until then.  NULL with a
 * reason when nothing can be forked any more, or with errno.
 */
typedef void host_forked(pid_t pid, const char *reason, void *arg);
struct host_request *host_fork(struct host *host, const struct host_fork *fork,
			       host_forked *forked, void *arg, struct reason *reason);

/* forked() is not called; the process, if there is one, ends when its channel is closed.
 * Accepts NULL. */
void host_cancel(struct host_request *request);

#endif
