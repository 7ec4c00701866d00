/* SPDX-License-Identifier: MIT */
/*
 * The Python that the notebook's kernel runs, so that workers have the same packages: found by
 * reading what Jupyter reads, without starting Python.  Called in jupyter-agent, as the user,
 * before workers start.
 */
#ifndef WORKERS_PYTHON_H
#define WORKERS_PYTHON_H

#include "common/env.h"
#include "common/reason.h"

/*
 * The interpreter of the kernelspec python3, as jupyter_client finds it from the server's
 * environment; else the server's own (its "#!" line); else python3 beside the server; else
 * python3 in PATH.  server_program is the server's absolute path, or NULL where there is none;
 * environment is what the server gets, after --jupyter-init and recipes.
 *
 * An absolute path to a regular file that the user may run; links in it are kept, since a
 * virtual environment is told by them.  Caller frees.  NULL with ENOENT and a reason that says
 * what was looked for.
 */
char *workers_python(const char *server_program, const struct env *environment,
		     struct reason *reason);

/* The server's own interpreter: of its "#!" line, else python3 beside it.  Caller frees; NULL:
 * none that may be run. */
char *workers_server_python(const char *server_program, const struct env *environment);

/* What the first word of a kernelspec's argv starts, own being the server's interpreter or
 * NULL. Caller frees; NULL: no Python, or none that may be run. */
char *workers_kernel_python(const char *word, const char *own, const struct env *environment);

#endif
