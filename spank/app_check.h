/* SPDX-License-Identifier: MIT */
/*
 * Asks jupyter-launch whether an app is known, so that the plugin itself needs no INI parser.
 * Called in sbatch, salloc and srun, as the user, while the command line is parsed.
 */
#ifndef SPANK_APP_CHECK_H
#define SPANK_APP_CHECK_H

#include "common/reason.h"

/*
 * 0 when the site knows the app, and also when jupyter-launch cannot be asked (not installed on
 * this submit host): the compute node decides then.  -1 and a reason when it says no.
 * config may be NULL.  Takes at most 10 seconds.
 */
int app_check(const char *app, const char *config, struct reason *reason);

#endif
