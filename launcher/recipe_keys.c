/* SPDX-License-Identifier: MIT */
/*
 * The keys of [app NAME] and [workers KIND]: see recipe.h.  Runs in jupyter-launch,
 * jupyter-agent and sjupyter, as the user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/recipe_private.h"

/* The sections that have a key. */
enum { APP = 1 << RECIPE_APP, WORKERS = 1 << RECIPE_WORKERS, BOTH = APP | WORKERS };

/* What a key's field is in struct recipe. */
enum field { TEXT, SECONDS, NUMBER, FLAG, LINES };

#define AT(member) offsetof(struct recipe, member)

/* A newline in a value becomes join; a newline there: not allowed.  In the order in which they
 * are told. */
static const struct {
	const char *name;
	unsigned sections;
	char join;
	enum field field;
	size_t offset;
	recipe_setter *set;
} keys[RECIPE_KEYS] = {
	{"title", BOTH, '\n', TEXT, AT(title), recipe_set_text},
	{"command", APP, ' ', TEXT, AT(command), recipe_set_command},
	{"worker", WORKERS, ' ', TEXT, AT(command), recipe_set_worker},
	{"preload", WORKERS, '\n', TEXT, AT(preload), recipe_set_preload},
	{"controller", WORKERS, ' ', TEXT, AT(controller), recipe_set_controller},
	{"prepare", WORKERS, ' ', TEXT, AT(prepare), recipe_set_prepare},
	{"prepare_node", WORKERS, ' ', TEXT, AT(prepare_node), recipe_set_prepare},
	{"start", WORKERS, '\n', FLAG, AT(step), recipe_set_start},
	{"srun", WORKERS, ' ', TEXT, AT(srun), recipe_set_srun},
	{"ports", WORKERS, '\n', NUMBER, AT(ports), recipe_set_ports},
	{"count", WORKERS, '\n', NUMBER, AT(count), recipe_set_count},
	{"restarts", WORKERS, '\n', NUMBER, AT(restarts), recipe_set_restarts},
	{"resize", WORKERS, '\n', FLAG, AT(resize), recipe_set_resize},
	{"path", BOTH, ':', TEXT, AT(path), recipe_set_path},
	{"ready", APP, '\n', TEXT, AT(ready), recipe_set_probe},
	{"guarded", APP, '\n', TEXT, AT(guarded), recipe_set_probe},
	{"jupyter_api", APP, '\n', TEXT, AT(jupyter_api), recipe_set_probe},
	{"save", APP, '\n', TEXT, AT(save), recipe_set_probe},
	{"hub", APP, '\n', FLAG, AT(hub), recipe_set_hub},
	{"url", APP, '\n', TEXT, AT(url), recipe_set_url},
	{"hint", BOTH, ' ', TEXT, AT(hint), recipe_set_text},
	{"ready_timeout", BOTH, '\n', SECONDS, AT(ready_timeout_s), recipe_set_ready_timeout},
	{"stop_timeout", WORKERS, '\n', SECONDS, AT(stop_timeout_s), recipe_set_stop_timeout},
	{"env.", BOTH, ' ', LINES, AT(env), recipe_set_env}, /* RECIPE_KEYS_ONCE */
	{"prepend.", BOTH, ':', LINES, AT(env), recipe_set_prepend},
};

/* What a value that may not go on in further lines is told. */
static const char *const one_line[] = {
	[RECIPE_APP] = "one line: only command, path, hint, env.NAME and prepend.NAME may go "
		       "on in lines that begin with white space",
	[RECIPE_WORKERS] =
		"one line: only worker, controller, prepare, prepare_node, srun, path, hint, "
		"env.NAME and prepend.NAME may go on in lines that begin with white space",
};

static bool key_is(int number, const char *key)
{
	const char *name = keys[number].name;

	return number >= RECIPE_KEYS_ONCE ? strncmp(key, name, strlen(name)) == 0
					  : strcmp(key, name) == 0;
}

int recipe_key(enum recipe_section section, const char *key)
{
	for (int i = 0; i < RECIPE_KEYS; i++) {
		if ((keys[i].sections & 1U << section) != 0 && key_is(i, key))
			return i;
	}
	return -1;
}

const char *recipe_keys(enum recipe_section section, char *text)
{
	char *at = text;

	for (int i = 0; i < RECIPE_KEYS; i++) {
		if ((keys[i].sections & 1U << section) == 0)
			continue;
		at = stpcpy(stpcpy(at, at > text ? ", " : ""), keys[i].name);
		if (i >= RECIPE_KEYS_ONCE)
			at = stpcpy(at, "NAME");
	}
	return text;
}

int recipe_set(struct recipe *recipe, const char *key, const char *value, struct reason *reason)
{
	int number = recipe_key(recipe->section, key), result;
	char *joined, *newline, all[RECIPE_KEYS_TEXT_MAX];

	if (number < 0)
		return recipe_invalid(reason, recipe_keys(recipe->section, all));
	if (*value == '\0' && keys[number].set != recipe_set_env)
		return recipe_invalid(reason, "a value, or leave the line out");
	if (keys[number].join == '\n' && strchr(value, '\n') != NULL)
		return recipe_invalid(reason, one_line[recipe->section]);
	joined = strdup(value);
	if (joined == NULL)
		return reason_set(reason, "not enough memory");
	for (newline = strchr(joined, '\n'); newline != NULL; newline = strchr(newline, '\n'))
		*newline = keys[number].join;
	errno = 0;
	result = keys[number].set(recipe, (char *) recipe + keys[number].offset,
				  key + strlen(keys[number].name), joined, reason);
	if (result != 0 && errno == ENOMEM)
		reason_set(reason, "not enough memory");
	free(joined);
	return result;
}

void recipe_keys_take(struct recipe *base, struct recipe *change, unsigned given)
{
	for (int i = 0; i < RECIPE_KEYS; i++) {
		void *to = (char *) base + keys[i].offset;
		void *from = (char *) change + keys[i].offset;
		char *kept;

		if ((given & 1U << i) == 0)
			continue;
		switch (keys[i].field) {
		case TEXT:
			kept = *(char **) to;
			*(char **) to = *(char **) from;
			*(char **) from = kept;
			break;
		case SECONDS:
			*(long *) to = *(long *) from;
			break;
		case NUMBER:
			*(unsigned *) to = *(unsigned *) from;
			break;
		case FLAG:
			*(bool *) to = *(bool *) from;
			break;
		case LINES:
			break;
		}
	}
}
