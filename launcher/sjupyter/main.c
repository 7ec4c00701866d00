/* SPDX-License-Identifier: MIT */
/*
 * sjupyter, the users' command: starts, shows and ends Jupyter sessions in Slurm jobs.  Run by
 * a person or a job script, as the user, on the login host or inside a job.  This file finds
 * the command; each has a file of its own.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"

static const struct command *const commands[] = {
	&command_run,	     &command_start,   &command_wait,	&command_list,
	&command_status,     &command_workers, &command_env,	&command_url,
	&command_log,	     &command_stop,    &command_tunnel, &command_kernel,
	&command_kernelspec, &command_doctor,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_usage(FILE *to)
{
	fputs("usage: sjupyter [--config=FILE] COMMAND [ARGUMENTS]\n"
	      "\n"
	      "Jupyter sessions in Slurm jobs.\n"
	      "\n",
	      to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "JOBID is a job's number, 123, or 123_4 for task 4 of the job array 123.  "
	      "Without\n"
	      "one, the job that this is run in is meant, or else the newest session that has\n"
	      "not ended.\n"
	      "\n"
	      "  --config=FILE  settings and recipes instead of the site's file (also in the\n"
	      "                 environment as SPANK_JUPYTER_CONFIG)\n"
	      "  --help         this; `sjupyter COMMAND --help` shows a command's options\n"
	      "  --version      the version\n"
	      "\n"
	      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such session.\n",
	      to);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* Absolute, since the launcher and the agents read it too, wherever they run. */
static int config_resolve(const char *given, char **config)
{
	if (!given)
		given = getenv("SPANK_JUPYTER_CONFIG");
	if (!given || !*given)
		return 0;
	*config = realpath(given, NULL);
	if (!*config)
		output_error("the config file %s: %s", given, strerror(errno));
	return *config ? 0 : -1;
}

static int command_execute(const struct command *command, int argc, char *argv[],
			   const char *config)
{
	char *name = NULL;

	if (asprintf(&name, "sjupyter %s", command->name) < 0) {
		output_error("%s", strerror(ENOMEM));
		return COMMAND_FAILED;
	}
	argv[0] = name; /* what getopt_long complains as */
	optind = 0;	/* glibc: begin anew */
	int code = command->run(argc, argv, config);
	free(name);
	return code == COMMAND_HELPED ? COMMAND_OK : code;
}

int main(int argc, char *argv[])
{
	static const struct option words[] = {{"config", required_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'V'},
					      {NULL, 0, NULL, 0}};
	static char self[] = "sjupyter";
	const char *given = NULL;
	char *config = NULL;
	int word;

	if (argc > 0)
		argv[0] = self;
	while ((word = getopt_long(argc, argv, "+hV", words, NULL)) != -1) {
		switch (word) {
		case 'c':
			given = optarg;
			break;
		case 'h':
			print_usage(stdout);
			return output_finish(COMMAND_OK);
		case 'V':
			puts("sjupyter " PACKAGE_VERSION);
			return output_finish(COMMAND_OK);
		default:
			fputs("Try `sjupyter --help`.\n", stderr);
			return COMMAND_USAGE;
		}
	}
	if (optind >= argc) {
		print_usage(stderr);
		return COMMAND_USAGE;
	}
	const struct command *command = command_find(argv[optind]);
	if (!command) {
		output_error("\"%s\" is not a command: `sjupyter --help` lists them",
			     argv[optind]);
		return COMMAND_USAGE;
	}
	if (config_resolve(given, &config) < 0)
		return COMMAND_FAILED;
	int code = command_execute(command, argc - optind, argv + optind, config);
	free(config);
	return output_finish(code);
}
