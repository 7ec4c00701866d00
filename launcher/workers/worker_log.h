/* SPDX-License-Identifier: MIT */
/*
 * What a process of ours prints (a worker, the preload process, a prepare command): read from a
 * pipe in the event loop and kept in a bounded file, whose last lines can be had.  In
 * jupyter-agent, as the user.
 */
#ifndef WORKERS_WORKER_LOG_H
#define WORKERS_WORKER_LOG_H

#include <stddef.h>

#include "launcher/loop.h"

enum {
	/* Bytes of NAME.log; then it becomes NAME.log.1, in the place of an older one. */
	WORKER_LOG_MAX = 1 << 20,
	WORKER_LOG_NAME_MAX = 32 /* bytes with NUL */
};

struct worker_log;

/* The files are made below dirfd, which stays the caller's, when there is something to write.
 * name has no "/".  NULL with errno. */
struct worker_log *worker_log_create(int dirfd, const char *name);
void worker_log_destroy(struct worker_log *log); /* the files stay; accepts NULL */

/*
 * A new process: *fd is the pipe's end for its stdout and stderr, close-on-exec, the caller's,
 * who closes it once the process has it.  The tail begins anew.  What an earlier process (or a
 * child of it that lives) still writes is not read any more.  0, or -1 with errno.
 */
int worker_log_open(struct worker_log *log, struct loop *loop, int *fd);

/* The process has ended: takes what it has left in the pipe, within a bound, and closes it. */
void worker_log_close(struct worker_log *log);

/* What a disk that is full does not take is lost. */
void worker_log_write(struct worker_log *log, const void *data, size_t size);

/* The last lines of the latest process as it wrote them (NULs and carriage returns become line
 * ends, tabs spaces), beginning with a whole line where they are cut.  Returns text. */
const char *worker_log_tail(const struct worker_log *log, char *text, size_t size);

#endif
