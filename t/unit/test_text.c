/* SPDX-License-Identifier: MIT */
/* Unit test of common/text.h; run by `make check` as whoever calls it. */
#include <limits.h>

#include "common/text.h"
#include "tap.h"

static void test_ulong(void)
{
	static const struct {
		const char *text;
		int error;
	} bad[] = {
		{"", EINVAL},
		{" 1", EINVAL},
		{"1 ", EINVAL},
		{"+1", EINVAL},
		{"-1", EINVAL},
		{"0x10", EINVAL},
		{"1e3", EINVAL},
		{"1.0", EINVAL},
		{"1\n", EINVAL},
		{"8k", EINVAL},
		{"one", EINVAL},
		{"\xd9\xa3", EINVAL}, /* an Arabic digit */
		{"9", ERANGE},
		{"101", ERANGE},
		{"4294967306", ERANGE},
		{"18446744073709551615", ERANGE},
		{"18446744073709551616", ERANGE},
		{"18446744073709551626", ERANGE},
		{"99999999999999999999999999999999", ERANGE},
	};
	unsigned long value = 77;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		fails_with(text_to_ulong(bad[i].text, 10, 100, &value), bad[i].error,
			   "number \"%s\" is refused", bad[i].text);
	is_int(value, 77, "a refused number leaves the value");
	is_int(text_to_ulong("10", 10, 100, &value), 0, "the least is taken");
	is_int(value, 10, "as it is");
	is_int(text_to_ulong("100", 10, 100, &value), 0, "the most is taken");
	is_int(value, 100, "as it is");
	is_int(text_to_ulong("0065", 10, 100, &value), 0, "leading zeros are taken");
	is_int(value, 65, "as decimal");
	fails_with(text_to_ulong("18446744073709551616", 0, ULONG_MAX, &value), ERANGE,
		   "an overflow is an error, also without a bound");
}

static void test_seconds(void)
{
	static const struct {
		const char *text;
		long seconds;
	} good[] = {
		{"0", 0},
		{"1", 60},
		{"90", 5400},
		{"1:30", 90},
		{"0:1", 1},
		{"1:2:3", 3723},
		{"00:00:00", 0},
		{"2-0", 172800},
		{"1-12", 129600},
		{"1-2:3", 93780},
		{"1-2:3:4", 93784},
		{"UNLIMITED", 0},
		{"unlimited", 0},
		{"INFINITE", 0},
		{"Infinite", 0},
		{"1:90", 150},
		{"366-0", 31622400},
		{"0-0:0:31622400", 31622400},
		{"527040", 31622400},
	};
	static const char *const malformed[] = {
		"",	     " ",     "5 ",	    " 5",	  "-5",	  "+5",
		"5-",	     "5:",    ":5",	    "1::2",	  "1:2:", "1:2:3:4",
		"1-2:3:4:5", "1-2-3", "1-:2",	    "1:2-3",	  "1d",	  "1h",
		"1.5",	     "5m",    "0x5",	    "later",	  "-",	  ":",
		"5\n",	     "5;id",  "UNLIMITED ", "UNLIMITEDX", "INF",  "\xef\xbc\x95",
		"1--1",	     "1:-1",
	};
	static const char *const large[] = {
		"366-0:0:1",
		"367-0",
		"527041",
		"99999999999999999999",
		"0:31622401",
		"307445734561825861",
		"18446744073709551615:0",
		"213503982334601-7:0:16",
		"9223372036854775807-0",
		"5124095576030431:0:16",
		"0-18446744073709551616",
	};
	long seconds = 0;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		seconds = -7;
		is_int(text_to_seconds(good[i].text, &seconds), 0, "time \"%s\" is taken",
		       good[i].text);
		is_int(seconds, good[i].seconds, "as %ld s", good[i].seconds);
	}
	seconds = 77;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++)
		fails_with(text_to_seconds(malformed[i], &seconds), EINVAL,
			   "malformed time %zu is refused", i);
	for (size_t i = 0; i < sizeof(large) / sizeof(*large); i++)
		fails_with(text_to_seconds(large[i], &seconds), ERANGE,
			   "time \"%s\" is too long", large[i]);
	is_int(seconds, 77, "a refused time leaves the value");
}

static void test_from_seconds(void)
{
	static const struct {
		long seconds;
		const char *text;
	} cases[] = {
		{0, "00:00:00"},     {59, "00:00:59"},	     {3661, "01:01:01"},
		{86399, "23:59:59"}, {86400, "1-00:00:00"},  {93784, "1-02:03:04"},
		{-5, "00:00:00"},    {LONG_MIN, "00:00:00"}, {LONG_MAX, "999999-00:00:00"},
	};
	char buffer[24];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(text_from_seconds(cases[i].seconds, buffer, sizeof(buffer)),
		       cases[i].text, "%ld s as text", cases[i].seconds);
}

