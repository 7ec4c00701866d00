/* SPDX-License-Identifier: MIT */
/*
 * Tests of the tunnel's handshake and of its frames, bytes in and bytes out, with peers that
 * flip, cut, repeat and swap them.  Run by `make check` as any user.
 */
#include "launcher/tunnel/handshake.h"
#include "launcher/tunnel/stream.h"
#include "tap.h"

#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { BOTH = CIPHER_CHACHA20_POLY1305 | CIPHER_AES_256_GCM };

static struct handshake_token token, other;

/* The same each time: what is made of it can be compared. */
static void random_fixed(uint8_t secret[HANDSHAKE_KEY_SIZE], void *arg)
{
	memset(secret, *(const uint8_t *) arg, HANDSHAKE_KEY_SIZE);
}

static uint8_t one = 1, two = 2;

static bool same(const void *a, const void *b, size_t size)
{
	return memcmp(a, b, size) == 0;
}

static void test_token(void)
{
	struct handshake_token made;
	char text[HANDSHAKE_TOKEN_MAX + 1];

	memset(text, 'a', sizeof(text));
	fails_with(handshake_token_set(&made, text, HANDSHAKE_TOKEN_LEAST - 1), EINVAL,
		   "a token too short");
	fails_with(handshake_token_set(&made, text, sizeof(text)), EINVAL, "one too long");
	is_int(handshake_token_set(&made, text, HANDSHAKE_TOKEN_LEAST), 0, "the shortest");
	is_int(handshake_token_set(&made, text, HANDSHAKE_TOKEN_MAX), 0, "the longest");
	is_int(handshake_token_set(&token, TOKEN, strlen(TOKEN)), 0, "a session's");
	is_int(handshake_token_set(&other, OTHER, strlen(OTHER)), 0, "another session's");
	ok(!same(&token, &other, sizeof(token)), "are two");
}

static void test_agreement(void)
{
	struct handshake client;
	struct handshake_keys at_server, at_client, again;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE], hello[HANDSHAKE_HELLO_SIZE];
	static const struct handshake zero;

	handshake_begin(&client, &token, BOTH, random_fixed, &one);
	memcpy(hello, client.hello, sizeof(hello));
	is_int(handshake_answer(&token, BOTH, hello, random_fixed, &two, answer, &at_server), 0,
	       "the server knows the client");
	is_int(handshake_finish(&client, &token, answer, &at_client), 0,
	       "the client knows the server");
	ok(same(&at_server, &at_client, sizeof(at_server)), "both have the same keys");
	ok(!same(at_server.to_server, at_server.to_client, HANDSHAKE_KEY_SIZE),
	   "another for each direction");
	ok(same(&client, &zero, sizeof(client)), "the client's secret is wiped");

	is_int(handshake_answer(&token, BOTH, hello, random_fixed, &one, answer, &again), 0,
	       "a recorded hello is answered");
	ok(!same(&again, &at_server, sizeof(again)), "with keys of another connection");

	handshake_begin(&client, &token, BOTH, handshake_random_true, NULL);
	ok(!same(client.hello, hello, sizeof(hello)), "true randomness differs");
}

/* Every bit of the one, flipped. */
static void test_flips(void)
{
	struct handshake client;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];
	int taken = 0;

	handshake_begin(&client, &token, BOTH, random_fixed, &one);
	for (size_t bit = 0; bit < 8 * HANDSHAKE_HELLO_SIZE; bit++) {
		uint8_t hello[HANDSHAKE_HELLO_SIZE];

		memcpy(hello, client.hello, sizeof(hello));
		hello[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += handshake_answer(&token, BOTH, hello, random_fixed, &two, answer,
					  &keys) == 0;
	}
	is_int(taken, 0, "no hello with a flipped bit is taken");

	handshake_answer(&token, BOTH, client.hello, random_fixed, &two, answer, &keys);
	for (size_t bit = 0; bit < 8 * HANDSHAKE_ANSWER_SIZE; bit++) {
		uint8_t flipped[HANDSHAKE_ANSWER_SIZE];
		struct handshake copy = client;

		memcpy(flipped, answer, sizeof(flipped));
		flipped[bit / 8] ^= (uint8_t) (1 << bit % 8);
		taken += handshake_finish(&copy, &token, flipped, &keys) == 0;
	}
	is_int(taken, 0, "nor an answer");
}

static void test_wrong_token(void)
{
	struct handshake client, copy;
	struct handshake_keys keys, untouched;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE] = {0}, hello[HANDSHAKE_HELLO_SIZE];

	memset(&keys, 0x55, sizeof(keys));
	untouched = keys;
	handshake_begin(&client, &other, BOTH, random_fixed, &one);
	fails_with(
		handshake_answer(&token, BOTH, client.hello, random_fixed, &two, answer, &keys),
		EACCES, "a client with another token");
	ok(same(&keys, &untouched, sizeof(keys)), "gets nothing");
	memset(hello, 0, sizeof(hello));
	fails_with(handshake_answer(&token, BOTH, hello, random_fixed, &two, answer, &keys),
		   EPROTO, "something else altogether");

	/* A server that does not hold the token but has a hello. */
	handshake_begin(&client, &token, BOTH, random_fixed, &one);
	copy = client;
	memset(answer, 9, sizeof(answer));
	fails_with(handshake_finish(&copy, &token, answer, &keys), EACCES,
		   "a server without the token");
	copy = client;
	memset(answer, 0, sizeof(answer));
	fails_with(handshake_finish(&copy, &token, answer, &keys), EINVAL,
		   "a public key that leads to no secret");
}

