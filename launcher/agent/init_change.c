/* SPDX-License-Identifier: MIT */
/* See init_change.h.  The file has "NAME=VALUE" for what was set and "NAME" for what was unset,
 * each with a NUL. */
#include "launcher/agent/init_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"

static const char file_name[] = "init.changes";

enum { CHANGES_MAX = 4 << 20 /* bytes: Linux lets execve take about 2 MiB */ };

struct comparison {
	const struct env *other;
	FILE *file;
};

static int write_set(const char *name, const char *value, void *arg)
{
	const struct comparison *comparison = arg;
	const char *before = env_get(comparison->other, name);

	if (!before || strcmp(before, value) != 0)
		fprintf(comparison->file, "%s=%s%c", name, value, '\0');
	return 0;
}

static int write_unset(const char *name, const char *value, void *arg)
{
	const struct comparison *comparison = arg;

	(void) value;
	if (!env_get(comparison->other, name))
		fprintf(comparison->file, "%s%c", name, '\0');
	return 0;
}

int init_change_write(int dirfd, const struct env *before, const struct env *after)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	int rc = -1;

	if (!file)
		return -1;
	(void) env_each(after, write_set, &(struct comparison){before, file});
	(void) env_each(before, write_unset, &(struct comparison){after, file});
	if (fclose(file) == 0) {
		errno = EFBIG;
		if (size <= CHANGES_MAX)
			rc = file_replace(dirfd, file_name, 0600, text, size);
	}
	int saved = errno;
	free(text);
	errno = saved;
	return rc;
}

static int apply(char *text, size_t size, struct env *environment)
{
	for (char *entry = text; entry < text + size; entry += strlen(entry) + 1) {
		char *value = strchr(entry, '=');
		if (!value) {
			env_unset(environment, entry);
			continue;
		}
		*value = '\0';
		int rc = env_set(environment, entry, value + 1);
		*value = '=';
		if (rc < 0)
			return -1;
	}
	return 0;
}

int init_change_apply(const char *directory, struct env *environment, struct reason *reason)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char *text = NULL;
	size_t size = 0;
	int rc = -1;

	if (fd >= 0 && file_read(fd, file_name, CHANGES_MAX, &text, &size) == 0)
		rc = apply(text, size, environment);
	if (rc < 0)
		reason_set(reason, "%s/%s: %s", directory, file_name, strerror(errno));
	int saved = errno;
	free(text);
	fd_close(&fd);
	errno = saved;
	return rc;
}
