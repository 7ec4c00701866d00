/* SPDX-License-Identifier: MIT */
/*
 * What `sjupyter run` has to know of the batch script that sbatch is given.  As the user.
 */
#ifndef SJUPYTER_SCRIPT_H
#define SJUPYTER_SCRIPT_H

#include <stdbool.h>

/*
 * Whether an #SBATCH line of the script has --jupyter, by which it chooses its app.  Lines
 * count as sbatch counts them: up to the first that is no comment.
 */
bool script_names_app(const char *text);

/*
 * The same for whichever of sbatch's arguments is a script: which of them is cannot be told
 * without knowing all of sbatch's options, so each is looked at that could be one.  sbatch
 * looks for it below the working directory, then in PATH.
 */
bool script_argument_names_app(char *const arguments[]);

#endif
