/* SPDX-License-Identifier: MIT */
/* See handshake.h. */
#include "launcher/tunnel/handshake.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

/* What each use of BLAKE2b is for goes into its input, so that no value of one use is one of
 * another.  The first is a key and has at least crypto_generichash_KEYBYTES_MIN bytes. */
static const char TOKEN_USE[] = "spank-jupyter tunnel 2";
static const char HELLO_USE[] = "hello";
static const char SECRET_USE[] = "secret";
static const char ANSWER_USE[] = "answer";
/* crypto_kdf's context: crypto_kdf_CONTEXTBYTES. */
static const char KDF_USE[] = "sjtunnel";
enum { TO_SERVER = 1, TO_CLIENT = 2, ANSWER = 3 }; /* crypto_kdf's numbers */

_Static_assert(sizeof(TOKEN_USE) - 1 >= crypto_generichash_KEYBYTES_MIN, "a key");
_Static_assert(sizeof(KDF_USE) - 1 == crypto_kdf_CONTEXTBYTES, "a context");
_Static_assert(HANDSHAKE_KEY_SIZE == crypto_scalarmult_BYTES &&
		       HANDSHAKE_KEY_SIZE == crypto_scalarmult_SCALARBYTES &&
		       HANDSHAKE_KEY_SIZE == crypto_kdf_KEYBYTES &&
		       (int) HANDSHAKE_KEY_SIZE == (int) CIPHER_KEY_SIZE,
	       "one size");

/* What both ends have said: magic, and of each the public key and a byte about ciphers. */
enum {
	SAID_CLIENT = HANDSHAKE_MAGIC_SIZE,
	SAID_OFFER = SAID_CLIENT + HANDSHAKE_KEY_SIZE,
	SAID_SERVER = SAID_OFFER + 1,
	SAID_CHOICE = SAID_SERVER + HANDSHAKE_KEY_SIZE,
	SAID_SIZE = SAID_CHOICE + 1,
	ANSWER_TAG = SAID_SIZE - SAID_SERVER
};

int handshake_token_set(struct handshake_token *token, const char *text, size_t size)
{
	if (size < HANDSHAKE_TOKEN_LEAST || size > HANDSHAKE_TOKEN_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (sodium_init() < 0) {
		errno = ENOSYS;
		return -1;
	}
	crypto_generichash(token->key, sizeof(token->key), (const uint8_t *) text, size,
			   (const uint8_t *) TOKEN_USE, sizeof(TOKEN_USE) - 1);
	return 0;
}

void handshake_random_true(uint8_t secret[HANDSHAKE_KEY_SIZE], void *arg)
{
	(void) arg;
	randombytes_buf(secret, HANDSHAKE_KEY_SIZE);
}

static void make_tag(uint8_t tag[HANDSHAKE_TAG_SIZE], const uint8_t key[HANDSHAKE_KEY_SIZE],
		     const char *use, const uint8_t *said, size_t size)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, HANDSHAKE_KEY_SIZE, HANDSHAKE_TAG_SIZE);
	crypto_generichash_update(&state, (const uint8_t *) use, strlen(use));
	crypto_generichash_update(&state, said, size);
	crypto_generichash_final(&state, tag, HANDSHAKE_TAG_SIZE);
	sodium_memzero(&state, sizeof(state));
}

/* The keys of the connection and that of the answer's tag.  -1 with EINVAL when the other end's
 * public key is one of those that lead to no secret (RFC 7748, section 6.1). */
static int derive(const struct handshake_token *token, const uint8_t own[HANDSHAKE_KEY_SIZE],
		  const uint8_t other[HANDSHAKE_KEY_SIZE], const uint8_t said[SAID_SIZE],
		  struct handshake_keys *keys, uint8_t answer_key[HANDSHAKE_KEY_SIZE])
{
	uint8_t in[HANDSHAKE_KEY_SIZE + SAID_SIZE], key[HANDSHAKE_KEY_SIZE];

