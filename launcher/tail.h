/* SPDX-License-Identifier: MIT */
/*
 * The last of what a process has printed, and its last words: the line that tells what is
 * wrong, if any does.  Pure.  In jupyter-agent, as the user.
 */
#ifndef LAUNCHER_TAIL_H
#define LAUNCHER_TAIL_H

#include <stddef.h>

enum { TAIL_MAX = 2048 /* bytes that are kept */ };

/* All zero: nothing yet. */
struct tail {
	char bytes[TAIL_MAX];
	size_t used;
};

void tail_keep(struct tail *tail, const char *data, size_t size);

/* The last line that says something, without the blanks around it, cut at its end; "" without
 * any.  Returns line. */
const char *tail_last_line(const struct tail *tail, char *line, size_t size);
/* The same of other bytes. */
const char *tail_last_line_of(const char *bytes, size_t used, char *line, size_t size);

#endif
