/* SPDX-License-Identifier: MIT */
/*
 * A recipe as its section gives it: see recipe.h.  Runs in jupyter-launch, jupyter-agent and
 * sjupyter, as the user. What becomes of it for one session is in recipe_expand.c and
 * recipe_program.c.
 */
#include "launcher/recipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* The sorts of keys, each with its own setter. */
typedef int key_setter(struct recipe *recipe, const char *name, const char *value,
		       struct reason *reason);

static key_setter set_title, set_command, set_path, set_ready, set_guarded, set_jupyter_api,
	set_url, set_hint, set_timeout, set_env, set_prepend;

static const struct {
	const char *name;
	char join; /* what a newline in the value becomes; a newline: not allowed */
	key_setter *set;
} keys[RECIPE_KEYS] = {
	{"title", '\n', set_title},
	{"command", ' ', set_command},
	{"path", ':', set_path},
	{"ready", '\n', set_ready},
	{"guarded", '\n', set_guarded},
	{"jupyter_api", '\n', set_jupyter_api},
	{"url", '\n', set_url},
	{"hint", ' ', set_hint},
	{"ready_timeout", '\n', set_timeout},
	{"env.", ' ', set_env}, /* RECIPE_KEYS_ONCE */
	{"prepend.", ':', set_prepend},
};

const char recipe_keys[] =
	"title, command, path, ready, guarded, jupyter_api, url, hint, ready_timeout, "
	"env.NAME, prepend.NAME";

int recipe_key(const char *key)
{
	for (int i = 0; i < RECIPE_KEYS; i++) {
		const char *name = keys[i].name;

		if (i >= RECIPE_KEYS_ONCE ? strncmp(key, name, strlen(name)) == 0
					  : strcmp(key, name) == 0)
			return i;
	}
	return -1;
}

int recipe_init(struct recipe *recipe, const char *name, const char *file,
		const char *recipes_dir)
{
	memset(recipe, 0, sizeof(*recipe));
	recipe->name = strdup(name);
	recipe->title = strdup(name);
	recipe->ready = strdup("/");
	recipe->url = strdup("/");
	recipe->file = strdup(file);
	recipe->recipes_dir = strdup(recipes_dir);
	recipe->ready_timeout_s = RECIPE_READY_TIMEOUT;
	if (recipe->name == NULL || recipe->title == NULL || recipe->ready == NULL ||
	    recipe->url == NULL || recipe->file == NULL || recipe->recipes_dir == NULL) {
		recipe_clear(recipe);
		return -1;
	}
	return 0;
}

void recipe_clear(struct recipe *recipe)
{
	int saved = errno;

	free(recipe->name);
	free(recipe->title);
	free(recipe->command);
	free(recipe->path);
	free(recipe->ready);
	free(recipe->guarded);
	free(recipe->jupyter_api);
	free(recipe->url);
	free(recipe->hint);
	for (size_t i = 0; i < recipe->env_count; i++) {
		free(recipe->env[i].name);
		free(recipe->env[i].value);
	}
	free(recipe->env);
	free(recipe->file);
	free(recipe->recipes_dir);
	memset(recipe, 0, sizeof(*recipe));
	errno = saved;
}

static int invalid(struct reason *reason, const char *allowed)
{
	reason_set(reason, "not allowed here: give %s", allowed);
	errno = EINVAL;
	return -1;
}

static int field_set(char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return -1;
	free(*field);
	*field = copy;
	return 0;
}

static int set_title(struct recipe *recipe, const char *name, const char *value,
		     struct reason *reason)
{
	(void) name;
	(void) reason;
	return field_set(&recipe->title, value);
}

static int set_hint(struct recipe *recipe, const char *name, const char *value,
		    struct reason *reason)
{
	(void) name;
	(void) reason;
	return field_set(&recipe->hint, value);
}

static int set_command(struct recipe *recipe, const char *name, const char *value,
		       struct reason *reason)
{
	char **words = text_words(value, RECIPE_WORDS_MAX);
	const char *program;
	int result = -1;

	(void) name;
	if (words == NULL && errno == E2BIG) {
		errno = EINVAL;
		return reason_set(reason, "more than %d words: give fewer", RECIPE_WORDS_MAX);
	}
	if (words == NULL)
		return errno == EINVAL ? invalid(reason, "words with their quotes closed") : -1;
	program = words[0];
	/* A relative path would depend on where the agent happens to run. */
	if (program == NULL || *program == '\0' || strchr(program, '$') != NULL ||
	    (*program != '/' && strchr(program, '/') != NULL))
		invalid(reason,
			"a program's name or absolute path, without \"$\", then its words");
	else if (!recipe_text_right(value))
		invalid(reason, "${NAME} for a variable and $$ for a dollar sign");
	else
		result = field_set(&recipe->command, value);
	text_words_free(words);
	return result;
}

static int set_path(struct recipe *recipe, const char *name, const char *value,
		    struct reason *reason)
{
	const char *at = value;

	(void) name;
	for (at += strspn(at, ":"); *at == '/'; at += strspn(at, ":"))
		at += strcspn(at, ":");
	if (*at != '\0' || value[strspn(value, ":")] == '\0')
		return invalid(reason, "absolute directories separated by \":\"");
	return field_set(&recipe->path, value);
}

