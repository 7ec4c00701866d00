/* SPDX-License-Identifier: MIT */
/* See output.h. */
#include "launcher/sjupyter/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/reason.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"

enum { INDENT = 2 };

void output_error(const char *format, ...)
{
	char text[REASON_MAX + 1];
	struct reason shown;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	reason_set(&shown, "%s", text);
	fprintf(stderr, "sjupyter: %s\n", shown.text);
}

void output_note(const char *text)
{
	size_t room = strlen(text) * 4 + 4;
	char *shown = malloc(room);

	if (shown)
		fprintf(stderr, "%s\n", text_excerpt(text, shown, room));
	free(shown);
}

int output_json(json_t *json)
{
	int rc = -1;

	if (json)
		rc = json_dumpf(json, stdout, JSON_INDENT(INDENT) | JSON_REAL_PRECISION(16));
	if (rc == 0)
		putchar('\n');
	else
		output_error("JSON: %s", json ? "stdout cannot be written" : strerror(ENOMEM));
	json_decref(json);
	return rc;
}

const char *output_time(double moment, char buffer[OUTPUT_TIME_MAX])
{
	time_t then = (time_t) moment, now = time(NULL);
	struct tm local, today;

	if (!localtime_r(&then, &local) || !localtime_r(&now, &today)) {
		snprintf(buffer, OUTPUT_TIME_MAX, "%lld", (long long) then);
		return buffer;
	}
	int same_day = local.tm_year == today.tm_year && local.tm_yday == today.tm_yday;
	strftime(buffer, OUTPUT_TIME_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local);
	return buffer;
}

const char *output_span(double seconds, char buffer[OUTPUT_TIME_MAX])
{
	if (!(seconds > 0))
		seconds = 0;
	if (seconds < 10)
		snprintf(buffer, OUTPUT_TIME_MAX, "%.2f s", seconds);
	else if (seconds < 120)
		snprintf(buffer, OUTPUT_TIME_MAX, "%.0f s", seconds);
	else if (seconds < 7200)
		snprintf(buffer, OUTPUT_TIME_MAX, "%.0f min", seconds / 60);
	else
		text_from_seconds(seconds < 1e9 ? (long) seconds : 1000000000L, buffer,
				  OUTPUT_TIME_MAX);
	return buffer;
}

int output_finish(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	output_error("stdout: %s", strerror(errno));
	return code == COMMAND_OK ? COMMAND_FAILED : code;
}
