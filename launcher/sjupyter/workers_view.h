/* SPDX-License-Identifier: MIT */
/*
 * The workers of a session in words: a line while they come up, a column of a list, and all of
 * it with those that are missing.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_WORKERS_VIEW_H
#define SJUPYTER_WORKERS_VIEW_H

#include <stddef.h>

#include "common/session.h"

/* "workers: dask 6/8, ipyparallel 8/8", "" where there are none.  As much as fits into size
 * bytes; returns text. */
const char *workers_view_line(const struct session *session, char *text, size_t size);

/* "8", or "6/8" where some of all kinds are missing, or "-" where there are to be none. */
enum { WORKERS_VIEW_COUNT_MAX = 32 };
const char *workers_view_count(const struct session *session,
			       char text[WORKERS_VIEW_COUNT_MAX]);

/*
 * On stdout: each kind in a line behind label, which is padded to width and shown once, below
 * it the nodes that are not complete and the workers that are missing, with the last lines of
 * their logs.
 */
void workers_view_print(const struct session *session, const char *label, int width);

/* On stdout: a line for each kind, as a table with a heading; below it what is missing. */
void workers_view_table(const struct session *session);

#endif