static enum cipher_suite agreed(unsigned client_has, unsigned server_has)
{
	struct handshake client;
	struct handshake_keys at_server, at_client;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];

	handshake_begin(&client, &token, client_has, random_fixed, &one);
	if (handshake_answer(&token, server_has, client.hello, random_fixed, &two, answer,
			     &at_server) < 0 ||
	    handshake_finish(&client, &token, answer, &at_client) < 0 ||
	    !same(&at_server, &at_client, sizeof(at_server)))
		return 0;
	return at_client.suite;
}

static void test_ciphers(void)
{
	struct handshake client;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];

	is_int(agreed(BOTH, BOTH), CIPHER_AES_256_GCM, "AES where both have it");
	is_int(agreed(CIPHER_CHACHA20_POLY1305, BOTH), CIPHER_CHACHA20_POLY1305,
	       "else what the client has");
	is_int(agreed(BOTH, CIPHER_CHACHA20_POLY1305), CIPHER_CHACHA20_POLY1305,
	       "or the server");
	is_int(agreed(BOTH | 0xfc, BOTH), CIPHER_AES_256_GCM, "ciphers of the future are none");
	is_int(agreed(0, BOTH), 0, "none at all");
	fails_with((handshake_begin(&client, &token, 4, random_fixed, &one),
		    handshake_answer(&token, BOTH, client.hello, random_fixed, &two, answer,
				     &keys)),
		   EINVAL, "or none that we know");

	/* A server that holds the token and chooses what was not offered. */
	handshake_begin(&client, &token, BOTH, random_fixed, &one);
	client.suites = CIPHER_CHACHA20_POLY1305;
	handshake_answer(&token, BOTH, client.hello, random_fixed, &two, answer, &keys);
	fails_with(handshake_finish(&client, &token, answer, &keys), EACCES,
		   "a choice that was not offered");
}

/* An answer to one connection's hello, given to another. */
static void test_replay(void)
{
	struct handshake first, second;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];

	handshake_begin(&first, &token, BOTH, handshake_random_true, NULL);
	handshake_begin(&second, &token, BOTH, handshake_random_true, NULL);
	handshake_answer(&token, BOTH, first.hello, handshake_random_true, NULL, answer, &keys);
	fails_with(handshake_finish(&second, &token, answer, &keys), EACCES,
		   "a recorded answer is not taken again");
}

/* Frames. */

static uint8_t key[HANDSHAKE_KEY_SIZE] = {7};
static enum cipher_suite suite;

struct recorded {
	uint8_t bytes[4 * STREAM_FRAME_MAX];
	size_t size, ends[8];
	size_t frames;
};

static void record(struct recorded *recorded, struct stream *out, const void *data, size_t size,
		   bool last)
{
	recorded->size +=
		stream_out_copy(out, recorded->bytes + recorded->size, data, size, last);
	recorded->ends[recorded->frames++] = recorded->size;
}

static void record_begin(struct recorded *recorded, struct stream *out)
{
	memset(recorded, 0, sizeof(*recorded));
	stream_begin(out, suite, key);
}

/* How many frames come out of bytes, or -1; *ended whether by the last one. */
static int take_all(const uint8_t *bytes, size_t size, bool *ended)
{
	static uint8_t opened[sizeof(((struct recorded *) NULL)->bytes)];
	struct stream in;
	size_t at = 0, got;
	uint8_t *plain;
	int frames = 0;
	ssize_t n;

	memcpy(opened, bytes, size);
	stream_begin(&in, suite, key);
	while ((n = stream_in_take(&in, opened + at, size - at, &plain, &got)) > 0) {
		at += (size_t) n;
		frames++;
	}
	*ended = in.ended;
	return n < 0 ? -1 : frames;
}

