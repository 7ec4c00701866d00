/* SPDX-License-Identifier: MIT */
/*
 * The values of a recipe that are commands, or are used like one: see recipe_private.h.  Runs
 * in jupyter-launch, jupyter-agent and sjupyter, as the user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/recipe_private.h"

/* The words of a command, for text_words_free(), or NULL with a reason. */
static char **words_read(const char *value, struct reason *reason)
{
	char **words = text_words(value, RECIPE_WORDS_MAX);

	if (words == NULL && errno == E2BIG) {
		errno = EINVAL;
		reason_set(reason, "more than %d words: give fewer", RECIPE_WORDS_MAX);
	} else if (words == NULL && errno == EINVAL) {
		recipe_invalid(reason, "words with their quotes closed");
	} else if (words != NULL && !recipe_text_right(value)) {
		text_words_free(words);
		words = NULL;
		recipe_invalid(reason, "${NAME} for a variable and $$ for a dollar sign");
	}
	return words;
}

/* Of an app: its program is looked for before there are variables. */
static bool app_program_right(const char *program)
{
	/* A relative path would depend on where the agent happens to run. */
	return *program != '\0' && strchr(program, '$') == NULL &&
	       (*program == '/' || strchr(program, '/') == NULL);
}

/* Whether it is an absolute path, as it is or with what such variables stand for. */
static bool is_absolute(const char *path)
{
	static const char *const directories[] = {"${recipes_dir}/", "${libexec_dir}/",
						  "${runtime_dir}/", "${share}/"};

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		if (strncmp(path, directories[i], strlen(directories[i])) == 0)
			return true;
	}
	return *path == '/';
}

static bool workers_program_right(const char *program)
{
	return is_absolute(program) || strcmp(program, "${python}") == 0 ||
	       (*program != '\0' && strpbrk(program, "$/") == NULL);
}

static int command_set(char **command, bool (*right)(const char *program), const char *value,
		       const char *allowed, struct reason *reason)
{
	char **words = words_read(value, reason);
	int result = -1;

	if (words == NULL)
		return -1;
	if (words[0] == NULL || !right(words[0]))
		recipe_invalid(reason, allowed);
	else
		result = recipe_set_text(NULL, command, NULL, value, NULL);
	text_words_free(words);
	return result;
}

int recipe_set_command(struct recipe *recipe, void *field, const char *name, const char *value,
		       struct reason *reason)
{
	(void) recipe;
	(void) name;
	return command_set(field, app_program_right, value,
			   "a program's name or absolute path, without \"$\", then its words",
			   reason);
}

/* What a worker alone has, and what therefore no other text may use. */
int recipe_refuse_worker_variables(const char *value, struct reason *reason)
{
	if (!recipe_text_uses(value, "index") && !recipe_text_uses(value, "id"))
		return 0;
	return recipe_invalid(reason,
			      "a text without ${index} and ${id}: only the worker command "
			      "has them, and each worker SPANK_JUPYTER_WORKER in its "
			      "environment");
}

int recipe_set_worker(struct recipe *recipe, void *field, const char *name, const char *value,
		      struct reason *reason)
{
	(void) recipe;
	(void) name;
	return command_set(field, workers_program_right, value,
			   "a program's name, absolute path or ${python}, then its words",
			   reason);
}

int recipe_set_prepare(struct recipe *recipe, void *field, const char *name, const char *value,
		       struct reason *reason)
{
	if (recipe_refuse_worker_variables(value, reason) != 0)
		return -1;
	return recipe_set_worker(recipe, field, name, value, reason);
}

int recipe_set_controller(struct recipe *recipe, void *field, const char *name,
			  const char *value, struct reason *reason)
{
	if (strcmp(value, RECIPE_CONTROLLER_PRELOAD) == 0)
		return recipe_set_text(recipe, field, name, value, reason);
	return recipe_set_prepare(recipe, field, name, value, reason);
}

int recipe_set_preload(struct recipe *recipe, void *field, const char *name, const char *value,
		       struct reason *reason)
{
	if (!is_absolute(value) || !recipe_text_right(value))
		return recipe_invalid(reason,
				      "the absolute path of a Python file, ${NAME} for a "
				      "variable and $$ for a dollar sign");
	if (recipe_refuse_worker_variables(value, reason) != 0)
		return -1;
	return recipe_set_text(recipe, field, name, value, reason);
}

int recipe_set_srun(struct recipe *recipe, void *field, const char *name, const char *value,
		    struct reason *reason)
{
	char **words = words_read(value, reason);

	if (words == NULL)
		return -1;
	text_words_free(words);
	if (recipe_refuse_worker_variables(value, reason) != 0)
		return -1;
	return recipe_set_text(recipe, field, name, value, reason);
}
