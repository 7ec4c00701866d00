/* SPDX-License-Identifier: MIT */
/*
 * Which sessions there are: see statedir.h, and statedir_private.h for what statedir_find.c
 * needs of it.  Used by sjupyter, as the user.
 */
#include "statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fd.h"
#include "statedir_private.h"

/* Room for the first ids; most people have fewer sessions. */
enum { ROOM_FIRST = 16 };

void sessions_clear(struct sessions *sessions)
{
	int saved = errno;

	for (size_t i = 0; i < sessions->count; i++)
		free(sessions->ids[i]);
	free(sessions->ids);
	fd_close(&sessions->base);
	errno = saved;
}

/* Newest first.  The numbers have no leading zeros, so the longer one is the higher. */
static int id_compare(const void *a, const void *b)
{
	const char *left = *(char *const *) a, *right = *(char *const *) b;
	size_t left_length = strlen(left), right_length = strlen(right);

	if (left_length != right_length)
		return left_length < right_length ? 1 : -1;
	return strcmp(right, left);
}

static int id_add(struct sessions *sessions, const char *id, size_t *room)
{
	if (sessions->count == *room) {
		char **larger = realloc(sessions->ids, *room * 2 * sizeof(*larger));

		if (larger == NULL)
			return -1;
		sessions->ids = larger;
		*room *= 2;
	}
	sessions->ids[sessions->count] = strdup(id);
	if (sessions->ids[sessions->count] == NULL)
		return -1;
	sessions->count++;
	return 0;
}

/* Adds the directory of each job in dir.  -1 with errno. */
static int ids_read(struct sessions *sessions, DIR *dir, size_t room)
{
	const struct dirent *entry;
	struct stat status;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return errno == 0 ? 0 : -1;
		if (!statedir_is_job_id(entry->d_name) ||
		    fstatat(sessions->base, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(status.st_mode))
			continue;
		if (id_add(sessions, entry->d_name, &room) != 0)
			return -1;
	}
}

int sessions_load(struct sessions *sessions, struct reason *reason)
{
	int copy = -1, result, saved;
	DIR *dir;

	*sessions = (struct sessions){.base = statedir_base_open(false, reason)};
	if (sessions->base < 0 && errno != ENOENT)
		return -1;
	sessions->ids = malloc(ROOM_FIRST * sizeof(*sessions->ids));
	if (sessions->ids == NULL)
		goto error;
	if (sessions->base < 0)
		return 0;
	/* closedir closes what it was made of, and the base is still needed. */
	copy = dir_open(sessions->base, ".");
	dir = copy >= 0 ? fdopendir(copy) : NULL;
	if (dir == NULL)
		goto error;
	result = ids_read(sessions, dir, ROOM_FIRST);
	saved = errno;
	closedir(dir);
	copy = -1;
	errno = saved;
	if (result != 0)
		goto error;
	qsort(sessions->ids, sessions->count, sizeof(*sessions->ids), id_compare);
	return 0;

error:
	reason_set(reason, "cannot list the sessions: %s", strerror(errno));
	fd_close(&copy);
	sessions_clear(sessions);
	return -1;
}

int statedir_list(char ***job_ids, size_t *count, struct reason *reason)
{
	struct sessions sessions;

	if (sessions_load(&sessions, reason) != 0)
		return -1;
	fd_close(&sessions.base);
	*job_ids = sessions.ids;
	*count = sessions.count;
	return 0;
}
