/* SPDX-License-Identifier: MIT */
/*
 * What main.c and the commands of sjupyter share: how a command is described, how it ends, and
 * how it takes its arguments.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_COMMAND_H
#define SJUPYTER_COMMAND_H

#include <stdbool.h>

/* Exit codes, as DESIGN.md has them. */
enum { COMMAND_OK = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2, COMMAND_NO_SESSION = 3 };

struct command {
	const char *name;
	const char *summary; /* one line of `sjupyter --help` */
	const char *help;    /* all of `sjupyter NAME --help` */

	/* argv[0] is "sjupyter NAME".  config is an absolute path or NULL.  An exit code, or
	 * COMMAND_HELPED. */
	int (*run)(int argc, char *argv[], const char *config);
};

extern const struct command command_run, command_start, command_wait, command_list,
	command_status, command_workers, command_env, command_url, command_log, command_stop,
	command_tunnel, command_kernel, command_kernelspec, command_doctor;

/* Prints the help; COMMAND_HELPED. */
int command_help(const struct command *command);

/* Says on stderr what is wrong; COMMAND_USAGE. */
int command_wrong(const struct command *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* After getopt_long has complained by itself; COMMAND_USAGE. */
int command_unknown(const struct command *command);

/* What a parser of arguments returns when it has shown the help: done, with COMMAND_OK. */
enum { COMMAND_HELPED = -1 };

/* A long option without a value. */
struct command_flag {
	const char *name;
	bool *flag; /* set to true */
};

/*
 * Takes flags (at most COMMAND_FLAGS_MAX, ended by a name of NULL), --help, and [JOBID] where
 * id is not NULL.  COMMAND_OK, COMMAND_USAGE or COMMAND_HELPED.
 */
enum { COMMAND_FLAGS_MAX = 8 };
int command_parse(const struct command *command, int argc, char *argv[],
		  const struct command_flag flags[], const char **id);

/*
 * Takes what getopt_long has left (from optind on) as [JOBID]; *id is NULL when nothing is
 * left. COMMAND_OK or COMMAND_USAGE.
 */
int command_take_id(const struct command *command, int argc, char *argv[], const char **id);

/* The exit code for the errno of target_find(), watch_check() and the like. */
int command_exit_code(int error);

#endif
