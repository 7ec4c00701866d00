/* SPDX-License-Identifier: MIT */
/* See script.h. */
#include "launcher/sjupyter/script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

enum {
	SCRIPT_MAX = 4 << 20 /* bytes: what sbatch takes (max_script_size of slurm.conf(5)) */
};

/* Whether one of the words of an #SBATCH line is --jupyter, with a value or without. */
static bool line_names_app(const char *line, size_t size)
{
	static const char option[] = "--jupyter";
	const char *end = line + size;

	for (const char *at = line; at < end;) {
		size_t word = strcspn(at, " \t\n");
		if (word > (size_t) (end - at))
			word = (size_t) (end - at);
		if (word >= sizeof(option) - 1 && !strncmp(at, option, sizeof(option) - 1) &&
		    (word == sizeof(option) - 1 || at[sizeof(option) - 1] == '='))
			return true;
		if (*at == '#' && at > line)
			return false; /* the rest is a comment */
		at += word + 1;
	}
	return false;
}

bool script_names_app(const char *text)
{
	while (*text) {
		size_t size = strcspn(text, "\n");
		size_t blank = strspn(text, " \t\r\v\f");

		if (!strncmp(text, "#SBATCH", 7) && line_names_app(text, size))
			return true;
		if (blank < size && text[blank] != '#')
			return false;
		text += size + (text[size] == '\n');
	}
	return false;
}

/* The text of a script, which begins with "#!", or sbatch refuses it.  NULL when it is none. */
static char *read_script(const char *path)
{
	struct stat status;
	char *text = NULL;
	size_t size;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    fd_read_all(fd, SCRIPT_MAX, &text, &size) == 0 && strncmp(text, "#!", 2) != 0) {
		free(text);
		text = NULL;
	}
	fd_close(&fd);
	return text;
}

static char *read_in_path(const char *name)
{
	const char *entry = getenv("PATH");
	char path[PATH_MAX], *text = NULL;

	while (entry && *entry && !text) {
		size_t size = strcspn(entry, ":");
		if (size > 0 && snprintf(path, sizeof(path), "%.*s/%s", (int) size, entry,
					 name) < (int) sizeof(path))
			text = read_script(path);
		entry += size + (entry[size] == ':');
	}
	return text;
}

static bool is_app_named_in(const char *argument)
{
	char *text = read_script(argument);

	if (!text && !strchr(argument, '/'))
		text = read_in_path(argument);
	bool names_app = text && script_names_app(text);
	free(text);
	return names_app;
}

bool script_argument_names_app(char *const arguments[])
{
	for (; *arguments; arguments++)
		if (**arguments && **arguments != '-' && is_app_named_in(*arguments))
			return true;
	return false;
}
