/* SPDX-License-Identifier: MIT */
/*
 * See notebook.h.  Where a notebook and the executed one are.  Wherever notebook.c runs, as the
 * user.
 */
#include "launcher/notebook.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

enum { PATH_SHOWN = 240 /* bytes of a path in a reason */ };

static int refuse(struct reason *reason, const char *path, const char *why)
{
	char shown[PATH_SHOWN];

	return reason_set(reason, "--jupyter-output: %s: %s",
			  text_excerpt(path, shown, sizeof(shown)), why);
}

char *notebook_path(const char *path, const struct env *environment)
{
	const char *submit = environment ? env_get(environment, "SLURM_SUBMIT_DIR") : NULL;
	char here[PATH_MAX], *whole = NULL;

	if (*path == '/')
		return strdup(path);
	if (!submit || *submit != '/')
		submit = getcwd(here, sizeof(here));
	if (!submit || asprintf(&whole, "%s/%s", submit, path) < 0)
		return NULL;
	return whole;
}

/* Puts what "%j" and such stand for into file; needs_job tells that one is not known. */
static int expand(const char *pattern, const char *job_id, const struct env *environment,
		  FILE *file, bool *needs_job)
{
	for (; *pattern; pattern++) {
		const char *value = NULL;

		if (*pattern != '%') {
			fputc(*pattern, file);
			continue;
		}
		switch (*++pattern) {
		case '%':
			fputc('%', file);
			continue;
		case 'j':
			value = job_id;
			break;
		case 'A':
			value = job_id ? env_get(environment, "SLURM_ARRAY_JOB_ID") : NULL;
			value = value ? value : job_id;
			break;
		case 'a':
			value = job_id ? env_get(environment, "SLURM_ARRAY_TASK_ID") : NULL;
			value = value || !job_id ? value : "0";
			break;
		default:
			errno = EINVAL;
			return -1;
		}
		if (value)
			fputs(value, file);
		else
			*needs_job = true;
	}
	return 0;
}

/* Whose "%" is no pattern's. */
static char *escape(const char *text)
{
	char *escaped = malloc(2 * strlen(text) + 1), *at = escaped;

	for (; escaped && *text; text++) {
		if (*text == '%')
			*at++ = '%';
		*at++ = *text;
	}
	if (escaped)
		*at = '\0';
	return escaped;
}

/* NAME.%j.ipynb, or NAME.%A_%a.ipynb of an array's task. */
static char *default_pattern(const char *notebook, const struct env *environment)
{
	const char *slash = strrchr(notebook, '/');
	char *name = escape(slash ? slash + 1 : notebook), *pattern = NULL;
	bool is_array = environment && env_get(environment, "SLURM_ARRAY_TASK_ID");

	if (!name)
		return NULL;
	size_t length = strlen(name);
	if (length > 6 && !strcmp(name + length - 6, ".ipynb"))
		name[length - 6] = '\0';
	if (asprintf(&pattern, "%s.%s.ipynb", name, is_array ? "%A_%a" : "%j") < 0)
		pattern = NULL;
	free(name);
	return pattern;
}

char *notebook_output(const char *notebook, const char *output, const char *job_id,
		      const struct env *environment, struct reason *reason)
{
	char *pattern = output ? strdup(output) : default_pattern(notebook, environment);
	char *text = NULL, *path = NULL;
	bool needs_job = false;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int rc = pattern && file ? expand(pattern, job_id, environment, file, &needs_job) : -1;
	bool is_wrong = rc < 0 && errno == EINVAL;

	if (file && fclose(file) != 0)
		rc = -1;
	if (is_wrong)
		refuse(reason, pattern, "% is followed by j, A, a or %");
	else if (rc == 0 && !needs_job)
		path = notebook_path(text, environment);
	else if (rc == 0 && !output)
		/* Only its directory can be looked at. */
		path = notebook_path("notebook.JOBID.ipynb", environment);
	if (!path && rc < 0 && !is_wrong)
		reason_set(reason, "--jupyter-output: %s", strerror(errno));
	free(pattern);
	free(text);
	errno = is_wrong ? EINVAL : ENOMEM;
	return path;
}

int notebook_output_check(const char *notebook, const char *output, struct reason *reason)
{
	struct stat status, input;
	char *directory = strdup(output), *slash = directory ? strrchr(directory, '/') : NULL;
	int rc = -1;

	if (!slash) {
		reason_set(reason, "--jupyter-output: %s", strerror(errno));
		goto out;
	}
	slash[slash == directory] = '\0';
	errno = EINVAL;
	if (output[strlen(output) - 1] == '/' ||
	    (stat(output, &status) == 0 && S_ISDIR(status.st_mode)))
		refuse(reason, output, "a directory: give the path of a file");
	else if (stat(directory, &status) < 0)
		refuse(reason, directory, strerror(errno));
	else if (!S_ISDIR(status.st_mode))
		refuse(reason, directory, strerror(errno = ENOTDIR));
	else if (access(directory, W_OK | X_OK) < 0)
		refuse(reason, directory,
		       errno == EACCES ? "you may not write there: give --jupyter-output a "
					 "directory of yours"
				       : strerror(errno));
	else if (stat(output, &status) == 0 && stat(notebook, &input) == 0 &&
		 status.st_dev == input.st_dev && status.st_ino == input.st_ino)
		refuse(reason, output,
		       "the notebook itself, which is not changed: give another path");
	else
		rc = 0;
out:
	free(directory);
	return rc;
}
