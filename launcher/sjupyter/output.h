/* SPDX-License-Identifier: MIT */
/*
 * What sjupyter prints: complaints, JSON, times and lengths of time.  Results go to stdout,
 * words about them to stderr.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_OUTPUT_H
#define SJUPYTER_OUTPUT_H

#include <jansson.h>
#include <stddef.h>

enum { OUTPUT_TIME_MAX = 40 /* bytes of a time or a length of time, NUL included */ };

/* "sjupyter: ..." and a newline on stderr, with control characters escaped. */
void output_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same of any length, without the name: one line of words, on stderr. */
void output_note(const char *text);

/* Prints the document on stdout and releases it.  0, or -1 when json is NULL (out of memory),
 * said on stderr. */
int output_json(json_t *json);

/* A moment as this host's clock shows it, with the date when it is not today.  Returns buffer.
 */
const char *output_time(double moment, char buffer[OUTPUT_TIME_MAX]);

/* A length of time: "0.06 s", "42 s", "5 min", "1-02:03:04".  Returns buffer. */
const char *output_span(double seconds, char buffer[OUTPUT_TIME_MAX]);

/* At the very end: the exit code, or 1 when stdout could not take all of it (a full disk). */
int output_finish(int code);

#endif