	if (crypto_scalarmult(in, own, other) != 0) {
		sodium_memzero(in, sizeof(in));
		errno = EINVAL;
		return -1;
	}
	memcpy(in + HANDSHAKE_KEY_SIZE, said, SAID_SIZE);
	keys->suite = (enum cipher_suite) said[SAID_CHOICE];
	make_tag(key, token->key, SECRET_USE, in, sizeof(in));
	crypto_kdf_derive_from_key(keys->to_server, HANDSHAKE_KEY_SIZE, TO_SERVER, KDF_USE,
				   key);
	crypto_kdf_derive_from_key(keys->to_client, HANDSHAKE_KEY_SIZE, TO_CLIENT, KDF_USE,
				   key);
	crypto_kdf_derive_from_key(answer_key, HANDSHAKE_KEY_SIZE, ANSWER, KDF_USE, key);
	sodium_memzero(in, sizeof(in));
	sodium_memzero(key, sizeof(key));
	return 0;
}

void handshake_begin(struct handshake *handshake, const struct handshake_token *token,
		     unsigned suites, handshake_random *random, void *arg)
{
	uint8_t *hello = handshake->hello;

	random(handshake->secret, arg);
	memcpy(hello, HANDSHAKE_MAGIC, HANDSHAKE_MAGIC_SIZE);
	crypto_scalarmult_base(hello + SAID_CLIENT, handshake->secret);
	hello[SAID_OFFER] = (uint8_t) suites;
	handshake->suites = suites;
	make_tag(hello + SAID_SERVER, token->key, HELLO_USE, hello, SAID_SERVER);
}

int handshake_answer(const struct handshake_token *token, unsigned suites,
		     const uint8_t hello[HANDSHAKE_HELLO_SIZE], handshake_random *random,
		     void *arg, uint8_t answer[HANDSHAKE_ANSWER_SIZE],
		     struct handshake_keys *keys)
{
	uint8_t tag[HANDSHAKE_TAG_SIZE], secret[HANDSHAKE_KEY_SIZE], said[SAID_SIZE];
	uint8_t answer_key[HANDSHAKE_KEY_SIZE];
	struct handshake_keys made;
	int rc;

	if (memcmp(hello, HANDSHAKE_MAGIC, HANDSHAKE_MAGIC_SIZE) != 0) {
		errno = EPROTO;
		return -1;
	}
	make_tag(tag, token->key, HELLO_USE, hello, SAID_SERVER);
	if (sodium_memcmp(tag, hello + SAID_SERVER, sizeof(tag)) != 0) {
		errno = EACCES;
		return -1;
	}
	if (!(suites & hello[SAID_OFFER])) {
		errno = EINVAL;
		return -1;
	}
	random(secret, arg);
	memcpy(said, hello, SAID_SERVER);
	crypto_scalarmult_base(said + SAID_SERVER, secret);
	said[SAID_CHOICE] = (uint8_t) cipher_best(suites & hello[SAID_OFFER]);
	rc = derive(token, secret, hello + SAID_CLIENT, said, &made, answer_key);
	if (rc == 0) {
		memcpy(answer, said + SAID_SERVER, ANSWER_TAG);
		make_tag(answer + ANSWER_TAG, answer_key, ANSWER_USE, said, SAID_SIZE);
		*keys = made;
	}
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(answer_key, sizeof(answer_key));
	sodium_memzero(&made, sizeof(made));
	return rc;
}

int handshake_finish(struct handshake *handshake, const struct handshake_token *token,
		     const uint8_t answer[HANDSHAKE_ANSWER_SIZE], struct handshake_keys *keys)
{
	uint8_t tag[HANDSHAKE_TAG_SIZE], said[SAID_SIZE], answer_key[HANDSHAKE_KEY_SIZE];
	struct handshake_keys made;
	int rc;

	memcpy(said, handshake->hello, SAID_SERVER);
	memcpy(said + SAID_SERVER, answer, ANSWER_TAG);
	rc = derive(token, handshake->secret, answer, said, &made, answer_key);
	if (rc == 0) {
		make_tag(tag, answer_key, ANSWER_USE, said, SAID_SIZE);
		if (sodium_memcmp(tag, answer + ANSWER_TAG, sizeof(tag)) == 0 &&
		    (said[SAID_CHOICE] == CIPHER_CHACHA20_POLY1305 ||
		     said[SAID_CHOICE] == CIPHER_AES_256_GCM) &&
		    (said[SAID_CHOICE] & handshake->suites)) {
			*keys = made;
		} else {
			errno = EACCES;
			rc = -1;
		}
	}
	sodium_memzero(handshake, sizeof(*handshake));
	sodium_memzero(answer_key, sizeof(answer_key));
	sodium_memzero(&made, sizeof(made));
	return rc;
}
