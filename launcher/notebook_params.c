/* SPDX-License-Identifier: MIT */
/* See notebook_params.h. */
#include "launcher/notebook_params.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/options.h"
#include "common/text.h"

enum {
	PATH_SHOWN = 240, /* bytes of a path in a reason */
	NAMES_SHOWN = 160 /* bytes of a list of parameters */
};

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
			struct reason *remark, struct reason *reason)
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
			reason_set(remark,
				   "--jupyter-param: %.*s: the cell tagged \"parameters\" has "
				   "no default for it; it has: %s",
				   length, param.name, *names ? names : "none");
	}
	if (params && !code->parameters)
		reason_set(remark,
			   "--jupyter-param: %s has no cell tagged \"parameters\": the values "
			   "are set before its first cell",
			   shown);
	return 0;
}

int notebook_params_check(const json_t *root, const char *path, const char *params,
			  struct reason *remark, struct reason *reason)
{
	struct code code = {.all = NULL};
	int rc = -1;

	if (collect_code(root, &code) < 0)
		reason_set(reason, "--jupyter=run: %s", strerror(errno));
	else
		rc = check_params(path, params, &code, remark, reason);
	int saved = errno;
	free(code.all);
	free(code.parameters);
	errno = saved;
	return rc;
}
