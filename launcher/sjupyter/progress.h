/* SPDX-License-Identifier: MIT */
/*
 * How something goes on, on stderr: on a terminal one line that changes in place, with lines
 * that stay above it; elsewhere plain lines, one for each change.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_PROGRESS_H
#define SJUPYTER_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

enum { PROGRESS_TEXT_MAX = 1024 };

struct progress {
	int fd;
	bool live;  /* a terminal that knows how to erase a line */
	bool shown; /* there is a line to be erased */
	char last[PROGRESS_TEXT_MAX];
};

/* For fd, usually STDERR_FILENO. */
void progress_init(struct progress *progress, int fd);

/*
 * What is going on now.  what is shown in both forms; elapsed, which may be "" and changes all
 * the time, on a terminal only.  Repeated without a change it prints nothing on a plain fd.
 */
void progress_now(struct progress *progress, const char *what, const char *elapsed);

/* A line that stays. */
void progress_line(struct progress *progress, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Erases the line that changes: something else is printed next. */
void progress_clear(struct progress *progress);

/* As much of text as fits into columns characters, escaped, the end "..." if it was cut.
 * Returns buffer. */
const char *progress_fit(const char *text, size_t columns, char buffer[PROGRESS_TEXT_MAX]);

#endif
