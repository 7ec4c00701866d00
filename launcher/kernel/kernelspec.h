/* SPDX-License-Identifier: MIT */
/*
 * A kernelspec: which there are, what its kernel.json says, and the command and environment
 * that jupyter_client 8 would make of it.  In jupyter-agent, as the user: for the bare kernel
 * of --jupyter=kernel, and for the Python of the workers (launcher/workers/python.c).
 */
#ifndef KERNEL_KERNELSPEC_H
#define KERNEL_KERNELSPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "common/env.h"
#include "common/reason.h"

enum {
	KERNELSPEC_ARGV_MAX = 256,  /* words of a kernel's command */
	KERNELSPEC_ENV_MAX = 256,   /* variables of its env */
	KERNELSPEC_NAMES_MAX = 512, /* bytes of kernelspec_names() with NUL */
};

struct kernelspec_variable {
	char *name, *value; /* ${...} in value not replaced yet */
};

struct kernelspec {
	char *name;	    /* as it was asked for */
	char *file;	    /* its kernel.json */
	char *resource_dir; /* where that is */
	char **argv;	    /* as written, ended by NULL */
	struct kernelspec_variable *env;
	size_t env_count;
	bool interrupt_by_message; /* interrupt_mode; else SIGINT */
	/* "metadata": {"spank_jupyter": {"transport": "tcp"}}: a kernel that knows no unix
	 * sockets, but rewrites the connection file with ports of its own choice. */
	bool tcp;
};

/*
 * The path of NAME/kernel.json (NAME in any case, as Jupyter takes it) for a server that runs
 * the interpreter `python` in this environment: see kernel_dirs_each().  Caller frees.  NULL
 * with ENOENT or ENOMEM.
 */
char *kernelspec_find(const char *name, const char *python, const struct env *environment);

/* "ir, python3": those that there are for any of these interpreters (ended by NULL) and without
 * one, "none" without any, cut with "..." where there are many.  Returns text. */
const char *kernelspec_names(const char *const pythons[], const struct env *environment,
			     char text[KERNELSPEC_NAMES_MAX]);

/* What the file says.  NULL with a reason that begins with the file's path, and EINVAL, EFBIG,
 * ENOMEM or what open and read say. */
struct kernelspec *kernelspec_load(const char *name, const char *file, struct reason *reason);
void kernelspec_destroy(struct kernelspec *spec); /* accepts NULL */

/* Whether that first word of an argv means the server's own Python, `python` (or NULL). */
bool kernelspec_is_native(const char *word, const char *python);

/*
 * The command, with {connection_file}, {resource_dir} and {prefix} replaced, and its program's
 * path in *program.  Free argv with kernelspec_argv_free(), *program with free().  NULL with a
 * reason: ENOENT (no such program), ENOMEM.
 */
char **kernelspec_argv(const struct kernelspec *spec, const char *python,
		       const char *connection_file, const struct env *environment,
		       char **program, struct reason *reason);
void kernelspec_argv_free(char **argv); /* accepts NULL */

/* Puts its variables into environment, with $NAME and ${NAME} replaced by what was there
 * before; unknown ones stay as they are.  0, or -1 with ENOMEM or EINVAL. */
int kernelspec_environment(const struct kernelspec *spec, struct env *environment);

/* Opens a regular file to read, without waiting for anybody: a FIFO is EINVAL.  -1 with errno.
 */
int kernelspec_open(const char *path);

#endif
