/* SPDX-License-Identifier: MIT */
/*
 * A process that the head runs for a kind of workers (its controller, the srun of its step), in
 * a session of its own, with what it prints in a bounded log.  In the head's event loop, as the
 * user.
 */
#ifndef WORKERS_PROCESS_H
#define WORKERS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"

struct process;

/* Once for each start, when it has been reaped: how it ended in words, behind its name, and the
 * status as waitpid() has it.  It may be started again or destroyed from within. */
typedef void process_ended(const char *how, int status, void *arg);

/* name is the log's, below log_dirfd (see worker_log.h).  NULL with errno. */
struct process *process_create(struct loop *loop, int log_dirfd, const char *name,
			       process_ended *ended, void *arg);
/* Kills what still runs with its process group; ended() is not called.  Accepts NULL. */
void process_destroy(struct process *process);

struct process_options {
	const char *program; /* path to execute */
	char *const *argv;
	struct env *environment;
	const int *fds; /* its 3, 4 and so on; stay the caller's */
	size_t fd_count;
};

/* 0, or -1 with errno and a reason. */
int process_start(struct process *process, const struct process_options *options,
		  struct reason *reason);

/*
 * The same for one that somebody else starts: the pipe's end for its output, the caller's to
 * close; then its pid, a child of this process and the leader of a session.
 */
int process_open_log(struct process *process, int *fd);
int process_adopt(struct process *process, pid_t pid);

bool process_runs(const struct process *process);

/* SIGTERM to it, and SIGKILL to its whole group when it has not ended after grace_ms. */
void process_stop(struct process *process, int64_t grace_ms);

/* The last lines of its output; see worker_log_tail().  Returns text. */
const char *process_tail(const struct process *process, char *text, size_t size);
/* Its last words, see tail_last_line().  Returns text. */
const char *process_last_line(const struct process *process, char *text, size_t size);

#endif
