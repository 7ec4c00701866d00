/* SPDX-License-Identifier: MIT */
/*
 * The doctor's checks of the kinds of workers on a compute node: see doctor.h.  A kind of
 * Python's is looked at by preload.py --check, with the Python of the notebook's kernel, as it
 * is without --jupyter-init.
 */
#include "launcher/sjupyter/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/env.h"
#include "common/options.h"
#include "common/text.h"
#include "launcher/sjupyter/program.h"
#include "launcher/workers/python.h"

enum { CHECK_MS = 30000, CHECK_MAX = 4096 };

/* The Python of a kernel of the first app that is there. */
static char *find_python(const struct settings *settings, const struct env *environment,
			 struct reason *reason)
{
	char *server = NULL;

	for (size_t i = 0; i < settings->app_count && !server; i++)
		server = recipe_program(&settings->apps[i], env_get(environment, "PATH"), NULL);
	char *python = workers_python(server, environment, reason);
	free(server);
	return python;
}

/* What the kind's commands may use; only Python is known here. */
static char **worker_argv(const struct recipe *recipe, const char *python,
			  struct reason *reason)
{
	static const char *const names[] = {
		"share", "runtime_dir", "job_id", "kind",  "kinds", "ip", "host", "port",
		"node",	 "node_rank",	"nodes",  "count", "index", "id", NULL};
	const char *pairs[2 * sizeof(names) / sizeof(names[0]) + 2] = {"python", python};
	size_t used = 2;

	for (size_t i = 0; names[i]; i++) {
		pairs[used++] = names[i];
		pairs[used++] = "0";
	}
	pairs[used] = NULL;
	return recipe_argv(recipe, pairs, reason);
}

/* The file that preload.py imports for the kind; NULL: it has another program. */
static char *module_of(const struct recipe *recipe, char *const *argv, const char *preload)
{
	if (recipe->preload)
		return recipe_expand(recipe, recipe->preload, (const char *const[]){NULL},
				     NULL);
	if (!argv || !argv[0] || !argv[1] || strcmp(argv[1], preload) != 0 || !argv[2] ||
	    strcmp(argv[2], "--worker") != 0 || !argv[3])
		return NULL;
	return strdup(argv[3]);
}

static void check_module(struct checks *checks, const struct recipe *recipe, const char *what,
			 const char *python, const char *preload, const char *module)
{
	const char *const argv[] = {python, preload, "--check", module, NULL};
	struct program program = {
		.argv = argv, .output_max = CHECK_MAX, .deadline_ms = CHECK_MS};
	struct program_output output;
	struct reason reason;

	if (program_run(&program, &output, &reason) < 0) {
		checks_add(checks, CHECK_WARN, what, "%s", reason.text);
		return;
	}
	if (output.status == 0)
		checks_add(checks, CHECK_OK, what, "%s has what it imports", python);
	else
		checks_add(checks, CHECK_WARN, what, "%s%s%s%s",
			   program_complaint(&output, &reason), recipe->hint ? " (" : "",
			   recipe->hint ? recipe->hint : "", recipe->hint ? ")" : "");
	free(output.text);
}

static void check_kind(struct checks *checks, const struct recipe *recipe, const char *python)
{
	struct reason reason = {""};
	char what[OPTIONS_NAME_MAX + 16];
	char **argv = recipe->preload ? NULL : worker_argv(recipe, python, &reason);
	char *preload = NULL, *module = NULL, *program = NULL;

	snprintf(what, sizeof(what), "workers %s", recipe->name);
	if (asprintf(&preload, "%s/workers/preload.py", recipe->recipes_dir) < 0)
		preload = NULL;
	else
		module = module_of(recipe, argv, preload);
	if (module) {
		check_module(checks, recipe, what, python, preload, module);
	} else if (argv &&
		   (program = recipe_program_of(recipe, argv[0], getenv("PATH"), &reason))) {
		checks_add(checks, CHECK_OK, what, "%s", program);
	} else {
		checks_add(checks, CHECK_WARN, what, "%s", reason.text);
	}
	text_words_free(argv);
	free(preload);
	free(module);
	free(program);
}

void doctor_check_kinds(struct checks *checks, const struct settings *settings)
{
	extern char **environ;
	struct env *environment = env_create(environ);
	struct reason reason;
	char *python = environment ? find_python(settings, environment, &reason) : NULL;

	for (size_t i = 0; python && i < settings->kind_count; i++)
		check_kind(checks, &settings->kinds[i], python);
	if (!python)
		checks_add(checks, CHECK_WARN, "workers", "%s",
			   environment ? reason.text : strerror(ENOMEM));
	free(python);
	env_destroy(environment);
}
