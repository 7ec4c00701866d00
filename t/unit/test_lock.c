/* SPDX-License-Identifier: MIT */
/*
 * Tests of lock files (common/lock.h): who holds them, what ends that, and what lies in their
 * place.  Run by `make check`, as anybody; as root also as nobody.
 */
#include "common/lock.h"

#include "common/fd.h"
#include "scratch.h"

static int dir;

/* A process that holds the lock until it is killed; the fd ends with it. */
static pid_t start_holder(int *until)
{
	int ends[2];
	char byte;

	if (pipe2(ends, O_CLOEXEC) < 0)
		bail_out("pipe2");
	pid_t child = fork();
	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		alarm(120);
		if (lock_take(dir, "held") < 0)
			_exit(1);
		(void) !write(ends[1], "x", 1);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		bail_out("the holder");
	*until = ends[0];
	return child;
}

static void test_take(void)
{
	struct stat status;

	ok(!lock_is_held(dir, "lock"), "what is not there is not held");
	ok(faccessat(dir, "lock", F_OK, 0) < 0, "and asking does not make it");
	mode_t before = umask(0);
	int fd = lock_take(dir, "lock");
	umask(before);
	ok(fd >= 0, "it is taken");
	ok(fstatat(dir, "lock", &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	   "and private, whatever the umask");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "close-on-exec");
	fails_with(lock_take(dir, "lock"), EWOULDBLOCK, "not twice, not by the same process");
	ok(lock_is_held(dir, "lock"), "it is held");
	/* POSIX locks of the process would be gone with the descriptor that asked. */
	ok(lock_is_held(dir, "lock"), "still, after it was asked for");
	fails_with(lock_take(dir, "lock"), EWOULDBLOCK, "and still not to be had");
	fd_close(&fd);
	ok(!lock_is_held(dir, "lock"), "closed, it is free");
	fd = lock_take(dir, "lock");
	ok(fd >= 0, "and taken again");
	fd_close(&fd);
}

static void test_other_process(void)
{
	int until, status;
	pid_t holder = start_holder(&until);

	ok(lock_is_held(dir, "held"), "another process holds it");
	fails_with(lock_take(dir, "held"), EWOULDBLOCK, "so it is not to be had");
	ok(!lock_is_held(dir, "lock"), "nothing is said of another");
	kill(holder, SIGKILL);
	waitpid(holder, &status, 0);
	close(until);
	ok(!lock_is_held(dir, "held"), "a killed holder's lock is free");
	int fd = lock_take(dir, "held");
	ok(fd >= 0, "and can be had");

	/* A program that the holder has started does not keep it. */
	int ends[2];
	char byte;
	if (pipe2(ends, O_CLOEXEC) < 0)
		bail_out("pipe2");
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/sleep", "sleep", "120", (char *) NULL);
		_exit(127);
	}
	close(ends[1]);
	/* The end of the pipe says that it is exec'd. */
	is_int(read(ends[0], &byte, 1), 0, "a program is started");
	close(ends[0]);
	fd_close(&fd);
	ok(!lock_is_held(dir, "held"), "nor does a program that its holder has started");
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void test_in_place(void)
{
	if (symlinkat("target", dir, "link") < 0 || mkdirat(dir, "dir", 0700) < 0)
		bail_out("symlinkat");
	fails_with(lock_take(dir, "link"), ELOOP, "a link is not followed");
	ok(faccessat(dir, "target", F_OK, 0) < 0, "and its target not made");
	ok(!lock_is_held(dir, "link"), "it is not held");
	int target = lock_take(dir, "target");
	ok(target >= 0 && !lock_is_held(dir, "link"), "even when its target is");
	fd_close(&target);
	fails_with(lock_take(dir, "dir"), EISDIR, "a directory is no lock");
	ok(!lock_is_held(dir, "dir"), "nor held");
	fails_with(lock_take(dir, "missing/lock"), ENOENT, "no directory, no lock");
	fails_with(lock_take(-1, "lock"), EBADF, "nor below a closed descriptor");
	ok(!lock_is_held(-1, "lock"), "which holds none");
	/* Must not wait for a reader. */
	if (mkfifoat(dir, "fifo", 0600) < 0)
		bail_out("mkfifoat");
	alarm(60);
	int fd = lock_take(dir, "fifo");
	(void) lock_is_held(dir, "fifo");
	fd_close(&fd);
	alarm(0);
	ok(true, "a fifo does not hold us up");
}

static int as_nobody(int directory)
{
	if (become_nobody())
		return CANNOT;
	if (lock_take(directory, "lock") >= 0 || errno != EACCES)
		return 1;
	if (lock_is_held(directory, "lock"))
		return 2;
	return 0;
}

int main(void)
{
	dir = scratch_open();
	test_take();
	test_other_process();
	test_in_place();
	if (geteuid() == 0)
		is_child(in_child(as_nobody, dir), "another user's lock cannot be had or seen");
	else
		skip("another user's lock: needs root");
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
