/* SPDX-License-Identifier: MIT */
/*
 * Tests of the session's private directory (launcher/runtime_dir.h): above all of what is never
 * removed.  Run by `make check`, as anybody; as root also with another user's directories.
 */
#include "launcher/runtime_dir.h"

#include <time.h>

#include "common/fd.h"
#include "common/lock.h"
#include "scratch.h"

static int base_fd;
static struct reason reason;

static bool is_there(const char *name)
{
	return faccessat(base_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The name of a directory of ours, in a buffer of its own for each suffix's first letter. */
static const char *ours(const char *suffix)
{
	static char names[128][64];
	char *name = names[(unsigned char) suffix[0] % 128];

	snprintf(name, 64, "spank-jupyter-%u-%s", (unsigned) getuid(), suffix);
	return name;
}

/* A directory with a file, of this mode, last changed an hour ago. */
static void plant(const char *name, mode_t mode)
{
	struct timespec old[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};
	char file[320];

	snprintf(file, sizeof(file), "%s/file", name);
	if (mkdirat(base_fd, name, 0700) < 0)
		bail_out(name);
	close(openat(base_fd, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	if (fchmodat(base_fd, name, mode, 0) < 0 || utimensat(base_fd, name, old, 0) < 0)
		bail_out(name);
}

static void remove_dead(const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", scratch_path, name);
	runtime_dir_remove_dead(scratch_path, path);
}

static void sweep(void)
{
	struct runtime_dir dir;

	if (runtime_dir_create(&dir, scratch_path, &reason) < 0)
		bail_out(reason.text);
	runtime_dir_destroy(&dir);
}

static void test_create(void)
{
	struct runtime_dir dir, other, none = {0};
	struct stat status;

	mode_t before = umask(0);
	is_int(runtime_dir_create(&dir, scratch_path, &reason), 0, "a directory is made");
	umask(before);
	const char *name = dir.path + strlen(scratch_path) + 1;
	ok(!strncmp(name, ours(""), strlen(ours(""))), "of our name");
	ok(stat(dir.path, &status) == 0 && (status.st_mode & 07777) == 0700, "private");
	ok(lock_is_held(dir.fd, "lock"), "and locked");
	is_int(runtime_dir_create(&other, scratch_path, &reason), 0, "another");
	ok(is_there(name) && strcmp(dir.path, other.path) != 0, "leaves the first");
	remove_dead(name);
	ok(is_there(name), "which lives, so nobody takes it for dead");
	runtime_dir_destroy(&other);
	runtime_dir_destroy(&dir);
	runtime_dir_destroy(&dir);
	runtime_dir_destroy(&none);
	is_int(entries(base_fd), 0, "they are removed");

	errno = 0;
	ok(runtime_dir_create(&dir, "/missing", &reason) == -1 && errno == ENOENT,
	   "not where there is no directory");
	ok(strstr(reason.text, "tmpdir") != NULL, "%s", reason.text);
	fails_with(runtime_dir_create(&dir,
				      "/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp/tmp",
				      &reason),
		   ENAMETOOLONG, "nor where a socket's path would not fit");
}

static void test_sweep(void)
{
	struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	char other[64], file[128];

	plant(ours("dead"), 0700);
	plant(ours("young"), 0700);
	utimensat(base_fd, ours("young"), now, 0);
	plant(ours("group"), 0750);
	plant(ours("world"), 0707);
	plant("precious", 0700);
	snprintf(other, sizeof(other), "spank-jupyter-%u-x", (unsigned) getuid() + 1);
	plant(other, 0700);
	if (symlinkat("precious", base_fd, ours("link")) < 0)
		bail_out("symlinkat");
	close(openat(base_fd, ours("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	plant(ours("held"), 0700);
	snprintf(file, sizeof(file), "%s/lock", ours("held"));
	int lock = lock_take(base_fd, file);
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	utimensat(base_fd, ours("held"), old, 0);
	/* Deep and with links out of it. */
	plant(ours("maze"), 0700);
	snprintf(file, sizeof(file), "%s/out", ours("maze"));
	if (symlinkat("../precious", base_fd, file) < 0)
		bail_out("symlinkat");
	utimensat(base_fd, ours("maze"), old, 0);

	sweep();
	ok(!is_there(ours("dead")) && !is_there(ours("maze")), "what is dead is removed");
	ok(is_there("precious/file"), "but not where its links lead");
	ok(is_there(ours("young")), "not what is young, and may be locked in a moment");
	ok(is_there(ours("group")) && is_there(ours("world")), "not what others may enter");
	ok(is_there(ours("held")), "not what is locked");
	ok(is_there(ours("link")), "not a link");
	ok(is_there(ours("file")), "not a file");
	ok(is_there(other), "not what is named for another user");
	fd_close(&lock);
	utimensat(base_fd, ours("held"), old, 0);
	sweep();
	ok(!is_there(ours("held")), "what was locked, once it is not");
}

static void test_remove_dead(void)
{
	char inside[128], path[640], sibling[320];

	plant(ours("alpha"), 0700);
	snprintf(inside, sizeof(inside), "%s/sub", ours("alpha"));
	mkdirat(base_fd, inside, 0700);
	static const char *const hostile[] = {
		"",	".",	      "..",	     "../..", "precious", "../precious",
		"/etc", "./precious", "precious/..", "/",     "//"};
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		remove_dead(hostile[i]);
		runtime_dir_remove_dead(scratch_path, hostile[i]);
	}
	runtime_dir_remove_dead(scratch_path, scratch_path);
	snprintf(path, sizeof(path), "%s/../precious", ours("alpha"));
	remove_dead(path);
	snprintf(path, sizeof(path), "%s/..", ours("alpha"));
	remove_dead(path);
	remove_dead(inside);
	snprintf(path, sizeof(path), "%s/", ours("alpha"));
	remove_dead(path);
	snprintf(path, sizeof(path), "x/%s", ours("alpha"));
	remove_dead(path);
	ok(is_there("precious/file") && is_there(inside), "no hostile path removes anything");

	/* A base of which ours is the beginning. */
	snprintf(sibling, sizeof(sibling), "%sx", scratch_path);
	mkdir(sibling, 0700);
	snprintf(path, sizeof(path), "%s/%s", sibling, ours("alpha"));
	mkdir(path, 0700);
	runtime_dir_remove_dead(scratch_path, path);
	ok(access(path, F_OK) == 0, "nor one beside the base");
	rmdir(path);
	rmdir(sibling);
	remove_dead(ours("link"));
	remove_dead(ours("file"));
	remove_dead(ours("group"));
	ok(is_there(ours("link")) && is_there("precious/file"), "nor a link");
	ok(is_there(ours("file")), "nor a file");
	ok(is_there(ours("group")), "nor what others may enter");
	remove_dead(ours("alpha"));
	ok(!is_there(ours("alpha")), "what is dead is removed, however young");
	remove_dead(ours("alpha"));
}

static bool finds(const char *job_id, const char *node, const char *path)
{
	char *found = runtime_dir_find(scratch_path, job_id, node);
	bool same = path ? found && !strcmp(found, path) : !found;

	free(found);
	return same;
}

static void test_find(void)
{
	struct runtime_dir dir, other, none;
	char file[512];

	if (runtime_dir_create(&none, scratch_path, &reason) < 0 ||
	    runtime_dir_create(&dir, scratch_path, &reason) < 0 ||
	    runtime_dir_create(&other, scratch_path, &reason) < 0)
		bail_out(reason.text);
	fails_with(runtime_dir_find(scratch_path, "17", "n1") ? 0 : -1, ENOENT,
		   "what is nobody's job is not found");
	is_int(runtime_dir_set_job(&dir, "17", "n1"), 0, "a directory gets a job");
	runtime_dir_set_job(&other, "17", "n2");
	ok(finds("17", "n1", dir.path), "and is found by it");
	ok(finds("17", "n2", other.path), "by node, where nodes share a machine");
	ok(finds("17", "n3", NULL) && finds("1", "n1", NULL) && finds("17 n1", "", NULL) &&
		   finds("171", "n1", NULL) && finds("17", "n", NULL),
	   "not by another");
	snprintf(file, sizeof(file), "%s/job", dir.path);
	struct stat status;
	ok(stat(file, &status) == 0 && (status.st_mode & 07777) == 0600, "its file is private");
	fchmod(dir.fd, 0755);
	ok(finds("17", "n1", NULL), "not where others may enter");
	fchmod(dir.fd, 0700);
	unlink(file);
	if (symlink("../precious/file", file) < 0)
		bail_out("symlink");
	ok(finds("17", "n1", NULL), "not through a link");
	unlink(file);
	runtime_dir_set_job(&dir, "17", "n1");
	fd_close(&dir.lock_fd);
	ok(finds("17", "n1", NULL), "not where nobody lives any more");
	fails_with(runtime_dir_find("/missing", "17", "n1") ? 0 : -1, ENOENT,
		   "nor where there is no base");
	runtime_dir_destroy(&dir);
	runtime_dir_destroy(&other);
	runtime_dir_destroy(&none);
	ok(finds("17", "n2", NULL), "nor when it is gone");
}

static void test_remove_job(void)
{
	struct runtime_dir dead, alive, other, none;
	char path[512], file[640];

	if (runtime_dir_create(&dead, scratch_path, &reason) < 0 ||
	    runtime_dir_create(&alive, scratch_path, &reason) < 0 ||
	    runtime_dir_create(&other, scratch_path, &reason) < 0 ||
	    runtime_dir_create(&none, scratch_path, &reason) < 0)
		bail_out(reason.text);
	runtime_dir_set_job(&dead, "17", "n1");
	runtime_dir_set_job(&alive, "17", "n1");
	runtime_dir_set_job(&other, "17", "n2");
	snprintf(path, sizeof(path), "%s", dead.path);
	snprintf(file, sizeof(file), "%s/sub", path);
	mkdir(file, 0700);
	fd_close(&dead.lock_fd);
	fd_close(&other.lock_fd);
	fd_close(&none.lock_fd);
	runtime_dir_remove_job(scratch_path, "18", "n1");
	runtime_dir_remove_job(scratch_path, "1", "n1");
	runtime_dir_remove_job("/missing", "17", "n1");
	ok(access(path, F_OK) == 0, "a dead directory is not another job's");
	runtime_dir_remove_job(scratch_path, "17", "n1");
	ok(access(path, F_OK) < 0, "it is removed for its own, however young");
	ok(access(alive.path, F_OK) == 0, "but not one that lives");
	ok(access(other.path, F_OK) == 0, "nor another node's");
	ok(access(none.path, F_OK) == 0, "nor one of no job");
	runtime_dir_destroy(&dead);
	runtime_dir_destroy(&alive);
	runtime_dir_destroy(&other);
	runtime_dir_destroy(&none);
}

/* As root, which could: directories of nobody with our name. */
static void test_other_user(void)
{
	if (geteuid() != 0) {
		skip("another user's directory: needs root");
		return;
	}
	plant(ours("beta"), 0700);
	if (fchownat(base_fd, ours("beta"), NOBODY, NOBODY, 0) < 0)
		bail_out("fchownat");
	sweep();
	remove_dead(ours("beta"));
	ok(is_there(ours("beta")), "another user's directory is never removed");
}

/* As nobody in a directory that everybody may use, as /tmp is. */
static int as_nobody(int dir)
{
	(void) dir;
	if (become_nobody())
		return CANNOT;
	sweep();
	remove_dead("spank-jupyter-0-victim");
	return is_there("spank-jupyter-0-victim") ? 0 : 1;
}

int main(void)
{
	base_fd = scratch_open();
	test_create();
	test_sweep();
	test_remove_dead();
	test_find();
	test_remove_job();
	test_other_user();
	plant("spank-jupyter-0-victim", 0700);
	is_child(in_child(as_nobody, base_fd), "nor root's by another");
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
