/* SPDX-License-Identifier: MIT */
/*
 * The grammar of the --jupyter options: one table that the plugin registers, sjupyter parses
 * and the completions and man pages follow.  Used in sbatch, salloc, srun and slurmstepd (by
 * the plugin), and by jupyter-launch, jupyter-agent and sjupyter as the user.  Needs nothing
 * but libc.
 */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "reason.h"

enum {
	OPTIONS_VALUE_MAX = 4096, /* bytes of one value, NUL included: PATH_MAX */
	OPTIONS_ENCODED_MAX =
		98304,	       /* bytes of all, encoded; below Linux' 128 KiB per string */
	OPTIONS_NAME_MAX = 64, /* bytes of an app's or a worker kind's name, NUL included */
	OPTIONS_PARAMS_MAX = 16384, /* bytes of all parameters of a notebook, NUL included */
	OPTIONS_WORKERS_MAX =
		1024, /* workers of one kind on a node; the largest nodes have fewer CPUs */
	OPTIONS_KINDS_MAX = 32 /* kinds of workers in one job; three are shipped */
};

/* A time that was not given. */
#define OPTIONS_TIME_UNSET (-1L)

/* One option as registered; the array ends with a name of NULL. */
struct option_spec {
	const char *name;    /* "jupyter-workers", without dashes in front */
	const char *arginfo; /* "KIND[:N][,...]" as --help shows it */
	const char *usage;   /* one line for --help */
	bool optional_value; /* the value may be left out */
	bool repeated;	     /* each counts, not only the last */
};

extern const struct option_spec options_table[];

/* What was asked for.  Strings are owned; NULL means not given. */
struct options {
	char *app; /* "lab"; "kernel" or "kernel:KERNELSPEC"; "run:NOTEBOOK"; NULL: no session
		    */
	char *workers;	   /* "dask:2,mpi", checked, as given */
	char *hub;	   /* http(s) URL or "none" */
	char *init;	   /* path of a shell file, as given */
	char *dir;	   /* path of the server's root, as given */
	char *params;	   /* NAME=VALUE of each --jupyter-param, a newline between them */
	char *output;	   /* path of the executed notebook, as given */
	bool start_manual; /* --jupyter-start=manual */
	long idle_s;	   /* seconds, 0 never, OPTIONS_TIME_UNSET not given */
	long warn_s;	   /* seconds, 0 never, OPTIONS_TIME_UNSET not given */
};

void options_init(struct options *options);
void options_clear(struct options *options); /* frees; accepts a zeroed struct */

/*
 * Checks and stores one option; the last of the same name wins, and of --jupyter-param the last
 * of the same NAME.  name is one of options_table.
 * value may be NULL, "" or "(null)" where the option's value is optional (Slurm hands over all
 * three for a value left out).  Returns 0, or -1 with errno EINVAL (EMSGSIZE when too long,
 * ENOMEM) and a reason that names the option, the value given and what is allowed.
 */
int options_set(struct options *options, const char *name, const char *value,
		struct reason *reason);

/*
 * All that was given as one printable ASCII word, "jupyter=lab&jupyter-idle=3600", values
 * percent-encoded, for the environment between plugin, launcher and agents.  Caller frees.
 * NULL with errno ENOMEM or EMSGSIZE.
 */
char *options_encode(const struct options *options);

/*
 * The reverse, strict: unknown or repeated names, empty parts, bad escapes and values that
 * options_set would refuse are errors; "" is no option given.  What *options held is
 * overwritten, not freed; on failure it is untouched.  Times are plain seconds.  0, or -1 with
 * EINVAL, ERANGE, EMSGSIZE or ENOMEM and a reason.
 */
int options_decode(const char *encoded, struct options *options, struct reason *reason);

/* "kernel" of "kernel:ir": the app's name, without its argument, into name. */
void options_app_name(const struct options *options, char name[OPTIONS_NAME_MAX]);

/* "nb.ipynb" of "run:nb.ipynb", a part of options->app; NULL for every other app. */
const char *options_notebook(const struct options *options);

/* One --jupyter-param of the list params. */
struct options_param {
	const char *name, *value; /* not ended by a NUL */
	size_t name_length, value_length;
};

/* The first of them where *at is NULL; moves *at.  False: there is no more. */
bool options_param_next(const char *params, const char **at, struct options_param *param);

/* One part of --jupyter-workers, "dask:2". */
struct options_workers {
	char kind[OPTIONS_NAME_MAX];
	unsigned count; /* on each node, 1 to OPTIONS_WORKERS_MAX; 0: not given */
};

/*
 * The parts of "dask:2,mpi" into list, which has max places, in order.  How many there are, 0
 * when workers is NULL; or -1 with EINVAL (no such list), ERANGE (a number that is none or out
 * of bounds), EEXIST (a kind twice) or E2BIG (more than max), and list is undefined.
 */
int options_worker_list(const char *workers, struct options_workers *list, size_t max);

#endif
