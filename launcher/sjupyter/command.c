/* SPDX-License-Identifier: MIT */
/* See command.h. */
#include "launcher/sjupyter/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/reason.h"
#include "launcher/sjupyter/target.h"

/* getopt_long's number of the first flag, beyond all characters. */
enum { FLAG = 1000 };

int command_help(const struct command *command)
{
	fputs(command->help, stdout);
	return COMMAND_HELPED;
}

int command_unknown(const struct command *command)
{
	fprintf(stderr, "Try `sjupyter %s --help`.\n", command->name);
	return COMMAND_USAGE;
}

int command_wrong(const struct command *command, const char *format, ...)
{
	char text[REASON_MAX];
	struct reason shown;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason_set(&shown, "%s", text);
	fprintf(stderr, "sjupyter %s: %s\n", command->name, shown.text);
	return command_unknown(command);
}

int command_parse(const struct command *command, int argc, char *argv[],
		  const struct command_flag flags[], const char **id)
{
	struct option words[COMMAND_FLAGS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
	int word;

	for (int i = 0; i < COMMAND_FLAGS_MAX && flags[i].name; i++)
		words[i + 1] = (struct option){flags[i].name, no_argument, NULL, FLAG + i};
	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		if (word == 'h')
			return command_help(command);
		if (word < FLAG)
			return command_unknown(command);
		*flags[word - FLAG].flag = true;
	}
	if (id)
		return command_take_id(command, argc, argv, id);
	if (optind < argc)
		return command_wrong(command, "\"%s\" is one too many", argv[optind]);
	return COMMAND_OK;
}

int command_take_id(const struct command *command, int argc, char *argv[], const char **id)
{
	const char *given = optind < argc ? argv[optind] : NULL;

	if (argc - optind > 1)
		return command_wrong(command, "one job at a time: \"%s\" is one too many",
				     argv[optind + 1]);
	if (given && !target_id_valid(given))
		return command_wrong(command,
				     "\"%s\" is not a job: give its number, as 123, or 123_4 "
				     "for task 4 of the array 123",
				     given);
	*id = given;
	return COMMAND_OK;
}

int command_exit_code(int error)
{
	if (error == ENOENT)
		return COMMAND_NO_SESSION;
	return error == EINVAL ? COMMAND_USAGE : COMMAND_FAILED;
}
