/* SPDX-License-Identifier: MIT */
/* See checks.h. */
#include "launcher/sjupyter/checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/reason.h"
#include "common/text.h"

enum { WHAT_MAX = 128, LINE_MAX_SIZE = 8192 };

static const char *const names[] = {
	[CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "FAIL"};

void checks_init(struct checks *checks, enum checks_form form)
{
	*checks = (struct checks){.form = form};
	if (form == CHECKS_GATHERED)
		checks->gathered = json_array();
}

void checks_clear(struct checks *checks)
{
	json_decref(checks->gathered);
	checks->gathered = NULL;
}

static void add(struct checks *checks, enum check_result result, const char *what,
		const char *text)
{
	json_t *json;

	checks->failed += result == CHECK_FAIL;
	if (checks->form == CHECKS_WORDS) {
		printf("%-5s %s: %s\n", names[result], what, text);
		fflush(stdout);
		return;
	}
	json = json_pack("{s:s, s:s, s:s}", "check", what, "result", names[result], "text",
			 text);
	if (checks->form == CHECKS_GATHERED) {
		(void) json_array_append_new(checks->gathered, json);
		return;
	}
	if (json && json_dumpf(json, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	fflush(stdout);
	json_decref(json);
}

void checks_add(struct checks *checks, enum check_result result, const char *what,
		const char *format, ...)
{
	char text[2 * REASON_MAX], shown[2 * REASON_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add(checks, result, what, text_excerpt(text, shown, sizeof(shown)));
}

int checks_take_line(struct checks *checks, const char *line)
{
	char shown_what[WHAT_MAX], shown_text[2 * REASON_MAX];
	const char *what, *result, *text;
	json_t *json =
		strnlen(line, LINE_MAX_SIZE) < LINE_MAX_SIZE ? json_loads(line, 0, NULL) : NULL;
	int rc = -1;

	errno = EPROTO;
	if (!json || json_unpack(json, "{s:s, s:s, s:s !}", "check", &what, "result", &result,
				 "text", &text) < 0)
		goto out;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && rc < 0; i++) {
		if (strcmp(result, names[i]) != 0)
			continue;
		add(checks, (enum check_result) i,
		    text_excerpt(what, shown_what, sizeof(shown_what)),
		    text_excerpt(text, shown_text, sizeof(shown_text)));
		rc = 0;
	}
out:
	json_decref(json);
	return rc;
}

json_t *checks_json(struct checks *checks)
{
	json_t *gathered = checks->gathered;

	checks->gathered = NULL;
	return gathered;
}
