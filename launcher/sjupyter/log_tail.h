/* SPDX-License-Identifier: MIT */
/*
 * Prints log files, which hold what any program wrote: control characters are escaped, since
 * the reader's terminal would take them as commands.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_LOG_TAIL_H
#define SJUPYTER_LOG_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What was read but not printed yet: the beginning of a character or of a colour sequence. */
struct log_printer {
	FILE *to;
	bool drop_colours; /* leave SGR sequences out, else escape them like all others */
	char held[64];
	size_t held_size;
};

void log_printer_init(struct log_printer *printer, FILE *to, bool drop_colours);

/* Prints the bytes, escaped; what may go on with the next is held back. */
void log_print(struct log_printer *printer, const char *data, size_t size);

/* Prints what was held back: nothing more comes. */
void log_print_end(struct log_printer *printer);

/* Where the last count lines of the file begin, in bytes from its start.  A file that ends
 * without a newline ends with a line all the same.  -1 with errno. */
off_t log_find_tail(int fd, unsigned long count);

/* The last lines of session.log on stderr.  How many bytes, 0 when there is no log. */
int64_t log_tail_session(const char *job_id, unsigned long lines);

/* The same of any regular file; path is told first. */
int64_t log_tail_file(const char *path, unsigned long lines);

#endif
