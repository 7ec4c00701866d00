/* SPDX-License-Identifier: MIT */
/* Unit test of the second half of common/fd.h, files and directories; run by `make check` as
 * whoever calls it. */
#include <limits.h>
#include <sys/resource.h>

#include "common/fd.h"
#include "scratch.h"

static void write_text(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text) || close(fd) != 0)
		bail_out(name);
}

static mode_t mode_of(int dir, const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode : 0;
}

static bool exists(int dir, const char *name)
{
	return mode_of(dir, name) != 0;
}

static bool holds(int dir, const char *name, const char *text)
{
	char *data = NULL;
	bool same = file_read(dir, name, 1 << 20, &data, NULL) == 0 && strcmp(data, text) == 0;

	free(data);
	return same;
}

static int unreadable_child(int dir)
{
	char *data;

	if (become_nobody() != 0)
		return CANNOT;
	write_text(dir, "locked", "x");
	if (fchmodat(dir, "locked", 0, 0) != 0)
		return 1;
	if (file_read(dir, "locked", 10, &data, NULL) != -1 || errno != EACCES)
		return 2;
	return unlinkat(dir, "locked", 0) == 0 ? 0 : 3;
}

static void test_read(int dir)
{
	char *data = NULL;
	size_t size = 0;

	write_text(dir, "file", "text");
	is_int(file_read(dir, "file", 4, &data, &size), 0, "a file is read");
	ok(size == 4 && strcmp(data, "text") == 0, "whole");
	free(data);
	fails_with(file_read(dir, "file", 3, &data, NULL), EFBIG, "unless it is too large");
	fails_with(file_read(dir, "missing", 4, &data, NULL), ENOENT, "or missing");
	if (symlinkat("file", dir, "link") != 0 || mkfifoat(dir, "fifo", 0600) != 0)
		bail_out("link");
	fails_with(file_read(dir, "link", 4, &data, NULL), ELOOP, "or a link");
	fails_with(file_read(dir, "fifo", 4, &data, NULL), EINVAL,
		   "or a FIFO, without waiting");
	fails_with(file_read(dir, ".", 4, &data, NULL), EINVAL, "or a directory");
	fails_with(file_read(AT_FDCWD, "/dev/zero", 4, &data, NULL), EINVAL, "or a device");
	is_child(in_child(unreadable_child, dir), "or locked");
	unlinkat(dir, "fifo", 0);
	unlinkat(dir, "link", 0);
	unlinkat(dir, "file", 0);
}

static int readonly_child(int dir)
{
	int below;

	if (become_nobody() != 0)
		return CANNOT;
	if (mkdirat(dir, "readonly", 0700) != 0)
		return 1;
	below = openat(dir, "readonly", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(below, "file", "old");
	fchmod(below, 0500);
	if (file_replace(below, "file", 0600, "new", 3) != -1 || errno != EACCES ||
	    !holds(below, "file", "old"))
		return 2;
	fchmod(below, 0700);
	close(below);
	return dir_remove(dir, "readonly") == 0 ? 0 : 3;
}

/* A file system of 64 KiB that is all but full. */
static int full_child(int dir)
{
	static char large[256 << 10];
	int mounted;

	(void) dir;
	if (own_mounts() < 0 || mount("none", scratch_path, "tmpfs", 0, "size=64k") != 0)
		return CANNOT;
	mounted = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_replace(mounted, "file", 0600, "old", 3) != 0)
		return 1;
	memset(large, 'x', sizeof(large));
	if (file_replace(mounted, "file", 0600, large, sizeof(large)) != -1 || errno != ENOSPC)
		return 2;
	if (!holds(mounted, "file", "old") || entries(mounted) != 1)
		return 3;
	/* To the last page: now even three bytes do not fit. */
	for (int i = 0; i < 64; i++) {
		char name[16];

		snprintf(name, sizeof(name), "fill%d", i);
		if (file_replace(mounted, name, 0600, large, 4096) != 0)
			break;
	}
	if (errno != ENOSPC || file_replace(mounted, "file", 0600, "new", 3) != -1)
		return 4;
	return holds(mounted, "file", "old") ? 0 : 5;
}

