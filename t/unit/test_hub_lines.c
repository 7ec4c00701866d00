/* SPDX-License-Identifier: MIT */
/*
 * Tests of the lines between the head and the callback (hub-callback/lines.h).  Run by `make
 * check`, as anybody.
 */
#include "hub-callback/lines.h"

#include "common/fd.h"
#include "scratch.h"

static struct loop *loop;

static struct {
	char text[64]; /* of the last line */
	size_t size;
	int lines, too_long, closed;
} heard;

static void on_line(const char *line, size_t size, void *arg)
{
	(void) arg;
	heard.lines++;
	heard.size = size;
	snprintf(heard.text, sizeof(heard.text), "%s", line);
	if (strlen(line) != size)
		heard.size = (size_t) -1;
}

static void on_too_long(void *arg)
{
	(void) arg;
	heard.too_long++;
}

static void on_closed(void *arg)
{
	(void) arg;
	heard.closed++;
	loop_stop(loop);
}

static const struct lines_callbacks callbacks = {
	.line = on_line, .too_long = on_too_long, .closed = on_closed};

/* All that comes through fd until its end. */
static void listen_to(int fd)
{
	struct lines *lines;

	memset(&heard, 0, sizeof(heard));
	lines = lines_create(loop, fd, &callbacks);
	if (!lines)
		bail_out("lines_create");
	loop_run(loop);
	lines_destroy(lines);
}

/* Writes in a child, in pieces of so many bytes, and ends. */
static void listen_to_text(const char *text, size_t size, size_t piece)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0)
		bail_out("fork");
	if (child == 0) {
		for (size_t at = 0; at < size; at += piece)
			if (fd_write_all(ends[1], text + at,
					 size - at < piece ? size - at : piece) < 0)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	listen_to(ends[0]);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

static void test_hearing(void)
{
	static const char text[] = "one\n\nthree\nfour";
	char *huge = malloc(LINES_MAX + 2);

	for (size_t piece = 1; piece < sizeof(text); piece += 3) {
		listen_to_text(text, strlen(text), piece);
		is_int(heard.lines, 3, "three lines in pieces of %zu", piece);
		is_str(heard.text, "three", "the last of them");
		is_int(heard.closed, 1, "and the end, whose cut line is none");
	}
	listen_to_text("a\0b\n", 4, 4);
	is_int(heard.size, -1, "a NUL is part of a line and seen");
	memset(huge, 'x', LINES_MAX + 2);
	huge[LINES_MAX - 1] = '\n';
	listen_to_text(huge, LINES_MAX, LINES_MAX);
	is_int(heard.lines, 1, "the longest line");
	is_int(heard.size, LINES_MAX - 1, "is 256 KiB with its newline");
	huge[LINES_MAX - 1] = 'x';
	huge[LINES_MAX] = '\n';
	listen_to_text(huge, LINES_MAX + 1, LINES_MAX);
	is_int(heard.lines, 0, "one byte more");
	is_int(heard.too_long, 1, "is passed over");
	free(huge);
}

static void test_file(int dir)
{
	int fd;

	if (file_replace(dir, "lines", 0600, "one\ntwo\n", 8) < 0 ||
	    (fd = openat(dir, "lines", O_RDONLY | O_CLOEXEC)) < 0)
		bail_out("lines");
	listen_to(fd);
	is_int(heard.lines, 2, "a file is read like a pipe");
	is_int(heard.closed, 1, "to its end");
	close(fd);
}

static json_t *text_of(size_t length)
{
	char *text = malloc(length + 1);
	json_t *object;

	memset(text, 'x', length);
	text[length] = '\0';
	object = json_pack("{s:s}", "a", text);
	free(text);
	return object;
}

static void test_saying(void)
{
	json_t *small = text_of(1), *longest = text_of(LINES_MAX - 9),
	       *huge = text_of(LINES_MAX - 8);
	int ends[2];
	char line[16] = "";
	int64_t begun;

	if (pipe2(ends, O_CLOEXEC) < 0)
		bail_out("pipe2");
	is_int(lines_say(ends[1], small), 0, "a line");
	ok(read(ends[0], line, sizeof(line) - 1) > 0 && !strcmp(line, "{\"a\":\"x\"}\n"),
	   "is one");
	fails_with(lines_say(ends[1], huge), EMSGSIZE, "one that is too long");
	begun = loop_now();
	fails_with(lines_say(ends[1], longest), ETIMEDOUT, "one that nobody reads");
	ok(loop_now() - begun >= LINES_PATIENCE_MS - 1, "is tried for a while");
	close(ends[0]);
	fails_with(lines_say(ends[1], small), EPIPE, "and one that nobody can read");
	close(ends[1]);
	json_decref(small);
	json_decref(longest);
	json_decref(huge);
}

int main(void)
{
	int dir = scratch_open();

	signal(SIGPIPE, SIG_IGN);
	loop = loop_create();
	test_hearing();
	test_file(dir);
	test_saying();
	loop_destroy(loop);
	unlinkat(dir, "lines", 0);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
