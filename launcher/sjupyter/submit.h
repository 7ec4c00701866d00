/* SPDX-License-Identifier: MIT */
/*
 * Submits a job with a session: sbatch with the user's own arguments.  In sjupyter run, as the
 * user.
 */
#ifndef SJUPYTER_SUBMIT_H
#define SJUPYTER_SUBMIT_H

#include <stdbool.h>

#include "common/reason.h"

/*
 * Runs sbatch with the arguments.  *job_id, which the caller frees, is the new job's number,
 * NULL when there is none: sbatch failed and has said why, or had only to print something.
 * Returns the exit code for that.
 */
int submit_job(char *const arguments[], char **job_id);

/* Whether sbatch here knows --jupyter, so that the plugin is loaded: 1 or 0, or -1 and a reason
 * when sbatch cannot be asked. */
int submit_plugin_loaded(struct reason *reason);

/* "123" or "123;CLUSTER", the last line that sbatch --parsable prints.  The number's copy, the
 * cluster's in *cluster or NULL there; caller frees both.  NULL when it is something else. */
char *submit_parse(const char *text, char **cluster);

#endif
