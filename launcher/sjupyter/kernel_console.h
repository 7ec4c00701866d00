/* SPDX-License-Identifier: MIT */
/*
 * jupyter-console on a kernel's connection file, in this terminal.  A child of sjupyter kernel,
 * as the user.
 */
#ifndef SJUPYTER_KERNEL_CONSOLE_H
#define SJUPYTER_KERNEL_CONSOLE_H

#include "launcher/loop.h"

/* Starts it, with stdin, stdout and stderr as they are here; ended is called as of
 * loop_child_add().  NULL: there is none, and why is on stderr. */
struct loop_child *kernel_console_start(struct loop *loop, const char *connection_file,
					loop_child_callback *ended, void *arg);

#endif
