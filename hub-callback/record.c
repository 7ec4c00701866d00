/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hub-callback/record.h"

enum { REQUEST_MAX = 65536 /* bytes of a request's body: what the hub's handler takes */ };

int record_nonce(char nonce[RECORD_NONCE])
{
	unsigned char random[(RECORD_NONCE - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
		return -1;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

static json_t *common_fields(const struct hub_identity *identity, enum hub_action action,
			     const char *nonce, time_t now)
{
	json_t *record = json_pack(
		"{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I}", "version", RECORD_VERSION,
		"action", hub_action_name(action), "cluster", identity->cluster, "job_id",
		identity->job_id, "restart", (json_int_t) identity->restart, "user",
		identity->user, "hub", identity->api, "nonce", nonce, "issued",
		(json_int_t) now, "expires", (json_int_t) now + RECORD_TTL_S);
	int rc = record ? 0 : -1;

	if (rc == 0 && identity->mode == HUB_SPAWN)
		rc = json_object_set_new(record, "spawn_id", json_string(identity->spawn_id));
	if (rc == 0 && identity->mode == HUB_ADOPT)
		rc = json_object_set_new(record, "server",
					 json_sprintf("job-%s", identity->job_id));
	if (rc == 0)
		return record;
	json_decref(record);
	return NULL;
}

char *record_text(const struct hub_identity *identity, enum hub_action action,
		  const json_t *fields, const char nonce[RECORD_NONCE], time_t now)
{
	json_t *record = common_fields(identity, action, nonce, now);
	const char *name;
	char *text = NULL;
	json_t *value;

	if (!record)
		goto out;
	json_object_foreach((json_t *) fields, name, value)
	{
		if (json_object_set(record, name, value) < 0)
			goto out;
	}
	if (record_complete(action, record) < 0)
		goto out;
	text = json_dumps(record, JSON_COMPACT);
	if (text && strlen(text) > RECORD_MAX) {
		explicit_bzero(text, strlen(text));
		free(text);
		json_decref(record);
		errno = EMSGSIZE;
		return NULL;
	}
out:
	json_decref(record);
	if (!text)
		errno = ENOMEM;
	return text;
}

char *record_request(const char *credential)
{
	json_t *request = json_pack("{s:s}", "credential", credential);
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!text) {
		errno = ENOMEM;
	} else if (strlen(text) > REQUEST_MAX) {
		free(text);
		errno = EMSGSIZE;
		return NULL;
	}
	return text;
}
