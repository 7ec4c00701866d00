/* SPDX-License-Identifier: MIT */
/*
 * An environment as a value: built, filtered and handed to execve, never the process' own. Used
 * by jupyter-launch and jupyter-agent, as the user.  Of several entries of one name the last
 * wins, the order is kept otherwise.
 */
#ifndef COMMON_ENV_H
#define COMMON_ENV_H

#include <stdbool.h>
#include <stddef.h>

struct env;

/* A copy of the NULL-terminated vector (entries without "=" are dropped); NULL: empty.  Names
 * are hashed: 20,000 entries take milliseconds.  NULL with ENOMEM. */
struct env *env_create(char *const *vector);
void env_destroy(struct env *env);

/* Valid until the next change of that name; NULL when not set. */
const char *env_get(const struct env *env, const char *name);
int env_set(struct env *env, const char *name, const char *value); /* -1: ENOMEM, EINVAL */
void env_unset(struct env *env, const char *name);

/* Removes every variable for which match(name, arg) is true. */
void env_remove(struct env *env, bool (*match)(const char *name, void *arg), void *arg);

/* Calls each(name, value, arg) for every variable, in order, until it returns non-zero; returns
 * that. The callback must not change env. */
int env_each(const struct env *env, int (*each)(const char *name, const char *value, void *arg),
	     void *arg);

/* For execve; valid until the next change; owned by env. NULL with ENOMEM. */
char *const *env_vector(struct env *env);

#endif
