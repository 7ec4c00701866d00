/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/log_tail.h; run by `make check` as whoever calls it. */
#include "launcher/sjupyter/log_tail.h"
#include "scratch.h"

/* What is printed of text when it comes in pieces of so many bytes. */
static const char *printed(const char *text, size_t size, size_t piece, bool drop_colours)
{
	static char *shown;
	struct log_printer printer;
	size_t length;
	FILE *to;

	free(shown);
	to = open_memstream(&shown, &length);
	if (to == NULL)
		bail_out("open_memstream");
	log_printer_init(&printer, to, drop_colours);
	for (size_t at = 0; at < size; at += piece)
		log_print(&printer, text + at, size - at < piece ? size - at : piece);
	log_print_end(&printer);
	fclose(to);
	return shown;
}

static void shows(const char *text, const char *kept, const char *dropped, const char *what)
{
	size_t size = strlen(text);

	for (size_t piece = 1; piece <= size; piece++) {
		const char *all = printed(text, size, piece, false);
		if (strcmp(all, kept) != 0) {
			is_str(all, kept, "%s, in pieces of %zu", what, piece);
			return;
		}
		all = printed(text, size, piece, true);
		if (strcmp(all, dropped) != 0) {
			is_str(all, dropped, "%s, on a terminal, in pieces of %zu", what,
			       piece);
			return;
		}
	}
	ok(true, "%s", what);
}

static void test_printing(void)
{
	char sixty[128];

	shows("plain\ttext\n", "plain\ttext\n", "plain\ttext\n", "text, tab and newline");
	shows("\303\251 \342\202\254 \360\237\230\200",
	      "\303\251 \342\202\254 \360\237\230\200",
	      "\303\251 \342\202\254 \360\237\230\200", "UTF-8");
	shows("a\033[31mred\033[0mb", "a\\x1b[31mred\\x1b[0mb", "aredb", "colours");
	shows("\033[2J\033[1;2H", "\\x1b[2J\\x1b[1;2H", "\\x1b[2J\\x1b[1;2H",
	      "the cursor's commands");
	shows("\033]0;title\007", "\\x1b]0;title\\x07", "\\x1b]0;title\\x07",
	      "a window's title");
	shows("bell\a back\b return\r", "bell\\x07 back\\x08 return\\x0d",
	      "bell\\x07 back\\x08 return\\x0d", "other control characters");
	shows("\377\303(\342\202", "\\xff\\xc3(\\xe2\\x82", "\\xff\\xc3(\\xe2\\x82",
	      "bytes that are no text");
	shows("\302\233"
	      "31m",
	      "\\xc2\\x9b31m", "\\xc2\\x9b31m", "an 8-bit CSI");
	shows("\342\200\256abc", "\\xe2\\x80\\xaeabc", "\\xe2\\x80\\xaeabc", "right to left");
	shows("end\033", "end\\x1b", "end\\x1b", "an escape at the end");
	shows("end\033[3", "end\\x1b[3", "end\\x1b[3", "a colour that is cut");
	memset(sixty, '1', sizeof(sixty));
	memcpy(sixty, "\033[", 2);
	sixty[100] = 'm';
	sixty[101] = '\0';
	ok(strncmp(printed(sixty, 101, 7, true), "\\x1b[11", 7) == 0,
	   "a colour longer than any is none");
	is_int(strlen(printed("a\0b", 3, 1, false)), 6, "a NUL is shown too");
}

static int file_of(int dir, const char *text)
{
	int fd = openat(dir, "log", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
		bail_out("log");
	return fd;
}

static void tail_is(int dir, const char *text, unsigned long lines, const char *tail)
{
	int fd = file_of(dir, text);
	off_t at = log_find_tail(fd, lines);

	is_str(at >= 0 && at <= (off_t) strlen(text) ? text + at : NULL, tail,
	       "the last %lu lines of %zu bytes", lines, strlen(text));
	close(fd);
}

static void test_tail(int dir)
{
	char *large = malloc(300001);

	tail_is(dir, "", 3, "");
	tail_is(dir, "one", 1, "one");
	tail_is(dir, "one\n", 1, "one\n");
	tail_is(dir, "one\ntwo\nthree\n", 2, "two\nthree\n");
	tail_is(dir, "one\ntwo\nthree", 2, "two\nthree");
	tail_is(dir, "one\ntwo\n", 0, "");
	tail_is(dir, "one\ntwo\n", 9, "one\ntwo\n");
	tail_is(dir, "\n\n\n", 2, "\n\n");
	memset(large, 'x', 300000);
	large[300000] = '\0';
	large[100000] = large[200000] = '\n';
	tail_is(dir, large, 1, large + 200001);
	tail_is(dir, large, 2, large + 100001);
	tail_is(dir, large, 3, large);
	free(large);
}

int main(void)
{
	int dir = scratch_open();
	char command[320];

	test_printing();
	test_tail(dir);
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", scratch_path);
	is_int(system(command), 0, "cleaned up");
	return done_testing();
}
