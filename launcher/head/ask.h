/* SPDX-License-Identifier: MIT */
/*
 * One authenticated GET or POST to the server on its unix socket, for what the probe cannot
 * tell.  In the head's event loop, as the user.
 */
#ifndef HEAD_ASK_H
#define HEAD_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/loop.h"

enum {
	ASK_ANSWER_MAX = 1 << 20, /* bytes with header: hundreds of kernels */
	ASK_DEADLINE_MS = 30000,
	ASK_TOKEN_MAX = 256 /* bytes of the token's file */
};

struct ask;

struct ask_options {
	const char *socket_path;
	const char *token_file;
	const char *path;    /* begins with "/" */
	const char *body;    /* JSON, POSTed; NULL: a GET */
	int64_t deadline_ms; /* 0: ASK_DEADLINE_MS */
};

/* Once: the body of an answer with status 200, NUL-terminated and the ask's, or NULL. The ask
 * may be destroyed from within. */
typedef void ask_callback(const char *body, size_t size, void *arg);

/* NULL with errno when the server cannot be asked at all. */
struct ask *ask_start(struct loop *loop, const struct ask_options *options,
		      ask_callback *callback, void *arg);
void ask_destroy(struct ask *ask); /* cancels; accepts NULL */

#endif
