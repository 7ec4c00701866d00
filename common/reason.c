/* SPDX-License-Identifier: MIT */
/*
 * One line that tells a person why: see reason.h.  Used by every program as the user, and by
 * the plugin inside Slurm's processes, so it needs nothing but libc and keeps no state.
 */
#include "reason.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

/*
 * One byte longer than what can be shown: a format that is cut here, perhaps inside a
 * character, is cut again, and marked, by text_excerpt.
 */
enum { RAW_SIZE = REASON_MAX + 1 };

static void format_raw(char raw[RAW_SIZE], const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void format_raw(char raw[RAW_SIZE], const char *format, va_list arguments)
{
	if (vsnprintf(raw, RAW_SIZE, format, arguments) < 0)
		snprintf(raw, RAW_SIZE, "a reason that cannot be formatted");
}

int reason_set(struct reason *reason, const char *format, ...)
{
	int saved = errno;
	char raw[RAW_SIZE];
	va_list arguments;

	if (reason != NULL) {
		va_start(arguments, format);
		format_raw(raw, format, arguments);
		va_end(arguments);
		text_excerpt(raw, reason->text, sizeof(reason->text));
	}
	errno = saved;
	return -1;
}

int reason_prefix(struct reason *reason, const char *format, ...)
{
	char raw[RAW_SIZE];
	va_list arguments;
	int saved = errno;

	if (reason != NULL) {
		va_start(arguments, format);
		format_raw(raw, format, arguments);
		va_end(arguments);
		if (reason->text[0] == '\0')
			reason_set(reason, "%s", raw);
		else
			reason_set(reason, "%s: %s", raw, reason->text);
	}
	errno = saved;
	return -1;
}
