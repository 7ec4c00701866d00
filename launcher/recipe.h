/* SPDX-License-Identifier: MIT */
/*
 * A recipe: what a section [app NAME] or [workers KIND] says about programs that a session can
 * start, and what becomes of it for one session: argv, environment, the program's path.  Read
 * through settings.h, used by jupyter-launch, jupyter-agent and sjupyter, as the user.
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
		86400, /* seconds: longer than any start, short enough to be a bound */

	/* Of workers alone. */
	RECIPE_WORKERS_READY_TIMEOUT = 120, /* seconds, where the recipe says nothing */
	RECIPE_STOP_TIMEOUT = 10,	    /* seconds, where the recipe says nothing */
	RECIPE_STOP_TIMEOUT_MAX = 3600,	    /* seconds: no cluster has a longer KillWait */
	RECIPE_PORTS_MAX = 8,
	RECIPE_COUNT_MAX = 1024, /* workers of one kind on one node */
	RECIPE_RESTARTS = 3,	 /* where the recipe says nothing */
	RECIPE_RESTARTS_MAX = 1000
};

/* One line of a recipe's environment; ${...} in value not expanded yet. */
struct recipe_env {
	char *name;
	char *value;
	bool prepend; /* value and ":" come before what the job has in name */
};

enum recipe_section { RECIPE_APP, RECIPE_WORKERS };

/*
 * [app NAME] or [workers KIND].  All strings are owned and printable UTF-8.  Commands are words
 * with quotes, ${...} inside words; no shell.
 */
struct recipe {
	enum recipe_section section;
	char *name;
	char *title;   /* for people; the name where the recipe says nothing */
	char *command; /* words with quotes, ${...} inside words; no shell */
	char *path; /* directories to look for the program in after the user's PATH, or NULL */
	char *hint; /* what to tell when the program is missing, or NULL */
	/* Of apps alone; NULL in workers. */
	char *ready;   /* path of the HTTP probe, "/api"; "/" where the recipe says nothing */
	char *guarded; /* path that is refused without the token, which is checked; or NULL */
	char *jupyter_api; /* path of Jupyter's REST API, which knows what is idle; or NULL */
	char *save; /* path at which the server has saved what is open in browsers; or NULL */
	bool hub; /* a single-user server of JupyterHub: it needs the hub's environment, and all
		   * of these paths are below the hub's */
	char *url;	      /* path people open, "/lab"; "/" where the recipe says nothing */
	long ready_timeout_s; /* of a server; of workers: until the session is degraded */
	/* Of workers alone.  Exactly one of command (a worker's) and preload is given. */
	char *preload;	  /* Python file that is imported once on a node, then forked */
	char *controller; /* command on the first node; "preload": forked like a worker; NULL */
	char *prepare;	  /* command on the first node, before server and controller; or NULL */
	char *prepare_node; /* command on every node, before its first worker; or NULL */
	bool step;	    /* start = srun: the workers are the tasks of one srun; else agents
			     * start them */
	char *srun;	    /* more words for that srun, or NULL */
	unsigned ports;	    /* listening TCP ports that the controller gets as descriptors */
	unsigned count;	   /* workers on a node where --jupyter-workers says nothing; 0: one for
			    * each of its CPUs that are the job's */
	unsigned restarts; /* of one worker, in a row */
	bool resize;	   /* their number can change while they run */
	long stop_timeout_s; /* from SIGTERM to SIGKILL when they are to end */
	struct recipe_env *env;
	size_t env_count;
	char *file;	   /* where it was read */
	char *recipes_dir; /* of the shipped recipes: ${recipes_dir} */
};

/* An app's recipe with its defaults.  0, or -1 with ENOMEM and nothing to free. */
int recipe_init(struct recipe *recipe, const char *name, const char *file,
		const char *recipes_dir);
/* The same for [workers KIND]. */
int recipe_init_workers(struct recipe *recipe, const char *name, const char *file,
			const char *recipes_dir);
void recipe_clear(struct recipe *recipe); /* frees; accepts a zeroed struct */

/* "app" or "workers". */
const char *recipe_section_name(enum recipe_section section);

/*
 * Whether it has what makes it whole, and does not only change another: the command, or the
 * preload file.
 */
bool recipe_whole(const struct recipe *recipe);

/*
 * Puts what change says over base, a recipe of the same section and name: the keys whose bit (1
 * << recipe_key) is in given, and its environment lines, and its file.  change is left empty,
 * to be cleared.  0, or -1 with ENOMEM or EINVAL (over RECIPE_ENV_MAX) and base as it was.
 */
int recipe_merge(struct recipe *base, struct recipe *change, unsigned given);

/* What can be checked only when the recipe is complete.  0, or -1 with EINVAL and a reason
 * without file and section. */
int recipe_check(const struct recipe *recipe, struct reason *reason);

/* The keys of the section in one line, for people; text of RECIPE_KEYS_TEXT_MAX bytes.  Returns
 * text. */
enum { RECIPE_KEYS_TEXT_MAX = 320 };
const char *recipe_keys(enum recipe_section section, char *text);

/*
 * The key's number, 0 and up, below RECIPE_KEYS; -1 when the section has no such key.  From
 * RECIPE_KEYS_ONCE on it is that of "env.*" and "prepend.*", which come many times with one
 * number.
 */
enum { RECIPE_KEYS = 25, RECIPE_KEYS_ONCE = 23 };
int recipe_key(enum recipe_section section, const char *key);

/*
 * Stores one line of the section.  value may hold newlines where the file continues it on
 * further lines.  The caller takes care that no key below RECIPE_KEYS_ONCE comes twice.  0, or
 * -1 with EINVAL or ENOMEM and a reason that says what is allowed, without file, section
 * and key.
 */
int recipe_set(struct recipe *recipe, const char *key, const char *value,
	       struct reason *reason);

/*
 * One of the recipe's commands with ${NAME} replaced, as argv, argv[0] as the recipe has it.
 * The variables known are given as NAME, VALUE pairs ended by NULL, and recipes_dir and
 * libexec_dir besides; an unknown one is an error that names the recipe's file.  A value is put
 * in as it is: never split into words, never expanded again.  "$$" is a dollar sign.  Free argv
 * with text_words_free().  NULL with EINVAL, E2BIG or ENOMEM.
 */
char **recipe_command(const struct recipe *recipe, const char *command,
		      const char *const variables[], struct reason *reason);

/* The same for recipe->command. */
char **recipe_argv(const struct recipe *recipe, const char *const variables[],
		   struct reason *reason);

/* The same for one text of the recipe, an environment line's value or preload.  Caller frees.
 */
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

/* Whether it has ${NAME}. */
bool recipe_text_uses(const char *text, const char *name);

/*
 * Looks for a program, the first word of one of the recipe's commands as recipe_command() gives
 * it: an absolute path, or a name, which is searched in path (a PATH value or NULL; relative
 * and empty entries are passed over), then in recipe->path.  Caller frees.  NULL with ENOENT
 * and a reason that says what was looked for, where, and how to give it (recipe->hint,
 * --jupyter-init, the site's recipe); or with ENOMEM.
 */
char *recipe_program_of(const struct recipe *recipe, const char *word, const char *path,
			struct reason *reason);

/* The same for the first word of recipe->command, which has no variables in an app. */
char *recipe_program(const struct recipe *recipe, const char *path, struct reason *reason);

#endif
