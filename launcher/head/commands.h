/* SPDX-License-Identifier: MIT */
/*
 * The head's command socket, RUNTIME_DIR/head.sock: one line of JSON from a process of the same
 * user on this node (jupyter-agent --ask), one line of JSON back.  In the head's event loop, as
 * the user.
 */
#ifndef HEAD_COMMANDS_H
#define HEAD_COMMANDS_H

#include <stddef.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/runtime_dir.h"

enum {
	COMMANDS_LINE_MAX = 4096,   /* bytes of a line, with its \n */
	COMMANDS_CLIENTS_MAX = 16,  /* at once; others wait for their turn */
	COMMANDS_CLIENT_MS = 10000, /* for a client to say its line and take its answer */
};

#define COMMANDS_SOCKET "head.sock"

struct commands;

struct commands_callbacks {
	/* {"workers": {"kind": KIND, "count": COUNT}}: 0 and in *expected how many there are to
	 * be in all, or -1 with a reason. */
	int (*resize)(const char *kind, unsigned count, unsigned *expected,
		      struct reason *reason, void *arg);
	/* {"kernels": {}}: 0 and the port of the tunnel to bare kernels, where they are started
	 * too; or -1 with a reason. */
	int (*kernels)(unsigned *port, struct reason *reason, void *arg);
	void *arg;
};

/* NULL with errno and a reason. */
struct commands *commands_create(struct loop *loop, const struct runtime_dir *runtime,
				 const struct commands_callbacks *callbacks,
				 struct reason *reason);
void commands_destroy(struct commands *commands); /* closes all; accepts NULL */

/* For the tests: the answer, ended by \n, to a line without its \n.  Caller frees; NULL with
 * ENOMEM. */
char *commands_answer(const struct commands_callbacks *callbacks, const char *line,
		      size_t size);

#endif
