/* SPDX-License-Identifier: MIT */
/* See kernelspec.h: the command and the environment of one start.  The names of functions in
 * comments are jupyter_client's. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/kernel/kernel_dirs.h"
#include "launcher/kernel/kernelspec.h"
#include "launcher/spawn.h"

enum {
	SHOWN = 256,	  /* bytes of a path in a reason */
	WORD_MAX = 131071 /* bytes of one word or variable: Linux' MAX_ARG_STRLEN less the NUL
			   */
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* KernelManager.format_kernel_cmd(): "python", "python3", and "python3.11" where the server's
 * own is a 3.11, which is what it is called when links are followed. */
bool kernelspec_is_native(const char *word, const char *python)
{
	bool native = strcmp(word, "python") == 0 || strcmp(word, "python3") == 0;
	char *real;

	if (native || python == NULL)
		return native;
	real = realpath(python, NULL);
	native = real != NULL && strcmp(word, last_part(real)) == 0;
	free(real);
	return native;
}

/* Appends; false when it does not fit or there is no memory. */
struct builder {
	char *text;
	size_t used, size;
};

static bool append(struct builder *builder, const char *text, size_t length)
{
	if (length > WORD_MAX - builder->used) {
		errno = E2BIG;
		return false;
	}
	if (builder->used + length + 1 > builder->size) {
		size_t size = 2 * (builder->used + length + 1);
		char *larger = realloc(builder->text, size);

		if (larger == NULL)
			return false;
		builder->text = larger;
		builder->size = size;
	}
	memcpy(builder->text + builder->used, text, length);
	builder->used += length;
	builder->text[builder->used] = '\0';
	return true;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char) text[length]) || text[length] == '_')
		length++;
	return length;
}

static const char *value_of(const char *const pairs[], const char *name, size_t length)
{
	for (; pairs[0] != NULL; pairs += 2) {
		if (strlen(pairs[0]) == length && strncmp(pairs[0], name, length) == 0)
			return pairs[1];
	}
	return NULL;
}

/* {NAME} of pairs replaced, others left. */
static char *fill(const char *word, const char *const pairs[])
{
	struct builder builder = {.text = NULL};
	bool fits = append(&builder, "", 0);

	while (fits && *word != '\0') {
		size_t length = *word == '{' ? name_length(word + 1) : 0;
		const char *value = NULL;

		if (length > 0 && word[1 + length] == '}')
			value = value_of(pairs, word + 1, length);
		fits = value != NULL ? append(&builder, value, strlen(value))
				     : append(&builder, word, 1);
		word += value != NULL ? length + 2 : 1;
	}
	if (fits)
		return builder.text;
	free(builder.text);
	return NULL;
}

static char *find_program(const struct kernelspec *spec, const char *python,
			  const struct env *environment, struct reason *reason)
{
	const char *word = spec->argv[0], *path = env_get(environment, "PATH");
	bool native = kernelspec_is_native(word, python);
	char *program = native && python != NULL ? strdup(python) : spawn_find(word, path);
	char shown[SHOWN], file[SHOWN], where[SHOWN];
	int saved = errno;

	if (program != NULL)
		return program;
	reason_set(reason,
		   "%s starts \"%s\", which is not a program that you may run%s%s: load the "
		   "module or environment that has it in the job script or in a file given "
		   "with --jupyter-init",
		   text_excerpt(spec->file, file, sizeof(file)),
		   text_excerpt(word, shown, sizeof(shown)),
		   strchr(word, '/') == NULL ? "; PATH is " : "",
		   strchr(word, '/') != NULL ? ""
		   : path == NULL	     ? "not set"
					     : text_excerpt(path, where, sizeof(where)));
	errno = saved;
	return NULL;
}

char **kernelspec_argv(const struct kernelspec *spec, const char *python,
		       const char *connection_file, const struct env *environment,
		       char **program, struct reason *reason)
{
	char *prefix = kernel_dirs_prefix(python, environment), *path, **argv = NULL;
	const char *pairs[] = {
		"connection_file", connection_file, "resource_dir", spec->resource_dir,
		"prefix",	   prefix,	    NULL,	    NULL};
	size_t count = 0;

	/* Without a prefix that pair is the end. */
	if (prefix == NULL)
		pairs[4] = NULL;
	path = find_program(spec, python, environment, reason);
	if (path == NULL)
		goto error;
	while (spec->argv[count] != NULL)
		count++;
	argv = calloc(count + 1, sizeof(*argv));
	for (size_t i = 0; argv != NULL && i < count; i++) {
		argv[i] = fill(spec->argv[i], pairs);
		if (argv[i] == NULL) {
			kernelspec_argv_free(argv);
			argv = NULL;
		}
	}
	if (argv == NULL) {
		reason_set(reason, "%s: its argv: %s", spec->file, strerror(errno));
		goto error;
	}
	/* As jupyter_client starts it: a virtual environment is told by argv[0]. */
	if (kernelspec_is_native(spec->argv[0], python) && python != NULL) {
		free(argv[0]);
		argv[0] = strdup(path);
		if (argv[0] == NULL)
			goto memory;
	}
	free(prefix);
	*program = path;
	return argv;

memory:
	reason_set(reason, "%s", strerror(errno));
	for (size_t i = 1; i < count; i++)
		free(argv[i]);
	free(argv);
error:
	free(prefix);
	free(path);
	return NULL;
}

void kernelspec_argv_free(char **argv)
{
	int saved = errno;

	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
	errno = saved;
}

/* string.Template.safe_substitute(): "$$" is a dollar sign. */
static char *substitute(const char *text, const struct env *environment)
{
	struct builder builder = {.text = NULL};
	bool fits = append(&builder, "", 0);

	while (fits && *text != '\0') {
		bool braces = text[0] == '$' && text[1] == '{';
		const char *name = text + 1 + braces, *value = NULL;
		size_t length = text[0] == '$' && !isdigit((unsigned char) *name)
					? name_length(name)
					: 0;
		char *copy = length > 0 && (!braces || name[length] == '}')
				     ? strndup(name, length)
				     : NULL;

		if (copy != NULL)
			value = env_get(environment, copy);
		free(copy);
		if (text[0] == '$' && text[1] == '$') {
			fits = append(&builder, "$", 1);
			text += 2;
		} else if (value != NULL) {
			fits = append(&builder, value, strlen(value));
			text = name + length + braces;
		} else {
			fits = append(&builder, text++, 1);
		}
	}
	if (fits)
		return builder.text;
	free(builder.text);
	return NULL;
}

int kernelspec_environment(const struct kernelspec *spec, struct env *environment)
{
	char **values = calloc(spec->env_count + 1, sizeof(*values));
	int rc = values != NULL ? 0 : -1;

	/* All before any is set: they see what was there before. */
	for (size_t i = 0; rc == 0 && i < spec->env_count; i++) {
		values[i] = substitute(spec->env[i].value, environment);
		rc = values[i] != NULL ? 0 : -1;
	}
	for (size_t i = 0; rc == 0 && i < spec->env_count; i++)
		rc = env_set(environment, spec->env[i].name, values[i]);
	kernelspec_argv_free(values);
	return rc;
}
