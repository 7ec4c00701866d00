/* SPDX-License-Identifier: MIT */
/*
 * How the two ends of a tunnel's connection prove to each other that they hold the session's
 * token and agree on keys that nobody else has: X25519 with keys of one use, the token mixed
 * in.  Pure: bytes in, bytes out, the randomness given.  In the head and in sjupyter, as the
 * user.
 *
 *   hello   client to server: HANDSHAKE_MAGIC, the client's public key, the ciphers that it
 *           has (a byte of enum cipher_suite's bits), a tag over all of it
 *   answer  server to client: the server's public key, the cipher, a tag over all so far
 *
 * All that was said goes into the keys, so nobody between them can choose a worse cipher.
 *
 * The hello's tag needs the token, so that strangers are told from users before anything is
 * said to them; but it can be replayed.  The answer's tag needs the shared secret of this
 * connection too, and so do the keys: who replays a hello gets an answer and can go no further,
 * and the server takes nobody for a user before the first frame that his key opens.  What was
 * recorded stays closed when the token leaks afterwards.
 */
#ifndef TUNNEL_HANDSHAKE_H
#define TUNNEL_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/tunnel/cipher.h"

#define HANDSHAKE_MAGIC "sjtunl2\n"

enum {
	HANDSHAKE_MAGIC_SIZE = 8,
	HANDSHAKE_KEY_SIZE = 32, /* crypto_scalarmult_BYTES, and all other keys here */
	HANDSHAKE_TAG_SIZE = 32, /* BLAKE2b-256 */
	HANDSHAKE_HELLO_SIZE =
		HANDSHAKE_MAGIC_SIZE + HANDSHAKE_KEY_SIZE + 1 + HANDSHAKE_TAG_SIZE,
	HANDSHAKE_ANSWER_SIZE = HANDSHAKE_KEY_SIZE + 1 + HANDSHAKE_TAG_SIZE,
	HANDSHAKE_TOKEN_LEAST = 32, /* characters: of hexadecimal ones, 128 bits */
	HANDSHAKE_TOKEN_MAX = 512
};

/* Of the token. */
struct handshake_token {
	uint8_t key[HANDSHAKE_KEY_SIZE];
};

/* Of one connection, each for one direction. */
struct handshake_keys {
	enum cipher_suite suite;
	uint8_t to_server[HANDSHAKE_KEY_SIZE];
	uint8_t to_client[HANDSHAKE_KEY_SIZE];
};

/* The client's, between hello and answer. */
struct handshake {
	uint8_t secret[HANDSHAKE_KEY_SIZE];
	uint8_t hello[HANDSHAKE_HELLO_SIZE];
	unsigned suites;
};

/* 0, or -1 with EINVAL (too short or too long) or ENOSYS (libsodium cannot start). */
int handshake_token_set(struct handshake_token *token, const char *text, size_t size);

/* Fills the secret of a connection: random, or in a test what the test likes. */
typedef void handshake_random(uint8_t secret[HANDSHAKE_KEY_SIZE], void *arg);
/* From the kernel; arg is not looked at. */
void handshake_random_true(uint8_t secret[HANDSHAKE_KEY_SIZE], void *arg);

/* The client's first bytes, with what it offers: cipher_suites(). */
void handshake_begin(struct handshake *handshake, const struct handshake_token *token,
		     unsigned suites, handshake_random *random, void *arg);

/*
 * The server's answer to a hello, with the best cipher of those that both have.  0; or -1 with
 * EPROTO (not a hello), EACCES (by somebody without the token) or EINVAL (a public key that no
 * honest client sends, or no cipher of ours), and the outputs untouched.
 */
int handshake_answer(const struct handshake_token *token, unsigned suites,
		     const uint8_t hello[HANDSHAKE_HELLO_SIZE], handshake_random *random,
		     void *arg, uint8_t answer[HANDSHAKE_ANSWER_SIZE],
		     struct handshake_keys *keys);

/* The client's end of it.  0, or -1 with EACCES (not the session's head) or EINVAL as above.
 * The handshake is wiped either way. */
int handshake_finish(struct handshake *handshake, const struct handshake_token *token,
		     const uint8_t answer[HANDSHAKE_ANSWER_SIZE], struct handshake_keys *keys);

#endif
