/* SPDX-License-Identifier: MIT */
/*
 * The values of a recipe that are not commands: texts, numbers, times, paths, variables: see
 * recipe_private.h.  Runs in jupyter-launch, jupyter-agent and sjupyter, as the user.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/recipe_private.h"

int recipe_invalid(struct reason *reason, const char *allowed)
{
	reason_set(reason, "not allowed here: give %s", allowed);
	errno = EINVAL;
	return -1;
}

int recipe_set_text(struct recipe *recipe, void *field, const char *name, const char *value,
		    struct reason *reason)
{
	char **text = field, *copy = strdup(value);

	(void) recipe;
	(void) name;
	(void) reason;
	if (copy == NULL)
		return -1;
	free(*text);
	*text = copy;
	return 0;
}

/* One of two words. */
static int flag_set(bool *flag, const char *value, const char *no, const char *yes,
		    struct reason *reason)
{
	if (strcmp(value, no) != 0 && strcmp(value, yes) != 0) {
		reason_set(reason, "not allowed here: give %s or %s", no, yes);
		errno = EINVAL;
		return -1;
	}
	*flag = strcmp(value, yes) == 0;
	return 0;
}

int recipe_set_start(struct recipe *recipe, void *field, const char *name, const char *value,
		     struct reason *reason)
{
	(void) recipe;
	(void) name;
	return flag_set(field, value, "agent", "srun", reason);
}

int recipe_set_resize(struct recipe *recipe, void *field, const char *name, const char *value,
		      struct reason *reason)
{
	(void) recipe;
	(void) name;
	return flag_set(field, value, "no", "yes", reason);
}

int recipe_set_hub(struct recipe *recipe, void *field, const char *name, const char *value,
		   struct reason *reason)
{
	(void) recipe;
	(void) name;
	return flag_set(field, value, "no", "yes", reason);
}

static int number_set(unsigned *number, const char *value, unsigned long min, unsigned long max,
		      const char *before, struct reason *reason)
{
	unsigned long read;

	if (text_to_ulong(value, min, max, &read) != 0) {
		reason_set(reason, "not allowed here: give %s%lu..%lu", before, min, max);
		errno = EINVAL;
		return -1;
	}
	*number = (unsigned) read;
	return 0;
}

int recipe_set_ports(struct recipe *recipe, void *field, const char *name, const char *value,
		     struct reason *reason)
{
	(void) recipe;
	(void) name;
	return number_set(field, value, 0, RECIPE_PORTS_MAX, "", reason);
}

int recipe_set_count(struct recipe *recipe, void *field, const char *name, const char *value,
		     struct reason *reason)
{
	(void) name;
	if (strcmp(value, "cpus") != 0)
		return number_set(field, value, 1, RECIPE_COUNT_MAX, "cpus or ", reason);
	recipe->count = 0;
	return 0;
}

int recipe_set_restarts(struct recipe *recipe, void *field, const char *name, const char *value,
			struct reason *reason)
{
	(void) recipe;
	(void) name;
	return number_set(field, value, 0, RECIPE_RESTARTS_MAX, "", reason);
}

int recipe_set_path(struct recipe *recipe, void *field, const char *name, const char *value,
		    struct reason *reason)
{
	const char *at = value;

	for (at += strspn(at, ":"); *at == '/'; at += strspn(at, ":"))
		at += strcspn(at, ":");
	if (*at != '\0' || value[strspn(value, ":")] == '\0')
		return recipe_invalid(reason, "absolute directories separated by \":\"");
	return recipe_set_text(recipe, field, name, value, reason);
}

int recipe_set_probe(struct recipe *recipe, void *field, const char *name, const char *value,
		     struct reason *reason)
{
	if (*value != '/' || strpbrk(value, " #") != NULL)
		return recipe_invalid(
			reason, "a URL's path that begins with \"/\", without white space");
	return recipe_set_text(recipe, field, name, value, reason);
}

int recipe_set_url(struct recipe *recipe, void *field, const char *name, const char *value,
		   struct reason *reason)
{
	if (*value != '/' || strpbrk(value, " ?#") != NULL) /* "?token=" comes behind it */
		return recipe_invalid(
			reason, "a URL's path that begins with \"/\", without white space, "
				"\"?\" and \"#\"");
	return recipe_set_text(recipe, field, name, value, reason);
}

int recipe_set_ready_timeout(struct recipe *recipe, void *field, const char *name,
			     const char *value, struct reason *reason)
{
	long seconds;

	(void) recipe;
	(void) name;
	if (text_to_seconds(value, &seconds) != 0 || seconds < 1 ||
	    seconds > RECIPE_TIMEOUT_MAX)
		return recipe_invalid(
			reason, "a time as Slurm writes it (MINUTES, MINUTES:SECONDS, ...) "
				"from 0:01 to 1-0");
	*(long *) field = seconds;
	return 0;
}

int recipe_set_stop_timeout(struct recipe *recipe, void *field, const char *name,
			    const char *value, struct reason *reason)
{
	unsigned seconds;

	(void) recipe;
	(void) name;
	if (number_set(&seconds, value, 1, RECIPE_STOP_TIMEOUT_MAX, "seconds, ", reason) != 0)
		return -1;
	*(long *) field = (long) seconds;
	return 0;
}

/* What POSIX has for names that a shell can set. */
static bool env_name_right(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

	return *name != '\0' && (*name < '0' || *name > '9') &&
	       name[strspn(name, letters)] == '\0';
}

static int line_add(struct recipe *recipe, const char *name, const char *value, bool prepend,
		    struct reason *reason)
{
	struct recipe_env *larger, entry = {.prepend = prepend};

	if (!env_name_right(name))
		return recipe_invalid(reason,
				      "a name of letters, digits and \"_\" behind the dot");
	if (!recipe_text_right(value))
		return recipe_invalid(reason,
				      "${NAME} for a variable and $$ for a dollar sign");
	/* The same lines are the server's environment. */
	if (recipe->section == RECIPE_WORKERS &&
	    recipe_refuse_worker_variables(value, reason) != 0)
		return -1;
	errno = EINVAL;
	for (size_t i = 0; i < recipe->env_count; i++) {
		if (strcmp(recipe->env[i].name, name) == 0)
			return reason_set(reason, "given twice: give it once");
	}
	if (recipe->env_count == RECIPE_ENV_MAX)
		return reason_set(reason, "more than %d variables: give fewer", RECIPE_ENV_MAX);
	larger = reallocarray(recipe->env, recipe->env_count + 1, sizeof(*larger));
	if (larger == NULL)
		return -1;
	recipe->env = larger;
	entry.name = strdup(name);
	entry.value = strdup(value);
	if (entry.name == NULL || entry.value == NULL) {
		free(entry.name);
		free(entry.value);
		errno = ENOMEM;
		return -1;
	}
	larger[recipe->env_count++] = entry;
	return 0;
}

int recipe_set_env(struct recipe *recipe, void *field, const char *name, const char *value,
		   struct reason *reason)
{
	(void) field;
	return line_add(recipe, name, value, false, reason);
}

int recipe_set_prepend(struct recipe *recipe, void *field, const char *name, const char *value,
		       struct reason *reason)
{
	(void) field;
	return line_add(recipe, name, value, true, reason);
}
