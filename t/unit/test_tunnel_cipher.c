/* SPDX-License-Identifier: MIT */
/*
 * Tests of the tunnel's ciphers: published vectors, the same bytes by libcrypto as by
 * libsodium, and nothing opened that was changed.  Run by `make check` as any user.
 */
#include <sodium.h>

#include "launcher/tunnel/cipher.h"
#include "tap.h"

enum { TEXT_MAX = 65536 };

static uint8_t text[TEXT_MAX], other[TEXT_MAX];

static size_t from_hex(uint8_t *bytes, size_t size, const char *hex)
{
	size_t got = 0;

	if (sodium_hex2bin(bytes, size, hex, strlen(hex), NULL, &got, NULL) != 0)
		bail_out("a vector");
	return got;
}

static void vector(enum cipher_suite suite, const char *name, const char *key_hex,
		   const char *nonce_hex, const char *head_hex, const char *plain,
		   const char *sealed_hex, const char *tag_hex)
{
	uint8_t key[CIPHER_KEY_SIZE], nonce[CIPHER_NONCE_SIZE], tag[CIPHER_TAG_SIZE];
	uint8_t head[64], wanted[256], wanted_tag[CIPHER_TAG_SIZE];
	size_t head_size = from_hex(head, sizeof(head), head_hex);
	size_t size = from_hex(wanted, sizeof(wanted), sealed_hex);

	from_hex(key, sizeof(key), key_hex);
	from_hex(nonce, sizeof(nonce), nonce_hex);
	from_hex(wanted_tag, sizeof(wanted_tag), tag_hex);
	memcpy(text, plain, size);
	is_int(cipher_seal(suite, key, nonce, head, head_size, text, size, tag), 0,
	       "%s: sealed", name);
	ok(memcmp(text, wanted, size) == 0, "%s: as published", name);
	ok(memcmp(tag, wanted_tag, sizeof(tag)) == 0, "%s: with its tag", name);
	is_int(cipher_open(suite, key, nonce, head, head_size, text, size, tag), 0,
	       "%s: opened", name);
	ok(memcmp(text, plain, size) == 0, "%s: and as it was", name);
}

/* RFC 8439, 2.8.2; and the GCM specification's test case 16. */
static void test_vectors(void)
{
	char plain[64];

	vector(CIPHER_CHACHA20_POLY1305, "ChaCha20-Poly1305",
	       "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	       "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	       "Ladies and Gentlemen of the class of '99: If I could offer you only one tip "
	       "for the future, sunscreen would be it.",
	       "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	       "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	       "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	       "3ff4def08e4b7a9de576d26586cec64b6116",
	       "1ae10b594f09e26a7e902ecbd0600691");
	if (!(cipher_suites() & CIPHER_AES_256_GCM))
		return;
	from_hex((uint8_t *) plain, sizeof(plain),
		 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
	vector(CIPHER_AES_256_GCM, "AES-256-GCM",
	       "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	       "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", plain,
	       "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	       "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	       "76fc6ece0f4e1768cddf8853bb2d551b");
}

/* An end where libcrypto cannot be loaded understands one where it can. */
static void test_same_bytes(void)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, TEXT_MAX};
	uint8_t key[CIPHER_KEY_SIZE] = {3}, nonce[CIPHER_NONCE_SIZE] = {0};
	uint8_t tag[CIPHER_TAG_SIZE], other_tag[CIPHER_TAG_SIZE];
	int same = 0, opened = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];

		nonce[11] = (uint8_t) i;
		memset(text, 'x', size);
		memset(other, 'x', size);
		if (cipher_libcrypto_seal(key, nonce, nonce, 4, text, size, tag) != 0)
			bail_out("libcrypto");
		crypto_aead_aes256gcm_encrypt_detached(other, other_tag, NULL, other, size,
						       nonce, 4, NULL, nonce, key);
		same += memcmp(text, other, size) == 0 &&
			memcmp(tag, other_tag, sizeof(tag)) == 0;
		opened += cipher_libcrypto_open(key, nonce, nonce, 4, other, size, other_tag) ==
				  0 &&
			  (size == 0 || other[size - 1] == 'x');
		cipher_forget();
	}
	is_int(same, sizeof(sizes) / sizeof(sizes[0]), "libcrypto seals as libsodium does");
	is_int(opened, sizeof(sizes) / sizeof(sizes[0]), "and opens what that has sealed");
}

static void test_changed(enum cipher_suite suite)
{
	uint8_t key[CIPHER_KEY_SIZE] = {3}, nonce[CIPHER_NONCE_SIZE] = {0};
	uint8_t head[4] = {1, 2, 3, 4}, tag[CIPHER_TAG_SIZE], sealed[9];
	int opened = 0;

	memcpy(sealed, "something", sizeof(sealed));
	cipher_seal(suite, key, nonce, head, sizeof(head), sealed, sizeof(sealed), tag);
	uint8_t *const parts[] = {key, nonce, head, tag, text};
	const size_t sizes[] = {sizeof(key), sizeof(nonce), sizeof(head), sizeof(tag),
				sizeof(sealed)};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (size_t bit = 0; bit < 8 * sizes[i]; bit++) {
			memcpy(text, sealed, sizeof(sealed));
			parts[i][bit / 8] ^= (uint8_t) (1 << bit % 8);
			opened += cipher_open(suite, key, nonce, head, sizeof(head), text,
					      sizeof(sealed), tag) == 0;
			parts[i][bit / 8] ^= (uint8_t) (1 << bit % 8);
		}
	is_int(opened, 0, "cipher %d: no bit of anything can be another", suite);
	memcpy(text, sealed, sizeof(sealed));
	is_int(cipher_open(suite, key, nonce, head, sizeof(head), text, sizeof(sealed), tag), 0,
	       "cipher %d: or it opens", suite);
}

int main(void)
{
	if (sodium_init() < 0)
		bail_out("libsodium");
	ok(cipher_suites() & CIPHER_CHACHA20_POLY1305, "ChaCha20-Poly1305 is everywhere");
	is_int(cipher_best(CIPHER_CHACHA20_POLY1305), CIPHER_CHACHA20_POLY1305, "and taken");
	is_int(cipher_best(CIPHER_CHACHA20_POLY1305 | CIPHER_AES_256_GCM), CIPHER_AES_256_GCM,
	       "where there is no AES");
	test_vectors();
	test_changed(CIPHER_CHACHA20_POLY1305);
	if (cipher_suites() & CIPHER_AES_256_GCM) {
		test_changed(CIPHER_AES_256_GCM);
		test_same_bytes();
	}
	return done_testing();
}
