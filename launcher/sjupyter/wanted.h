/* SPDX-License-Identifier: MIT */
/*
 * The session options that a job's environment holds: what the plugin or Slurm has left there
 * for `sjupyter start` and `sjupyter wait`.  As the user.
 */
#ifndef SJUPYTER_WANTED_H
#define SJUPYTER_WANTED_H

#include <stdbool.h>

#include "common/options.h"
#include "common/reason.h"

/*
 * Stores them in *options, which was options_init'ed.  First JUPYTER_SESSION_OPTIONS counts,
 * then Slurm's own variables for the plugin's options.  1 when there were any, 0 when not, -1
 * with a reason when they cannot be read.
 */
int wanted_take(struct options *options, struct reason *reason);

/* --jupyter=APP, --jupyter-dir=DIR, ... of a command line, as getopt_long's words: the table's
 * options with WANTED_FIRST, WANTED_FIRST + 1, ..., behind those given, ended by zeros.  The
 * caller frees; NULL with ENOMEM. */
enum { WANTED_FIRST = 1000 };
struct option;
struct option *wanted_words(const struct option *own);

/* Stores what getopt_long has found to be the option number `word`. */
int wanted_set(struct options *options, int word, const char *value, struct reason *reason);

#endif
