/* SPDX-License-Identifier: MIT */
/*
 * How a child has ended, in a person's words: the server, a worker, a controller, a kernel,
 * the session step's srun.  In jupyter-agent and jupyter-launch, as the user.
 */
#ifndef WORKERS_EXIT_WORDS_H
#define WORKERS_EXIT_WORDS_H

#include "launcher/workers/memory_kill.h"

enum { EXIT_WORDS_MAX = 96 /* bytes with NUL */ };

/*
 * "ended with exit status 3", "was ended by signal 9 (out of memory)" when memory tells that
 * the kernel did it, "was ended by signal 15 (SIGTERM)".  status is of waitpid(), -1: not
 * known; memory may be NULL.  Returns text.
 */
const char *exit_words(int status, struct memory_kill *memory, char text[EXIT_WORDS_MAX]);

#endif
