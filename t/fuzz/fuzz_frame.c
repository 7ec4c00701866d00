/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parsers of the control plane's frames.  The input's first byte chooses the parser,
 * the rest is the frame.
 */
#include "fuzz.h"

#include <string.h>

#include "common/text.h"
#include "launcher/control/frame.h"

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
	default:
		fuzz_kind(data + 1, size - 1);
		break;
	}
	return 0;
}
