/* SPDX-License-Identifier: MIT */
/*
 * The kernels of one session, each with a number that no other of the session has had: that of
 * --jupyter=kernel, and those that clients have started beside it, or beside a server.  In the
 * head's event loop, as the user.
 */
#ifndef KERNEL_KERNELS_H
#define KERNEL_KERNELS_H

#include "launcher/kernel/kernel.h"
#include "launcher/workers/kernel_choice.h"

enum {
	KERNELS_MAX = 32 /* that live at once; of as many that have ended the end is known */
};

struct kernels;

struct kernels_callbacks {
	/* What that kernelspec is here; the options may still change.  0, or -1 with a reason:
	 * it is not, or none may start.
	 */
	int (*choose)(const char *name, struct kernel_choice *choice, struct reason *reason,
		      void *arg);
	/* Where its sockets are from now on; NULL: there are none any more. */
	void (*sockets)(unsigned number, const struct connection *connection, void *arg);
	void (*changed)(void *arg); /* one has come, or its state is another */
	void *arg;
};

/* options is what each kernel begins with at its start (spec, python and memory are its own,
 * runtime and runtime_fd those of the session); it outlives the kernels.  NULL with errno. */
struct kernels *kernels_create(struct loop *loop, const struct kernel_options *options,
			       const struct kernels_callbacks *callbacks);
void kernels_destroy(struct kernels *kernels); /* kills what is left; accepts NULL */

/*
 * Starts one.  own is the session's own kernel's, whose sockets are in the runtime directory
 * itself, or NULL: it has a directory of its own there.  The number, from 1, or -1 with a
 * reason.
 */
int kernels_start(struct kernels *kernels, const char *name, const struct kernel_callbacks *own,
		  struct reason *reason);

/* One that lives, or NULL. */
struct kernel *kernels_find(const struct kernels *kernels, unsigned number);
size_t kernels_alive(const struct kernels *kernels);

/* All of them, as kernel_stop(). */
void kernels_stop(struct kernels *kernels, int64_t grace_ms);
/* Kills those that live, without a call. */
void kernels_end(struct kernels *kernels);

/* Of each that lives or whose end is known, by number. */
void kernels_each(const struct kernels *kernels,
		  void (*one)(unsigned number, const char *name, const char *state, void *arg),
		  void *arg);

/*
 * The answer, ended by \n, to a line of the control stream without its \n:
 *
 *     {"start": {"kernel": "ir"}}  {"ok": true, "number": 2}; until somebody asks for its
 *                                  connection, it is the client's: see kernels_leave()
 *     {"kernels": {}}              {"kernels": [{"number": 1, "kernel": "python3",
 *                                   "state": "ready"}, ...]}
 *
 * and those of kernel_answer(), with {"number": N} for {} where it is not kernel 1 that is
 * meant.  client is who asks, an address that is nobody else's.  Caller frees; NULL with
 * ENOMEM.
 */
char *kernels_answer(struct kernels *kernels, const void *client, const char *line,
		     size_t size);

/* A client has gone: the kernels that he has had started and that nobody was led to end. */
void kernels_leave(struct kernels *kernels, const void *client);

#endif
