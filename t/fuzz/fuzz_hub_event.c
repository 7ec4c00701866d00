/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a line from the head, hub-callback/event.h, and the record that is made of it.
 * The first byte is the mode.
 */
#include "fuzz.h"

#include <string.h>

#include "hub-callback/event.h"
#include "hub-callback/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char nonce[RECORD_NONCE] = "00112233445566778899aabbccddeeff";
	struct hub_identity identity = {.api = "http://hub/hub/api",
					.cluster = "c",
					.job_id = "1",
					.user = "alice",
					.spawn_id = "abc"};
	enum hub_action action;
	struct reason reason;
	json_t *fields, *record;
	char *text;

	if (size < 1)
		return 0;
	identity.mode = (enum hub_mode)(data[0] % 3);
	reason.text[0] = '\0';
	if (event_parse(identity.mode, (const char *) data + 1, size - 1, &action, &fields,
			&reason) < 0) {
		REQUIRE(reason.text[0] && !strchr(reason.text, '\n'));
		return 0;
	}
	REQUIRE(hub_action_allowed(identity.mode, action));
	text = record_text(&identity, action, fields, nonce, 1);
	REQUIRE(text && strlen(text) <= RECORD_MAX);
	/* No field has taken the place of one of ours. */
	record = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	REQUIRE(!strcmp(json_string_value(json_object_get(record, "user")), "alice"));
	REQUIRE(!strcmp(json_string_value(json_object_get(record, "action")),
			hub_action_name(action)));
	REQUIRE(json_object_size(record) >=
		10 + json_object_size(fields) + (identity.mode != HUB_STOCK));
	REQUIRE(action != HUB_STATUS || json_is_array(json_object_get(record, "workers")));
	json_decref(record);
	json_decref(fields);
	free(text);
	return 0;
}
