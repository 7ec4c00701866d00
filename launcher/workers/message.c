/* SPDX-License-Identifier: MIT */
/* See message.h. */
#include "launcher/workers/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/control.h"

_Static_assert(WORKERS_FILE_MAX + OPTIONS_NAME_MAX + WORKERS_FILE_NAME_MAX <=
		       CONTROL_PAYLOAD_MAX,
	       "a shared file fits into one message");

static bool ip_valid(const char *ip)
{
	struct in6_addr address;

	return inet_pton(AF_INET, ip, &address) == 1 || inet_pton(AF_INET6, ip, &address) == 1;
}

static int number_add(json_t *object, const char *name, unsigned long number)
{
	return number ? json_object_set_new(object, name, json_integer((json_int_t) number))
		      : 0;
}

static int text_add(json_t *object, const char *name, const char *text)
{
	return *text ? json_object_set_new(object, name, json_string(text)) : 0;
}

char *workers_message_encode(const struct workers_message *message, size_t *size)
{
	char text[WORKERS_TEXT_MAX], tail[WORKERS_TAIL_MAX], *encoded = NULL;
	json_t *object;

	if (!text_is_name(message->kind, OPTIONS_NAME_MAX) ||
	    message->index >= WORKERS_COUNT_MAX || message->count > WORKERS_COUNT_MAX ||
	    message->port > UINT16_MAX || message->pid < 0 ||
	    (message->ip[0] && !ip_valid(message->ip))) {
		errno = EINVAL;
		return NULL;
	}
	object = json_pack("{s:s}", "kind", message->kind);
	if (object && number_add(object, "index", message->index) == 0 &&
	    number_add(object, "count", message->count) == 0 &&
	    number_add(object, "port", message->port) == 0 &&
	    number_add(object, "pid", (unsigned long) message->pid) == 0 &&
	    (!message->again || json_object_set_new(object, "again", json_true()) == 0) &&
	    text_add(object, "ip", message->ip) == 0 &&
	    text_add(object, "text", text_excerpt(message->text, text, sizeof(text))) == 0 &&
	    text_add(object, "tail", text_excerpt_lines(message->tail, tail, sizeof(tail))) ==
		    0)
		encoded = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (encoded)
		*size = strlen(encoded);
	else
		errno = ENOMEM;
	return encoded;
}

/* Each takes one field's value; false: not of the right type, or out of bounds. */
static bool number_take(const json_t *value, unsigned long max, unsigned long *number)
{
	json_int_t got = json_integer_value(value);

	if (!json_is_integer(value) || got < 0 || (unsigned long long) got > max)
		return false;
	*number = (unsigned long) got;
	return true;
}

static bool text_take(const json_t *value, char *text, size_t max)
{
	const char *got = json_string_value(value);

	if (!got || strlen(got) >= max)
		return false;
	memcpy(text, got, strlen(got) + 1);
	return true;
}

static bool field_take(const char *name, const json_t *value, struct workers_message *message)
{
	unsigned long number = 0;
	bool right = false;

	if (!strcmp(name, "kind"))
		return text_take(value, message->kind, sizeof(message->kind)) &&
		       text_is_name(message->kind, sizeof(message->kind));
	if (!strcmp(name, "ip"))
		return text_take(value, message->ip, sizeof(message->ip)) &&
		       ip_valid(message->ip);
	if (!strcmp(name, "text"))
		return text_take(value, message->text, sizeof(message->text)) &&
		       text_printable(message->text);
	if (!strcmp(name, "tail"))
		return text_take(value, message->tail, sizeof(message->tail)) &&
		       text_lines_printable(message->tail);
	if (!strcmp(name, "again")) {
		message->again = json_is_true(value);
		return json_is_boolean(value);
	}
	if (!strcmp(name, "index") &&
	    (right = number_take(value, WORKERS_COUNT_MAX - 1, &number)))
		message->index = (unsigned) number;
	else if (!strcmp(name, "count") &&
		 (right = number_take(value, WORKERS_COUNT_MAX, &number)))
		message->count = (unsigned) number;
	else if (!strcmp(name, "port") && (right = number_take(value, UINT16_MAX, &number)))
		message->port = (unsigned) number;
	else if (!strcmp(name, "pid") && (right = number_take(value, INT_MAX, &number)))
		message->pid = (pid_t) number;
	return right;
}

static int message_take(json_t *object, struct workers_message *message, struct reason *reason)
{
	const char *name;
	json_t *value;

	if (!json_is_object(object))
		return reason_set(reason, "not an object");
	json_object_foreach(
		object, name,
		value) if (!field_take(name, value,
				       message)) return reason_set(reason,
								   "\"%s\" is not known or not "
								   "within its bounds",
								   name);
	if (!message->kind[0])
		return reason_set(reason, "it names no kind");
	return 0;
}

int workers_message_decode(const void *payload, size_t size, struct workers_message *message,
			   struct reason *reason)
{
	struct workers_message taken = {.index = 0};
	json_error_t error;
	json_t *object = NULL;
	int rc = -1;

	if (size > CONTROL_PAYLOAD_MAX)
		reason_set(reason, "%zu bytes, over %d", size, CONTROL_PAYLOAD_MAX);
	else if (!(object = json_loadb(payload, size, JSON_REJECT_DUPLICATES, &error)))
		reason_set(reason, "not JSON: %s", error.text);
	else
		rc = message_take(object, &taken, reason);
	json_decref(object);
	if (rc < 0) {
		errno = EPROTO;
		return reason_prefix(reason, "message about workers");
	}
	*message = taken;
	return 0;
}

char *workers_file_encode(const struct workers_file *file, size_t *size)
{
	size_t kind_size = strlen(file->kind) + 1, name_size = strlen(file->name) + 1;
	char *encoded = NULL;

	if (!text_is_name(file->kind, sizeof(file->kind)) ||
	    !text_is_name(file->name, sizeof(file->name)) || file->size > WORKERS_FILE_MAX) {
		errno = EINVAL;
		return NULL;
	}
	if (!(encoded = malloc(kind_size + name_size + file->size)))
		return NULL;
	memcpy(encoded, file->kind, kind_size);
	memcpy(encoded + kind_size, file->name, name_size);
	if (file->size)
		memcpy(encoded + kind_size + name_size, file->data, file->size);
	*size = kind_size + name_size + file->size;
	return encoded;
}

/* Moves *cursor behind the name and its NUL. */
static bool name_take(const char **cursor, const char *end, char *name, size_t max)
{
	size_t left = (size_t) (end - *cursor);
	const char *nul = left ? memchr(*cursor, '\0', left < max ? left : max) : NULL;

	if (!nul || !text_is_name(*cursor, max))
		return false;
	memcpy(name, *cursor, (size_t) (nul - *cursor) + 1);
	*cursor = nul + 1;
	return true;
}

int workers_file_decode(const void *payload, size_t size, struct workers_file *file,
			struct reason *reason)
{
	struct workers_file taken = {.size = 0};
	const char *cursor = payload, *end = cursor + size;

	errno = EPROTO;
	if (!name_take(&cursor, end, taken.kind, sizeof(taken.kind)) ||
	    !name_take(&cursor, end, taken.name, sizeof(taken.name)))
		return reason_set(reason, "shared file: no kind and name of the right form");
	if (end - cursor > WORKERS_FILE_MAX)
		return reason_set(reason, "shared file %s: over %d bytes", taken.name,
				  WORKERS_FILE_MAX);
	taken.data = cursor;
	taken.size = (size_t) (end - cursor);
	*file = taken;
	return 0;
}
