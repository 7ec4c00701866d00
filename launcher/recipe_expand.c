/* SPDX-License-Identifier: MIT */
/*
 * The texts of a recipe for one session: see recipe.h.  Runs in jupyter-agent, as the user.
 */
#include "launcher/recipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum {
	KNOWN_SHOWN = 512 /* bytes of the list of known variables in a reason */
};

/* The variables that every recipe has. */
static const char recipes_dir[] = "recipes_dir", libexec_dir[] = "libexec_dir";

/* What a text begins with. */
struct piece {
	size_t length;	  /* 0: a "$" that is neither "$$" nor the begin of "${NAME}" */
	const char *name; /* NULL: not a variable but plain text */
	size_t name_length;
	size_t plain; /* bytes of text that stand for themselves */
};

static struct piece piece_next(const char *text)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
	struct piece piece = {0};

	piece.plain = strcspn(text, "$");
	piece.length = piece.plain;
	if (piece.length > 0)
		return piece;
	if (text[1] == '$') {
		piece.plain = 1;
		piece.length = 2;
	} else if (text[1] == '{') {
		piece.name_length = strspn(text + 2, letters);
		if (piece.name_length > 0 && text[2 + piece.name_length] == '}') {
			piece.name = text + 2;
			piece.length = piece.name_length + 3;
		}
	}
	return piece;
}

bool recipe_text_right(const char *text)
{
	while (*text != '\0') {
		struct piece piece = piece_next(text);

		if (piece.length == 0)
			return false;
		text += piece.length;
	}
	return true;
}

static bool piece_is(const struct piece *piece, const char *name)
{
	return strlen(name) == piece->name_length &&
	       memcmp(name, piece->name, piece->name_length) == 0;
}

bool recipe_text_uses(const char *text, const char *name)
{
	while (*text != '\0') {
		struct piece piece = piece_next(text);

		if (piece.name != NULL && piece_is(&piece, name))
			return true;
		text += piece.length > 0 ? piece.length : 1;
	}
	return false;
}

static const char *variable_find(const struct recipe *recipe, const char *const variables[],
				 const struct piece *piece)
{
	for (; variables[0] != NULL; variables += 2) {
		if (piece_is(piece, variables[0]))
			return variables[1];
	}
	if (piece_is(piece, recipes_dir))
		return recipe->recipes_dir;
	return piece_is(piece, libexec_dir) ? PKGLIBEXECDIR : NULL;
}

/* "${socket}, ${port}", as much as fits. */
static void variables_list(const char *const variables[], char *list, size_t size)
{
	size_t used = (size_t) snprintf(list, size, "${%s}, ${%s}", recipes_dir, libexec_dir);

	for (size_t i = 0; variables[i] != NULL; i += 2) {
		int length = snprintf(list + used, size - used, ", ${%s}", variables[i]);

		if (length < 0 || (size_t) length >= size - used)
			return;
		used += (size_t) length;
	}
}

static int fault(const struct recipe *recipe, struct reason *reason, int error)
{
	reason_prefix(reason, "%s: [%s %s]", recipe->file, recipe_section_name(recipe->section),
		      recipe->name);
	errno = error;
	return -1;
}

/* Writes the expanded text.  -1 with a reason, but without one for want of memory, which the
 * stream remembers. */
static int expand_to(FILE *stream, const struct recipe *recipe, const char *text,
		     const char *const variables[], struct reason *reason)
{
	size_t total = 0;

	while (*text != '\0') {
		struct piece piece = piece_next(text);
		const char *value = text;

		if (piece.length == 0) {
			reason_set(
				reason,
				"\"%s\": give ${NAME} for a variable and $$ for a dollar sign",
				text);
			return fault(recipe, reason, EINVAL);
		}
		if (piece.name != NULL) {
			value = variable_find(recipe, variables, &piece);
			if (value == NULL) {
				char known[KNOWN_SHOWN];

				variables_list(variables, known, sizeof(known));
				reason_set(reason, "%.*s is not known: give one of %s",
					   (int) piece.length, text, known);
				return fault(recipe, reason, EINVAL);
			}
			piece.plain = strlen(value);
		}
		if (piece.plain > RECIPE_TEXT_MAX - total) {
			reason_set(reason,
				   "a text of more than %d bytes when its variables are "
				   "put in",
				   RECIPE_TEXT_MAX);
			return fault(recipe, reason, E2BIG);
		}
		total += piece.plain;
		fwrite(value, 1, piece.plain, stream);
		text += piece.length;
	}
	return 0;
}

