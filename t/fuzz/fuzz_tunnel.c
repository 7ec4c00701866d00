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

enum { BOTH = CIPHER_CHACHA20_POLY1305 | CIPHER_AES_256_GCM };

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
	REQUIRE(handshake_answer(&token, BOTH, hello, random_fixed, NULL, answer, &keys) < 0);
}

/* A user's hello with any public key of the other end. */
static void fuzz_answer(const uint8_t *data, size_t size)
{
	struct handshake client;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE] = {0};

	memcpy(answer, data, size < sizeof(answer) ? size : sizeof(answer));
	handshake_begin(&client, &token, BOTH, random_fixed, NULL);
	REQUIRE(handshake_finish(&client, &token, answer, &keys) < 0);
}

/* One that this machine has. */
static enum cipher_suite suite_of(uint8_t byte)
{
	return byte & 2 ? cipher_best(cipher_suites()) : CIPHER_CHACHA20_POLY1305;
}

/* Nothing comes out of bytes that were not put in with the key. */
static void fuzz_stream(const uint8_t *data, size_t size)
{
	static uint8_t bytes[STREAM_FRAME_MAX + 1];
	static const uint8_t key[CIPHER_KEY_SIZE] = {1};
	struct stream in;
	uint8_t *plain;
	size_t got;

	if (size > sizeof(bytes))
		size = sizeof(bytes);
	memcpy(bytes, data, size);
	stream_begin(&in, suite_of(size > 0 ? data[size - 1] : 0), key);
	REQUIRE(stream_in_take(&in, bytes, size, &plain, &got) <= 0);
	REQUIRE(got == 0 && !in.ended);
}

/* What is put in comes out, and nothing once a byte was changed. */
static void fuzz_round(const uint8_t *data, size_t size)
{
	static uint8_t frame[STREAM_FRAME_MAX], bytes[STREAM_FRAME_MAX];
	static const uint8_t key[CIPHER_KEY_SIZE] = {1};
	struct stream out, in;
	uint8_t *plain;
	size_t got, made;

	if (size < 2 || size > STREAM_PLAIN_MAX)
		return;
	stream_begin(&out, suite_of(data[0]), key);
	made = stream_out_copy(&out, frame, data, size, data[0] & 1);
	REQUIRE(made == size + STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE);
	memcpy(bytes, frame, made);
	stream_begin(&in, suite_of(data[0]), key);
	REQUIRE(stream_in_take(&in, bytes, made - 1, &plain, &got) == 0);
	REQUIRE(stream_in_take(&in, bytes, made, &plain, &got) == (ssize_t) made);
	REQUIRE(got == size && memcmp(plain, data, size) == 0);
	REQUIRE(in.ended == (data[0] & 1));
	frame[data[1] % made] ^= (uint8_t) (data[0] | 1);
	stream_begin(&in, suite_of(data[0]), key);
	REQUIRE(stream_in_take(&in, frame, made, &plain, &got) <= 0);
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