/* A reader beside a writer sees one of the two texts, whole. */
static void test_atomic(int dir)
{
	enum { SIZE = 200000, ROUNDS = 300 };
	char *text = malloc(SIZE);
	int whole = 0, torn = 0, status;
	pid_t child;

	if (text == NULL)
		bail_out("malloc");
	memset(text, 'a', SIZE);
	if (file_replace(dir, "file", 0600, text, SIZE) != 0)
		bail_out("file_replace");
	child = fork();
	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		for (int i = 0; i < ROUNDS; i++) {
			memset(text, 'a' + i % 26, SIZE);
			if (file_replace(dir, "file", 0600, text, SIZE) != 0)
				_exit(1);
		}
		free(text); /* or valgrind calls it a leak */
		_exit(0);
	}
	do {
		char *data = NULL;
		size_t size = 0;

		if (file_read(dir, "file", SIZE, &data, &size) == 0 && size == SIZE &&
		    data[0] == data[SIZE - 1] && memchr(data, data[0] ^ 1, SIZE) == NULL)
			whole++;
		else
			torn++;
		free(data);
	} while (waitpid(child, &status, WNOHANG) == 0);
	is_int(status, 0, "a file is replaced %d times", ROUNDS);
	ok(whole > 0, "and read meanwhile");
	is_int(torn, 0, "always whole");
	unlinkat(dir, "file", 0);
	free(text);
}

static void test_replace(int dir)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "/a", "../a", "a/"};
	char longest[NAME_MAX + 2];
	mode_t mask = umask(0777);

	is_int(file_replace(dir, "file", 0640, "one", 3), 0, "a file is made");
	ok(holds(dir, "file", "one") || geteuid() != 0, "with its text");
	is_int(mode_of(dir, "file"), S_IFREG | 0640, "and its mode, whatever the umask");
	umask(0);
	is_int(file_replace(dir, "file", 0600, "two\0x", 5), 0, "and replaced");
	is_int(mode_of(dir, "file"), S_IFREG | 0600, "with the new mode");
	umask(mask);
	is_int(file_replace(dir, "file", 0600, "", 0), 0, "by nothing too");
	ok(holds(dir, "file", ""), "which is there");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		fails_with(file_replace(dir, bad[i], 0600, "x", 1), EINVAL, "\"%s\" is no name",
			   bad[i]);
	memset(longest, 'n', sizeof(longest));
	longest[NAME_MAX + 1] = '\0';
	fails_with(file_replace(dir, longest, 0600, "x", 1), ENAMETOOLONG, "256 are too many");
	longest[NAME_MAX] = '\0';
	is_int(file_replace(dir, longest, 0600, "x", 1), 0, "255 bytes are a name");
	unlinkat(dir, longest, 0);
	is_int(entries(dir), 1, "nothing is left of the failures");

	write_text(dir, "target", "untouched");
	unlinkat(dir, "file", 0);
	if (symlinkat("target", dir, "file") != 0)
		bail_out("symlinkat");
	is_int(file_replace(dir, "file", 0600, "new", 3), 0, "a link is replaced");
	ok(holds(dir, "file", "new") && holds(dir, "target", "untouched"), "and not followed");
	unlinkat(dir, "target", 0);
	unlinkat(dir, "file", 0);

	if (mkdirat(dir, "file", 0700) != 0)
		bail_out("mkdirat");
	fails_with(file_replace(dir, "file", 0600, "new", 3), EISDIR,
		   "a directory is not replaced");
	is_int(entries(dir), 1, "and nothing is left");
	unlinkat(dir, "file", AT_REMOVEDIR);
	fails_with(file_replace(-1, "file", 0600, "new", 3), EBADF, "no directory is an error");
	is_child(in_child(readonly_child, dir), "an unwritable directory keeps the old file");
	is_child(in_child(full_child, dir),
		 "a full disk keeps the old file, and nothing is left");
}

/* name/d/d/d..., as deep as given, with a file beside each d or not. */
static void make_deep(int dir, const char *name, int depth, bool files)
{
	int at;

	if (mkdirat(dir, name, 0700) != 0)
		bail_out(name);
	at = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < depth; i++) {
		int next;

		if (mkdirat(at, "d", 0700) != 0)
			bail_out("mkdirat");
		if (files)
			write_text(at, "file", "x");
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = next;
	}
	close(at);
}