static void test_printable(void)
{
	static const char *const good[] = {
		"",	    "plain",	    "a b",	    "\"'\\$`",
		"Grüße",    "数据",	    "🙂",	    "\xf4\x8f\xbf\xbf",
		"\xc2\xa0", "\xed\x9f\xbf", "\xee\x80\x80",
	};
	static const char *const bad[] = {
		"\n",
		"a\tb",
		"\r",
		"\x1b[0m",
		"\x7f",
		"\x01",
		"\xc2\x80",
		"\xc2\x9f",
		"\x80",
		"\xbf",
		"\xc0\xaf",
		"\xc1\xbf",
		"\xe0\x80\xaf",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xc3",
		"\xe2\x82",
		"\xf0\x9f\x98",
		"\xc3(",
		"\xe2\x28\xa1",
		"\xe2\x80\xa8",
		"\xe2\x80\xa9",
		"\xe2\x80\xae",
		"\xe2\x81\xa6",
		"\xe2\x81\xa9",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(text_printable(good[i]), "printable text %zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!text_printable(bad[i]), "unprintable text %zu", i);
	is_int(text_char_size("a"), 1, "a character of 1 byte");
	is_int(text_char_size("é"), 2, "of 2");
	is_int(text_char_size("数"), 3, "of 3");
	is_int(text_char_size("🙂"), 4, "of 4");
	is_int(text_char_size(""), 0, "the end is no character");
}

static void test_excerpt(void)
{
	char buffer[16];

	is_str(text_excerpt("short", buffer, sizeof(buffer)), "short", "what fits is whole");
	is_str(text_excerpt("123456789012345", buffer, sizeof(buffer)), "123456789012345",
	       "to the last byte");
	is_str(text_excerpt("1234567890123456", buffer, sizeof(buffer)), "123456789012...",
	       "else it ends in dots");
	is_str(text_excerpt("12345678901é3456", buffer, sizeof(buffer)), "12345678901...",
	       "which do not split a character");
	is_str(text_excerpt("\x1b\x7f\xfe", buffer, sizeof(buffer)), "\\x1b\\x7f\\xfe",
	       "every byte as it is");
	is_str(text_excerpt("\n\n\n", buffer, sizeof(buffer)), "\\x0a\\x0a\\x0a", "escapes");
	is_str(text_excerpt("\n\n\n\n", buffer, sizeof(buffer)), "\\x0a\\x0a\\x0a...",
	       "are not split");
	is_str(text_excerpt("12345", buffer, 4), "...", "nothing but dots in the least room");
	is_str(text_excerpt("123", buffer, 4), "123", "or what fits there");
}

static void is_lines(const char *text, size_t size, const char *expected, const char *what)
{
	char buffer[64];

	memset(buffer, 'x', sizeof(buffer));
	is_str(text_excerpt_lines(text, buffer, size), expected, "lines: %s", what);
	ok(strlen(buffer) < size && buffer[size] == 'x', "within their room");
	ok(text_lines_printable(buffer), "and nothing but lines");
}

static void test_lines(void)
{
	char text[400], shown[64];
	size_t used = 0;

	is_lines("", 5, "", "none");
	is_lines("a", 5, "a\n", "one without its end");
	is_lines("\n", 5, "\n", "an empty one");
	is_lines("a\n\nb\n", 16, "a\n\nb\n", "several");
	is_lines("a\x1b[2J\r\n\xff\nb\xc3\n\xa9", 63, "a\\x1b[2J\\x0d\n\\xff\nb\\xc3\n\\xa9\n",
		 "with commands and no text");
	is_lines("123\n456\n789\n", 13, "123\n456\n789\n", "as many as fit");
	is_lines("123\n456\n789\n", 12, "456\n789\n", "the last where not all do");
	is_lines("123\n456\n789", 5, "789\n", "one");
	is_lines("123\n4567890\n", 8, "456...\n", "the begin of one that is too long");
	is_lines("123\n\n", 5, "\n", "an empty one at the end");
	is_lines("a\n\x01\n", 5, "...\n", "in the least room");
	for (int i = 0; i < 100; i++)
		used += (size_t) sprintf(text + used, "%d\n", i);
	for (size_t size = 5; size < sizeof(shown); size++) {
		text_excerpt_lines(text, shown, size);
		if (strlen(shown) >= size || strlen(shown) + 3 < size - 1 ||
		    strcmp(text + used - strlen(shown), shown) != 0)
			ok(false, "the last lines in %zu bytes", size);
	}
	ok(text_lines_printable("") && text_lines_printable("\n\n") &&
		   text_lines_printable("é\na\n"),
	   "lines are lines");
	ok(!text_lines_printable("a") && !text_lines_printable("a\nb") &&
		   !text_lines_printable("a\r\n") && !text_lines_printable("\t\n") &&
		   !text_lines_printable("\xff\n") && !text_lines_printable("\u202e\n"),
	   "and nothing else is");
}

static void test_name(void)
{
	static const char *const good[] = {"a",	 "lab", "R-4.3_x86", "9",
					   "_a", "a.b", "a-",	     "a."};
	static const char *const bad[] = {"",	 "-a",	".a",  "..",  "a b",
					  "a/b", "a:b", "a\n", "ä",   "a,b",
					  "a=b", "a&b", "a%b", "a$b", "0123456789"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ok(text_is_name(good[i], 10), "\"%s\" is a name", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ok(!text_is_name(bad[i], 10), "no name %zu", i);
	ok(text_is_name("azAZ09._-", 10) && text_is_name("AZaz90", 10),
	   "to both ends of the alphabet");
	ok(!text_is_name("a@", 10) && !text_is_name("a[", 10) && !text_is_name("a`", 10) &&
		   !text_is_name("a{", 10) && !text_is_name("a/", 10) &&
		   !text_is_name("a:", 10),
	   "and not beyond");
	ok(text_is_name("012345678", 10), "a name may have one byte less than the bound");
	ok(!text_is_name("a", 0), "nothing is shorter than 0");
}

/* Joins the words with "|" to compare them. */
static const char *split(const char *text, size_t max)
{
	static char joined[256];
	char **words = text_words(text, max);

	if (words == NULL)
		return errno == EINVAL ? "EINVAL" : errno == E2BIG ? "E2BIG" : "other";
	joined[0] = '\0';
	for (char **word = words; *word != NULL; word++) {
		strcat(joined, "<");
		strcat(joined, *word);
		strcat(joined, ">");
	}
	text_words_free(words);
	return joined;
}

static void test_words(void)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"", ""},
		{"  \t\n ", ""},
		{"jupyter-lab --no-browser", "<jupyter-lab><--no-browser>"},
		{"  a  b\tc\nd ", "<a><b><c><d>"},
		{"'a b' \"c d\"", "<a b><c d>"},
		{"a'b'\"c\"d", "<abcd>"},
		{"'' \"\" x", "<><><x>"},
		{"a\\ b \\'", "<a b><'>"},
		{"'a\\b'", "<a\\b>"},
		{"\"a\\$b\\`c\\\"d\\\\e\"", "<a$b`c\"d\\e>"},
		{"\"a\\nb\"", "<a\\nb>"},
		{"a\\\nb \"c\\\nd\"", "<ab><cd>"},
		{"a \\\n b", "<a><b>"},
		{"a \\\n", "<a>"},
		{"$HOME `id` $(id) * ~ a;b|c>d #e", "<$HOME><`id`><$(id)><*><~><a;b|c>d><#e>"},
		{"Grüße '数 据'", "<Grüße><数 据>"},
		{"'open", "EINVAL"},
		{"\"open", "EINVAL"},
		{"\"open'", "EINVAL"},
		{"\"open\\\"", "EINVAL"},
		{"end\\", "EINVAL"},
		{"a b c d e f g h", "<a><b><c><d><e><f><g><h>"},
		{"a b c d e f g h i", "E2BIG"},
		{"a b c d e f g h ", "<a><b><c><d><e><f><g><h>"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		is_str(split(cases[i].text, 8), cases[i].words, "words of text %zu", i);
	is_str(split("", 0), "", "no word is no more than 0");
	is_str(split("a", 0), "E2BIG", "a word is");
	is_str(split("a b", (size_t) -1), "<a><b>", "no bound");
	text_words_free(NULL);
}

static void test_quote(void)
{
	static const struct {
		const char *word, *quoted;
	} cases[] = {
		{"plain", "plain"},
		{"/a/b-c_d.e:1,2@3%4+5", "/a/b-c_d.e:1,2@3%4+5"},
		{"", "''"},
		{"a b", "'a b'"},
		{"it's", "'it'\\''s'"},
		{"'", "''\\'''"},
		{"$(id)", "'$(id)'"},
		{"`id`", "'`id`'"},
		{"a\nb", "'a\nb'"},
		{"~", "'~'"},
		{"a=b", "'a=b'"},
		{"*", "'*'"},
		{"Grüße", "'Grüße'"},
		{"\\", "'\\'"},
		{"a;b", "'a;b'"},
		{"#a", "'#a'"},
	};
	char every[256], *quoted, **words, *shell = NULL;
	char command[2048], back[512];
	size_t got;
	FILE *pipe;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		quoted = text_shell_quote(cases[i].word);
		is_str(quoted, cases[i].quoted, "quoted word %zu", i);
		free(quoted);
	}
	for (int i = 0; i < 255; i++)
		every[i] = (char) (i + 1);
	every[255] = '\0';
	quoted = text_shell_quote(every);
	words = text_words(quoted, 2);
	ok(words != NULL && words[0] != NULL && strcmp(words[0], every) == 0 &&
		   words[1] == NULL,
	   "every byte comes back from text_words as one word");
	text_words_free(words);
	snprintf(command, sizeof(command), "printf %%s %s", quoted);
	pipe = popen(command, "r");
	if (pipe == NULL)
		bail_out("popen");
	got = fread(back, 1, sizeof(back), pipe);
	pclose(pipe);
	ok(got == 255 && memcmp(back, every, 255) == 0, "and from a shell");
	text_free(&quoted);
	ok(quoted == NULL, "text_free sets to NULL");
	text_free(&shell);
}

int main(void)
{
	test_ulong();
	test_seconds();
	test_from_seconds();
	test_printable();
	test_excerpt();
	test_lines();
	test_name();
	test_words();
	test_quote();
	return done_testing();
}
