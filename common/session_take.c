/* SPDX-License-Identifier: MIT */
/* See session_take.h. */
#include "session_take.h"

#include <errno.h>
#include <string.h>

int session_damaged(struct reason *reason, const char *field)
{
	errno = EPROTO;
	return reason_set(reason, "%s is damaged: \"%s\" is missing or not what it should be",
			  SESSION_FILE, field);
}

bool session_is_absent(const json_t *json)
{
	return json == NULL || json_is_null(json);
}

int session_take_text(const json_t *json, bool (*valid)(const char *text), char **field)
{
	const char *value = json_string_value(json);

	if (session_is_absent(json))
		return 0;
	if (value == NULL || !valid(value)) {
		errno = EPROTO;
		return -1;
	}
	return session_set(field, value);
}

int session_take_word(const json_t *json, char *field, size_t size)
{
	const char *value = json_string_value(json);

	if (value == NULL || strlen(value) >= size) {
		errno = EPROTO;
		return -1;
	}
	memcpy(field, value, strlen(value) + 1);
	return 0;
}

int session_take_count(const json_t *json, json_int_t max, unsigned *field)
{
	json_int_t value = json_integer_value(json);

	if (session_is_absent(json))
		return 0;
	if (!json_is_integer(json) || value < 0 || value > max) {
		errno = EPROTO;
		return -1;
	}
	*field = (unsigned) value;
	return 0;
}

int session_take_time(const json_t *json, double *field)
{
	if (session_is_absent(json))
		return 0;
	if (!json_is_number(json)) {
		errno = EPROTO;
		return -1;
	}
	*field = json_number_value(json);
	return 0;
}
