/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/tail.h.  Run by `make check` as whoever calls it. */
#include "launcher/tail.h"

#include <string.h>

#include "tap.h"

static const char *last_of(const char *text)
{
	static char line[64];

	return tail_last_line_of(text, strlen(text), line, sizeof(line));
}

static void test_last_line(void)
{
	char line[8];

	is_str(last_of(""), "", "nothing was said");
	is_str(last_of(" \n\r\n\t\n"), "", "nothing of use was");
	is_str(last_of("one"), "one", "a line without its end");
	is_str(last_of("one\ntwo\n\n"), "two", "the last that says something");
	is_str(last_of("one\n  two \r\n"), "two", "without the blanks around it");
	is_str(last_of("\n\n"), "", "line ends alone");
	is_str(tail_last_line_of("a longer line", 13, line, sizeof(line)), "a longe",
	       "cut to what there is room for");
	is_str(tail_last_line_of("one\ntwo\0\0", 9, line, sizeof(line)), "two",
	       "NULs are blanks");
}

static void test_keep(void)
{
	static struct tail tail;
	static const char letters[] = "abcdefg\n";
	static char large[3 * TAIL_MAX];
	char line[64];

	is_str(tail_last_line(&tail, line, sizeof(line)), "", "an empty one");
	tail_keep(&tail, "first\nsec", 9);
	tail_keep(&tail, "ond\n", 4);
	is_str(tail_last_line(&tail, line, sizeof(line)), "second", "a line in pieces");
	memset(large, 'x', sizeof(large));
	memcpy(large + sizeof(large) - 6, "\nlast\n", 6);
	tail_keep(&tail, large, sizeof(large));
	is_int(tail.used, TAIL_MAX, "no more than so much");
	is_str(tail_last_line(&tail, line, sizeof(line)), "last", "and that the last");
	tail_keep(&tail, large, TAIL_MAX);
	is_int(tail.used, TAIL_MAX, "just so much");
	for (int i = 0; i < TAIL_MAX; i++)
		tail_keep(&tail, &letters[i % 8], 1);
	is_int(tail.used, TAIL_MAX, "byte by byte");
	is_str(tail_last_line(&tail, line, sizeof(line)), "abcdefg", "in order");
	is_int(memcmp(tail.bytes, "abcdefg\nabcdefg\n", 16), 0, "from the first on");
}

int main(void)
{
	test_last_line();
	test_keep();
	return done_testing();
}
