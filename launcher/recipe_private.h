/* SPDX-License-Identifier: MIT */
/*
 * The keys of a recipe, and their setters: recipe_keys.c is the table, recipe_words.c and
 * recipe_values.c store what it says of commands and of everything else.  See recipe.h for
 * where they are used.
 */
#ifndef LAUNCHER_RECIPE_PRIVATE_H
#define LAUNCHER_RECIPE_PRIVATE_H

#include "launcher/recipe.h"

/* The word that stands for a command where the controller is forked like a worker. */
#define RECIPE_CONTROLLER_PRELOAD "preload"

/*
 * Stores a value, whose lines are joined and which is not empty but where env takes it, in
 * field, the key's in recipe; name is what follows the dot of "env." and "prepend.".  0, or -1
 * with EINVAL and a reason, or with ENOMEM and none.
 */
typedef int recipe_setter(struct recipe *recipe, void *field, const char *name,
			  const char *value, struct reason *reason);

/* recipe_words.c */
recipe_setter recipe_set_command, recipe_set_worker, recipe_set_preload, recipe_set_controller,
	recipe_set_prepare, recipe_set_srun;

/* -1 with EINVAL and a reason when the text uses ${index} or ${id}. */
int recipe_refuse_worker_variables(const char *value, struct reason *reason);

/* recipe_values.c */
recipe_setter recipe_set_text, recipe_set_start, recipe_set_ports, recipe_set_count,
	recipe_set_restarts, recipe_set_resize, recipe_set_hub, recipe_set_path,
	recipe_set_probe, recipe_set_url, recipe_set_ready_timeout, recipe_set_stop_timeout,
	recipe_set_env, recipe_set_prepend;

/* "not allowed here: give ALLOWED", EINVAL, -1. */
int recipe_invalid(struct reason *reason, const char *allowed);

/* Moves the values of the keys in given (bit 1 << key), environment lines excepted, from change
 * to base; texts are exchanged. */
void recipe_keys_take(struct recipe *base, struct recipe *change, unsigned given);

#endif
