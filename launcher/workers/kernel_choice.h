/* SPDX-License-Identifier: MIT */
/*
 * Which kernel --jupyter=kernel[:KERNELSPEC] means on this node, and which Python: for the
 * head, which starts it, and for the workers, which get the same packages.  In jupyter-agent,
 * as the user.
 */
#ifndef WORKERS_KERNEL_CHOICE_H
#define WORKERS_KERNEL_CHOICE_H

#include <stdbool.h>

#include "common/env.h"
#include "common/options.h"
#include "common/reason.h"
#include "launcher/kernel/kernelspec.h"
#include "launcher/settings.h"

enum { KERNEL_PYTHONS_MAX = 5 /* one loaded, three apps', one in PATH */ };

struct kernel_choice {
	struct kernelspec *spec;
	char *python; /* what "python" in its argv means; NULL: that of PATH */
};

/* Whether the session's app is a bare kernel; "ir" of "kernel:ir", "python3" of "kernel". */
bool kernel_is_app(const struct options *options);
const char *kernel_app_spec(const struct options *options);

/*
 * Looks for the kernelspec where Jupyter would for each of these Pythons, in this order:
 * python3 in PATH where that is not the system's, since the user has loaded it; that of the
 * site's lab, notebook or server; python3 in PATH.  0, or -1 with a reason that lists the known
 * ones (ENOENT), or of kernelspec_load().
 */
int kernel_choose(const struct settings *settings, const char *name,
		  const struct env *environment, struct kernel_choice *choice,
		  struct reason *reason);
/* These Pythons, ended by NULL, in that order; the caller frees each. */
void kernel_pythons(const struct settings *settings, const struct env *environment,
		    char *pythons[KERNEL_PYTHONS_MAX + 1]);

void kernel_choice_clear(struct kernel_choice *choice); /* accepts a zeroed struct */

#endif
