/* SPDX-License-Identifier: MIT */
/*
 * Starting a program: fork and exec with an argv array, nothing inherited but what is named.
 * Used by jupyter-launch, jupyter-agent and sjupyter, as the user.
 */
#ifndef LAUNCHER_SPAWN_H
#define LAUNCHER_SPAWN_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

enum { SPAWN_FDS_MAX = 16 /* descriptors of a child, the standard ones included */ };

struct spawn_options {
	const char *program; /* path to execute; argv[0] may differ */
	char *const *argv;
	char *const *environment;
	const char *directory; /* to start in, or NULL: here */
	int in, out, err;      /* stay the caller's; -1: /dev/null */
	const int *more;       /* the child's 3, 4, and so on; stay the caller's */
	size_t more_count;
	const cpu_set_t *cpus; /* to be bound to, or NULL: as we are */
	size_t cpus_size;      /* bytes of it */
	bool own_session; /* setsid: away from the terminal and in a process group of its own */
	bool dies_with_us; /* SIGTERM when this process ends */
	bool core_dumps;   /* give back the core limit that spawn_no_core_dumps() took */
};

/* Sets this process' core limit to 0, since its memory holds keys. */
void spawn_no_core_dumps(void);

/* Raises this process' soft limit of open files to the hard one, since the head has connections
 * of all nodes and clients; every child gets back what was before, which select(2) may rely on.
 */
void spawn_many_files(void);

/* The pid, or -1 with errno and a reason when it could not be started, the failure of execve
 * included.  The child has default signals and no other fds. */
pid_t spawn_process(const struct spawn_options *options, struct reason *reason);

/*
 * Looks name up in path (a PATH value); names with "/" are taken as they are.  Relative and
 * empty entries of path are passed over.  Caller frees; NULL with ENOENT.
 */
char *spawn_find(const char *name, const char *path);

#endif
