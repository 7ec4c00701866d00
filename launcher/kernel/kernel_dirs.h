/* SPDX-License-Identifier: MIT */
/*
 * The directories in which Jupyter looks for kernelspecs, in the order in which jupyter_core 5
 * and jupyter_client 8 take them, told without starting Python.  Used by kernelspec.c, in
 * jupyter-agent, as the user.
 */
#ifndef KERNEL_KERNEL_DIRS_H
#define KERNEL_KERNEL_DIRS_H

#include <stdbool.h>

#include "common/env.h"

/* ".../share/jupyter/kernels", which may not exist; true: enough, the search ends. */
typedef bool kernel_dirs_callback(const char *directory, void *arg);

/*
 * For a server that runs the interpreter `python` (an absolute path, or NULL: not known) in
 * this environment.  Relative directories in the environment are passed over: the server's own
 * directory is not ours.  Without HOME there are no user's directories, and
 * JUPYTER_PLATFORM_DIRS, with which XDG_DATA_DIRS would count, changes nothing.
 *
 * 1 when the callback has ended it, 0 when it has not, -1 with ENOMEM.
 */
int kernel_dirs_each(const char *python, const struct env *environment,
		     kernel_dirs_callback *callback, void *arg);

/* That interpreter's sys.prefix.  Caller frees; NULL: not known. */
char *kernel_dirs_prefix(const char *python, const struct env *environment);

#endif
