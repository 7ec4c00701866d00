/* SPDX-License-Identifier: MIT */
/*
 * Tests of the session's log (launcher/session_log.h): its lines, its bound, and what lies in
 * its place.  Run by `make check`, as anybody.
 */
#include "launcher/session_log.h"

#include "common/fd.h"
#include "scratch.h"

enum { MAX = 65536 };

static int dir;

/* The log's content; freed by the next call. */
static const char *content(const char *name)
{
	static char *data;

	free(data);
	data = NULL;
	return file_read(dir, name, 1 << 24, &data, NULL) < 0 ? strerror(errno) : data;
}

static off_t size_of(const char *name)
{
	struct stat status;

	return fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_size : -1;
}

static void clear(void)
{
	unlinkat(dir, "session.log", 0);
	unlinkat(dir, "session.log.1", 0);
}

static struct session_log *make(int level, long max_bytes)
{
	struct session_log *log = session_log_create(dir, level, max_bytes);

	if (!log)
		bail_out("session_log_create");
	return log;
}

static void test_lines(void)
{
	struct session_log *log = make(LOG_WARNING, MAX);
	struct stat status;
	int year, end = 0;
	char large[5000];

	session_log_line(log, LOG_INFO, "head", "info");
	session_log_line(log, LOG_DEBUG, "head", "debug");
	ok(size_of("session.log") < 0, "what is above the level is not written");
	mode_t before = umask(0);
	session_log_line(log, LOG_WARNING, "head", "%s %d", "warn", 7);
	umask(before);
	ok(sscanf(content("session.log"), "%4d-%*2d-%*2d %*2d:%*2d:%*2d %n", &year, &end) ==
			   1 &&
		   end == 20,
	   "a line begins with its time");
	is_str(content("session.log") + end, "head: warning: warn 7\n",
	       "and says who and what");
	ok(fstatat(dir, "session.log", &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	   "it is private, whatever the umask");
	clear();
	session_log_line(log, LOG_ERROR, "head", "two\nlines \x1b[2J\xff");
	is_str(content("session.log") + end, "head: error: two\\x0alines \\x1b[2J\\xff\n",
	       "one line is one line, and harmless");
	clear();
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	session_log_line(log, LOG_ERROR, "head", "%s", large);
	const char *cut = content("session.log");
	ok(strlen(cut) < 1300 && strchr(cut, '\n') == cut + strlen(cut) - 1,
	   "a long one is cut, but for its newline");
	clear();
	session_log_bytes(log, "a\0b\x1b", 4);
	is_int(size_of("session.log"), 4, "the server's bytes are kept as they are");
	session_log_bytes(log, "", 0);
	is_int(size_of("session.log"), 4, "none are none");
	session_log_destroy(log);

	log = make(LOG_DEBUG, MAX);
	clear();
	session_log_line(log, LOG_DEBUG, "launch", "x");
	is_str(content("session.log") + end, "launch: debug: x\n", "debug, when asked for");
	session_log_destroy(log);
	session_log_destroy(NULL);
	session_log_line(NULL, LOG_ERROR, "x", "y");
	session_log_bytes(NULL, "x", 1);
	ok(true, "no log is no error");
	clear();
}

static void test_bound(void)
{
	struct session_log *log = make(LOG_DEBUG, MAX), *other = make(LOG_DEBUG, MAX);
	char data[1000];
	off_t most = 0, last = 0;
	bool shrinks = false;

	memset(data, 'x', sizeof(data));
	for (int i = 0; i < 1000; i++) {
		session_log_bytes(i % 2 ? log : other, data, sizeof(data));
		off_t now = size_of("session.log"), old = size_of("session.log.1");
		off_t sum = (now > 0 ? now : 0) + (old > 0 ? old : 0);
		if (sum > most)
			most = sum;
		shrinks |= now < last;
		last = now;
	}
	/* The write that makes a file full is written whole. */
	ok(most <= MAX + 2 * (off_t) sizeof(data), "a megabyte by two writers stays bounded");
	ok(shrinks && most > MAX / 2, "and the newest is kept");
	tap_note("%lld bytes at most", (long long) most);
	session_log_bytes(log, "the last", 8);
	ok(strstr(content("session.log"), "the last") ||
		   strstr(content("session.log.1"), "the last"),
	   "with the last");
	is_int(entries(dir), size_of("session.log") < 0 ? 1 : 2, "in two files at most");
	session_log_destroy(other);
	session_log_destroy(log);
	clear();
	log = make(LOG_DEBUG, 0);
	session_log_bytes(log, "a", 1);
	session_log_bytes(log, "b", 1);
	is_str(content("session.log.1"), "b", "no bytes at all: the last write alone");
	session_log_destroy(log);
	clear();
}

/* None of it may end, hang or lead astray the program that writes. */
static void test_in_place(void)
{
	struct session_log *log = make(LOG_DEBUG, 100);

	(void) file_replace(dir, "victim", 0600, "", 0);
	if (symlinkat("victim", dir, "session.log") < 0)
		bail_out("symlinkat");
	session_log_bytes(log, "x", 1);
	is_int(size_of("victim"), 0, "a link is not followed");
	clear();
	if (mkfifoat(dir, "session.log", 0600) < 0)
		bail_out("mkfifoat");
	alarm(60);
	session_log_bytes(log, "x", 1);
	alarm(0);
	ok(true, "a fifo does not hold us up");
	clear();
	if (mkdirat(dir, "session.log", 0700) < 0)
		bail_out("mkdirat");
	session_log_bytes(log, "x", 1);
	ok(true, "nor does a directory");
	unlinkat(dir, "session.log", AT_REMOVEDIR);
	if (symlinkat("victim", dir, "session.log.1") < 0)
		bail_out("symlinkat");
	char data[101] = "";
	session_log_bytes(log, data, sizeof(data));
	ok(size_of("session.log.1") == sizeof(data) && size_of("victim") == 0,
	   "a link where the full one goes is replaced");
	clear();
	unlinkat(dir, "victim", 0);
	session_log_destroy(log);
	log = session_log_create(-1, LOG_DEBUG, 100);
	session_log_line(log, LOG_ERROR, "x", "y");
	session_log_destroy(log);
	is_int(entries(dir), 0, "no directory, no log");
}

static int full_disk(int directory)
{
	char options[] = "size=64k";

	(void) directory;
	if (own_mounts() < 0 || mount("none", scratch_path, "tmpfs", 0, options) != 0)
		return CANNOT;
	dir = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct session_log *log = make(LOG_DEBUG, 1 << 20);
	char data[5000] = "";
	for (int i = 0; i < 100; i++)
		session_log_bytes(log, data, sizeof(data));
	if (size_of("session.log") > 65536 || size_of("session.log.1") >= 0)
		return 1;
	clear();
	session_log_bytes(log, "again", 5);
	session_log_destroy(log);
	return strcmp(content("session.log"), "again") == 0 ? 0 : 2;
}

int main(void)
{
	dir = scratch_open();
	test_lines();
	test_bound();
	test_in_place();
	is_child(in_child(full_disk, dir), "a full disk loses lines, no more");
	content("none");
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
