/* SPDX-License-Identifier: MIT */
/*
 * A recipe's program: see recipe.h.  Runs in jupyter-agent and sjupyter, as the user, with the
 * PATH of the user's job: an activated virtual environment or module comes before what the site
 * has.
 */
#include "launcher/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

enum {
	DIRECTORY_SHOWN = 96, /* bytes of one directory in a reason, NUL included */
	LIST_SHOWN = 256,     /* bytes of one list of directories */
	PROGRAM_SHOWN = 96,
	HINT_SHOWN = 160 /* with all the others and the words around them below REASON_MAX */
};

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
	       faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/*
 * Steps through a list of directories: *list moves behind the next absolute one, which is
 * returned with its length; NULL at the end.
 */
static const char *directory_next(const char **list, size_t *length)
{
	while (*list != NULL && **list != '\0') {
		const char *directory = *list;

		*length = strcspn(directory, ":");
		*list = directory + *length + (directory[*length] == ':');
		if (*directory == '/')
			return directory;
	}
	return NULL;
}

/* The program in one of the directories: 1 found, *found is the caller's; 0 not there; -1
 * ENOMEM. */
static int list_search(const char *list, const char *program, char **found)
{
	const char *directory;
	size_t length;

	while ((directory = directory_next(&list, &length)) != NULL) {
		char *path;

		if (asprintf(&path, "%.*s/%s", (int) length, directory, program) < 0) {
			errno = ENOMEM;
			return -1;
		}
		if (is_program(path)) {
			*found = path;
			return 1;
		}
		free(path);
	}
	return 0;
}

/* "/a, /b and 7 more" */
static const char *list_show(const char *list, char shown[LIST_SHOWN])
{
	const size_t spare = sizeof(" and 1000000 more");
	size_t used = 0, length;
	const char *directory;
	unsigned more = 0;

	while ((directory = directory_next(&list, &length)) != NULL) {
		char text[DIRECTORY_SHOWN + 1], piece[DIRECTORY_SHOWN];

		/* One byte beyond what is shown, so that text_excerpt sees that it is cut. */
		snprintf(text, sizeof(text), "%.*s", (int) length, directory);
		text_excerpt(text, piece, sizeof(piece));
		if (more > 0 || used + strlen(piece) + 2 + spare > LIST_SHOWN)
			more++;
		else
			used += (size_t) sprintf(shown + used, "%s%s", used > 0 ? ", " : "",
						 piece);
	}
	if (more > 0)
		snprintf(shown + used, LIST_SHOWN - used, " and %u more", more);
	else if (used == 0)
		strcpy(shown, "no directory");
	return shown;
}

static void missing_tell(const struct recipe *recipe, const char *program, const char *path,
			 struct reason *reason)
{
	char name[PROGRAM_SHOWN], in_path[LIST_SHOWN], in_recipe[LIST_SHOWN], hint[HINT_SHOWN];
	const char *before_hint = recipe->hint != NULL ? "; " : "";
	const char *section = recipe_section_name(recipe->section);
	bool app = recipe->section == RECIPE_APP; /* has only one command */

	text_excerpt(program, name, sizeof(name));
	text_excerpt(recipe->hint != NULL ? recipe->hint : "", hint, sizeof(hint));
	if (strchr(program, '/') != NULL)
		reason_set(reason,
			   "%s: no program there that you may run: the administrator sets "
			   "%s in [%s %s] of spank-jupyter.conf%s%s",
			   name, app ? "command" : "the command", section, recipe->name,
			   before_hint, hint);
	else
		reason_set(
			reason,
			"%s: not found in the job's PATH (%s) nor in the recipe's path (%s): "
			"load the module or environment that has it in the job script or in a "
			"file given with --jupyter-init; for all users the administrator sets "
			"path in [%s %s] of spank-jupyter.conf%s%s",
			name, list_show(path, in_path), list_show(recipe->path, in_recipe),
			section, recipe->name, before_hint, hint);
}

char *recipe_program_of(const struct recipe *recipe, const char *word, const char *path,
			struct reason *reason)
{
	const char *const lists[] = {path, recipe->path};
	char *found = NULL;
	int result = 0;

	if (*word == '/' && is_program(word)) {
		found = strdup(word);
		result = found != NULL ? 1 : -1;
	}
	/* A path that is not absolute would depend on where the agent happens to run. */
	for (size_t i = 0; i < 2 && result == 0 && strchr(word, '/') == NULL; i++)
		result = list_search(lists[i], word, &found);
	if (result < 0) {
		reason_set(reason, "%s: not enough memory", word);
	} else if (result == 0) {
		missing_tell(recipe, word, path, reason);
		errno = ENOENT;
	}
	return found;
}

char *recipe_program(const struct recipe *recipe, const char *path, struct reason *reason)
{
	char **words = text_words(recipe->command, RECIPE_WORDS_MAX);
	char *found = NULL;

	if (words == NULL || words[0] == NULL) /* checked when it was read */
		reason_set(reason, "[%s %s]: command: %m", recipe_section_name(recipe->section),
			   recipe->name);
	else
		found = recipe_program_of(recipe, words[0], path, reason);
	text_words_free(words);
	return found;
}
