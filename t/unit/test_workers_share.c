/* SPDX-License-Identifier: MIT */
/*
 * Tests of the files that a controller shares: read as they are, nothing else with them, and
 * written so that nobody else can read them.  Run by `make check` as any user.
 */
#include "launcher/workers/share.h"

#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "scratch.h"

static void put(int dir, const char *name, const void *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size) < 0 || close(fd) < 0)
		bail_out(name);
}

static const struct workers_file *find(const struct share *share, const char *name)
{
	static struct workers_file file;

	for (size_t i = 0; i < share->count; i++)
		if (workers_file_decode(share->messages[i].payload, share->messages[i].size,
					&file, NULL) == 0 &&
		    !strcmp(file.name, name))
			return &file;
	return NULL;
}

static bool has(const struct share *share, const char *name, const void *data, size_t size)
{
	const struct workers_file *file = find(share, name);

	return file && file->size == size && !memcmp(file->data, data, size) &&
	       !strcmp(file->kind, "dask");
}

static void test_open(int scratch)
{
	struct stat status;
	struct reason reason;
	int fd = share_open(scratch, "dask", &reason), again;

	ok(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0700,
	   "a directory of mode 0700");
	ok(faccessat(scratch, "workers/dask", R_OK, 0) == 0, "at its place");
	ok((again = share_open(scratch, "dask", &reason)) >= 0, "opened again");
	fd_close(&again);
	fd_close(&fd);
	if (symlinkat("/tmp", scratch, "workers/link") < 0)
		bail_out("symlink");
	ok(share_open(scratch, "link", &reason) < 0 && strstr(reason.text, "workers/link"),
	   "not through a link: %s", reason.text);
}

static void test_read(int scratch)
{
	struct share share = {.count = 0};
	struct reason reason;
	int dir = share_open(scratch, "read", &reason);
	static char bytes[WORKERS_FILE_MAX + 1];

	is_int(share_read(dir, "dask", &share, &reason), 0, "nothing is shared yet");
	is_int(share.count, 0, "so there is none");
	put(dir, "empty", "", 0);
	put(dir, "key.pem", "a\0b\n", 4);
	put(dir, "large", bytes, WORKERS_FILE_MAX);
	put(dir, ".new-1", "x", 1);
	if (mkdirat(dir, "log", 0700) < 0)
		bail_out("log");
	is_int(share_read(dir, "dask", &share, &reason), 0, "files are read");
	is_int(share.count, 3, "but no directory and no hidden one");
	ok(has(&share, "empty", "", 0), "an empty one");
	ok(has(&share, "key.pem", "a\0b\n", 4), "one with a NUL");
	ok(has(&share, "large", bytes, WORKERS_FILE_MAX), "the largest");
	share_clear(&share);
	is_int(share.count, 0, "cleared");
	is_int(share_read(dir, "dask", &share, &reason), 0, "read again");
	is_int(share.count, 3, "all of them");
	share_clear(&share);
	fd_close(&dir);
}

static void refused(int scratch, const char *what, void (*make)(int dir), int error,
		    const char *word)
{
	struct share share = {.count = 0};
	struct reason reason;
	int dir = share_open(scratch, what, &reason);

	put(dir, "good", "x", 1);
	make(dir);
	fails_with(share_read(dir, "dask", &share, &reason), error, "%s", what);
	ok(strstr(reason.text, word) && strstr(reason.text, "dask"), "it says: %s",
	   reason.text);
	is_int(share.count, 0, "nothing is shared");
	fd_close(&dir);
}

static void make_link(int dir)
{
	if (symlinkat("/etc/passwd", dir, "secret") < 0)
		bail_out("symlink");
}

static void make_fifo(int dir)
{
	if (mkfifoat(dir, "pipe", 0600) < 0)
		bail_out("mkfifo");
}

static void make_large(int dir)
{
	static char bytes[WORKERS_FILE_MAX + 1];

	put(dir, "large", bytes, sizeof(bytes));
}

static void make_named(int dir)
{
	put(dir, "a b", "x", 1);
}

static void make_many(int dir)
{
	char name[16];

	for (int i = 0; i < SHARE_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		put(dir, name, "x", 1);
	}
}

static void test_write(int scratch)
{
	struct workers_file file = {"dask", "key.pem", "secret", 6};
	struct reason reason;
	struct stat status;
	char *data = NULL;
	size_t size = 0;
	int dir = share_open(scratch, "write", &reason);
	mode_t before = umask(0);

	is_int(share_write(dir, &file, &reason), 0, "a file is written");
	umask(before);
	ok(fstatat(dir, "key.pem", &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	   "with mode 0600 whatever the umask");
	ok(file_read(dir, "key.pem", 100, &data, &size) == 0 && size == 6 &&
		   !memcmp(data, "secret", 6),
	   "as it was");
	free(data);
	if (unlinkat(dir, "key.pem", 0) < 0 || symlinkat("target", dir, "key.pem") < 0)
		bail_out("link");
	is_int(share_write(dir, &file, &reason), 0, "in the place of a link");
	ok(faccessat(dir, "target", F_OK, 0) < 0 &&
		   fstatat(dir, "key.pem", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		   S_ISREG(status.st_mode),
	   "and not through it");
	strcpy(file.name, "../key");
	fails_with(share_write(dir, &file, &reason), EINVAL, "no way out of the directory");
	fd_close(&dir);
}

int main(void)
{
	int scratch = scratch_open();

	test_open(scratch);
	test_read(scratch);
	refused(scratch, "a.link", make_link, EINVAL, "secret");
	refused(scratch, "fifo", make_fifo, EINVAL, "pipe");
	refused(scratch, "too.large", make_large, EFBIG, "60000");
	refused(scratch, "no.name", make_named, EINVAL, "a b");
	refused(scratch, "too.many", make_many, EMFILE, "32");
	test_write(scratch);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
