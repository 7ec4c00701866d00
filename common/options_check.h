/* SPDX-License-Identifier: MIT */
/*
 * The grammar of each option's value, private to options.c and options_code.c; see options.h
 * for where it is used.
 *
 * Every function returns 0, or -1 with errno and a reason of one line that names the option,
 * the value, shortened and without control characters, and what is allowed.
 */
#ifndef COMMON_OPTIONS_CHECK_H
#define COMMON_OPTIONS_CHECK_H

#include <stdbool.h>

#include "reason.h"

enum {
	OPTION_SHOWN_MAX =
		128 /* bytes of a value in a message: one line with the words around it */
};

/* EMSGSIZE when it is OPTIONS_VALUE_MAX bytes or more. */
int option_check_size(const char *name, const char *value, struct reason *reason);

/* A name, kernel[:KERNELSPEC], or run:NOTEBOOK.  Whether there is such an app is for the
 * configuration to say. */
int option_check_app(const char *name, const char *value, struct reason *reason);

/* NAME=VALUE: a name as programming languages have them, and printable text, which may be
 * empty.
 */
int option_check_param(const char *name, const char *value, struct reason *reason);

/* KIND[:N][,...], no kind twice. */
int option_check_workers(const char *name, const char *value, struct reason *reason);

/* "none", or an http or https URL that cannot hold a secret; one that might is not shown. */
int option_check_hub(const char *name, const char *value, struct reason *reason);

/* Any printable UTF-8. */
int option_check_path(const char *name, const char *value, struct reason *reason);

/* now or manual. */
int option_parse_start(const char *name, const char *value, bool *manual,
		       struct reason *reason);

/* A time of Slurm's formats, in seconds, 0 unlimited. */
int option_parse_time(const char *name, const char *value, long *seconds,
		      struct reason *reason);

#endif
