/* SPDX-License-Identifier: MIT */
/* Unit test of common/reason.h; run by `make check` as whoever calls it. */
#include "common/reason.h"
#include "common/text.h"
#include "tap.h"

static struct reason reason;

static const char *set(const char *value)
{
	reason_set(&reason, "path %s: no", value);
	return reason.text;
}

static void test_set(void)
{
	errno = EMFILE;
	is_int(reason_set(&reason, "node %s, try %d", "n1", 3), -1, "reason_set returns -1");
	is_int(errno, EMFILE, "reason_set keeps errno");
	is_str(reason.text, "node n1, try 3", "the text is formatted");
	is_int(reason_set(NULL, "x"), -1, "reason may be NULL");
	reason_set(&reason, "again: %s", reason.text);
	is_str(reason.text, "again: node n1, try 3", "the old text may be an argument");
}

static void test_escape(void)
{
	is_str(set("/a b/\"c\"'d"), "path /a b/\"c\"'d: no", "spaces and quotes stay");
	is_str(set("/Grüße/数据/🙂"), "path /Grüße/数据/🙂: no", "UTF-8 stays");
	is_str(set("a\nb\rc\td"), "path a\\x0ab\\x0dc\\x09d: no", "one line only");
	is_str(set("\x1b]0;x\x07\x1b[2J"), "path \\x1b]0;x\\x07\\x1b[2J: no",
	       "terminal commands are escaped");
	is_str(set("\x7f"), "path \\x7f: no", "DEL is escaped");
	is_str(set("\xc2\x9b"
		   "31m"),
	       "path \\xc2\\x9b31m: no", "C1 commands in UTF-8 are escaped");
	is_str(set("\x9b"
		   "31m"),
	       "path \\x9b31m: no", "C1 bytes are escaped");
	is_str(set("\xe2\x80\xae"), "path \\xe2\\x80\\xae: no",
	       "a turn of the text's direction is escaped");
	is_str(set("\xff\xc0\x80\xed\xa0\x80"), "path \\xff\\xc0\\x80\\xed\\xa0\\x80: no",
	       "invalid UTF-8 is escaped");
}

/* Every length around the limit, of characters of 1 to 4 bytes, and of escapes. */
static void test_cut(void)
{
	static const char *const pieces[] = {"a", "é", "数", "🙂", "\n"};
	static char value[REASON_MAX * 2];
	bool all_whole = true, all_marked = true, exact = true;

	for (size_t p = 0; p < sizeof(pieces) / sizeof(*pieces); p++) {
		size_t shown = *pieces[p] == '\n' ? 4 : strlen(pieces[p]);

		for (size_t pad = 0; pad < 5; pad++) {
			for (size_t n = REASON_MAX / shown - 3; n < REASON_MAX / shown + 3;
			     n++) {
				size_t length = pad;

				memset(value, '-', pad);
				for (size_t i = 0; i < n; i++) {
					memcpy(value + length, pieces[p], strlen(pieces[p]));
					length += strlen(pieces[p]);
				}
				value[length] = '\0';
				reason_set(&reason, "%s", value);
				length = strlen(reason.text);
				all_whole &= text_printable(reason.text);
				if (pad + n * shown < REASON_MAX)
					exact &= length == pad + n * shown;
				else
					all_marked &=
						length >= REASON_MAX - 8 &&
						length < REASON_MAX &&
						strcmp(reason.text + length - 3, "...") == 0;
			}
		}
	}
	ok(exact, "what fits is not cut");
	ok(all_marked, "what does not fit is cut late and ends in dots");
	ok(all_whole, "a cut leaves no part of a character");
}

static void test_large(void)
{
	enum { LARGE = 100 * 1000 };
	char *large = malloc(LARGE + 1);

	if (large == NULL)
		bail_out("malloc");
	memset(large, '\n', LARGE);
	large[LARGE] = '\0';
	set(large);
	ok(strlen(reason.text) < REASON_MAX && text_printable(reason.text),
	   "100 kB of newlines make one line");
	memset(large, 0xe2, LARGE);
	set(large);
	ok(strlen(reason.text) < REASON_MAX && text_printable(reason.text),
	   "100 kB of broken UTF-8 make one line");
	free(large);
}

static void test_prefix(void)
{
	reason_set(&reason, "no such file");
	errno = ENOENT;
	is_int(reason_prefix(&reason, "line %d", 7), -1, "reason_prefix returns -1");
	is_int(errno, ENOENT, "reason_prefix keeps errno");
	is_str(reason.text, "line 7: no such file", "the prefix comes before");
	reason_prefix(&reason, "a\nb");
	is_str(reason.text, "a\\x0ab: line 7: no such file", "and is escaped once");
	is_int(reason_prefix(NULL, "x"), -1, "reason may be NULL");
	reason.text[0] = '\0';
	reason_prefix(&reason, "alone");
	is_str(reason.text, "alone", "before nothing it stands alone");
	for (int i = 0; i < 300; i++)
		reason_prefix(&reason, "prefix %d", i);
	ok(strncmp(reason.text, "prefix 299: prefix 298: ", 24) == 0,
	   "the end is cut, not the front");
	is_str(reason.text + strlen(reason.text) - 3, "...", "and marked");
}

int main(void)
{
	test_set();
	test_escape();
	test_cut();
	test_large();
	test_prefix();
	return done_testing();
}
