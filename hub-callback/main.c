/* SPDX-License-Identifier: MIT */
/*
 * jupyter-hub-callback: tells JupyterHub where a session's server is and how the session goes.
 * Started by the head as its child (run), or by a script (post), as the user.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"

#include "hub-callback/commands.h"
#include "launcher/spawn.h"

static const char help[] =
	"usage: jupyter-hub-callback run [OPTIONS]\n"
	"       jupyter-hub-callback post ACTION [OPTIONS] [FIELDS]\n"
	"\n"
	"run   speaks lines of JSON with the head on standard input and output\n"
	"post  says one thing and prints what came; ACTION is environment, adopt,\n"
	"      serving, status, activity or ended\n"
	"\n"
	"Options (from the job's environment where they are not given):\n"
	"  --mode=spawn|stock|adopt  --hub=URL  --hub-uid=UID  --user=NAME\n"
	"  --job=ID  --restart=N  --cluster=NAME  --deadline=SECONDS\n"
	"Fields:\n"
	"  serving   --ip=IP --port=N --app=NAME [--scheme=http|https] [--head=NODE]\n"
	"            [--node=NODE]...\n"
	"  adopt     --app=NAME\n"
	"  status    --state=STATE [--reason=WORDS]\n"
	"  activity  [--last-activity=TIME] [--busy]\n"
	"  ended     --state=ended|failed [--reason=WORDS]\n"
	"\n"
	"Exit status: 0 done, 1 given up, 2 usage, 4 refused by the hub.\n"
	"See jupyter-hub-callback(8).\n";

static int usage(const char *words)
{
	fprintf(stderr, "jupyter-hub-callback: %s (see jupyter-hub-callback --help)\n", words);
	return COMMAND_USAGE;
}

int main(int argc, char *argv[])
{
	struct arguments arguments;
	struct reason reason;
	int status;
	bool post;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("jupyter-hub-callback " PACKAGE_VERSION);
		return COMMAND_DONE;
	}
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return COMMAND_DONE;
	}
	if (argc < 2 || (strcmp(argv[1], "run") != 0 && strcmp(argv[1], "post") != 0))
		return usage("run or post is missing");
	post = !strcmp(argv[1], "post");
	spawn_no_core_dumps();
	switch (arguments_read(argc - 1, argv + 1, post, &arguments, &reason)) {
	case ARGUMENTS_GOOD:
		status = post ? post_main(&arguments) : run_main(&arguments);
		break;
	case ARGUMENTS_HELP:
		fputs(help, stdout);
		status = COMMAND_DONE;
		break;
	default:
		status = usage(reason.text);
		break;
	}
	arguments_clear(&arguments);
	return status;
}
