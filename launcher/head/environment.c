/* SPDX-License-Identifier: MIT */
/* See environment.h. */
#include "launcher/head/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"

struct writing {
	const struct env *job;
	FILE *file;
};

static int write_new(const char *name, const char *value, void *arg)
{
	const struct writing *writing = arg;
	const char *before = env_get(writing->job, name);

	if (!before || strcmp(before, value))
		fprintf(writing->file, "%s=%s%c", name, value, '\0');
	return 0;
}

int environment_write(int dirfd, const struct env *job, const struct env *server)
{
	struct writing writing = {.job = job};
	char *text = NULL;
	size_t size = 0;
	int rc = -1;

	if (!(writing.file = open_memstream(&text, &size)))
		return -1;
	env_each(server, write_new, &writing);
	if (fclose(writing.file) == 0) {
		errno = EFBIG;
		if (size <= ENVIRONMENT_MAX)
			rc = file_replace(dirfd, ENVIRONMENT_FILE, 0600, text, size);
	}
	int error = errno;
	free(text);
	errno = error;
	return rc;
}
