/* SPDX-License-Identifier: MIT */
/* See init_file.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/agent/init_file.h"
#include "launcher/capture.h"

enum { ENVIRONMENT_MAX = 4 << 20 /* bytes: Linux lets execve take about 2 MiB */ };

struct init_file {
	char *path;
	struct capture *capture;
	init_file_callback *callback;
	void *arg;
};

/* fd 3 carries the environment, so that what the file prints is not taken for it.  No
 * "||" behind the file: that would turn off its "set -e". */
static const char script[] = "exec 3>&1 1>&2\n"
			     ". \"$1\" 3>&-\n"
			     "case $? in 0) ;; *) exit $? ;; esac\n"
			     "exec /usr/bin/env -0 1>&3\n";

static struct env *parse_environment(char *output, size_t size)
{
	struct env *environment = env_create(NULL);

	if (!environment)
		return NULL;
	for (char *entry = output; entry < output + size; entry += strlen(entry) + 1) {
		char *value = strchr(entry, '=');
		if (!value)
			continue;
		*value = '\0';
		/* bash's own bookkeeping is nobody's to inherit. */
		bool kept = !strcmp(entry, "_") || !strcmp(entry, "SHLVL") ||
			    env_set(environment, entry, value + 1) == 0;
		*value = '=';
		if (!kept) {
			env_destroy(environment);
			return NULL;
		}
	}
	return environment;
}

static void on_end(const char *failure, char *output, size_t size, void *arg)
{
	struct init_file *init = arg;
	struct env *environment = NULL;
	struct reason reason;

	if (failure)
		reason_set(&reason, "--jupyter-init=%s: %s", init->path, failure);
	else if (size == 0)
		reason_set(&reason,
			   "--jupyter-init=%s: it ended the shell (exit) instead of coming to "
			   "its end",
			   init->path);
	else if (!(environment = parse_environment(output, size)))
		reason_set(&reason, "--jupyter-init=%s: %s", init->path, strerror(errno));
	init->callback(environment, environment ? NULL : reason.text, init->arg);
}

struct init_file *init_file_start(struct loop *loop, const struct init_file_options *options,
				  init_file_callback *callback, void *arg,
				  struct reason *reason)
{
	struct stat status;
	struct init_file *init = calloc(1, sizeof(*init));

	if (!init || !(init->path = realpath(options->path, NULL)) ||
	    stat(init->path, &status) < 0 || access(init->path, R_OK) < 0) {
		reason_set(reason, "--jupyter-init=%s: %s", options->path, strerror(errno));
		goto error;
	}
	if (!S_ISREG(status.st_mode)) {
		reason_set(reason, "--jupyter-init=%s: not a regular file", options->path);
		goto error;
	}
	init->callback = callback;
	init->arg = arg;
	char *argv[] = {"bash",		 "--noprofile",	 "--norc",   "-c",
			(char *) script, "jupyter-init", init->path, NULL};
	struct spawn_options spawn = {
		.program = BASH_PROGRAM,
		.argv = argv,
		.environment = env_vector(options->environment),
		.in = -1,
		.err = options->err,
		.core_dumps = true,
	};
	if (!(init->capture = capture_start(loop, &spawn, ENVIRONMENT_MAX,
					    options->timeout_s * 1000, on_end, init, reason)))
		goto error;
	return init;
error:
	init_file_destroy(init);
	return NULL;
}

void init_file_destroy(struct init_file *init)
{
	int error = errno;

	if (!init)
		return;
	capture_destroy(init->capture);
	free(init->path);
	free(init);
	errno = error;
}
