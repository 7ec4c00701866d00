/* SPDX-License-Identifier: MIT */
/* See request.h. */
#include "launcher/request.h"

#include <errno.h>
#include <string.h>

#include "common/options.h"

static int workers_check(const struct settings *settings, const char *workers,
			 struct reason *reason)
{
	struct options_workers list[OPTIONS_KINDS_MAX];
	int count = options_worker_list(workers, list, OPTIONS_KINDS_MAX);

	if (count < 0) {
		errno = EINVAL;
		return reason_set(reason,
				  "--jupyter-workers: \"%.200s\" is not a list of workers",
				  workers);
	}
	for (int i = 0; i < count; i++)
		if (!settings_workers(settings, list[i].kind, reason))
			return reason_prefix(reason, "--jupyter-workers");
	return 0;
}

int request_check(const struct settings *settings, const char *app, const char *workers,
		  struct reason *reason)
{
	struct reason unknown;

	/* A bare kernel is no app of the settings, whose kernelspecs are those of the node, nor
	 * is a notebook that is executed: see notebook.h. */
	if (app && strcmp(app, "kernel") != 0 && strcmp(app, "run") != 0 &&
	    !settings_app(settings, app, &unknown))
		return reason_set(reason,
				  "--jupyter: %s; or kernel[:KERNELSPEC] or run:NOTEBOOK.ipynb",
				  unknown.text);
	return workers ? workers_check(settings, workers, reason) : 0;
}
