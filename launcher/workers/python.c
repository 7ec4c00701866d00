/* SPDX-License-Identifier: MIT */
/* See python.h.  Where Jupyter keeps its kernelspecs is in launcher/kernel/. */
#include "launcher/workers/python.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/kernel/kernelspec.h"
#include "launcher/spawn.h"

enum {
	LINES_MAX = 4096, /* bytes of a program's first two lines: PATH_MAX; Linux itself reads
			   * 256 of the first */
	SHOWN = 160	  /* bytes of a path in a reason */
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* By its name: a kernel may be started by a wrapper (conda run, apptainer) that is not one. */
static bool is_python(const char *program)
{
	const char *name = last_part(program);

	return strncmp(name, "python", 6) == 0 || strncmp(name, "pypy", 4) == 0;
}

/* A Python given by its absolute path or by a name that PATH has.  Caller frees, NULL: no. */
static char *python_at(const char *program, const struct env *environment)
{
	if (!is_python(program) || (*program != '/' && strchr(program, '/') != NULL))
		return NULL;
	return spawn_find(program, env_get(environment, "PATH"));
}

/* Ends the text behind its first word, in quotes or not; returns the word. */
static char *word_cut(char *text)
{
	text += strspn(text, " \t");
	if (*text == '"' || *text == '\'') {
		text[1 + strcspn(text + 1, (char[]){*text, '\0'})] = '\0';
		return text + 1;
	}
	text[strcspn(text, " \t")] = '\0';
	return text;
}

/* The program that "#!/usr/bin/env [-S] PROGRAM" starts. */
static char *env_word(char *words)
{
	words += strspn(words, " \t");
	if (strncmp(words, "-S", 2) == 0)
		words += 2;
	return word_cut(words);
}

/*
 * The interpreter of a script: "#!/PATH/python3", "#!/usr/bin/env python3", or the second line
 * that pip, conda and uv write when the path is too long for the first:
 *
 *     #!/bin/sh
 *     '''exec' /PATH/python3 "$0" "$@"
 *
 * Caller frees; NULL: none that may be run.
 */
static char *script_python(const char *program, const struct env *environment)
{
	static const char trampoline[] = "'''exec' ";
	char text[LINES_MAX], *first, *second, *word;
	int fd = kernelspec_open(program);
	ssize_t size = 0, got;

	if (fd < 0)
		return NULL;
	while (size < LINES_MAX - 1 &&
	       (got = read(fd, text + size, (size_t) (LINES_MAX - 1 - size))) > 0)
		size += got;
	fd_close(&fd);
	text[size] = '\0';
	second = strchr(text, '\n');
	if (strncmp(text, "#!", 2) != 0 || second == NULL)
		return NULL;
	*second++ = '\0';
	second[strcspn(second, "\n")] = '\0';
	first = text + 2 + strspn(text + 2, " \t");
	word = first + strcspn(first, " \t");
	if (*word != '\0')
		*word++ = '\0';
	if (strcmp(last_part(first), "env") == 0)
		return python_at(env_word(word), environment);
	if (strcmp(last_part(first), "sh") == 0 &&
	    strncmp(second, trampoline, strlen(trampoline)) == 0)
		first = word_cut(second + strlen(trampoline));
	return *first == '/' ? python_at(first, environment) : NULL;
}

/* python3 in the program's directory. */
static char *beside_python(const char *program, const struct env *environment)
{
	char *path, *found;

	if (asprintf(&path, "%.*spython3", (int) (last_part(program) - program), program) < 0)
		return NULL;
	found = python_at(path, environment);
	free(path);
	return found;
}

char *workers_kernel_python(const char *word, const char *own, const struct env *environment)
{
	if (kernelspec_is_native(word, own))
		return own != NULL ? strdup(own) : NULL;
	return python_at(word, environment);
}

/* The kernelspec's Python, or NULL with a reason. */
static char *kernel_python(const char *own, const struct env *environment,
			   struct reason *reason)
{
	char *file = kernelspec_find("python3", own, environment), *found = NULL;
	struct kernelspec *spec;

	if (file == NULL) {
		reason_set(reason, "there is no kernelspec python3");
		return NULL;
	}
	spec = kernelspec_load("python3", file, reason);
	if (spec != NULL) {
		found = workers_kernel_python(spec->argv[0], own, environment);
		if (found == NULL) {
			char shown[SHOWN], path[SHOWN];

			reason_set(reason, "%s starts \"%s\", no Python that you may run",
				   text_excerpt(file, path, sizeof(path)),
				   text_excerpt(spec->argv[0], shown, sizeof(shown)));
		}
	}
	kernelspec_destroy(spec);
	free(file);
	return found;
}

char *workers_server_python(const char *server_program, const struct env *environment)
{
	char *python = script_python(server_program, environment);

	return python != NULL ? python : beside_python(server_program, environment);
}

char *workers_python(const char *server_program, const struct env *environment,
		     struct reason *reason)
{
	struct reason kernel;
	char *own = NULL, *found, shown[SHOWN] = "the server", path[SHOWN] = "none";

	if (server_program != NULL) {
		own = workers_server_python(server_program, environment);
		text_excerpt(server_program, shown, sizeof(shown));
	}
	found = kernel_python(own, environment, &kernel);
	if (found == NULL && own != NULL) {
		found = own;
		own = NULL;
	}
	free(own);
	if (found == NULL)
		found = python_at("python3", environment);
	if (found != NULL)
		return found;
	if (env_get(environment, "PATH") != NULL)
		text_excerpt(env_get(environment, "PATH"), path, sizeof(path));
	reason_set(reason,
		   "no Python for the workers: %s; the first line of %s names none that you "
		   "may run; there is no python3 beside it, nor in PATH (%s): load the module "
		   "or environment that has one in the job script or in a file given with "
		   "--jupyter-init",
		   kernel.text, shown, path);
	errno = ENOENT;
	return NULL;
}
