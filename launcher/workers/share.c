/* SPDX-License-Identifier: MIT */
/* See share.h. */
#include "launcher/workers/share.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

int share_open(int runtime_fd, const char *kind, struct reason *reason)
{
	__attribute__((cleanup(fd_close))) int workers = dir_private(runtime_fd, "workers");
	int fd = workers < 0 ? -1 : dir_private(workers, kind);

	if (fd < 0)
		return reason_set(reason, "the share directory workers/%s: %s", kind,
				  strerror(errno));
	return fd;
}

static void wipe(char *data, size_t size)
{
	if (data)
		explicit_bzero(data, size);
	free(data);
}

static int read_one(int dirfd, const char *kind, const char *name, struct share *share,
		    struct reason *reason)
{
	struct workers_file file = {.size = 0};
	char *data = NULL, *payload = NULL;
	int rc = -1;

	if (share->count == SHARE_FILES_MAX) {
		errno = EMFILE;
		return reason_set(reason, "over %d files", SHARE_FILES_MAX);
	}
	if (!text_is_name(name, sizeof(file.name))) {
		errno = EINVAL;
		return reason_set(reason,
				  "\"%s\" is not a name of letters, digits and \"._-\" of at "
				  "most %d bytes",
				  name, WORKERS_FILE_NAME_MAX - 1);
	}
	if (file_read(dirfd, name, WORKERS_FILE_MAX, &data, &file.size) < 0) {
		if (errno == EFBIG)
			reason_set(reason, "%s: over %d bytes", name, WORKERS_FILE_MAX);
		else
			reason_set(reason, "%s: %s", name, strerror(errno));
		goto out;
	}
	memcpy(file.name, name, strlen(name) + 1);
	memcpy(file.kind, kind, strlen(kind) + 1);
	file.data = data;
	if (!(payload = workers_file_encode(&file, &share->messages[share->count].size))) {
		reason_set(reason, "%s: %s", name, strerror(errno));
		goto out;
	}
	share->messages[share->count++].payload = payload;
	rc = 0;
out:
	wipe(data, file.size);
	return rc;
}

/* Whether it is to be shared: 1, 0, or -1. */
static int is_shared(int dirfd, const char *name, struct reason *reason)
{
	struct stat status;

	if (*name == '.')
		return 0;
	if (fstatat(dirfd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : reason_set(reason, "%s: %s", name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return 0;
	if (S_ISREG(status.st_mode) && status.st_uid == geteuid())
		return 1;
	errno = EINVAL;
	return reason_set(reason, "%s: not a regular file of its user", name);
}

static int read_all(DIR *listing, const char *kind, struct share *share, struct reason *reason)
{
	const struct dirent *entry;

	while ((errno = 0, entry = readdir(listing))) {
		int shared = is_shared(dirfd(listing), entry->d_name, reason);
		if (shared < 0 || (shared && read_one(dirfd(listing), kind, entry->d_name,
						      share, reason) < 0))
			return -1;
	}
	return errno ? reason_set(reason, "%s", strerror(errno)) : 0;
}

int share_read(int dirfd, const char *kind, struct share *share, struct reason *reason)
{
	struct share found = {.count = 0};
	/* A descriptor of its own, since reading moves it. */
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd < 0 ? NULL : fdopendir(fd);
	int rc = -1, error;

	if (!listing) {
		reason_set(reason, "%s", strerror(errno));
		fd_close(&fd);
	} else {
		rc = read_all(listing, kind, &found, reason);
	}
	error = errno;
	if (listing)
		closedir(listing);
	if (rc == 0)
		*share = found;
	else
		share_clear(&found);
	errno = error;
	return rc < 0 ? reason_prefix(reason, "files shared by the controller of %s", kind) : 0;
}

void share_clear(struct share *share)
{
	int error = errno;

	for (size_t i = 0; i < share->count; i++)
		wipe(share->messages[i].payload, share->messages[i].size);
	share->count = 0;
	errno = error;
}

int share_write(int dirfd, const struct workers_file *file, struct reason *reason)
{
	if (!text_is_name(file->name, sizeof(file->name))) {
		errno = EINVAL;
		return reason_set(reason, "shared file \"%s\": not a name", file->name);
	}
	if (file_replace(dirfd, file->name, 0600, file->data, file->size) < 0)
		return reason_set(reason, "shared file %s: %s", file->name, strerror(errno));
	return 0;
}
