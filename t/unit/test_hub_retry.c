/* SPDX-License-Identifier: MIT */
/*
 * Tests of when the callback tries again (hub-callback/retry.h), with a clock and random
 * numbers of the test's own.  Run by `make check`, as anybody.
 */
#include "hub-callback/retry.h"

#include <inttypes.h>

#include "tap.h"

static const int64_t NONE = -1;

/* The longest pause that can be drawn, by trying the random numbers up to one above it. */
static int64_t longest(struct retry retry, int64_t deadline)
{
	int64_t most = -1, delay;

	for (uint64_t random = 0; random <= RETRY_GENTLE_MS + 1; random++) {
		struct retry copy = retry;

		if (!retry_next(&copy, 1000, deadline, NONE, random, &delay))
			return -1;
		if (delay > most)
			most = delay;
	}
	return most;
}

static void test_jitter(void)
{
	static const int64_t pauses[] = {500, 1000, 2000, 4000, 8000, 16000, 20000, 20000};
	struct retry retry = {0};
	int64_t delay;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		is_int(longest(retry, 1000000), pauses[i], "failure %zu waits at most %" PRId64,
		       i + 1, pauses[i]);
		ok(retry_next(&retry, 1000, 1000000, NONE, 0, &delay) && delay == 0,
		   "and may wait no time at all");
	}
	for (int i = 0; i < 1000; i++)
		retry_next(&retry, 1000, 0, NONE, 0, &delay);
	is_int(longest(retry, 0), 60000, "without a deadline pauses grow to a minute");
	ok(retry_next(&retry, INT64_MAX / 2, 0, NONE, UINT64_MAX, &delay) && delay >= 0,
	   "and there is no end");
}

static void test_deadline(void)
{
	struct retry retry = {.failures = 30};
	int64_t delay = 77;

	ok(retry_next(&retry, 1000, 1500, NONE, 19999, &delay), "before the deadline");
	is_int(delay, 500, "the last try is at the deadline");
	delay = 77;
	ok(!retry_next(&retry, 1500, 1500, NONE, 0, &delay), "at the deadline it is given up");
	ok(!retry_next(&retry, 1501, 1500, 5000, 0, &delay), "whatever the server asks for");
	is_int(delay, 77, "and delay is untouched");
}

static void test_asked(void)
{
	struct retry retry = {0};
	int64_t delay;

	ok(retry_next(&retry, 1000, 1000000, 30000, 0, &delay), "Retry-After");
	is_int(delay, 30000, "is waited for");
	ok(retry_next(&retry, 1000, 1000000, 30000, 1000, &delay) && delay == 31000,
	   "and jitter comes on top, so that not all come back at once");
	ok(retry_next(&retry, 1000, 2000, 30000, 0, &delay) && delay == 30000,
	   "beyond the deadline, once");
}

static void test_header(void)
{
	static const struct {
		const char *value;
		int64_t ms;
	} cases[] = {{"0", 0},
		     {"5", 5000},
		     {"120", 120000},
		     {"121", 120000},
		     {"999999999", 120000},
		     {"99999999999999999999999999", 120000},
		     {"", -1},
		     {"-1", -1},
		     {"+1", -1},
		     {"1.5", -1},
		     {" 1", -1},
		     {"1 ", -1},
		     {"0x10", -1},
		     {"soon", -1},
		     /* 784111777 is the time of the examples of RFC 9110. */
		     {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		     {"Sun, 06 Nov 1994 08:49:36 GMT", 0},
		     {"Sun, 06 Nov 1994 08:49:40 GMT", 3000},
		     {"Sun, 06 Nov 1994 09:49:40 GMT", 120000},
		     {"Fri, 31 Dec 9999 23:59:59 GMT", 120000},
		     {"Sun, 06 Nov 1994 08:49:37 CET", -1},
		     {"Sun, 06 Nov 1994 08:49:37", -1},
		     {"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
		     {"Sun, 36 Nov 1994 08:49:37 GMT", -1},
		     {"Sun, 00 Nov 1994 08:49:37 GMT", -1},
		     {"Sun, 06 Nix 1994 08:49:37 GMT", -1},
		     {"Sun, 06 Nov 1894 08:49:37 GMT", -1},
		     {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
		     {"Sun, 06 Nov 1994 08:60:37 GMT", -1},
		     {"Sun, 06 Nov 1994 08:49:61 GMT", -1},
		     {"Sun, 06 Nov 1994 08:49:-1 GMT", -1},
		     {"Nix, 06 Nov 1994 08:49:37 GMT", -1},
		     {"Sunday, 06-Nov-94 08:49:37 GMT", -1},
		     {"Sun Nov  6 08:49:37 1994", -1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(retry_after_parse(cases[i].value, 784111777), cases[i].ms,
		       "Retry-After: \"%s\"", cases[i].value);
}

int main(void)
{
	test_jitter();
	test_deadline();
	test_asked();
	test_header();
	return done_testing();
}
