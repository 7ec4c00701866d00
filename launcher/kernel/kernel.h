/* SPDX-License-Identifier: MIT */
/*
 * A bare kernel: started from its kernelspec, ready when it answers, watched by its heartbeat,
 * started again when it crashes, interrupted and ended as Jupyter does.  In the head's event
 * loop, as the user.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/kernel/connection.h"
#include "launcher/kernel/kernelspec.h"
#include "launcher/loop.h"
#include "launcher/session_log.h"
#include "launcher/workers/memory_kill.h"

enum {
	KERNEL_HEARTBEAT_MS = 3000, /* jupyter_client's KernelRestarter.time_to_dead */
	KERNEL_MISSED_MAX = 3,	    /* heartbeats in a row; then it hangs */
	KERNEL_LINGER_MS = 5000,    /* see struct kernel_options */
};

enum kernel_state {
	KERNEL_STARTING, /* or about to be started again, after a crash */
	KERNEL_READY,
	KERNEL_HUNG,	   /* its heartbeat is not answered any more */
	KERNEL_RESTARTING, /* told to end, to be started again */
	KERNEL_EXITED,	   /* in order, by itself */
	KERNEL_ENDING,
	KERNEL_ENDED
};

struct kernel;

struct kernel_options {
	const struct kernelspec *spec;
	const char *python;	 /* what "python" in its argv means, or NULL: that of PATH */
	struct env *environment; /* stays as it is; the kernelspec's env comes over it */
	const char *runtime;	 /* private directory: connection file and sockets */
	int runtime_fd;
	const char *directory; /* to start in */
	int64_t ready_ms;      /* from its start until it has to be ready */
	int64_t heartbeat_ms;
	/*
	 * When it has ended by itself without error its client may have told it to, in order
	 * to restart it: so long a kernel_restart() is waited for before that is the end.
	 */
	int64_t linger_ms;
	unsigned restarts_max;	    /* in a row; one ready for ten minutes starts anew */
	struct session_log *log;    /* may be NULL */
	struct memory_kill *memory; /* may be NULL */
};

struct kernel_callbacks {
	void (*spawned)(void *arg); /* each time the process is started */
	void (*ready)(void *arg);   /* each time; also when one that hung answers again */
	void (*hung)(const char *reason, void *arg);
	/* It has crashed, or was told to restart (reason says so), and is started again. */
	void (*restarting)(const char *reason, void *arg);
	/* The last; in_order: as it was told to, or by itself without error. */
	void (*ended)(bool in_order, const char *reason, void *arg);
	void *arg;
};

/* options and what it points to must outlive the kernel.  NULL with errno. */
struct kernel *kernel_create(struct loop *loop, const struct kernel_options *options,
			     const struct kernel_callbacks *callbacks);
void kernel_destroy(struct kernel *kernel); /* kills what is left; accepts NULL */

/* -1 with a reason: it cannot be started at all. */
int kernel_start(struct kernel *kernel, struct reason *reason);

/* As its kernelspec says, by SIGINT to its process group or a message.  0, or -1 with a reason:
 * it is not ready. */
int kernel_interrupt(struct kernel *kernel, struct reason *reason);

/* Ends it if it lives, and starts it with the same key and sockets.  0, or -1 with a reason:
 * the session ends. */
int kernel_restart(struct kernel *kernel, struct reason *reason);

/* A shutdown_request, SIGTERM half of grace_ms later, SIGKILL after all of it; ended() is
 * called when it is gone, at once if it is already. */
void kernel_stop(struct kernel *kernel, int64_t grace_ms);

enum kernel_state kernel_state(const struct kernel *kernel);
const char *kernel_state_name(enum kernel_state state); /* "starting" */
const struct connection *kernel_connection(const struct kernel *kernel);
const struct kernelspec *kernel_spec(const struct kernel *kernel);
unsigned kernel_restarts(const struct kernel *kernel); /* after crashes */
/* Why it hangs, was restarted or has ended last; "" when nothing was wrong yet. */
const char *kernel_reason(const struct kernel *kernel);

/*
 * The answer, ended by \n, to a line of the control stream without its \n:
 *
 *     {"connection": {}}  {"key": "...", "signature_scheme": "hmac-sha256",
 *                          "kernel_name": "python3"}
 *     {"status": {}}      {"state": "ready", "restarts": 0, "reason": "..."}
 *     {"interrupt": {}}, {"restart": {}}, {"shutdown": {}}   {"ok": true}
 *
 * or {"error": "..."}.  shutdown may call ended() before it returns.  kernel NULL: there is
 * none yet.  Caller frees; NULL with ENOMEM.
 */
char *kernel_answer(struct kernel *kernel, const char *line, size_t size);

#endif
