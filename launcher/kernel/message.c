/* SPDX-License-Identifier: MIT */
/* See message.h. */
#include "launcher/kernel/message.h"

#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/text.h"

static const char delimiter[] = "<IDS|MSG>";

/* The frames that are signed, from the header on. */
enum { SIGNED = 4, ID_BYTES = 16 };

static void sign(const char *key, const struct message_frame *frames,
		 char text[MESSAGE_SIGNATURE + 1])
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, (const unsigned char *) key, strlen(key));
	for (int i = 0; i < SIGNED; i++)
		crypto_auth_hmacsha256_update(&state, frames[i].data, frames[i].size);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(text, MESSAGE_SIGNATURE + 1, mac, sizeof(mac));
	sodium_memzero(&state, sizeof(state));
}

static int wrong(struct reason *reason, int error, const char *what)
{
	reason_set(reason, "a message of the kernel %s", what);
	errno = error;
	return -1;
}

/* The index of the delimiter, or -1. */
static int find_delimiter(const struct message_frame *frames, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (frames[i].size == strlen(delimiter) &&
		    memcmp(frames[i].data, delimiter, strlen(delimiter)) == 0)
			return (int) i;
	}
	return -1;
}

/* An id or a type into text; false when it is not there or not a fitting text. */
static bool take_name(const json_t *object, const char *name, char text[MESSAGE_NAME_MAX])
{
	const char *value = json_string_value(json_object_get(object, name));

	if (value == NULL || *value == '\0' || strlen(value) >= MESSAGE_NAME_MAX ||
	    !text_printable(value))
		return false;
	strcpy(text, value);
	return true;
}

static bool is_type(const char *type)
{
	for (; *type != '\0'; type++) {
		if (!isalnum((unsigned char) *type) && *type != '_')
			return false;
	}
	return true;
}

static json_t *object_of(const struct message_frame *frame)
{
	json_t *object = json_loadb(frame->data, frame->size, 0, NULL);

	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

/* header, parent, metadata, content. */
static int take(const struct message_frame *frames, struct message *message,
		struct reason *reason)
{
	json_t *objects[SIGNED] = {NULL};
	struct message taken = {.content = NULL};
	int rc = 0;

	for (int i = 0; rc == 0 && i < SIGNED; i++) {
		objects[i] = object_of(&frames[i]);
		if (objects[i] == NULL)
			rc = wrong(reason, EINVAL, "has a part that is no JSON object");
	}
	if (rc == 0 && (!take_name(objects[0], "msg_id", taken.id) ||
			!take_name(objects[0], "msg_type", taken.type) || !is_type(taken.type)))
		rc = wrong(reason, EINVAL, "has a header without a right msg_id and msg_type");
	if (rc == 0 && json_object_size(objects[1]) > 0 &&
	    !take_name(objects[1], "msg_id", taken.parent_id))
		rc = wrong(reason, EINVAL, "has a parent header without a right msg_id");
	if (rc == 0) {
		taken.content = json_incref(objects[SIGNED - 1]);
		*message = taken;
	}
	int saved = errno;
	for (int i = 0; i < SIGNED; i++)
		json_decref(objects[i]);
	errno = saved;
	return rc;
}

int message_parse(const char *key, const struct message_frame *frames, size_t count,
		  struct message *message, struct reason *reason)
{
	char expected[MESSAGE_SIGNATURE + 1];
	int at;

	if (count > MESSAGE_FRAMES_MAX)
		return wrong(reason, EMSGSIZE, "has too many frames");
	for (size_t i = 0; i < count; i++) {
		if (frames[i].size > MESSAGE_BYTES_MAX)
			return wrong(reason, EMSGSIZE, "is too long");
	}
	at = find_delimiter(frames, count);
	if (at < 0 || count - (size_t) at < MESSAGE_PARTS)
		return wrong(reason, EINVAL, "is not of Jupyter's protocol");
	sign(key, frames + at + 2, expected);
	if (frames[at + 1].size != MESSAGE_SIGNATURE ||
	    sodium_memcmp(frames[at + 1].data, expected, MESSAGE_SIGNATURE) != 0)
		return wrong(reason, EACCES,
			     "is not signed with the key of its connection file");
	return take(frames + at + 2, message, reason);
}

void message_clear(struct message *message)
{
	int saved = errno;

	json_decref(message->content);
	*message = (struct message){.content = NULL};
	errno = saved;
}

void message_id(char id[MESSAGE_NAME_MAX])
{
	unsigned char random[ID_BYTES];

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(id, 2 * ID_BYTES + 1, random, sizeof(random));
}

static char *header(const char *id, const char *session, const char *type)
{
	char date[64];
	struct timespec now;
	struct tm utc;
	json_t *object;
	char *text;

	clock_gettime(CLOCK_REALTIME, &now);
	size_t used =
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(date + used, sizeof(date) - used, ".%06ldZ", now.tv_nsec / 1000);
	object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "msg_id", id, "msg_type", type,
			   "session", session, "username", "spank-jupyter", "date", date,
			   "version", "5.3");
	text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	return text;
}

int message_draft(const char *key, const char *session, const char *type, const char *content,
		  struct message_draft *draft)
{
	struct message_draft made = {.parts = {NULL}};
	struct message_frame frames[SIGNED];

	message_id(made.id);
	made.parts[0] = strdup(delimiter);
	made.parts[1] = malloc(MESSAGE_SIGNATURE + 1);
	made.parts[2] = header(made.id, session, type);
	made.parts[3] = strdup("{}");
	made.parts[4] = strdup("{}");
	made.parts[5] = strdup(content);
	for (int i = 0; i < MESSAGE_PARTS; i++) {
		if (made.parts[i] == NULL) {
			message_draft_clear(&made);
			errno = ENOMEM;
			return -1;
		}
	}
	for (int i = 0; i < SIGNED; i++)
		frames[i] =
			(struct message_frame){made.parts[i + 2], strlen(made.parts[i + 2])};
	sign(key, frames, made.parts[1]);
	*draft = made;
	return 0;
}

void message_draft_clear(struct message_draft *draft)
{
	int saved = errno;

	for (int i = 0; i < MESSAGE_PARTS; i++)
		free(draft->parts[i]);
	*draft = (struct message_draft){.parts = {NULL}};
	errno = saved;
}
