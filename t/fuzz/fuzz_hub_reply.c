/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: what comes from the hub, hub-callback/reply.h and batchspawner.h: a body, an
 * error's body, a credential's payload, a user's model.  The first byte says which.
 */
#include "fuzz.h"

#include <string.h>

#include "common/text.h"
#include "hub-callback/batchspawner.h"
#include "hub-callback/reply.h"

static void body(const char *text, size_t size)
{
	char *credential = reply_credential(text, size, NULL);

	if (credential) {
		size_t length = strlen(credential);

		REQUIRE(length <= size && !strncmp(credential, "MUNGE:", 6));
		REQUIRE(credential[length - 1] == ':' && text_printable(credential));
	}
	free(credential);
}

static void error(const char *text, size_t size)
{
	char message[REPLY_MESSAGE_MAX];

	reply_message(text, size, message);
	REQUIRE(strlen(message) < sizeof(message) && text_printable(message));
}

static void payload(const char *text, size_t size, bool with_environment)
{
	struct reason reason = {.text = ""};
	struct reply reply;
	const char *name;
	json_t *value;

	if (reply_take(text, size, "abc", with_environment, &reply, &reason) < 0) {
		REQUIRE(!reply.environment && reason.text[0]);
		return;
	}
	REQUIRE(with_environment == (reply.environment != NULL));
	REQUIRE(text_printable(reply.left_out));
	json_object_foreach(reply.environment, name, value)
	{
		REQUIRE(*name && !strpbrk(name, "=\n ") && strncmp(name, "LD_", 3) != 0);
		REQUIRE(json_string_length(value) == strlen(json_string_value(value)));
	}
	reply_clear(&reply);
}

static void model(const char *text, size_t size)
{
	struct batchspawner batchspawner = {0};

	/* Whatever a hub says first, it is no reason to end. */
	REQUIRE(batchspawner_known(&batchspawner, "", text, size, NULL));
	REQUIRE(batchspawner_known(&batchspawner, "", text, size, NULL));
	REQUIRE(strlen(batchspawner.started) < sizeof(batchspawner.started));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *) data + 1;

	if (size < 1)
		return 0;
	switch (data[0] % 5) {
	case 0:
		body(text, size - 1);
		break;
	case 1:
		error(text, size - 1);
		break;
	case 2:
	case 3:
		payload(text, size - 1, data[0] % 5 == 3);
		break;
	default:
		model(text, size - 1);
		break;
	}
	return 0;
}
