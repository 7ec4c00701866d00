/* SPDX-License-Identifier: MIT */
/*
 * Tests of Slurm's short form of host names (common/hostlist.h), with what Slurm writes and
 * with what it never would.  Run by `make check`, as anybody.
 */
#include "common/hostlist.h"

#include "tap.h"

enum { MAX = 65536 };

/* The names with a space between, in a buffer that the next call uses again. */
static const char *expanded(const char *text)
{
	static char joined[4096];
	char **names;
	size_t count, used = 0;

	if (hostlist_expand(text, MAX, &names, &count) < 0)
		return strerror(errno);
	joined[0] = '\0';
	for (size_t i = 0; i < count && used < sizeof(joined) - 1; i++)
		used += (size_t) snprintf(joined + used, sizeof(joined) - used, "%s%s",
					  i ? " " : "", names[i]);
	hostlist_free(names, count);
	return joined;
}

static void refused(const char *text, size_t max, int error, const char *what)
{
	char *untouched = NULL, **names = &untouched;
	size_t count = 33;

	fails_with(hostlist_expand(text, max, &names, &count), error, "%s", what);
	ok(names == &untouched && count == 33, "and nothing is returned");
}

static void test_names(void)
{
	is_str(expanded("login"), "login", "a name");
	is_str(expanded("a,b-1.example.org,c_2"), "a b-1.example.org c_2", "names");
	is_str(expanded("n[1-3]"), "n1 n2 n3", "a range");
	is_str(expanded("n[01-03,7],login"), "n01 n02 n03 n7 login", "ranges, then a name");
	is_str(expanded("n[9-11]"), "n9 n10 n11", "a range that becomes wider");
	is_str(expanded("n[009-011]"), "n009 n010 n011", "leading zeros stay");
	is_str(expanded("n[5-5]"), "n5", "a range of one");
	is_str(expanded("n[1,1]"), "n1 n1", "twice the same is the caller's affair");
	is_str(expanded("n[1-2]-ib"), "n1-ib n2-ib", "what is behind the brackets");
	is_str(expanded("r[1-2]n[01-02]"), "r1n01 r1n02 r2n01 r2n02",
	       "of two brackets the last runs fastest");
	is_str(expanded("[1-2]"), "1 2", "brackets alone");
	is_str(expanded("a,a[1-2],a"), "a a1 a2 a", "in order");
	is_str(expanded("[1][1][1][1][1][1][1][1]"), "11111111", "eight brackets");
	is_str(expanded("n[999999998-999999999]"), "n999999998 n999999999", "nine digits");
}

static void test_refused(void)
{
	static const char *const wrong[] = {
		"",	      ",",	   "a,",      ",a",	   "a,,b",     "n[",
		"n[]",	      "n]",	   "n[1",     "n[1-",	   "n[1-3",    "n[1,",
		"n[1,]",      "n[,1]",	   "n[-1]",   "n[1-]",	   "n[1--2]",  "n[1-2-3]",
		"n[3-1]",     "n[a-c]",	   "n[1-3]]", "n[[1-3]]",  "n[1[2]3]", "n[1-[2]",
		"n][1",	      "n[1-3],m[", "n[1],]",  "[",	   "]",	       "[]",
		"[[[[[[[[[[", "n[1.5]",	   "n[0x10]", "n[1-2],,m", "n[1 - 2]", "n[+1]",
		"n[1-2][",    "n[1][2",	   "n[1][]",  "n[1][2]]",  "n[1,2-]",  "n[1;2]",
		"n1 n2",      "n1\n",	   "n*",      "$(id)",	   "../n",     "n[1000000000]",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char what[64];
		snprintf(what, sizeof(what), "\"%s\"", wrong[i]);
		for (char *c = what; *c; c++)
			*c = *c == '\n' ? '~' : *c;
		refused(wrong[i], MAX, EINVAL, what);
	}
	refused("[1][1][1][1][1][1][1][1][1][1]", MAX, EINVAL, "ten brackets");

	int taken = 0;
	for (int c = 1; c < 256; c++) {
		const char text[] = {'n', (char) c, '1', '\0'};
		char **names;
		size_t count;
		if (hostlist_expand(text, MAX, &names, &count) == 0) {
			hostlist_free(names, count);
			taken++;
		}
	}
	is_int(taken, 26 + 26 + 10 + 4, "letters, digits, \".\", \"_\", \"-\" and \",\" alone");
}

/* What would take the memory or the time of a node. */
static void test_bounds(void)
{
	char **names;
	size_t count;

	refused("n[1-999999999]", MAX, E2BIG, "a thousand million names");
	refused("n[0-65536]", MAX, E2BIG, "one name too many");
	refused("n[1-65535],a,b", MAX, E2BIG, "one too many in the end");
	refused("[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]", MAX, E2BIG,
		"a hundred million names by eight brackets");
	refused("n[1-4]", 3, E2BIG, "four where three may be");
	refused("n", 0, E2BIG, "one where none may be");
	refused("n[1]", 0, E2BIG, "or in brackets");
	is_int(hostlist_expand("n[0-65535]", MAX, &names, &count), 0, "the most names");
	ok(count == MAX && !strcmp(names[0], "n0") && !strcmp(names[MAX - 1], "n65535"),
	   "come all");
	hostlist_free(names, count);

	char *large = malloc(1 << 20);
	if (!large)
		bail_out("malloc");
	for (const char *c = "[],-1n."; *c; c++) {
		char what[32];
		memset(large, *c, (1 << 20) - 1);
		large[(1 << 20) - 1] = '\0';
		snprintf(what, sizeof(what), "a megabyte of \"%c\"", *c);
		refused(large, MAX, EINVAL, what);
	}
	memset(large, 'n', 255);
	large[255] = '\0';
	is_str(expanded(large), large, "a name of 255 bytes");
	strcpy(large + 255, "n");
	refused(large, MAX, EINVAL, "not one of 256");
	strcpy(large + 253, "[1-100]");
	refused(large, MAX, EINVAL, "nor one that becomes it");

	size_t used = 0;
	for (int i = 0; i < MAX; i++)
		used += (size_t) sprintf(large + used, "%sn%d", i ? "," : "", i);
	is_int(hostlist_expand(large, MAX, &names, &count), 0, "the most names one by one");
	is_int(count, MAX, "come all");
	hostlist_free(names, count);
	free(large);
	hostlist_free(NULL, 0);
}

int main(void)
{
	test_names();
	test_refused();
	test_bounds();
	return done_testing();
}