static void test_frames(void)
{
	static struct recorded recorded;
	static uint8_t large[STREAM_FRAME_MAX + 1];
	struct stream out, in;
	uint8_t *plain;
	size_t got;
	bool ended;

	record_begin(&recorded, &out);
	record(&recorded, &out, "hello", 5, false);
	record(&recorded, &out, "", 0, false);
	memset(large, 'x', sizeof(large));
	record(&recorded, &out, large, STREAM_PLAIN_MAX, false);
	record(&recorded, &out, "end", 3, true);
	is_int(take_all(recorded.bytes, recorded.size, &ended), 4, "all frames come out");
	ok(ended, "with the end");
	is_int(stream_out_frame(&out, large, 4, false), 0, "none after the last");
	is_int(recorded.ends[2] - recorded.ends[1], STREAM_FRAME_MAX, "the largest frame");

	stream_begin(&in, suite, key);
	is_int(stream_in_take(&in, recorded.bytes, recorded.size, &plain, &got),
	       recorded.ends[0], "the first frame alone");
	ok(got == 5 && same(plain, "hello", 5), "with what was put in");

	stream_begin(&out, suite, key);
	stream_out_copy(&out, large, "hello", 5, false);
	ok(!same(large + STREAM_LENGTH_SIZE, "hello", 5), "which is not to be seen");
	stream_out_copy(&out, recorded.bytes, "hello", 5, false);
	ok(!same(recorded.bytes, large, STREAM_LENGTH_SIZE + 5 + STREAM_EXTRA_SIZE),
	   "and looks different each time");

	record_begin(&recorded, &out);
	is_int(stream_out_frame(&out, large, STREAM_PLAIN_MAX + 1, false), 0,
	       "too large to be sent");
	record(&recorded, &out, "end", 3, true);
	recorded.bytes[recorded.size] = 0;
	is_int(take_all(recorded.bytes, recorded.size + 1, &ended), -1,
	       "a byte behind the last frame");
}

static void test_frames_hostile(void)
{
	static struct recorded recorded, changed;
	struct stream out, in;
	uint8_t *plain;
	size_t first, second;
	size_t got, size;
	int taken = 0;
	bool ended, seen_end = false;

	record_begin(&recorded, &out);
	record(&recorded, &out, "one", 3, false);
	record(&recorded, &out, "two", 3, false);
	record(&recorded, &out, "end", 3, true);
	size = recorded.size;
	first = recorded.ends[0];
	second = recorded.ends[1] - recorded.ends[0];

	for (size_t bit = 0; bit < 8 * size; bit++) {
		changed = recorded;
		changed.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		/* A longer length makes it wait for more: that is no frame taken either. */
		taken += take_all(changed.bytes, size, &ended) == 3;
		seen_end |= ended;
	}
	is_int(taken, 0, "no bit can be flipped");
	ok(!seen_end, "and no end be made believe");

	taken = 0;
	for (size_t cut = 0; cut < size; cut++)
		taken += take_all(recorded.bytes, cut, &ended) == -1 || ended;
	is_int(taken, 0, "cut at any byte it is neither wrong nor at its end");

	changed = recorded;
	memmove(changed.bytes, recorded.bytes + recorded.ends[0], size - recorded.ends[0]);
	is_int(take_all(changed.bytes, size - first, &ended), -1, "a frame left out");

	changed = recorded;
	memcpy(changed.bytes + recorded.ends[0], recorded.bytes, first);
	is_int(take_all(changed.bytes, recorded.ends[0] + first, &ended), -1,
	       "a frame repeated");

	changed = recorded;
	memcpy(changed.bytes, recorded.bytes + recorded.ends[0], second);
	memcpy(changed.bytes + second, recorded.bytes, first);
	is_int(take_all(changed.bytes, size, &ended), -1, "two frames swapped");

	static const unsigned lengths[] = {0, 1, STREAM_EXTRA_SIZE - 1,
					   STREAM_PLAIN_MAX + STREAM_EXTRA_SIZE + 1, 0xffffff};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t bytes[4] = {0, (uint8_t) (lengths[i] >> 16),
				    (uint8_t) (lengths[i] >> 8), (uint8_t) lengths[i]};

		stream_begin(&in, suite, key);
		fails_with(stream_in_take(&in, bytes, 4, &plain, &got), EBADMSG,
			   "a frame of %u bytes is wrong before it is there", lengths[i]);
	}
	uint8_t strange[4] = {2, 0, 0, 64};
	stream_begin(&in, suite, key);
	fails_with(stream_in_take(&in, strange, 4, &plain, &got), EBADMSG,
		   "and one of a kind that there is not");

	changed = recorded;
	uint8_t wrong[CIPHER_KEY_SIZE] = {8};
	stream_begin(&in, suite, wrong);
	fails_with(stream_in_take(&in, changed.bytes, size, &plain, &got), EBADMSG,
		   "another key");
	changed = recorded;
	stream_begin(&in, suite ^ BOTH, key);
	fails_with(stream_in_take(&in, changed.bytes, size, &plain, &got), EBADMSG,
		   "another cipher");
	stream_begin(&out, suite, key);
	out.frames = UINT64_MAX;
	is_int(stream_out_frame(&out, changed.bytes, 4, false), 0, "no number comes twice");
}

int main(void)
{
	test_token();
	test_agreement();
	test_flips();
	test_wrong_token();
	test_ciphers();
	test_replay();
	for (suite = CIPHER_CHACHA20_POLY1305; suite <= CIPHER_AES_256_GCM; suite++) {
		if (!(cipher_suites() & suite))
			continue;
		test_frames();
		test_frames_hostile();
	}
	return done_testing();
}
