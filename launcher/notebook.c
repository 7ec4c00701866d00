/* SPDX-License-Identifier: MIT */
/* See notebook.h.  Paths are in notebook_output.c, parameters in notebook_params.c. */
#include "launcher/notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/notebook_params.h"

enum { PATH_SHOWN = 240 /* bytes of a path in a reason */ };

static int refuse(struct reason *reason, const char *path, const char *why)
{
	char shown[PATH_SHOWN];

	return reason_set(reason, "--jupyter=run: %s: %s",
			  text_excerpt(path, shown, sizeof(shown)), why);
}

/* The whole file, without waiting for a FIFO's writer. */
static int load(const char *path, char **data, size_t *size, struct reason *reason)
{
	__attribute__((cleanup(fd_close))) int fd =
		open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return refuse(reason, path, strerror(errno));
	errno = EINVAL;
	if (S_ISDIR(status.st_mode))
		return refuse(reason, path, "a directory: give the path of a notebook");
	if (!S_ISREG(status.st_mode))
		return refuse(reason, path, "not a regular file: give the path of a notebook");
	if (status.st_size <= NOTEBOOK_SIZE_MAX &&
	    fd_read_all(fd, NOTEBOOK_SIZE_MAX, data, size) == 0)
		return 0;
	if (status.st_size > NOTEBOOK_SIZE_MAX || errno == EFBIG) {
		errno = EFBIG;
		return refuse(reason, path,
			      "more than the 100 MiB that are allowed: clear its outputs");
	}
	return refuse(reason, path, strerror(errno));
}

static int read_format(const json_t *root, const char *path, struct notebook *notebook,
		       struct reason *reason)
{
	const json_t *format = json_object_get(root, "nbformat");
	json_int_t number = json_integer_value(format);
	char why[128];

	errno = EINVAL;
	if (!json_is_object(root) || !json_is_integer(format))
		return refuse(reason, path, "JSON, but not a notebook: it has no nbformat");
	if (number < 3 || number > 4) {
		snprintf(why, sizeof(why), "it has nbformat %lld: 3 and 4 can be executed%s",
			 (long long) number,
			 number < 3 ? "; open it in Jupyter and save it" : "");
		return refuse(reason, path, why);
	}
	notebook->format = (unsigned) number;
	if (!json_is_array(json_object_get(root, number == 3 ? "worksheets" : "cells")))
		return refuse(reason, path, "not a notebook: it has no list of cells");
	return 0;
}

static int read_kernel(const json_t *root, const char *path, struct notebook *notebook,
		       struct reason *reason)
{
	const json_t *spec = json_object_get(json_object_get(root, "metadata"), "kernelspec");
	const json_t *value = json_object_get(spec, "name");
	const char *name = json_string_value(value);

	if (!value || json_is_null(value) || (name && !*name))
		name = "python3";
	errno = EINVAL;
	if (!name || !text_is_name(name, sizeof(notebook->kernel)))
		return refuse(reason, path,
			      "the name in its metadata.kernelspec is not one: choose its "
			      "kernel in Jupyter and save it");
	strcpy(notebook->kernel, name);
	return 0;
}

static int examine(const json_t *root, const char *path, const char *params,
		   struct notebook *notebook, struct reason *reason)
{
	if (read_format(root, path, notebook, reason) < 0 ||
	    read_kernel(root, path, notebook, reason) < 0)
		return -1;
	return params ? notebook_params_check(root, path, params, &notebook->remark, reason)
		      : 0;
}

int notebook_read(const char *path, const char *params, struct notebook *notebook,
		  struct reason *reason)
{
	char *data = NULL, why[JSON_ERROR_TEXT_LENGTH + 64];
	struct notebook result = {.format = 0};
	json_error_t error;
	size_t size = 0;

	if (load(path, &data, &size, reason) < 0)
		return -1;
	json_t *root = json_loadb(data, size, 0, &error);
	free(data);
	if (!root) {
		snprintf(why, sizeof(why), "not a notebook, since not JSON: line %d: %s",
			 error.line, error.text);
		errno = EINVAL;
		return refuse(reason, path, why);
	}
	int rc = examine(root, path, params, &result, reason);
	int saved = errno;
	json_decref(root);
	if (rc == 0)
		*notebook = result;
	errno = saved;
	return rc;
}

int notebook_kernel(const struct options *options, const struct env *environment,
		    char kernel[OPTIONS_NAME_MAX], struct reason *reason)
{
	struct notebook notebook;
	char *path = notebook_path(options_notebook(options), environment);
	int rc = -1;

	if (!path)
		reason_set(reason, "--jupyter=run: %s", strerror(errno));
	else
		rc = notebook_read(path, NULL, &notebook, reason);
	free(path);
	if (rc == 0)
		strcpy(kernel, notebook.kernel);
	return rc;
}

int notebook_check(const struct options *options, const struct env *environment,
		   struct reason *reason)
{
	struct notebook notebook;
	struct reason none = {.text = ""};
	char *path = notebook_path(options_notebook(options), environment), *output = NULL;
	int rc = -1;

	if (!path) {
		reason_set(reason, "--jupyter=run: %s", strerror(errno));
		goto out;
	}
	if (notebook_read(path, options->params, &notebook, reason) < 0)
		goto out;
	output = notebook_output(path, options->output, NULL, environment, &none);
	if (!output && none.text[0]) {
		*reason = none;
		goto out;
	}
	rc = output ? notebook_output_check(path, output, reason) : 0;
out:
	free(output);
	free(path);
	return rc;
}
