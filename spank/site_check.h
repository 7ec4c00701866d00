/* SPDX-License-Identifier: MIT */
/*
 * Asks jupyter-launch whether the site knows an app and kinds of workers, so that the plugin
 * itself needs no INI parser.  Called in sbatch, salloc and srun, as the user, while the
 * command line is parsed.
 */
#ifndef SPANK_SITE_CHECK_H
#define SPANK_SITE_CHECK_H

#include "common/reason.h"

/*
 * app is an app's name, workers the checked value of --jupyter-workers, run all options,
 * encoded, of --jupyter=run, whose notebook is looked at; each may be NULL.  0 when the site
 * knows them, and also when jupyter-launch cannot be asked (not installed on this submit host):
 * the compute node decides then.  -1 and a reason when it says no.  config may be NULL.  One
 * run of the program, of at most 10 seconds.
 */
int site_check(const char *app, const char *workers, const char *run, const char *config,
	       struct reason *reason);

#endif
