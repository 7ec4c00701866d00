/* SPDX-License-Identifier: MIT */
/*
 * Tests of what is kept of a worker's output (launcher/workers/worker_log.h): its bound, its
 * tail, a process that prints a lot, and files that are not what they should be.  Run by `make
 * check`, as anybody.
 */
#include "launcher/workers/worker_log.h"

#include <sys/resource.h>

#include "common/fd.h"
#include "scratch.h"

static int dir;
static struct loop *loop;
static char tail[256];

static off_t size_of(const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : status.st_size;
}

static struct worker_log *make(const char *name)
{
	struct worker_log *log = worker_log_create(dir, name);

	if (!log)
		bail_out("worker_log_create");
	return log;
}

static void write_text(struct worker_log *log, const char *text)
{
	worker_log_write(log, text, strlen(text));
}

static void test_tail(void)
{
	struct worker_log *log = make("1");
	struct stat status;
	int fd = -1;

	is_str(worker_log_tail(log, tail, sizeof(tail)), "", "of nothing there is no tail");
	is_int(size_of("1.log"), -1, "nor a file");
	mode_t before = umask(0);
	write_text(log, "one\ntwo\n");
	umask(before);
	is_str(worker_log_tail(log, tail, sizeof(tail)), "one\ntwo\n", "a little is all there");
	ok(fstatat(dir, "1.log", &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	   "in a private file");
	is_str(worker_log_tail(log, tail, 6), "two\n", "what does not fit is cut at a line");
	is_str(worker_log_tail(log, tail, 8), "two\n", "however close");
	is_str(worker_log_tail(log, tail, 9), "one\ntwo\n", "what fits is not");
	write_text(log, "without end");
	is_str(worker_log_tail(log, tail, 8), "out end", "one long line is cut anywhere");
	write_text(log, "\nraw\tA\rB");
	worker_log_write(log, "\0C\n", 3);
	is_str(worker_log_tail(log, tail, 13), "raw A\nB\nC\n", "bytes become lines");

	if (worker_log_open(log, loop, &fd) < 0)
		bail_out("worker_log_open");
	is_str(worker_log_tail(log, tail, sizeof(tail)), "", "a new process begins anew");
	(void) !write(fd, "third\n", 6);
	close(fd);
	worker_log_close(log);
	is_str(worker_log_tail(log, tail, sizeof(tail)), "third\n", "with what it has said");
	char *all;
	size_t size;
	if (file_read(dir, "1.log", 100, &all, &size) < 0)
		bail_out("1.log");
	ok(!strncmp(all, "one\n", 4) && !strcmp(all + size - 6, "third\n"),
	   "the file has both");
	free(all);
	worker_log_destroy(log);

	log = make("1");
	is_str(worker_log_tail(log, tail, sizeof(tail)), "", "so does a new worker");
	write_text(log, "fourth\n");
	is_str(worker_log_tail(log, tail, sizeof(tail)), "fourth\n", "of the same name");
	worker_log_destroy(log);
	worker_log_destroy(NULL);
}

static void test_bound(void)
{
	struct worker_log *log = make("2");
	char *data = malloc(WORKER_LOG_MAX);

	if (!data)
		bail_out("malloc");
	memset(data, 'x', WORKER_LOG_MAX);
	worker_log_write(log, data, WORKER_LOG_MAX - 5);
	write_text(log, "\nlast\nnext\n");
	is_int(size_of("2.log.1"), WORKER_LOG_MAX, "a full file is moved");
	is_int(size_of("2.log"), 6, "and another begun");
	is_str(worker_log_tail(log, tail, 12), "last\nnext\n", "the tail is of both");
	for (int i = 0; i < 5; i++)
		worker_log_write(log, data, WORKER_LOG_MAX);
	ok(size_of("2.log") <= WORKER_LOG_MAX && size_of("2.log.1") <= WORKER_LOG_MAX,
	   "neither is larger");
	int files = 0;
	for (int i = 0; i < 4; i++) {
		char name[32];
		snprintf(name, sizeof(name), "2.log.%d", i);
		files += size_of(name) >= 0;
	}
	is_int(files, 1, "and there is no third");
	worker_log_destroy(log);

	/* A worker is started again and again. */
	log = make("2");
	for (int i = 0; i < 3; i++)
		worker_log_write(log, data, WORKER_LOG_MAX - 1);
	ok(size_of("2.log") <= WORKER_LOG_MAX && size_of("2.log.1") <= WORKER_LOG_MAX,
	   "also where an earlier worker has left one");
	worker_log_destroy(log);
	free(data);
}

static bool ended;

static void on_end(pid_t pid, int status, void *arg)
{
	(void) pid;
	(void) arg;
	ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	loop_stop(loop);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

/* Runs a shell's words with their output in the log. */
static void run(struct worker_log *log, const char *words)
{
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);
	int fd = -1;

	ended = false;
	if (worker_log_open(log, loop, &fd) < 0)
		bail_out("worker_log_open");
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "no other program gets the pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fd, 1);
		dup2(fd, 2);
		execl("/bin/sh", "sh", "-c", words, (char *) NULL);
		_exit(127);
	}
	close(fd);
	loop_timer_set(guard, 100000);
	loop_child_add(loop, pid, on_end, NULL);
	loop_run(loop);
	worker_log_close(log);
	loop_timer_destroy(guard);
}

