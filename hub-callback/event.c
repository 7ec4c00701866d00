/* SPDX-License-Identifier: MIT */
/* See event.h. */
#include <errno.h>
#include <string.h>

#include "hub-callback/event.h"
#include "hub-callback/record.h"

int event_parse(enum hub_mode mode, const char *line, size_t size, enum hub_action *action,
		json_t **fields, struct reason *reason)
{
	json_error_t error;
	json_t *event = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
	const char *name = json_string_value(json_object_get(event, "event"));
	enum hub_action found;
	int saved;

	errno = EINVAL;
	if (!event) {
		reason_set(reason, "not a line of JSON: %s", error.text);
		goto error;
	}
	if (!name || hub_action_parse(name, &found) < 0) {
		reason_set(reason,
			   "\"event\" is %s; allowed: environment, adopt, serving, "
			   "status, activity, ended",
			   name ? "not known" : "missing");
		goto error;
	}
	if (!hub_action_allowed(mode, found)) {
		reason_set(reason, "\"%s\" is no event of --mode=%s", name,
			   hub_mode_name(mode));
		goto error;
	}
	json_object_del(event, "event");
	if (record_check(mode, found, event, reason) < 0)
		goto error;
	*action = found;
	*fields = event;
	return 0;

error:
	saved = errno;
	json_decref(event);
	errno = saved;
	return -1;
}
