/* SPDX-License-Identifier: MIT */
/*
 * A kernel's process: started in a process group of its own, its output kept in the session's
 * log and its last lines here, its end told in words.  In the head's event loop, as the user.
 */
#ifndef KERNEL_PROCESS_H
#define KERNEL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/session_log.h"
#include "launcher/spawn.h"
#include "launcher/workers/memory_kill.h"

struct kernel_process;

/* Once, with the status of waitpid() and how it ended in words; it may be destroyed here. */
typedef void kernel_process_callback(int status, const char *how, void *arg);

/* options' out, err, own_session and such are set here; log and memory may be NULL.  NULL with
 * a reason. */
struct kernel_process *kernel_process_start(struct loop *loop, struct spawn_options *options,
					    struct session_log *log, struct memory_kill *memory,
					    kernel_process_callback *callback, void *arg,
					    struct reason *reason);
/* Kills its process group if it lives; accepts NULL. */
void kernel_process_destroy(struct kernel_process *process);

/* To it alone, or to its process group, with what it has started. */
void kernel_process_signal(struct kernel_process *process, int signo, bool group);
pid_t kernel_process_pid(const struct kernel_process *process);

/* Its last words, see tail_last_line().  Returns line. */
const char *kernel_process_last_words(const struct kernel_process *process, char *line,
				      size_t size);

#endif
