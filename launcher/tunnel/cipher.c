/* SPDX-License-Identifier: MIT */
/* See cipher.h. */
#include "launcher/tunnel/cipher.h"

#include <sodium.h>

_Static_assert(CIPHER_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES &&
		       CIPHER_KEY_SIZE == crypto_aead_aes256gcm_KEYBYTES &&
		       CIPHER_NONCE_SIZE == crypto_aead_chacha20poly1305_ietf_NPUBBYTES &&
		       CIPHER_NONCE_SIZE == crypto_aead_aes256gcm_NPUBBYTES &&
		       CIPHER_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES &&
		       CIPHER_TAG_SIZE == crypto_aead_aes256gcm_ABYTES,
	       "as libsodium has them");

unsigned cipher_suites(void)
{
	return CIPHER_CHACHA20_POLY1305 |
	       (crypto_aead_aes256gcm_is_available() ? CIPHER_AES_256_GCM : 0);
}

enum cipher_suite cipher_best(unsigned suites)
{
	return suites & CIPHER_AES_256_GCM ? CIPHER_AES_256_GCM : CIPHER_CHACHA20_POLY1305;
}

int cipher_seal(enum cipher_suite suite, const uint8_t key[CIPHER_KEY_SIZE],
		const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head, size_t head_size,
		uint8_t *text, size_t size, uint8_t tag[CIPHER_TAG_SIZE])
{
	int rc;

	if (suite != CIPHER_AES_256_GCM)
		return crypto_aead_chacha20poly1305_ietf_encrypt_detached(
			text, tag, NULL, text, size, head, head_size, NULL, nonce, key);
	rc = cipher_libcrypto_seal(key, nonce, head, head_size, text, size, tag);
	if (rc < 0)
		rc = crypto_aead_aes256gcm_encrypt_detached(text, tag, NULL, text, size, head,
							    head_size, NULL, nonce, key);
	return rc == 0 ? 0 : -1;
}

int cipher_open(enum cipher_suite suite, const uint8_t key[CIPHER_KEY_SIZE],
		const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head, size_t head_size,
		uint8_t *text, size_t size, const uint8_t tag[CIPHER_TAG_SIZE])
{
	int rc;

	if (suite != CIPHER_AES_256_GCM)
		return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
			text, NULL, text, size, tag, head, head_size, nonce, key);
	rc = cipher_libcrypto_open(key, nonce, head, head_size, text, size, tag);
	if (rc < 0)
		rc = crypto_aead_aes256gcm_decrypt_detached(text, NULL, text, size, tag, head,
							    head_size, nonce, key);
	return rc == 0 ? 0 : -1;
}

void cipher_forget(void)
{
	cipher_libcrypto_forget();
}
