/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parsers of the messages about workers.  The input's first byte chooses the parser,
 * the rest is the message.
 */
#include "fuzz.h"

#include <string.h>

#include "common/text.h"
#include "launcher/workers/message.h"

/* Whatever is taken must come out the same when it is written and read again. */
static void fuzz_message(const uint8_t *data, size_t size)
{
	struct workers_message message, back;
	struct reason reason;
	char *encoded;

	if (workers_message_decode(data, size, &message, &reason) < 0) {
		REQUIRE(text_printable(reason.text));
		return;
	}
	REQUIRE(text_is_name(message.kind, sizeof(message.kind)));
	REQUIRE(message.index < WORKERS_COUNT_MAX && message.count <= WORKERS_COUNT_MAX);
	REQUIRE(message.port <= 65535 && message.pid >= 0);
	REQUIRE(text_printable(message.text));
	REQUIRE((encoded = workers_message_encode(&message, &size)));
	REQUIRE(workers_message_decode(encoded, size, &back, &reason) == 0);
	REQUIRE(!memcmp(&message, &back, sizeof(back)));
	free(encoded);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
	struct workers_file file;
	struct reason reason;
	size_t again_size = 0;
	char *again;

	if (workers_file_decode(data, size, &file, &reason) < 0) {
		REQUIRE(text_printable(reason.text));
		return;
	}
	REQUIRE(text_is_name(file.kind, sizeof(file.kind)));
	REQUIRE(text_is_name(file.name, sizeof(file.name)));
	REQUIRE(file.size <= WORKERS_FILE_MAX);
	REQUIRE((again = workers_file_encode(&file, &again_size)));
	REQUIRE(again_size == size && !memcmp(again, data, size));
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'f')
		fuzz_file(data + 1, size - 1);
	else
		fuzz_message(data + 1, size - 1);
	return 0;
}