static int few_descriptors_child(int dir)
{
	struct rlimit limit = {.rlim_cur = 16, .rlim_max = 16};

	make_deep(dir, "deep", 3000, true);
	fd_close_from(dir + 1);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return dir_remove(dir, "deep") == 0 ? CANNOT : 2;
	if (dir_remove(dir, "deep") != 0)
		return 1;
	return exists(dir, "deep") ? 2 : 0;
}

static int locked_child(int dir)
{
	int top;

	if (become_nobody() != 0)
		return CANNOT;
	make_deep(dir, "tree", 3, true);
	top = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fchmodat(top, "d/d/d", 0, 0) != 0 || fchmodat(top, "d/d", 0500, 0) != 0 ||
	    fchmodat(top, "d", 0, 0) != 0 || fchmod(top, 0500) != 0)
		return 1;
	close(top);
	if (dir_remove(dir, "tree") != 0)
		return 2;
	return exists(dir, "tree") ? 3 : 0;
}

/* Mounts a directory inside the tree, and expects it to survive. */
static int mount_child(int dir, const char *type, unsigned long flags)
{
	char path[300], source[300];
	int inside;

	dir = own_mounts();
	if (dir < 0)
		return CANNOT;
	make_deep(dir, "tree", 2, true);
	make_deep(dir, "source", 1, true);
	snprintf(path, sizeof(path), "%s/tree/d/d", scratch_path);
	snprintf(source, sizeof(source), "%s/source", scratch_path);
	if (mount(source, path, type, flags, NULL) != 0)
		return CANNOT;
	inside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(inside, "precious", "x");
	if (dir_remove(dir, "tree") != -1 || (errno != EXDEV && errno != EBUSY))
		return 1;
	if (!exists(inside, "precious"))
		return 2;
	close(inside);
	if (umount(path) != 0 || dir_remove(dir, "tree") != 0 || dir_remove(dir, "source") != 0)
		return 3;
	return exists(dir, "tree") ? 4 : 0;
}

static int tmpfs_child(int dir)
{
	return mount_child(dir, "tmpfs", 0);
}

static int bind_child(int dir)
{
	return mount_child(dir, "none", MS_BIND);
}

static int top_mount_child(int dir)
{
	char path[300];
	int inside;

	dir = own_mounts();
	if (dir < 0)
		return CANNOT;
	if (mkdirat(dir, "tree", 0700) != 0)
		return 1;
	snprintf(path, sizeof(path), "%s/tree", scratch_path);
	if (mount("none", path, "tmpfs", 0, NULL) != 0)
		return CANNOT;
	inside = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(inside, "precious", "x");
	if (dir_remove(dir, "tree") != -1 || errno != EXDEV || !exists(inside, "precious"))
		return 2;
	close(inside);
	umount(path);
	return unlinkat(dir, "tree", AT_REMOVEDIR) == 0 ? 0 : 3;
}

static int denied_child(int dir)
{
	int top;

	/* A directory of root's in the tree of nobody, with a file in it. */
	if (geteuid() != 0)
		return CANNOT;
	make_deep(dir, "tree", 2, true);
	top = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(top, "also", "x");
	if (fchown(top, NOBODY, NOBODY) != 0 || fchmodat(top, "d", 0755, 0) != 0)
		return 1;
	if (become_nobody() != 0)
		return CANNOT;
	if (dir_remove(dir, "tree") != -1 || errno != EACCES)
		return 2;
	return exists(top, "also") ? 3 : 0; /* it goes on after the error */
}

