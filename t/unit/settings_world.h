/* SPDX-License-Identifier: MIT */
/*
 * A site's file and a directory of recipes for the unit tests of launcher/settings.h, which run
 * as whoever calls `make check`.
 */
#ifndef SETTINGS_WORLD_H
#define SETTINGS_WORLD_H

#include "common/text.h"
#include "launcher/settings.h"
#include "scratch.h"

static struct reason reason;
static char recipes[300], file[300];

static void write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, data, size) != (ssize_t) size || close(fd) != 0)
		bail_out(path);
}

static void write_recipe(const char *name, const char *text)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", recipes, name);
	write_file(path, text, strlen(text));
}

static void remove_recipe(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", recipes, name);
	if (unlink(path) != 0)
		bail_out(path);
}

static struct settings *load(const char *text)
{
	write_file(file, text, strlen(text));
	reason.text[0] = '\0';
	errno = 0;
	return settings_load_from(recipes, file, &reason);
}

/* The reason with the scratch directory's path taken out, so that it can be compared. */
static const char *told(void)
{
	static char text[REASON_MAX];
	size_t length = strlen(scratch_path);
	char *to = text;

	for (const char *from = reason.text; *from != '\0';) {
		if (strncmp(from, scratch_path, length) == 0)
			from += length;
		else
			*to++ = *from++;
	}
	*to = '\0';
	return text;
}

static void is_wrong(const char *text, const char *expected)
{
	struct settings *settings = load(text);
	int error = errno;

	ok(settings == NULL && error == EINVAL, "refused: %.40s", expected);
	is_str(told(), expected, "and told why");
	settings_destroy(settings);
}

/* An empty site's file, and one shipped app. */
static int world_open(void)
{
	int dir = scratch_open();

	snprintf(recipes, sizeof(recipes), "%s/recipes", scratch_path);
	snprintf(file, sizeof(file), "%s/site.conf", scratch_path);
	if (mkdir(recipes, 0755) != 0)
		bail_out(recipes);
	write_recipe("lab.conf", "# shipped\n[app lab]\ncommand = jupyter-lab\nhint = pip\n"
				 "env.A = 1\nenv.B = 1\n");
	return dir;
}

static void world_close(int dir)
{
	remove_recipe("lab.conf");
	rmdir(recipes);
	unlink(file);
	is_int(entries(dir), 0, "nothing is left");
	rmdir(scratch_path);
}

#endif
