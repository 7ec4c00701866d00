/* SPDX-License-Identifier: MIT */
/*
 * A recipe as its section gives it: see recipe.h.  Runs in jupyter-launch, jupyter-agent and
 * sjupyter, as the user.  Its keys are in recipe_keys.c; what becomes of it for one session is
 * in recipe_expand.c and recipe_program.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/recipe_private.h"

const char *recipe_section_name(enum recipe_section section)
{
	return section == RECIPE_WORKERS ? "workers" : "app";
}

/* What both sections have. */
static int init(struct recipe *recipe, enum recipe_section section, const char *name,
		const char *file, const char *recipes_dir)
{
	memset(recipe, 0, sizeof(*recipe));
	recipe->section = section;
	recipe->name = strdup(name);
	recipe->title = strdup(name);
	recipe->file = strdup(file);
	recipe->recipes_dir = strdup(recipes_dir);
	if (recipe->name != NULL && recipe->title != NULL && recipe->file != NULL &&
	    recipe->recipes_dir != NULL)
		return 0;
	recipe_clear(recipe);
	return -1;
}

int recipe_init(struct recipe *recipe, const char *name, const char *file,
		const char *recipes_dir)
{
	if (init(recipe, RECIPE_APP, name, file, recipes_dir) != 0)
		return -1;
	recipe->ready_timeout_s = RECIPE_READY_TIMEOUT;
	recipe->ready = strdup("/");
	recipe->url = strdup("/");
	if (recipe->ready != NULL && recipe->url != NULL)
		return 0;
	recipe_clear(recipe);
	return -1;
}

int recipe_init_workers(struct recipe *recipe, const char *name, const char *file,
			const char *recipes_dir)
{
	if (init(recipe, RECIPE_WORKERS, name, file, recipes_dir) != 0)
		return -1;
	recipe->ready_timeout_s = RECIPE_WORKERS_READY_TIMEOUT;
	recipe->stop_timeout_s = RECIPE_STOP_TIMEOUT;
	recipe->restarts = RECIPE_RESTARTS;
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
	free(recipe->save);
	free(recipe->url);
	free(recipe->hint);
	free(recipe->preload);
	free(recipe->controller);
	free(recipe->prepare);
	free(recipe->prepare_node);
	free(recipe->srun);
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
	if (env_grow(base, change) != 0)
		return -1;
	recipe_keys_take(base, change, given);
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

bool recipe_whole(const struct recipe *recipe)
{
	return recipe->command != NULL || recipe->preload != NULL;
}

int recipe_check(const struct recipe *recipe, struct reason *reason)
{
	bool forked = recipe->controller != NULL &&
		      strcmp(recipe->controller, RECIPE_CONTROLLER_PRELOAD) == 0;

	errno = EINVAL;
	if (!recipe_whole(recipe))
		return reason_set(reason, "no %s: give one, or the name of a shipped recipe",
				  recipe->section == RECIPE_WORKERS ? "worker and no preload"
								    : "command");
	if (recipe->command != NULL && recipe->preload != NULL)
		return reason_set(reason, "worker and preload: give only one of them");
	if (forked && recipe->preload == NULL)
		return reason_set(reason, "controller = preload: give preload too, whose "
					  "function \"controller\" it is, or a command");
	if (recipe->step && recipe->preload != NULL)
		return reason_set(reason, "start = srun: give worker in place of preload, "
					  "since srun starts commands");
	if (recipe->step && recipe->resize)
		return reason_set(reason, "resize = yes: give start = agent, since the tasks "
					  "of one srun are as many as it began with");
	if (!recipe->step && recipe->srun != NULL)
		return reason_set(reason, "srun: give start = srun too, or leave it out");
	if (recipe->ports > 0 && recipe->controller == NULL)
		return reason_set(reason, "ports: give controller too, which listens on "
					  "them, or leave it out");
	return 0;
}