static void test_remove(int dir)
{
	int tree;

	is_int(dir_remove(dir, "missing"), 0, "what is missing is removed");
	write_text(dir, "file", "x");
	fails_with(dir_remove(dir, "file"), ENOTDIR, "a file is no directory");
	ok(exists(dir, "file"), "and stays");
	make_deep(dir, "kept", 1, true);
	if (symlinkat("kept", dir, "link") != 0)
		bail_out("symlinkat");
	ok(dir_remove(dir, "link") == -1 && (errno == ENOTDIR || errno == ELOOP),
	   "a link is no directory");
	ok(exists(dir, "kept/file") && exists(dir, "link"), "and what it names stays whole");

	make_deep(dir, "tree", 3, true);
	tree = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (symlinkat("../kept", tree, "to-dir") != 0 ||
	    symlinkat("../file", tree, "to-file") != 0 ||
	    symlinkat("/nowhere", tree, "dangling") != 0 || mkfifoat(tree, "fifo", 0600) != 0 ||
	    mkdirat(tree, "d/\n\x1b[2J", 0700) != 0)
		bail_out("tree");
	for (int i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d/many-%d", i);
		write_text(tree, name, "");
	}
	close(tree);
	is_int(dir_remove(dir, "tree"), 0, "a tree is removed");
	ok(!exists(dir, "tree"), "whole");
	ok(exists(dir, "kept/file") && exists(dir, "file"), "and what its links name is not");
	unlinkat(dir, "link", 0);
	unlinkat(dir, "file", 0);
	is_int(dir_remove(dir, "kept"), 0, "until it is asked for");
	make_deep(dir, "bare", 50, false);
	is_int(dir_remove(dir, "bare"), 0, "a tree of directories alone is removed");
	ok(!exists(dir, "bare"), "whole");

	is_child(in_child(few_descriptors_child, dir), "3000 levels with 16 descriptors");
	is_child(in_child(locked_child, dir), "a tree that its owner has locked");
	is_child(in_child(tmpfs_child, dir), "another file system in the tree stays");
	is_child(in_child(bind_child, dir), "a bind mount in the tree stays");
	is_child(in_child(top_mount_child, dir), "a file system in the tree's place stays");
	is_child(in_child(denied_child, dir), "an error is told, and the rest removed");
	is_int(dir_remove(dir, "tree"), 0, "which root can repeat");
}

static void test_private(int dir)
{
	mode_t mask = umask(0);
	int fd = dir_private(dir, "mine");

	ok(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
	   "a directory is made, close-on-exec");
	is_int(mode_of(dir, "mine"), S_IFDIR | 0700, "for its owner alone");
	close(fd);
	umask(mask);
	fd = dir_private(dir, "mine");
	ok(fd >= 0, "and opened again");
	close(fd);
	fd = dir_open(dir, "mine");
	ok(fd >= 0, "also by dir_open");
	close(fd);
	fchmodat(dir, "mine", 0755, 0);
	fd = dir_private(dir, "mine");
	ok(fd >= 0, "others may look at what was there");
	close(fd);
	fchmodat(dir, "mine", 0770, 0);
	fails_with(dir_private(dir, "mine"), EPERM, "the group may not write");
	fchmodat(dir, "mine", 0702, 0);
	fails_with(dir_private(dir, "mine"), EPERM, "nor may others");
	fails_with(dir_open(dir, "mine"), EPERM, "for dir_open too");
	fchmodat(dir, "mine", 0700, 0);
	if (symlinkat("mine", dir, "link") != 0)
		bail_out("symlinkat");
	ok(dir_private(dir, "link") == -1 && (errno == ENOTDIR || errno == ELOOP),
	   "a link is refused");
	ok(dir_open(dir, "link") == -1 && (errno == ENOTDIR || errno == ELOOP), "by both");
	unlinkat(dir, "link", 0);
	if (symlinkat("nowhere", dir, "link") != 0)
		bail_out("symlinkat");
	ok(dir_private(dir, "link") == -1 && (errno == ENOTDIR || errno == ELOOP),
	   "a dangling link too");
	ok(!exists(dir, "nowhere"), "and nothing is made behind it");
	unlinkat(dir, "link", 0);
	if (geteuid() == 0) {
		fchownat(dir, "mine", NOBODY, NOBODY, 0);
		fails_with(dir_private(dir, "mine"), EPERM, "another's directory is refused");
		fails_with(dir_open(dir, "mine"), EPERM, "by both");
	} else {
		fails_with(dir_open(AT_FDCWD, "/"), EPERM, "another's directory is refused");
	}
	unlinkat(dir, "mine", AT_REMOVEDIR);
	write_text(dir, "file", "x");
	fails_with(dir_private(dir, "file"), ENOTDIR, "a file is no directory");
	unlinkat(dir, "file", 0);
	fails_with(dir_open(dir, "missing"), ENOENT, "dir_open makes nothing");
	fails_with(dir_private(dir, "missing/mine"), ENOENT,
		   "dir_private makes one level only");
}

int main(void)
{
	int dir = scratch_open();

	test_read(dir);
	test_replace(dir);
	test_atomic(dir);
	test_remove(dir);
	test_private(dir);
	is_int(entries(dir), 0, "nothing is left");
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
