/* SPDX-License-Identifier: MIT */
/*
 * Small files and private directories: the second half of fd.h.  Used by jupyter-launch,
 * jupyter-agent and sjupyter, as the user; the plugin does without it.
 */
#include "fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* A temporary name: a point, that lists leave it out, and 64 random bits. */
enum { TEMPORARY_SIZE = sizeof(".new-") + 16 };

/* Passes over one directory while it is emptied: one for each level of depth, and Linux'
 * PATH_MAX of 4096 makes trees of more than 2048 levels a thing that somebody made on purpose.
 */
enum { REMOVE_PASSES = 65536 };

static int temporary_name(char name[TEMPORARY_SIZE])
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t) sizeof(random))
		return -1;
	snprintf(name, TEMPORARY_SIZE, ".new-%016llx", (unsigned long long) random);
	return 0;
}

int file_read(int dirfd, const char *name, size_t max, char **data, size_t *size)
{
	__attribute__((cleanup(fd_close))) int fd = -1;
	struct stat status;

	/* O_NONBLOCK: a FIFO must not hold the caller until somebody writes. */
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		return -1;
	if (!S_ISREG(status.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return fd_read_all(fd, max, data, size);
}

/* Some file systems cannot sync (EINVAL); that is their user's choice, not a failure to write.
 */
static int sync_tolerant(int fd)
{
	int result;

	do {
		result = fsync(fd);
	} while (result != 0 && errno == EINTR);
	if (result != 0 && (errno == EINVAL || errno == ENOTSUP))
		return 0;
	return result;
}

int file_replace(int dirfd, const char *name, mode_t mode, const void *data, size_t size)
{
	char temporary[TEMPORARY_SIZE];
	int fd, saved, closed;

	if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	if (temporary_name(temporary) != 0)
		return -1;
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -1;
	if (fd_write_all(fd, data, size) != 0 || fchmod(fd, mode) != 0 ||
	    sync_tolerant(fd) != 0)
		goto error;
	/* NFS tells of a full disk or quota here at the latest. */
	closed = close(fd);
	fd = -1;
	if (closed != 0 && errno != EINTR)
		goto error;
	if (renameat(dirfd, temporary, dirfd, name) != 0)
		goto error;
	return 0;

error:
	saved = errno;
	fd_close(&fd);
	unlinkat(dirfd, temporary, 0);
	errno = saved;
	return -1;
}

int dir_open(int dirfd, const char *name)
{
	struct stat status;
	int fd;

	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0)
		goto error;
	if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		goto error;
	}
	return fd;

error:
	fd_close(&fd);
	return -1;
}

int dir_private(int dirfd, const char *name)
{
	if (mkdirat(dirfd, name, 0700) != 0 && errno != EEXIST) {
		int saved = errno, fd = dir_open(dirfd, name);

		/* A file system that is read-only, or full, says so also of what exists. */
		if (fd < 0)
			errno = saved;
		return fd;
	}
	return dir_open(dirfd, name);
}

/* What dir_remove works on: the directory to empty, and the first thing that went wrong. */
struct removal {
	DIR *top;
	int error;
	bool progress; /* in this pass */
};

static void removal_failed(struct removal *removal)
{
	if (removal->error == 0)
		removal->error = errno;
}

/* Whether something is mounted on the directory, a bind mount of the same file system included.
 */
static bool is_mount(int fd, int parent)
{
	struct statx extended;
	struct stat own, above;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &extended) == 0 &&
	    (extended.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
		return (extended.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	/* Kernels before 5.8 tell at least another file system. */
	return fstat(fd, &own) != 0 || fstat(parent, &above) != 0 || own.st_dev != above.st_dev;
}

/* A directory below parent for reading and changing, also one that its owner has locked. */
static DIR *child_open(int parent, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	__attribute__((cleanup(fd_close))) int fd = openat(parent, name, flags);
	struct stat status;
	DIR *dir;

	if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
		fd = openat(parent, name, flags);
	if (fd < 0 || fstat(fd, &status) != 0)
		return NULL;
	if (is_mount(fd, parent)) {
		errno = EXDEV;
		return NULL;
	}
	if ((status.st_mode & 0700) != 0700)
		fchmod(fd, 0700); /* where it fails, so does what comes next */
	dir = fdopendir(fd);
	if (dir != NULL)
		fd = -1;
	return dir;
}

/* The next name but "." and "..".  NULL at the end, with errno 0, or on an error. */
static const char *child_next(DIR *dir)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry != NULL &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry != NULL ? entry->d_name : NULL;
}

/* Removes what is no directory, or an empty one.  -1 with ENOTEMPTY for one that holds
 * something. */
static int child_unlink(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM) /* EPERM is POSIX' word for EISDIR */
		return -1;
	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == EEXIST)
		errno = ENOTEMPTY;
	return -1;
}

/* Moves a directory into the top one.  Its ".." changes, so it must be writable itself. */
static int child_lift(const struct removal *removal, int parent, const char *name)
{
	char moved[TEMPORARY_SIZE];
	int top = dirfd(removal->top);

	if (temporary_name(moved) != 0)
		return -1;
	if (renameat(parent, name, top, moved) == 0)
		return 0;
	if (errno != EACCES || fchmodat(parent, name, 0700, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	return renameat(parent, name, top, moved);
}

/*
 * Empties one directory in the top one: its files are removed, its directories lifted to the
 * top for a later pass. So depth costs neither descriptors nor stack.
 */
static void child_empty(struct removal *removal, const char *name)
{
	DIR *dir = child_open(dirfd(removal->top), name);
	const char *entry;

	if (dir == NULL) {
		removal_failed(removal);
		return;
	}
	while ((entry = child_next(dir)) != NULL) {
		if (child_unlink(dirfd(dir), entry) == 0 ||
		    (errno == ENOTEMPTY && child_lift(removal, dirfd(dir), entry) == 0))
			removal->progress = true;
		else
			removal_failed(removal);
	}
	if (errno != 0)
		removal_failed(removal);
	closedir(dir);
}

/* One pass over the top directory. */
static void top_empty(struct removal *removal)
{
	int top = dirfd(removal->top);
	const char *name;

	rewinddir(removal->top);
	while ((name = child_next(removal->top)) != NULL) {
		if (child_unlink(top, name) == 0) {
			removal->progress = true;
			continue;
		}
		if (errno != ENOTEMPTY) {
			removal_failed(removal);
			continue;
		}
		child_empty(removal, name);
		if (unlinkat(top, name, AT_REMOVEDIR) == 0)
			removal->progress = true;
	}
	if (errno != 0)
		removal_failed(removal);
}

int dir_remove(int dirfd, const char *name)
{
	struct removal removal = {.top = child_open(dirfd, name)};

	if (removal.top == NULL)
		return errno == ENOENT ? 0 : -1;
	for (unsigned pass = 0; pass < REMOVE_PASSES; pass++) {
		removal.progress = false;
		top_empty(&removal);
		if (!removal.progress)
			break;
	}
	closedir(removal.top);
	/* What failed on the way does not matter when in the end all is gone. */
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (removal.error != 0)
		errno = removal.error;
	return -1;
}
