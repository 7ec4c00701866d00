/* SPDX-License-Identifier: MIT */
/*
 * Lines on stdin and stdout of `jupyter-hub-callback run`, to and from the head: bounded, and
 * never waited for without end.  In its event loop, as the user.
 */
#ifndef HUB_CALLBACK_LINES_H
#define HUB_CALLBACK_LINES_H

#include <jansson.h>

#include "launcher/loop.h"

enum {
	LINES_MAX = 262144,	 /* bytes of a line with its newline, either way */
	LINES_PATIENCE_MS = 5000 /* for a head that does not read */
};

struct lines;

struct lines_callbacks {
	/* One line without its newline, NUL-terminated; valid during the callback. */
	void (*line)(const char *line, size_t size, void *arg);
	void (*too_long)(void *arg); /* a line was passed over */
	void (*closed)(void *arg);   /* once: the end of file, or an error */
	void *arg;
};

/* fd stays the caller's; it may be of any kind.  NULL with errno. */
struct lines *lines_create(struct loop *loop, int fd, const struct lines_callbacks *callbacks);
void lines_destroy(struct lines *lines); /* not from within a callback; accepts NULL */

/*
 * Writes the object as one line.  0, or -1 with EMSGSIZE (longer than LINES_MAX), ETIMEDOUT
 * (nobody reads), ENOMEM, or the errno of write.
 */
int lines_say(int fd, const json_t *object);

#endif
