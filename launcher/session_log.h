/* SPDX-License-Identifier: MIT */
/*
 * session.log: what jupyter-launch, the head and the server say, in the user's state directory.
 * Bounded: when it is full it becomes session.log.1 and a new one begins.  As the user.
 */
#ifndef LAUNCHER_SESSION_LOG_H
#define LAUNCHER_SESSION_LOG_H

#include <stddef.h>

enum { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct session_log;

/*
 * dirfd stays the caller's and must outlive it.  max_bytes bounds both files together.  Opened
 * anew for each write, so that two writers agree on which file is the current one.  NULL with
 * ENOMEM.
 */
struct session_log *session_log_create(int dirfd, int level, long max_bytes);
void session_log_destroy(struct session_log *log);

/* One line "TIME who: text"; nothing when above the level.  A full disk loses the line, not
 * more. */
void session_log_line(struct session_log *log, int level, const char *who, const char *format,
		      ...) __attribute__((format(printf, 4, 5)));

/* Bytes as the server wrote them. */
void session_log_bytes(struct session_log *log, const void *data, size_t size);

#endif
