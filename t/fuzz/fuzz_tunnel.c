/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what the tunnel reads of a peer that has not proved anything: the hello, the answer,
 * and the frames.  The input's first byte chooses: h and a take the rest as hello and answer, s
 * as the bytes of a stream, anything else as what is put into one, and then changed.
 */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "launcher/tunnel/handshake.h"
#include "launcher/tunnel/stream.h"

#define TOKEN "00112233445566778899aabbccddeeff"

static struct handshake_token token;

static void random_fixed(uint8_t secret[HANDSHAKE_KEY_SIZE], void *arg)
{
	(void) arg;
	memset(secret, 3, HANDSHAKE_KEY_SIZE);
}

/* Nobody without the token makes a hello that is taken. */
static void fuzz_hello(const uint8_t *data, size_t size)
{
	uint8_t hello[HANDSHAKE_HELLO_SIZE] = {0}, answer[HANDSHAKE_ANSWER_SIZE];
	struct handshake_keys keys;

	memcpy(hello, data, size < sizeof(hello) ? size : sizeof(hello));
	REQUIRE(handshake_answer(&token, hello, random_fixed, NULL, answer, &keys) < 0);
}

/* A user's hello with any public key of the other end. */
static void fuzz_answer(const uint8_t *data, size_t size)
{
	struct handshake client;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE] = {0};

	memcpy(answer, data, size < sizeof(answer) ? size : sizeof(answer));
	handshake_begin(&client, &token, random_fixed, NULL);
	REQUIRE(handshake_finish(&client, &token, answer, &keys) < 0);
}

/* Nothing comes out of bytes that were not put in with the key. */
static void fuzz_stream(const uint8_t *data, size_t size)
{
	static uint8_t plain[STREAM_PLAIN_MAX];
	static const uint8_t key[HANDSHAKE_KEY_SIZE] = {1};
	struct stream_in in;
	size_t got;
	ssize_t taken;

	stream_in_begin(&in, key);
	taken = stream_in_take(&in, data, size, plain, &got);
	REQUIRE(taken == (size < STREAM_HEADER_SIZE ? 0 : STREAM_HEADER_SIZE));
	if (taken > 0)
		REQUIRE(stream_in_take(&in, data + taken, size - (size_t) taken, plain, &got) <=
			0);
}

/* What is put in comes out, and nothing once a byte was changed. */
static void fuzz_round(const uint8_t *data, size_t size)
{
	static uint8_t plain[STREAM_PLAIN_MAX], frame[STREAM_FRAME_MAX];
	static const uint8_t key[HANDSHAKE_KEY_SIZE] = {1};
	uint8_t header[STREAM_HEADER_SIZE];
	struct stream_out out;
	struct stream_in in;
	size_t got, made;

	if (size < 2 || size > STREAM_PLAIN_MAX)
		return;
	stream_out_begin(&out, key, header);
	made = stream_out_frame(&out, data, size, data[0] & 1, frame);
	REQUIRE(made == size + STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE);
	stream_in_begin(&in, key);
	REQUIRE(stream_in_take(&in, header, sizeof(header), plain, &got) == sizeof(header));
	REQUIRE(stream_in_take(&in, frame, made - 1, plain, &got) == 0);
	REQUIRE(stream_in_take(&in, frame, made, plain, &got) == (ssize_t) made);
	REQUIRE(got == size && memcmp(plain, data, size) == 0);
	REQUIRE(in.ended == (data[0] & 1));
	frame[data[1] % made] ^= (uint8_t) (data[0] | 1);
	stream_in_begin(&in, key);
	stream_in_take(&in, header, sizeof(header), plain, &got);
	REQUIRE(stream_in_take(&in, frame, made, plain, &got) <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	REQUIRE(handshake_token_set(&token, TOKEN, strlen(TOKEN)) == 0);
	switch (data[0]) {
	case 'h':
		fuzz_hello(data + 1, size - 1);
		break;
	case 'a':
		fuzz_answer(data + 1, size - 1);
		break;
	case 's':
		fuzz_stream(data + 1, size - 1);
		break;
	default:
		fuzz_round(data + 1, size - 1);
		break;
	}
	return 0;
}
