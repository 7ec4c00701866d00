/* SPDX-License-Identifier: MIT */
/*
 * The notebook of --jupyter=run:NOTEBOOK before it is executed: where it is, whether it is one,
 * which kernel it wants, whether it has the parameters that are given, and where the executed
 * one goes.  In jupyter-launch for the plugin, while a command line is parsed, in sjupyter, and
 * in jupyter-agent, as the user.  A notebook is somebody else's file: every byte is hostile.
 */
#ifndef LAUNCHER_NOTEBOOK_H
#define LAUNCHER_NOTEBOOK_H

#include <stddef.h>

#include "common/env.h"
#include "common/options.h"
#include "common/reason.h"

enum {
	NOTEBOOK_SIZE_MAX = 100 << 20 /* bytes: no Jupyter opens a larger one with pleasure */
};

struct notebook {
	char kernel[OPTIONS_NAME_MAX]; /* its kernelspec's name; python3 where it has none */
	unsigned format;	       /* of nbformat: 3 or 4 */
	struct reason remark;	       /* what is odd about the parameters; "": nothing */
};

/*
 * The notebook's absolute path: what is relative is so to the directory in which the job was
 * submitted (SLURM_SUBMIT_DIR of environment; NULL: the working directory, of which one is
 * submitted now).  Caller frees; NULL with errno.
 */
char *notebook_path(const char *path, const struct env *environment);

/*
 * Reads the file and holds the parameters (of struct options, or NULL) against it.  0, or -1
 * with a reason that names the option, and errno: what open and read say, EINVAL, EFBIG.
 */
int notebook_read(const char *path, const char *params, struct notebook *notebook,
		  struct reason *reason);

/*
 * Where the executed notebook goes: output as --jupyter-output has it, with %j (the job's id)
 * and %A, %a (an array's, its task's) replaced, or NAME.JOBID.ipynb in the directory of
 * notebook_path().  job_id NULL: not known yet, and NULL without a reason where output needs
 * it.  Caller frees.  NULL with errno and a reason.
 */
char *notebook_output(const char *notebook, const char *output, const char *job_id,
		      const struct env *environment, struct reason *reason);

/* Whether it can be written there: its directory, that it is none itself, and not the notebook.
 * 0, or -1 with errno and a reason. */
int notebook_output_check(const char *notebook, const char *output, struct reason *reason);

/* All of these, of options with --jupyter=run: for a command line.  0, or -1 with a reason. */
int notebook_check(const struct options *options, const struct env *environment,
		   struct reason *reason);

/* The kernel of the notebook of these options, into kernel.  0, or -1 with a reason. */
int notebook_kernel(const struct options *options, const struct env *environment,
		    char kernel[OPTIONS_NAME_MAX], struct reason *reason);

#endif