static int set_probe(char **field, const char *value, struct reason *reason)
{
	if (*value != '/' || strpbrk(value, " #") != NULL)
		return invalid(reason,
			       "a URL's path that begins with \"/\", without white space");
	return field_set(field, value);
}

static int set_ready(struct recipe *recipe, const char *name, const char *value,
		     struct reason *reason)
{
	(void) name;
	return set_probe(&recipe->ready, value, reason);
}

static int set_guarded(struct recipe *recipe, const char *name, const char *value,
		       struct reason *reason)
{
	(void) name;
	return set_probe(&recipe->guarded, value, reason);
}

static int set_jupyter_api(struct recipe *recipe, const char *name, const char *value,
			   struct reason *reason)
{
	(void) name;
	return set_probe(&recipe->jupyter_api, value, reason);
}

static int set_url(struct recipe *recipe, const char *name, const char *value,
		   struct reason *reason)
{
	(void) name;
	if (*value != '/' || strpbrk(value, " ?#") != NULL) /* "?token=" comes behind it */
		return invalid(reason,
			       "a URL's path that begins with \"/\", without white space, "
			       "\"?\" and \"#\"");
	return field_set(&recipe->url, value);
}

static int set_timeout(struct recipe *recipe, const char *name, const char *value,
		       struct reason *reason)
{
	long seconds;

	(void) name;
	if (text_to_seconds(value, &seconds) != 0 || seconds < 1 ||
	    seconds > RECIPE_TIMEOUT_MAX)
		return invalid(reason,
			       "a time as Slurm writes it (MINUTES, MINUTES:SECONDS, ...) "
			       "from 0:01 to 1-0");
	recipe->ready_timeout_s = seconds;
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
		return invalid(reason, "a name of letters, digits and \"_\" behind the dot");
	if (!recipe_text_right(value))
		return invalid(reason, "${NAME} for a variable and $$ for a dollar sign");
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

static int set_env(struct recipe *recipe, const char *name, const char *value,
		   struct reason *reason)
{
	return line_add(recipe, name, value, false, reason);
}

static int set_prepend(struct recipe *recipe, const char *name, const char *value,
		       struct reason *reason)
{
	return line_add(recipe, name, value, true, reason);
}

int recipe_set(struct recipe *recipe, const char *key, const char *value, struct reason *reason)
{
	int number = recipe_key(key), result;
	char *joined, *newline;

	if (number < 0)
		return invalid(reason, recipe_keys);
	if (*value == '\0' && keys[number].set != set_env)
		return invalid(reason, "a value, or leave the line out");
	if (keys[number].join == '\n' && strchr(value, '\n') != NULL)
		return invalid(reason, "one line: only command, path, hint, env.NAME and "
				       "prepend.NAME may go on "
				       "in lines that begin with white space");
	joined = strdup(value);
	if (joined == NULL)
		return reason_set(reason, "not enough memory");
	for (newline = strchr(joined, '\n'); newline != NULL; newline = strchr(newline, '\n'))
		*newline = keys[number].join;
	errno = 0;
	result = keys[number].set(recipe, key + strlen(keys[number].name), joined, reason);
	if (result != 0 && errno == ENOMEM)
		reason_set(reason, "not enough memory");
	free(joined);
	return result;
}

static void swap(char **a, char **b)
{
	char *kept = *a;

	*a = *b;
	*b = kept;
}

/* Room in base for the environment lines that only change has. */
static int env_grow(struct recipe *base, const struct recipe *change)
{
	struct recipe_env *larger;
	size_t room = base->env_count + change->env_count;

	if (change->env_count == 0)
		return 0;
	if (room > RECIPE_ENV_MAX) {
		errno = EINVAL;
		return -1;
	}
	larger = reallocarray(base->env, room, sizeof(*larger));
	if (larger == NULL)
		return -1;
	base->env = larger;
	return 0;
}

int recipe_merge(struct recipe *base, struct recipe *change, unsigned given)
{
	char **const fields[RECIPE_KEYS][2] = {
		{&base->title, &change->title},	    {&base->command, &change->command},
		{&base->path, &change->path},	    {&base->ready, &change->ready},
		{&base->guarded, &change->guarded}, {&base->jupyter_api, &change->jupyter_api},
		{&base->url, &change->url},	    {&base->hint, &change->hint},
	};

	if (env_grow(base, change) != 0)
		return -1;
	for (int i = 0; i < RECIPE_KEYS; i++) {
		if ((given & 1U << i) == 0)
			continue;
		if (fields[i][0] != NULL)
			swap(fields[i][0], fields[i][1]);
		else if (keys[i].set == set_timeout)
			base->ready_timeout_s = change->ready_timeout_s;
	}
	for (size_t i = 0, at; i < change->env_count; i++) {
		for (at = 0; at < base->env_count; at++) {
			if (strcmp(base->env[at].name, change->env[i].name) == 0)
				break;
		}
		if (at == base->env_count) {
			base->env[base->env_count++] = change->env[i];
			change->env[i] = (struct recipe_env){.name = NULL};
		} else {
			base->env[at].prepend = change->env[i].prepend;
			swap(&base->env[at].value, &change->env[i].value);
		}
	}
	swap(&base->file, &change->file);
	return 0;
}
