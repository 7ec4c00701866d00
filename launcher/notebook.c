/* SPDX-License-Identifier: MIT */
/* See notebook.h.  Paths are in notebook_output.c. */
#include "launcher/notebook.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

enum {
	PATH_SHOWN = 240, /* bytes of a path in a reason */
	NAMES_SHOWN = 160 /* bytes of a list of parameters */
};

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

/* The text at the value, a string or a list of strings, with a NUL.  Caller frees; NULL: none.
 */
static char *join(const json_t *value)
{
	char *text = NULL;
	size_t size = 0, index;
	const json_t *part;
	FILE *file;

	if (json_is_string(value))
		return strdup(json_string_value(value));
	file = open_memstream(&text, &size);
	if (file == NULL)
		return NULL;
	json_array_foreach((json_t *) value, index, part) if (json_is_string(part))
		fputs(json_string_value(part), file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

static bool has_tag(const json_t *cell, const char *tag)
{
	const json_t *tags = json_object_get(json_object_get(cell, "metadata"), "tags");
	const json_t *value;
	size_t index;

	json_array_foreach((json_t *) tags, index,
			   value) if (json_is_string(value) &&
				      strcmp(json_string_value(value), tag) == 0) return true;
	return false;
}

static bool is_word_part(char c)
{
	return isalnum((unsigned char) c) || c == '_';
}

/* Whether the word is somewhere in the text. */
static bool has_word(const char *text, const char *word, size_t length)
{
	for (const char *at = text; (at = memmem(at, strlen(at), word, length)); at++)
		if ((at == text || !is_word_part(at[-1])) && !is_word_part(at[length]))
			return true;
	return false;
}

/* Whether a line of the text begins with "NAME =" or "NAME: TYPE =" or R's "NAME <-". */
static bool is_assignment(const char *line, size_t *length)
{
	size_t name = 0;

	while (is_word_part(line[name]))
		name++;
	const char *rest = line + name + strspn(line + name, " \t");
	if (*rest == ':')
		rest += strcspn(rest, "=\n");
	*length = name;
	return name > 0 && ((rest[0] == '=' && rest[1] != '=') || strncmp(rest, "<-", 2) == 0);
}

/* "alpha, n" of a cell of parameters. */
static void list_names(const char *text, char names[NAMES_SHOWN])
{
	size_t used = 0, length;

	names[0] = '\0';
	while (*text != '\0') {
		if (is_assignment(text, &length) && length + 3 < NAMES_SHOWN - used)
			used += (size_t) snprintf(names + used, NAMES_SHOWN - used, "%s%.*s",
						  used > 0 ? ", " : "", (int) length, text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

static bool assigns(const char *text, const char *name, size_t name_length)
{
	size_t length;

	for (; *text != '\0'; text += *text == '\n') {
		if (is_assignment(text, &length) && length == name_length &&
		    memcmp(text, name, length) == 0)
			return true;
		text += strcspn(text, "\n");
	}
	return false;
}

/* What all code cells have, and the one with the tag "parameters", which may be NULL. */
struct code {
	char *all, *parameters;
};

static int add_cells(const json_t *cells, struct code *code, FILE *file)
{
	const json_t *cell;
	size_t index;

	json_array_foreach((json_t *) cells, index, cell)
	{
		const char *type = json_string_value(json_object_get(cell, "cell_type"));
		if (!type || strcmp(type, "code") != 0)
			continue;
		const json_t *source = json_object_get(cell, "source");
		char *text = join(source ? source : json_object_get(cell, "input"));
		if (!text)
			return -1;
		fprintf(file, "%s\n", text);
		if (!code->parameters && has_tag(cell, "parameters"))
			code->parameters = text;
		else
			free(text);
	}
	return 0;
}

/* Format 3 has its cells in worksheets. */
static int collect_code(const json_t *root, struct code *code)
{
	size_t size, index;
	const json_t *sheet;
	FILE *file = open_memstream(&code->all, &size);

	if (!file)
		return -1;
	int rc = add_cells(json_object_get(root, "cells"), code, file);
	json_array_foreach(json_object_get(root, "worksheets"), index, sheet) if (rc == 0) rc =
		add_cells(json_object_get(sheet, "cells"), code, file);
	return fclose(file) == 0 ? rc : -1;
}

/* What begins as a list, an object or a string of JSON has to be that: cut by a shell, mostly.
 */
static int check_value(const struct options_param *param, struct reason *reason)
{
	json_error_t error;
	json_t *value;

	if (param->value_length == 0 || strchr("[{\"", *param->value) == NULL)
		return 0;
	value = json_loadb(param->value, param->value_length, JSON_DECODE_ANY, &error);
	if (value != NULL) {
		json_decref(value);
		return 0;
	}
	errno = EINVAL;
	return reason_set(reason,
			  "--jupyter-param: %.*s: what begins with %c has to be JSON, as "
			  "'%.*s=[1, \"two\"]', and this is not: %s",
			  (int) param->name_length, param->name, *param->value,
			  (int) param->name_length, param->name, error.text);
}

static int check_params(const char *path, const char *params, const struct code *code,
			struct notebook *notebook, struct reason *reason)
{
	struct options_param param;
	const char *at = NULL;
	char names[NAMES_SHOWN], shown[PATH_SHOWN];

	list_names(code->parameters ? code->parameters : "", names);
	text_excerpt(path, shown, sizeof(shown));
	while (options_param_next(params, &at, &param)) {
		int length = (int) param.name_length;

		if (check_value(&param, reason) < 0)
			return -1;
		if (!has_word(code->all, param.name, param.name_length)) {
			errno = EINVAL;
			return reason_set(reason,
					  "--jupyter-param: %.*s: no cell of %s has this name; "
					  "its parameters are: %s",
					  length, param.name, shown, *names ? names : "none");
		}
		if (code->parameters &&
		    !assigns(code->parameters, param.name, param.name_length))
			reason_set(&notebook->remark,
				   "--jupyter-param: %.*s: the cell tagged \"parameters\" has "
				   "no default for it; it has: %s",
				   length, param.name, *names ? names : "none");
	}
	if (params && !code->parameters)
		reason_set(&notebook->remark,
			   "--jupyter-param: %s has no cell tagged \"parameters\": the values "
			   "are set before its first cell",
			   shown);
	return 0;
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
	struct code code = {.all = NULL};
	int rc = -1;

	if (read_format(root, path, notebook, reason) < 0 ||
	    read_kernel(root, path, notebook, reason) < 0)
		return -1;
	if (!params)
		return 0;
	if (collect_code(root, &code) < 0)
		reason_set(reason, "--jupyter=run: %s", strerror(errno));
	else
		rc = check_params(path, params, &code, notebook, reason);
	free(code.all);
	free(code.parameters);
	return rc;
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
