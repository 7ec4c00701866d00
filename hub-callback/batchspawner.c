/* SPDX-License-Identifier: MIT */
/* See batchspawner.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hub-callback/batchspawner.h"

char *batchspawner_body(const json_t *fields)
{
	json_t *body = json_pack("{s:O}", "port", json_object_get(fields, "port"));
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	if (!text)
		errno = ENOMEM;
	return text;
}

static bool known(struct batchspawner *batchspawner, const char *server_name,
		  const json_t *servers, struct reason *reason)
{
	const json_t *server = json_object_get(servers, server_name);
	const char *started = json_string_value(json_object_get(server, "started"));

	if (!json_is_object(servers))
		return true;
	if (!server) {
		if (batchspawner->seen)
			reason_set(reason, "the hub does not list this server any more");
		return !batchspawner->seen;
	}
	if (!started || strlen(started) >= sizeof(batchspawner->started))
		return true;
	if (batchspawner->seen && strcmp(started, batchspawner->started) != 0) {
		reason_set(reason, "the hub has started this server anew, elsewhere");
		return false;
	}
	batchspawner->seen = true;
	memcpy(batchspawner->started, started, strlen(started) + 1);
	return true;
}

bool batchspawner_known(struct batchspawner *batchspawner, const char *server_name,
			const char *body, size_t size, struct reason *reason)
{
	json_error_t error;
	json_t *model = json_loadb(body, size, JSON_REJECT_DUPLICATES, &error);
	bool is_known =
		known(batchspawner, server_name, json_object_get(model, "servers"), reason);

	json_decref(model);
	return is_known;
}
