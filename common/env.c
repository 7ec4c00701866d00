/* SPDX-License-Identifier: MIT */
/*
 * An environment as a value: see env.h.  Used by jupyter-launch and jupyter-agent, as the user.
 *
 * Entries are kept in their order in an array; a table of open addressing finds them by name.
 * A removed entry stays as a hole until the next growth, so that the table needs no deletion.
 */
#include "env.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One block: the name with its NUL, behind it "NAME=value" with its own. */
struct entry {
	char *name; /* NULL: a hole */
	const char *text;
	size_t name_length;
	uint64_t hash;
};

struct env {
	struct entry *entries;
	size_t used;	   /* entries, holes included */
	size_t room;	   /* entries there is memory for */
	size_t live;	   /* entries without holes */
	size_t *slots;	   /* index of an entry plus one; 0: free */
	size_t slot_count; /* a power of two, at least twice the room */
	char **vector;	   /* what env_vector has returned */
};

enum { ROOM_FIRST = 64 };

/* FNV-1a, 64 bits (draft-eastlake-fnv): the constants are its offset basis and prime. */
static uint64_t name_hash(const char *name, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325U;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char) name[i]) * 0x100000001b3U;
	return hash;
}

static struct entry *entry_find(const struct env *env, const char *name, size_t length,
				uint64_t hash)
{
	if (env->slot_count == 0)
		return NULL;
	for (size_t at = hash;; at++) {
		size_t slot = env->slots[at & (env->slot_count - 1)];
		struct entry *entry;

		if (slot == 0)
			return NULL;
		entry = &env->entries[slot - 1];
		if (entry->name != NULL && entry->hash == hash &&
		    entry->name_length == length && memcmp(entry->name, name, length) == 0)
			return entry;
	}
}

static void slot_fill(size_t *slots, size_t slot_count, uint64_t hash, size_t index)
{
	size_t at = hash & (slot_count - 1);

	while (slots[at] != 0)
		at = (at + 1) & (slot_count - 1);
	slots[at] = index + 1;
}

/* Makes room for at least one more entry, and closes the holes. */
static int env_grow(struct env *env)
{
	size_t room = ROOM_FIRST, used = 0;
	struct entry *entries;
	size_t *slots;

	while (room < env->live * 2)
		room *= 2;
	entries = malloc(room * sizeof(*entries));
	slots = calloc(room * 2, sizeof(*slots));
	if (entries == NULL || slots == NULL) {
		free(entries);
		free(slots);
		errno = ENOMEM;
		return -1;
	}
	for (size_t i = 0; i < env->used; i++) {
		if (env->entries[i].name == NULL)
			continue;
		entries[used] = env->entries[i];
		slot_fill(slots, room * 2, entries[used].hash, used);
		used++;
	}
	free(env->entries);
	free(env->slots);
	env->entries = entries;
	env->slots = slots;
	env->used = used;
	env->room = room;
	env->slot_count = room * 2;
	return 0;
}

/* env_set for a name that is not followed by a NUL. */
static int entry_set(struct env *env, const char *name, size_t length, const char *value)
{
	uint64_t hash = name_hash(name, length);
	struct entry *entry = entry_find(env, name, length, hash);
	size_t value_size = strlen(value) + 1;
	char *block, *text;

	if (entry == NULL && env->used == env->room && env_grow(env) != 0)
		return -1;
	block = malloc(2 * length + 2 + value_size);
	if (block == NULL)
		return -1;
	memcpy(block, name, length);
	block[length] = '\0';
	text = block + length + 1;
	memcpy(text, name, length);
	text[length] = '=';
	memcpy(text + length + 1, value, value_size);
	if (entry == NULL) {
		slot_fill(env->slots, env->slot_count, hash, env->used);
		entry = &env->entries[env->used++];
		env->live++;
	} else {
		free(entry->name);
	}
	*entry = (struct entry){
		.name = block, .text = text, .name_length = length, .hash = hash};
	return 0;
}

struct env *env_create(char *const *vector)
{
	struct env *env = calloc(1, sizeof(*env));

	if (env == NULL)
		return NULL;
	for (; vector != NULL && *vector != NULL; vector++) {
		const char *equals = strchr(*vector, '=');

		if (equals == NULL || equals == *vector)
			continue;
		if (entry_set(env, *vector, (size_t) (equals - *vector), equals + 1) != 0) {
			env_destroy(env);
			return NULL;
		}
	}
	return env;
}

void env_destroy(struct env *env)
{
	int saved = errno;

	if (env != NULL) {
		for (size_t i = 0; i < env->used; i++)
			free(env->entries[i].name);
		free(env->entries);
		free(env->slots);
		free(env->vector);
		free(env);
	}
	errno = saved;
}

const char *env_get(const struct env *env, const char *name)
{
	size_t length = strlen(name);
	const struct entry *entry = entry_find(env, name, length, name_hash(name, length));

	return entry != NULL ? entry->text + length + 1 : NULL;
}

int env_set(struct env *env, const char *name, const char *value)
{
	if (name == NULL || value == NULL || *name == '\0' || strchr(name, '=') != NULL) {
		errno = EINVAL;
		return -1;
	}
	return entry_set(env, name, strlen(name), value);
}

static void entry_remove(struct env *env, struct entry *entry)
{
	free(entry->name);
	entry->name = NULL;
	entry->text = NULL;
	env->live--;
}

void env_unset(struct env *env, const char *name)
{
	size_t length = strlen(name);
	struct entry *entry = entry_find(env, name, length, name_hash(name, length));

	if (entry != NULL)
		entry_remove(env, entry);
}

void env_remove(struct env *env, bool (*match)(const char *name, void *arg), void *arg)
{
	for (size_t i = 0; i < env->used; i++) {
		struct entry *entry = &env->entries[i];

		if (entry->name != NULL && match(entry->name, arg))
			entry_remove(env, entry);
	}
}

int env_each(const struct env *env, int (*each)(const char *name, const char *value, void *arg),
	     void *arg)
{
	for (size_t i = 0; i < env->used; i++) {
		const struct entry *entry = &env->entries[i];
		int result;

		if (entry->name == NULL)
			continue;
		result = each(entry->name, entry->text + entry->name_length + 1, arg);
		if (result != 0)
			return result;
	}
	return 0;
}

char *const *env_vector(struct env *env)
{
	char **vector = realloc(env->vector, (env->live + 1) * sizeof(*vector));
	size_t count = 0;

	if (vector == NULL)
		return NULL;
	env->vector = vector;
	for (size_t i = 0; i < env->used; i++) {
		struct entry *entry = &env->entries[i];

		if (entry->name != NULL)
			vector[count++] = entry->name + entry->name_length + 1;
	}
	vector[count] = NULL;
	return vector;
}
