/* SPDX-License-Identifier: MIT */
/*
 * A reason: one line that tells a person why something failed.  Libraries fill it in, programs
 * print it once.  Used by every program and by the plugin, so it needs nothing but libc.
 */
#ifndef COMMON_REASON_H
#define COMMON_REASON_H

/* Bytes with the final NUL.  Long enough for a path of PATH_MAX that is cut with "..." on both
 * sides of words that explain it, short enough for one line of a job's log. */
enum { REASON_MAX = 1024 };

struct reason {
	char text[REASON_MAX];
};

/*
 * Sets the text, printf style.  Bytes that a terminal could take as commands (control
 * characters) and invalid UTF-8 are written as \xNN; what does not fit is cut and ends in
 * "...". reason may be NULL.  Keeps errno.  Always returns -1, so that a caller can write
 * `return reason_set(...)`.
 */
int reason_set(struct reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before what is there, cutting at the end.  Keeps errno, returns -1. */
int reason_prefix(struct reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
