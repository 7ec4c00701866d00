/* SPDX-License-Identifier: MIT */
/*
 * A unit test's output as the Test Anything Protocol: one line for each check, and a plan at
 * the end.  Included once by each test program, which runs as whoever calls `make check`.
 */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count;
static int tap_failed;

/* Each check returns whether it passed. */
#define ok(condition, ...) tap_check((condition), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, expected, ...)                                                             \
	tap_is_int((long long) (got), (long long) (expected), __FILE__, __LINE__, __VA_ARGS__)
#define is_str(got, expected, ...)                                                             \
	tap_is_str((got), (expected), __FILE__, __LINE__, __VA_ARGS__)

/* For a call that is to return -1 with this errno. */
#define fails_with(call, error, ...)                                                           \
	do {                                                                                   \
		long long fails_result;                                                        \
		errno = 0;                                                                     \
		fails_result = (long long) (call);                                             \
		tap_fails(fails_result, errno, (error), __FILE__, __LINE__, __VA_ARGS__);      \
	} while (0)

__attribute__((format(printf, 1, 2), unused)) static bool tap_note(const char *format, ...)
{
	va_list arguments;

	printf("# ");
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return false;
}

__attribute__((format(printf, 4, 5), unused)) static bool
tap_check(bool passed, const char *file, int line, const char *format, ...)
{
	va_list arguments;

	printf("%s %d - ", passed ? "ok" : "not ok", ++tap_count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	if (!passed) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout); /* a child that is forked next must not print it again */
	return passed;
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_int(long long got,
								     long long expected,
								     const char *file, int line,
								     const char *format, ...)
{
	char name[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	return tap_check(got == expected, file, line, "%s", name) ||
	       tap_note("got %lld, expected %lld", got, expected);
}

__attribute__((format(printf, 5, 6), unused)) static bool tap_is_str(const char *got,
								     const char *expected,
								     const char *file, int line,
								     const char *format, ...)
{
	bool same =
		got == NULL || expected == NULL ? got == expected : strcmp(got, expected) == 0;
	char name[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	return tap_check(same, file, line, "%s", name) ||
	       tap_note("got \"%s\", expected \"%s\"", got != NULL ? got : "(NULL)",
			expected != NULL ? expected : "(NULL)");
}

__attribute__((format(printf, 6, 7), unused)) static bool tap_fails(long long result, int got,
								    int expected,
								    const char *file, int line,
								    const char *format, ...)
{
	char name[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(name, sizeof(name), format, arguments);
	va_end(arguments);
	return tap_check(result == -1 && got == expected, file, line, "%s", name) ||
	       tap_note("returned %lld with errno %d (%s)", result, got, strerror(got));
}

/* Counts a check that cannot run here. */
__attribute__((unused)) static void skip(const char *why)
{
	printf("ok %d # SKIP %s\n", ++tap_count, why);
	fflush(stdout);
}

/* Ends a test that cannot go on: a broken machine, not a failed check. */
__attribute__((unused, noreturn)) static void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(99);
}

/* The last line of main: return done_testing(); */
__attribute__((unused)) static int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed == 0 ? 0 : 1;
}

#endif
