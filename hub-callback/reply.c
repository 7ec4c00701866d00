/* SPDX-License-Identifier: MIT */
/* See reply.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "hub-callback/record.h"
#include "hub-callback/reply.h"

/* Jansson refuses what is not UTF-8, escaped NULs, more than 2048 levels and what follows the
 * value. */
static json_t *load(const char *text, size_t size)
{
	json_error_t error;

	return json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
}

/* "MUNGE:" base64 ":", as munge(7) has it. */
static bool is_credential(const char *text)
{
	static const char prefix[] = "MUNGE:";
	size_t length;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return false;
	text += sizeof(prefix) - 1;
	length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			      "0123456789+/=");
	return length > 0 && !strcmp(text + length, ":");
}

char *reply_credential(const char *body, size_t size, struct reason *reason)
{
	json_t *reply = load(body, size), *value = json_object_get(reply, "credential");
	char *credential = NULL;

	errno = EPROTO;
	if (!reply)
		reason_set(reason, "the hub's answer is not JSON: is it a JupyterHub that "
				   "answers at this address?");
	else if (json_object_size(reply) != 1 || !json_is_string(value) ||
		 !is_credential(json_string_value(value)))
		reason_set(reason, "the hub's answer is not {\"credential\": \"MUNGE:...:\"}");
	else if (!(credential = strdup(json_string_value(value))))
		reason_set(reason, "%s", strerror(errno));
	json_decref(reply);
	return credential;
}

static int refuse(const char *what, struct reason *reason)
{
	errno = EPROTO;
	return reason_set(reason, "the hub's credential carries %s", what);
}

static int take(const json_t *payload, const char *nonce, bool with_environment,
		struct reply *reply, struct reason *reason)
{
	const json_t *version = json_object_get(payload, "version");
	const json_t *environment = json_object_get(payload, "environment");
	const char *found = json_string_value(json_object_get(payload, "nonce"));

	if (!json_is_object(payload))
		return refuse("no JSON object", reason);
	if (!json_is_integer(version) || json_integer_value(version) != RECORD_VERSION)
		return refuse("an answer of another version: the hub's "
			      "jupyterhub-spank-spawner and this spank-jupyter do not fit",
			      reason);
	if (!found)
		return refuse("no nonce", reason);
	if (strcmp(found, nonce) != 0) {
		errno = ESTALE;
		return reason_set(reason,
				  "the hub's credential is the answer to another request");
	}
	if (!json_is_true(json_object_get(payload, "known")))
		return refuse("no \"known\": true", reason);
	if (with_environment != json_is_object(environment))
		return refuse(with_environment ? "no environment"
					       : "an environment nobody has asked for",
			      reason);
	if (json_object_size(payload) != (with_environment ? 4 : 3))
		return refuse("fields that are not known", reason);
	if (with_environment) {
		reply->environment = environment_take(environment, reply->left_out, reason);
		if (!reply->environment)
			return -1;
	}
	return 0;
}

int reply_take(const char *payload, size_t size, const char *nonce, bool with_environment,
	       struct reply *reply, struct reason *reason)
{
	json_t *object = load(payload, size);
	int rc, saved;

	*reply = (struct reply){0};
	rc = take(object, nonce, with_environment, reply, reason);
	saved = errno;
	json_decref(object);
	errno = saved;
	return rc;
}

void reply_clear(struct reply *reply)
{
	int saved = errno;

	json_decref(reply->environment);
	*reply = (struct reply){0};
	errno = saved;
}

void reply_message(const char *body, size_t size, char message[REPLY_MESSAGE_MAX])
{
	json_t *reply = load(body, size);
	const char *text = json_string_value(json_object_get(reply, "message"));

	message[0] = '\0';
	if (text)
		text_excerpt(text, message, REPLY_MESSAGE_MAX);
	json_decref(reply);
}
