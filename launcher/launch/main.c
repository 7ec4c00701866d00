/* SPDX-License-Identifier: MIT */
/*
 * jupyter-launch: started by the plugin on the job's first node, or by sjupyter start wherever
 * that runs, as the user.  Starts the session step and stays until it has ended.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/options.h"
#include "launcher/launch/launch.h"
#include "launcher/notebook.h"
#include "launcher/request.h"
#include "launcher/settings.h"

enum { EXIT_USAGE = 2 };

static int usage(const char *complaint)
{
	fprintf(stderr,
		"jupyter-launch: %s\n"
		"usage: jupyter-launch --options=OPTIONS [--config=FILE] [--triggered=TIME]\n"
		"       jupyter-launch [--check-app=NAME] [--check-workers=KIND[:N][,...]] "
		"[--check-notebook=OPTIONS]\n"
		"           [--config=FILE]\n"
		"Started by the plugin and by `sjupyter start`, not by hand.\n",
		complaint);
	return EXIT_USAGE;
}

/* The directory in which we run is that in which the job is submitted. */
static int check_notebook(const char *encoded, struct reason *reason)
{
	struct options options;

	options_init(&options);
	int rc = options_decode(encoded, &options, reason);
	if (rc == 0 && options_notebook(&options))
		rc = notebook_check(&options, NULL, reason);
	options_clear(&options);
	return rc;
}

/* For the plugin: 0 when all of it is known; else 2 and one line on stdout that says what is.
 */
static int check(const char *app, const char *workers, const char *run, const char *config)
{
	struct reason reason;
	struct settings *settings = settings_load(config, &reason);
	int rc = settings ? request_check(settings, app, workers, &reason) : -1;

	if (rc == 0 && run)
		rc = check_notebook(run, &reason);
	settings_destroy(settings);
	if (rc == 0)
		return 0;
	printf("%s\n", reason.text);
	return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
	static const struct option words[] = {{"options", required_argument, NULL, 'o'},
					      {"config", required_argument, NULL, 'c'},
					      {"triggered", required_argument, NULL, 't'},
					      {"task", required_argument, NULL, 'p'},
					      {"check-app", required_argument, NULL, 'a'},
					      {"check-workers", required_argument, NULL, 'w'},
					      {"check-notebook", required_argument, NULL, 'n'},
					      {NULL, 0, NULL, 0}};
	struct launch_options launch = {0};
	struct options options;
	struct reason reason;
	const char *app = NULL, *workers = NULL, *run = NULL;
	int word;

	opterr = 0;
	while ((word = getopt_long(argc, argv, "", words, NULL)) != -1) {
		switch (word) {
		case 'o':
			launch.options = optarg;
			break;
		case 'c':
			launch.config = optarg;
			break;
		case 't':
			launch.triggered = optarg;
			break;
		case 'p':
			launch.task = (pid_t) strtol(optarg, NULL, 10);
			break;
		case 'a':
			app = optarg;
			break;
		case 'w':
			workers = optarg;
			break;
		case 'n':
			run = optarg;
			break;
		default:
			return usage("an argument is not known");
		}
	}
	if (optind < argc)
		return usage("an argument is not known");
	if (app || workers || run)
		return check(app, workers, run, launch.config);
	if (!launch.options)
		return usage("--options is missing");
	options_init(&options);
	int wrong = options_decode(launch.options, &options, &reason) < 0 || !options.app;
	options_clear(&options);
	if (wrong)
		return usage("--options cannot be read");
	return launch_run(&launch);
}
