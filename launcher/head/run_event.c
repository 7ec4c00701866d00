/* SPDX-License-Identifier: MIT */
/* See run_event.h. */
#include "launcher/head/run_event.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const char *const names[] = {
	[RUN_READY] = "ready", [RUN_CELL] = "cell",	[RUN_SAY] = "say",
	[RUN_DEAD] = "dead",   [RUN_FAILED] = "failed", [RUN_DONE] = "done",
};

enum { SIGNALS_MAX = 64, CODES_MAX = 255 };

static int take_number(const json_t *object, const char *key, unsigned *number)
{
	const json_t *value = json_object_get(object, key);
	json_int_t taken = json_integer_value(value);

	if (!json_is_integer(value) || taken < 1 || taken > RUN_CELLS_MAX)
		return -1;
	*number = (unsigned) taken;
	return 0;
}

static int take_text(const json_t *object, struct reason *text)
{
	const char *value = json_string_value(json_object_get(object, "text"));

	if (!value)
		return -1;
	reason_set(text, "%s", value);
	return 0;
}

/* Python has the number of a signal negative. */
static int take_status(const json_t *object, int *status)
{
	const json_t *value = json_object_get(object, "code");
	json_int_t code = json_integer_value(value);

	*status = -1;
	if (json_is_null(value))
		return 0;
	if (!json_is_integer(value) || code < -SIGNALS_MAX || code > CODES_MAX)
		return -1;
	*status = code < 0 ? (int) -code : (int) code << 8;
	return 0;
}

static int take(const json_t *object, struct run_event *event)
{
	const char *name = json_string_value(json_object_get(object, "event"));
	size_t kind = 0, count = sizeof(names) / sizeof(names[0]);

	while (name && kind < count && strcmp(names[kind], name) != 0)
		kind++;
	if (!name || kind == count)
		return -1;
	event->kind = (enum run_event_kind) kind;
	switch (event->kind) {
	case RUN_CELL:
		if (take_number(object, "cell", &event->cell) < 0 ||
		    take_number(object, "cells", &event->cells) < 0)
			return -1;
		return event->cell <= event->cells ? 0 : -1;
	case RUN_SAY:
	case RUN_FAILED:
		return take_text(object, &event->text);
	case RUN_DEAD:
		return take_status(object, &event->status);
	default:
		return 0;
	}
}

int run_event_parse(const char *line, size_t size, struct run_event *event)
{
	struct run_event parsed = {.kind = RUN_READY, .status = -1};
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	int rc = object ? take(object, &parsed) : -1;

	json_decref(object);
	if (rc == 0)
		*event = parsed;
	else
		errno = EPROTO;
	return rc;
}
