/* SPDX-License-Identifier: MIT */
/*
 * A recipe: what a section [app NAME] says about a program that a session can start, and what
 * becomes of it for one session: argv, environment, the program's path.  Read through
 * settings.h, used by jupyter-launch, jupyter-agent and sjupyter, as the user.
 */
#ifndef LAUNCHER_RECIPE_H
#define LAUNCHER_RECIPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/env.h"
#include "common/reason.h"

enum {
	RECIPE_ENV_MAX = 128,	/* env.* lines of one recipe */
	RECIPE_WORDS_MAX = 256, /* words of a command */
	RECIPE_TEXT_MAX =
		131071, /* bytes of one text, expanded: Linux' MAX_ARG_STRLEN less the NUL */
	RECIPE_READY_TIMEOUT = 300, /* seconds, where the recipe says nothing: a cold shared
				       file system is slow */
	RECIPE_TIMEOUT_MAX =
		86400 /* seconds: longer than any start, short enough to be a bound */
};

/* One line of a recipe's environment; ${...} in value not expanded yet. */
struct recipe_env {
	char *name;
	char *value;
	bool prepend; /* value and ":" come before what the job has in name */
};

/* [app NAME].  All strings are owned and printable UTF-8. */
struct recipe {
	char *name;
	char *title;   /* for people; the name where the recipe says nothing */
	char *command; /* words with quotes, ${...} inside words; no shell */
	char *path;  /* directories to look for the program in after the user's PATH, or NULL */
	char *ready; /* path of the HTTP probe, "/api"; "/" where the recipe says nothing */
	char *guarded; /* path that is refused without the token, which is checked; or NULL */
	char *jupyter_api; /* path of Jupyter's REST API, which knows what is idle; or NULL */
	char *url;	   /* path people open, "/lab"; "/" where the recipe says nothing */
	char *hint;	   /* what to tell when the program is missing, or NULL */
	long ready_timeout_s;
	struct recipe_env *env;
	size_t env_count;
	char *file;	   /* where it was read */
	char *recipes_dir; /* of the shipped recipes: ${recipes_dir} */
};

/* A recipe with its defaults.  0, or -1 with ENOMEM and nothing to free. */
int recipe_init(struct recipe *recipe, const char *name, const char *file,
		const char *recipes_dir);
void recipe_clear(struct recipe *recipe); /* frees; accepts a zeroed struct */

/*
 * Puts what change says over base, a recipe of the same name: the keys whose bit (1 <<
 * recipe_key) is in given, and its environment lines, and its file.  change is left empty, to
 * be cleared.  0, or -1 with ENOMEM or EINVAL (over RECIPE_ENV_MAX) and base as it was.
 */
int recipe_merge(struct recipe *base, struct recipe *change, unsigned given);

/* The keys of [app NAME] in one line, for people. */
extern const char recipe_keys[];

/*
 * The key's number, 0 and up, below RECIPE_KEYS; -1 when there is no such key.  From
 * RECIPE_KEYS_ONCE on it is that of "env.*" and "prepend.*", which come many times with one
 * number.
 */
enum { RECIPE_KEYS = 11, RECIPE_KEYS_ONCE = 9 };
int recipe_key(const char *key);

/*
 * Stores one line of the section.  value may hold newlines where the file continues it on
 * further lines.  The caller takes care that no key below RECIPE_KEYS_ONCE comes twice.  0, or
 * -1 with EINVAL or ENOMEM and a reason that says what is allowed, without file, section
 * and key.
 */
int recipe_set(struct recipe *recipe, const char *key, const char *value,
	       struct reason *reason);

/*
 * The recipe's command with ${NAME} replaced, as argv, argv[0] as the recipe has it.  The
 * variables known are given as NAME, VALUE pairs ended by NULL, and recipes_dir; an unknown one
 * is an error that names the recipe's file.  A value is put in as it is: never split into
 * words, never expanded again.  "$$" is a dollar sign.  Free argv with text_words_free().  NULL
 * with EINVAL, E2BIG or ENOMEM.
 */
char **recipe_argv(const struct recipe *recipe, const char *const variables[],
		   struct reason *reason);

/* The same for one text of the recipe, an environment line's value.  Caller frees. */
char *recipe_expand(const struct recipe *recipe, const char *text,
		    const char *const variables[], struct reason *reason);

/*
 * Applies the recipe's environment lines to env, the job's environment.  0, or -1 with a reason
 * and errno as above; env may hold some of the lines then.
 */
int recipe_environment(const struct recipe *recipe, struct env *env,
		       const char *const variables[], struct reason *reason);

/* Whether every "$" in it is "$$" or the begin of "${NAME}". */
bool recipe_text_right(const char *text);

/*
 * Looks for the recipe's program (the command's first word) in path (a PATH value or NULL;
 * relative and empty entries are passed over), then in recipe->path.  Caller frees.  NULL with
 * ENOENT and a reason that says what was looked for, where, and how to give it (recipe->hint,
 * --jupyter-init, the site's recipe).
 */
char *recipe_program(const struct recipe *recipe, const char *path, struct reason *reason);

#endif
