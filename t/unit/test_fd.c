/* SPDX-License-Identifier: MIT */
/* Unit test of the first half of common/fd.h, descriptors; run by `make check` as whoever calls
 * it. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/fd.h"
#include "scratch.h"

static void test_close(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

	errno = EMFILE;
	fd_close(&fd);
	ok(fd == -1 && errno == EMFILE, "fd_close sets to -1 and keeps errno");
	fails_with(fcntl(copy, F_GETFD), EBADF, "and closes");
	errno = EMFILE;
	fd_close(&fd);
	ok(fd == -1 && errno == EMFILE, "a second time does nothing");
}

/* Takes system calls away: each of the two that is not negative fails with ENOSYS. */
static int forbid(long first, long second)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) first, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned) second, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 5, .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return CANNOT;
	return 0;
}

/* Opens descriptors far and near, closes from 20 on, and looks. */
static int close_from_20(void)
{
	static const int numbers[] = {5, 19, 20, 21, 64, 65, 127, 500, 1000, 1023};
	enum { COUNT = sizeof(numbers) / sizeof(*numbers) };

	for (int i = 0; i < COUNT; i++) {
		if (dup2(1, numbers[i]) < 0)
			return 10;
	}
	for (int fd = 200; fd < 450; fd++) {
		if (dup2(1, fd) < 0)
			return 11;
	}
	errno = EDOM;
	fd_close_from(20);
	if (errno != EDOM)
		return 12;
	for (int fd = 20; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return 13;
	}
	return fcntl(5, F_GETFD) >= 0 && fcntl(19, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 ? 0
											   : 14;
}

static int close_range_child(int dir)
{
	(void) dir;
	return close_from_20();
}

static int close_proc_child(int dir)
{
	(void) dir;
	if (forbid(SYS_close_range, -1) != 0)
		return CANNOT;
	return close_from_20();
}

static int close_full_child(int dir)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	(void) dir;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || forbid(SYS_close_range, -1) != 0)
		return CANNOT;
	while (dup(1) >= 0)
		;
	return close_from_20();
}

static int close_blind_child(int dir)
{
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	(void) dir;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0 ||
	    forbid(SYS_close_range, SYS_getdents64) != 0)
		return CANNOT;
	return close_from_20();
}

static int close_all_child(int dir)
{
	(void) dir;
	fd_close_from(-1);
	for (int fd = 0; fd < 64; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			return 1;
	}
	return 0;
}

static void test_close_from(void)
{
	is_child(in_child(close_range_child, -1), "fd_close_from, as the kernel has it");
	is_child(in_child(close_proc_child, -1), "without close_range");
	is_child(in_child(close_full_child, -1), "without close_range and with every fd taken");
	is_child(in_child(close_blind_child, -1), "without close_range and /proc");
	is_child(in_child(close_all_child, -1), "from below 0: all");
}

static void on_signal(int signal_number)
{
	(void) signal_number;
}

/* Interrupts the parent, which waits for this child at a pipe, some times; each time it has
 * begun to wait again. */
static void interrupt_parent(void)
{
	const struct timespec moment = {.tv_nsec = 2000000};

	for (int i = 0; i < 25; i++) {
		nanosleep(&moment, NULL);
		kill(getppid(), SIGUSR1);
	}
}

/* 1 MiB through a pipe, whose one end waits, interrupted, for the other. */
static void test_interrupted(bool writing)
{
	enum { SIZE = 1 << 20 };
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART */
	unsigned char *data = malloc(SIZE);
	char *back = NULL;
	int ends[2], status;
	size_t size = 0;
	pid_t child;

	if (data == NULL || pipe2(ends, O_CLOEXEC) != 0)
		bail_out("pipe2");
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (unsigned char) (i * 31 + (i >> 12));
	sigaction(SIGUSR1, &action, NULL);
	child = fork();
	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		int other = ends[writing ? 1 : 0];

		alarm(60);
		close(other);
		interrupt_parent();
		if (!writing)
			_exit(fd_write_all(ends[1], data, SIZE) == 0 ? 0 : 1);
		if (fd_read_all(ends[0], SIZE, &back, &size) != 0)
			_exit(2);
		_exit(size == SIZE && memcmp(data, back, SIZE) == 0 ? 0 : 3);
	}
	if (writing) {
		close(ends[0]);
		is_int(fd_write_all(ends[1], data, SIZE), 0,
		       "fd_write_all goes on after EINTR");
		close(ends[1]);
	} else {
		close(ends[1]);
		is_int(fd_read_all(ends[0], SIZE, &back, &size), 0,
		       "fd_read_all goes on after EINTR");
		ok(size == SIZE && memcmp(data, back, SIZE) == 0 && back[SIZE] == '\0',
		   "every byte arrives, and a NUL behind them");
		close(ends[0]);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	is_int(status, 0, "the other end has them all");
	free(back);
	free(data);
}

static void test_write(void)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), ends[2];

	fails_with(fd_write_all(full, "x", 1), ENOSPC, "a full disk is an error");
	is_int(fd_write_all(full, "x", 0), 0, "nothing can always be written");
	close(full);
	fails_with(fd_write_all(-1, "x", 1), EBADF, "no descriptor is an error");
	if (pipe2(ends, O_CLOEXEC) != 0)
		bail_out("pipe2");
	signal(SIGPIPE, SIG_IGN);
	close(ends[0]);
	fails_with(fd_write_all(ends[1], "x", 1), EPIPE, "a closed pipe is an error");
	close(ends[1]);
	signal(SIGPIPE, SIG_DFL);
}

/* A descriptor that yields size bytes, at its beginning. */
static int bytes(int dir, size_t size)
{
	int fd = openat(dir, "bytes", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t) size) != 0)
		bail_out("bytes");
	return fd;
}

static void test_read(int dir)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 100000};
	char untouched[] = "untouched", *data = untouched;
	size_t size = 77;
	int fd;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fd = bytes(dir, sizes[i]);
		is_int(fd_read_all(fd, sizes[i], &data, &size), 0,
		       "%zu bytes of at most as many", sizes[i]);
		ok(size == sizes[i] && data[size] == '\0', "all of them, and a NUL");
		free(data);
		lseek(fd, 0, SEEK_SET);
		is_int(fd_read_all(fd, (size_t) -1, &data, NULL), 0, "without a bound");
		free(data);
		data = untouched;
		size = 77;
		lseek(fd, 0, SEEK_SET);
		if (sizes[i] > 0)
			fails_with(fd_read_all(fd, sizes[i] - 1, &data, &size), EFBIG,
				   "%zu bytes are more than %zu", sizes[i], sizes[i] - 1);
		close(fd);
	}
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	fails_with(fd_read_all(fd, 1000000, &data, &size), EFBIG, "an endless file is cut off");
	fails_with(fd_read_all(fd, 0, &data, &size), EFBIG, "also with a bound of 0");
	close(fd);
	fails_with(fd_read_all(dir, 10, &data, &size), EISDIR, "a directory is no file");
	fails_with(fd_read_all(-1, 10, &data, &size), EBADF, "no descriptor is an error");
	ok(data == untouched && size == 77, "a failure leaves the outputs");
	unlinkat(dir, "bytes", 0);
}

int main(void)
{
	int dir = scratch_open();

	test_close();
	test_close_from();
	test_interrupted(false);
	test_interrupted(true);
	test_write();
	test_read(dir);
	close(dir);
	is_int(rmdir(scratch_path), 0, "nothing is left");
	return done_testing();
}