static void test_process(void)
{
	struct worker_log *log = make("3");
	struct rusage before, after;

	run(log, "echo out; echo err >&2");
	ok(ended, "a process prints");
	is_str(worker_log_tail(log, tail, sizeof(tail)), "out\nerr\n", "and it is kept");

	getrusage(RUSAGE_SELF, &before);
	run(log, "yes 0123456789 | head -c 100000000; echo the end");
	getrusage(RUSAGE_SELF, &after);
	ok(ended, "100 MB are taken as fast as they come");
	ok(size_of("3.log") + size_of("3.log.1") <= 2 * WORKER_LOG_MAX, "the disk is bounded");
	ok(after.ru_maxrss - before.ru_maxrss < 8192, "and memory is (%ld KiB more)",
	   after.ru_maxrss - before.ru_maxrss);
	worker_log_tail(log, tail, sizeof(tail));
	ok(strlen(tail) > 9 && !strcmp(tail + strlen(tail) - 8, "the end\n"),
	   "the last words are there");

	/* What stays behind must neither hold us up nor be taken for ever. */
	run(log, "yes & echo $!; exec kill -9 $$ >/dev/null");
	ok(!ended, "a child that prints on does not keep us");
	worker_log_destroy(log);
}

static void test_hostile(void)
{
	struct worker_log *log = make("4");
	char *text;

	if (file_replace(dir, "precious", 0600, "x", 1) < 0 ||
	    symlinkat("precious", dir, "4.log") < 0)
		bail_out("precious");
	write_text(log, "over\n");
	if (file_read(dir, "precious", 10, &text, NULL) < 0)
		bail_out("precious");
	is_str(text, "x", "a link is not written through");
	free(text);
	unlinkat(dir, "4.log", 0);
	mkfifoat(dir, "4.log", 0600);
	alarm(60);
	write_text(log, "over\n");
	worker_log_tail(log, tail, sizeof(tail));
	alarm(0);
	ok(true, "nobody waits for a pipe's other side");
	worker_log_destroy(log);

	int none = openat(dir, "gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	log = worker_log_create(none, "5");
	write_text(log, "x\n");
	is_str(worker_log_tail(log, tail, sizeof(tail)), "", "without a directory all is lost");
	worker_log_destroy(log);
}

int main(void)
{
	dir = scratch_open();
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	test_tail();
	test_bound();
	test_process();
	test_hostile();
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
