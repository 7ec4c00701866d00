/* SPDX-License-Identifier: MIT */
/*
 * Whether a notebook has the parameters that it is given by --jupyter-param, as far as its text
 * can tell in any language.  For notebook.c, wherever that runs, as the user.
 */
#ifndef LAUNCHER_NOTEBOOK_PARAMS_H
#define LAUNCHER_NOTEBOOK_PARAMS_H

#include <jansson.h>

#include "common/reason.h"

/*
 * root is a notebook of nbformat 3 or 4, path for people, params of struct options.  0, with
 * *remark set where something is odd, or -1 with errno and a reason: a value that is cut JSON,
 * a name that is in no cell.
 */
int notebook_params_check(const json_t *root, const char *path, const char *params,
			  struct reason *remark, struct reason *reason);

#endif
