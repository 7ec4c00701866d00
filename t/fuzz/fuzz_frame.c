/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parsers of the control plane's frames.  The input's first byte chooses the parser,
 * the rest is the frame.
 */
#include "fuzz.h"

#include <string.h>

#include "common/text.h"
#include "launcher/control/batch.h"
#include "launcher/control/route.h"

/* Whatever is taken must come out the same when it is written again. */
static void fuzz_hello(const uint8_t *data, size_t size)
{
	struct frame_hello hello;
	struct reason reason;
	char text[FRAME_CLAIM_MAX];
	size_t claim_size;

	if (frame_hello_parse(data, size, &hello, &reason) < 0) {
		REQUIRE(text_printable(reason.text));
		return;
	}
	claim_size = strlen(hello.text);
	REQUIRE(frame_claim_format(&hello.claim, text) == (int) claim_size);
	REQUIRE(strcmp(text, hello.text) == 0);
	REQUIRE(claim_size < size && memcmp(data, text, claim_size) == 0);
	REQUIRE(data[claim_size] == '\n');
	REQUIRE(strlen(hello.credential) == size - claim_size - 1);
}

static void fuzz_answer(const uint8_t *data, size_t size)
{
	char nonce[FRAME_NONCE_MAX] = "";
	struct reason words;

	if (frame_answer_parse(data, size, nonce, &words) < 0)
		return;
	REQUIRE(strlen(nonce) == FRAME_NONCE_MAX - 1);
	REQUIRE(text_printable(words.text));
}

/* Whatever lines are taken make the same batch again. */
static void fuzz_batch(const uint8_t *data, size_t size)
{
	static struct batch again;
	struct batch_line line;
	size_t offset = 0;

	again.size = 0;
	if (size >= sizeof(again.text))
		return;
	while (batch_next(data, size, &offset, &line) > 0)
		REQUIRE(batch_add(&again, line.rank, line.key, line.nonce, line.words));
	REQUIRE(again.size == offset && memcmp(again.text, data, offset) == 0);
}

static void fuzz_route(const uint8_t *data, size_t size)
{
	char route[ROUTE_MAX], type[CONTROL_TYPE_MAX];
	size_t rank;

	if (route_parse(data, size, &rank, type) == 0)
		REQUIRE(route_format(rank, type, route) == size &&
			memcmp(route, data, size) == 0);
}

static void fuzz_place(const uint8_t *data, size_t size)
{
	char endpoint[CONTROL_ENDPOINT_MAX] = "", key[CONTROL_KEY_SIZE] = "";
	struct reason words;

	if (route_place_parse(data, size, endpoint, key, &words) == 0)
		REQUIRE(strlen(endpoint) + 1 + strlen(key) == size && frame_key_valid(key));
	else
		REQUIRE(text_printable(words.text));
}

static void fuzz_kind(const uint8_t *data, size_t size)
{
	enum frame_kind kind = frame_kind(data, size);

	if (kind < FRAME_MESSAGE)
		REQUIRE(strlen(frame_type(kind)) == size &&
			memcmp(frame_type(kind), data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'h':
		fuzz_hello(data + 1, size - 1);
		break;
	case 'a':
		fuzz_answer(data + 1, size - 1);
		break;
	case 'b':
		fuzz_batch(data + 1, size - 1);
		break;
	case 'r':
		fuzz_route(data + 1, size - 1);
		break;
	case 'p':
		fuzz_place(data + 1, size - 1);
		break;
	default:
		fuzz_kind(data + 1, size - 1);
		break;
	}
	return 0;
}