char *recipe_expand(const struct recipe *recipe, const char *text,
		    const char *const variables[], struct reason *reason)
{
	char *expanded = NULL;
	size_t size;
	FILE *stream = open_memstream(&expanded, &size);
	int result, saved;

	if (stream == NULL)
		goto no_memory;
	result = expand_to(stream, recipe, text, variables, reason);
	saved = errno;
	if (fclose(stream) != 0 && result == 0)
		goto no_memory;
	if (result == 0)
		return expanded;
	free(expanded);
	errno = saved;
	return NULL;

no_memory:
	free(expanded);
	reason_set(reason, "not enough memory");
	fault(recipe, reason, ENOMEM);
	return NULL;
}

/* The words, each expanded and quoted again, in one text.  NULL with a reason. */
static char *words_expand(const struct recipe *recipe, char *const words[],
			  const char *const variables[], struct reason *reason)
{
	char *line = NULL, *word, *quoted = NULL;
	size_t size;
	FILE *stream = open_memstream(&line, &size);

	if (stream == NULL)
		goto no_memory;
	for (; *words != NULL; words++) {
		word = recipe_expand(recipe, *words, variables, reason);
		if (word == NULL)
			goto error;
		quoted = text_shell_quote(word);
		free(word);
		if (quoted == NULL)
			goto no_memory;
		fprintf(stream, "%s ", quoted);
		free(quoted);
	}
	if (fclose(stream) == 0)
		return line;
	stream = NULL;

no_memory:
	reason_set(reason, "not enough memory");
	fault(recipe, reason, ENOMEM);
error:
	if (stream != NULL) {
		int saved = errno;

		fclose(stream);
		errno = saved;
	}
	free(line);
	return NULL;
}

char **recipe_command(const struct recipe *recipe, const char *command,
		      const char *const variables[], struct reason *reason)
{
	char **words = text_words(command, RECIPE_WORDS_MAX), **argv;
	char *line;

	if (words == NULL) { /* checked when it was read */
		reason_set(reason, "\"%s\": %m", command);
		fault(recipe, reason, errno);
		return NULL;
	}
	/* A value may hold blanks and quotes, so each word is expanded by itself. */
	line = words_expand(recipe, words, variables, reason);
	text_words_free(words);
	if (line == NULL)
		return NULL;
	argv = text_words(line, RECIPE_WORDS_MAX);
	if (argv == NULL) {
		reason_set(reason, "\"%s\": %m", command);
		fault(recipe, reason, errno);
	}
	free(line);
	return argv;
}

char **recipe_argv(const struct recipe *recipe, const char *const variables[],
		   struct reason *reason)
{
	return recipe_command(recipe, recipe->command, variables, reason);
}

int recipe_environment(const struct recipe *recipe, struct env *env,
		       const char *const variables[], struct reason *reason)
{
	for (size_t i = 0; i < recipe->env_count; i++) {
		const struct recipe_env *line = &recipe->env[i];
		const char *had = line->prepend ? env_get(env, line->name) : NULL;
		char *value = recipe_expand(recipe, line->value, variables, reason),
		     *whole = NULL;
		int result;

		if (value == NULL)
			return -1;
		if (had != NULL && *had != '\0' && asprintf(&whole, "%s:%s", value, had) < 0)
			result = -1;
		else
			result = env_set(env, line->name, whole != NULL ? whole : value);
		free(value);
		free(whole);
		if (result != 0) {
			reason_set(reason, "%s: not enough memory", line->name);
			return fault(recipe, reason, ENOMEM);
		}
	}
	return 0;
}
