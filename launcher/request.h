/* SPDX-License-Identifier: MIT */
/*
 * What the options ask for, held against what the site has: whether there is such an app, and
 * such kinds of workers.  Used by jupyter-launch, for the plugin while a command line is
 * parsed, by jupyter-agent and by sjupyter, as the user.
 */
#ifndef LAUNCHER_REQUEST_H
#define LAUNCHER_REQUEST_H

#include "common/reason.h"
#include "launcher/settings.h"

/*
 * app is an app's name without its argument, workers the value of --jupyter-workers; NULL: not
 * asked for.  0, or -1 with ENOENT (not known; the reason lists what is) or EINVAL (workers is
 * no such value) and a reason that names the option.
 */
int request_check(const struct settings *settings, const char *app, const char *workers,
		  struct reason *reason);

#endif
