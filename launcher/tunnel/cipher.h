/* SPDX-License-Identifier: MIT */
/*
 * How the tunnel's frames are sealed: authenticated encryption in place, by whatever does it
 * fastest here.  Pure but for one thing: libcrypto is loaded when AES is wanted first, so that
 * who has no tunnel does not carry it.  In the head and in sjupyter, as the user, in one
 * thread.
 */
#ifndef TUNNEL_CIPHER_H
#define TUNNEL_CIPHER_H

#include <stddef.h>
#include <stdint.h>

enum {
	CIPHER_KEY_SIZE = 32,
	CIPHER_NONCE_SIZE = 12,
	CIPHER_TAG_SIZE = 16,
};

/* Bits of what an end offers; of those that both have the greatest is taken. */
enum cipher_suite {
	CIPHER_CHACHA20_POLY1305 = 1, /* RFC 8439: everywhere */
	CIPHER_AES_256_GCM = 2	      /* where the processor does it */
};

/* What this machine offers.  After sodium_init(). */
unsigned cipher_suites(void);
/* Of these bits, at least one of which is known, the one to take. */
enum cipher_suite cipher_best(unsigned suites);

/*
 * Seals size bytes of text in place; head_size bytes of head are authenticated with them.  No
 * nonce may come twice with a key.  0, or -1 when the library has failed: text is of no use
 * then.
 */
int cipher_seal(enum cipher_suite suite, const uint8_t key[CIPHER_KEY_SIZE],
		const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head, size_t head_size,
		uint8_t *text, size_t size, uint8_t tag[CIPHER_TAG_SIZE]);
/* The reverse.  0, or -1 when it is not what was sealed: likewise. */
int cipher_open(enum cipher_suite suite, const uint8_t key[CIPHER_KEY_SIZE],
		const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head, size_t head_size,
		uint8_t *text, size_t size, const uint8_t tag[CIPHER_TAG_SIZE]);

/* Wipes what is left of the key that was used last. */
void cipher_forget(void);

/*
 * AES-256-GCM by libcrypto (cipher_libcrypto.c): twice as fast as libsodium 1.0.18's, and the
 * same bytes.  0; -1 when it cannot be had, and nothing was done; 1 when it has failed, or what
 * is to be opened was not sealed so.
 */
int cipher_libcrypto_seal(const uint8_t key[CIPHER_KEY_SIZE],
			  const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head,
			  size_t head_size, uint8_t *text, size_t size,
			  uint8_t tag[CIPHER_TAG_SIZE]);
int cipher_libcrypto_open(const uint8_t key[CIPHER_KEY_SIZE],
			  const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head,
			  size_t head_size, uint8_t *text, size_t size,
			  const uint8_t tag[CIPHER_TAG_SIZE]);
void cipher_libcrypto_forget(void);

#endif
