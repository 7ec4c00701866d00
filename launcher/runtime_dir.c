/* SPDX-License-Identifier: MIT */
/* See runtime_dir.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/lock.h"
#include "launcher/runtime_dir.h"
#include "launcher/settings.h"

enum {
	/* Between mkdtemp and its lock a directory is nobody's; longer than this that does not
	 * last. */
	UNLOCKED_GRACE_S = 60,
	REMOVALS_MAX = 1000,
	/* Bytes of the file "job": a job's digits and a host's name take less. */
	JOB_MAX = 512
};

static void name_prefix(char prefix[64])
{
	snprintf(prefix, 64, RUNTIME_DIR_PREFIX, (unsigned) getuid());
}

/* The directory, open, if it is ours and private; else -1. */
static int open_ours(int base_fd, const char *name, struct stat *status)
{
	int fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && (fstat(fd, status) < 0 || status->st_uid != getuid() ||
			(status->st_mode & 077) != 0))
		fd_close(&fd);
	return fd;
}

/* Whether the directory is ours, private, and nobody lives in it. */
static int is_stale(int base_fd, const char *name, time_t grace)
{
	struct stat status;
	int fd = open_ours(base_fd, name, &status);
	int stale = 0;

	if (fd < 0)
		return 0;
	if (time(NULL) - status.st_mtime >= grace) {
		int lock_fd = lock_take(fd, "lock");
		stale = lock_fd >= 0;
		fd_close(&lock_fd);
	}
	fd_close(&fd);
	return stale;
}

static void sweep(const char *base, const char *prefix)
{
	DIR *listing = opendir(base);
	struct dirent *entry;

	if (!listing)
		return;
	while ((entry = readdir(listing)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)) &&
		    is_stale(dirfd(listing), entry->d_name, UNLOCKED_GRACE_S))
			/* What cannot be removed now is tried again by the next session. */
			(void) dir_remove(dirfd(listing), entry->d_name);
	closedir(listing);
}

int runtime_dir_create(struct runtime_dir *dir, const char *base, struct reason *reason)
{
	struct runtime_dir made = {.fd = -1, .lock_fd = -1};
	char prefix[64];

	name_prefix(prefix);
	sweep(base, prefix);
	if (asprintf(&made.path, "%s/%sXXXXXX", base, prefix) < 0) {
		made.path = NULL;
		goto error;
	}
	if (strlen(made.path) > SETTINGS_RUNTIME_MAX) {
		reason_set(reason,
			   "%s has over %d bytes, too many for the paths of sockets in it: a "
			   "shorter tmpdir in the site's settings is needed",
			   made.path, SETTINGS_RUNTIME_MAX);
		free(made.path);
		errno = ENAMETOOLONG;
		return -1;
	}
	if (!mkdtemp(made.path)) {
		free(made.path);
		return reason_set(
			reason, "a private directory in %s (tmpdir of the site's settings): %s",
			base, strerror(errno));
	}
	if ((made.fd = open(made.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0 ||
	    (made.lock_fd = lock_take(made.fd, "lock")) < 0)
		goto error;
	*dir = made;
	return 0;
error:
	reason_set(reason, "%s: %s", made.path ? made.path : base, strerror(errno));
	runtime_dir_destroy(&made);
	return -1;
}

static void describe_job(const char *job_id, const char *node, char text[JOB_MAX])
{
	snprintf(text, JOB_MAX, "%s %s\n", job_id, node);
}

int runtime_dir_set_job(const struct runtime_dir *dir, const char *job_id, const char *node)
{
	char text[JOB_MAX];

	describe_job(job_id, node, text);
	return file_replace(dir->fd, "job", 0600, text, strlen(text));
}

/* Whether it is that job's, and somebody lives in it or nobody does. */
static bool is_of_job(int base_fd, const char *name, const char *wanted, bool alive)
{
	struct stat status;
	char *text = NULL;
	int fd = open_ours(base_fd, name, &status);

	if (fd < 0)
		return false;
	bool is = lock_is_held(fd, "lock") == alive &&
		  file_read(fd, "job", JOB_MAX, &text, NULL) == 0 && !strcmp(text, wanted);
	free(text);
	fd_close(&fd);
	return is;
}

char *runtime_dir_find(const char *base, const char *job_id, const char *node)
{
	DIR *listing = opendir(base);
	struct dirent *entry;
	char prefix[64], wanted[JOB_MAX], *path = NULL;

	if (!listing)
		return NULL;
	name_prefix(prefix);
	describe_job(job_id, node, wanted);
	errno = ENOENT;
	while (!path && (entry = readdir(listing)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)) &&
		    is_of_job(dirfd(listing), entry->d_name, wanted, true) &&
		    asprintf(&path, "%s/%s", base, entry->d_name) < 0) {
			path = NULL;
			break;
		}
	if (!path && errno != ENOMEM)
		errno = ENOENT;
	int saved = errno;
	closedir(listing);
	errno = saved;
	return path;
}

void runtime_dir_remove_job(const char *base, const char *job_id, const char *node)
{
	DIR *listing = opendir(base);
	struct dirent *entry;
	char prefix[64], wanted[JOB_MAX];

	if (!listing)
		return;
	name_prefix(prefix);
	describe_job(job_id, node, wanted);
	while ((entry = readdir(listing)))
		if (!strncmp(entry->d_name, prefix, strlen(prefix)) &&
		    is_of_job(dirfd(listing), entry->d_name, wanted, false))
			/* What ends with its owner may write there for a moment more. */
			for (int i = 0;
			     i < REMOVALS_MAX && dir_remove(dirfd(listing), entry->d_name) < 0;
			     i++)
				;
	closedir(listing);
}

void runtime_dir_remove_dead(const char *base, const char *path)
{
	char prefix[64];
	size_t length = strlen(base);

	/* The path comes from a file: nothing but a directory of ours is removed for it. */
	name_prefix(prefix);
	if (strncmp(path, base, length) || path[length] != '/' ||
	    strncmp(path + length + 1, prefix, strlen(prefix)) ||
	    strchr(path + length + 1, '/'))
		return;
	if (is_stale(AT_FDCWD, path, 0))
		(void) dir_remove(AT_FDCWD, path);
}

void runtime_dir_destroy(struct runtime_dir *dir)
{
	int error = errno;

	if (dir->path && dir->fd >= 0) {
		fd_close(&dir->fd);
		(void) dir_remove(AT_FDCWD, dir->path);
		fd_close(&dir->lock_fd);
	}
	free(dir->path);
	dir->path = NULL;
	errno = error;
}
