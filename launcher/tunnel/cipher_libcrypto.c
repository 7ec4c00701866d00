/* SPDX-License-Identifier: MIT */
/*
 * AES-256-GCM by libcrypto: see cipher.h.  It is loaded at the first frame and never linked:
 * it takes 5 MB of every process that has it, and agents and most commands have no tunnel.
 * Called by cipher.c, as the user.
 */
#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <stdbool.h>

#include "launcher/tunnel/cipher.h"

#define TEXT_OF(value) #value
#define TEXT(value)    TEXT_OF(value)

/* That whose header this was built with. */
#ifdef OPENSSL_SHLIB_VERSION
#define LIBRARY "libcrypto.so." TEXT(OPENSSL_SHLIB_VERSION)
#else
#define LIBRARY "libcrypto.so." SHLIB_VERSION_NUMBER
#endif

static struct {
	bool tried;
	EVP_CIPHER_CTX *context; /* NULL: it cannot be had */
	bool is_set;		 /* the context knows its cipher */
	__typeof__(EVP_aes_256_gcm) *aes_256_gcm;
	__typeof__(EVP_CIPHER_CTX_new) *create;
	__typeof__(EVP_CIPHER_CTX_reset) *reset;
	__typeof__(EVP_CIPHER_CTX_ctrl) *control;
	__typeof__(EVP_CipherInit_ex) *init;
	__typeof__(EVP_CipherUpdate) *update;
	__typeof__(EVP_CipherFinal_ex) *final;
} library;

static bool load(void)
{
	void *handle;
	const struct {
		const char *name;
		void *place;
	} symbols[] = {{"EVP_aes_256_gcm", &library.aes_256_gcm},
		       {"EVP_CIPHER_CTX_new", &library.create},
		       {"EVP_CIPHER_CTX_reset", &library.reset},
		       {"EVP_CIPHER_CTX_ctrl", &library.control},
		       {"EVP_CipherInit_ex", &library.init},
		       {"EVP_CipherUpdate", &library.update},
		       {"EVP_CipherFinal_ex", &library.final}};

	if (library.tried)
		return library.context != NULL;
	library.tried = true;
	if (!(handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)))
		return false;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!(*(void **) symbols[i].place = dlsym(handle, symbols[i].name))) {
			dlclose(handle);
			return false;
		}
	library.context = library.create();
	return library.context != NULL;
}

/* Key, nonce and head for the next frame.  Looking up the cipher is what costs most, so it is
 * done once. */
static bool begin(const uint8_t *key, const uint8_t *nonce, const uint8_t *head,
		  size_t head_size, bool seal)
{
	int done;

	if (!load())
		return false;
	if (library.init(library.context, library.is_set ? NULL : library.aes_256_gcm(), NULL,
			 key, nonce, seal) != 1 ||
	    library.update(library.context, NULL, &done, head, (int) head_size) != 1) {
		library.reset(library.context);
		library.is_set = false;
		return false;
	}
	library.is_set = true;
	return true;
}

int cipher_libcrypto_seal(const uint8_t key[CIPHER_KEY_SIZE],
			  const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head,
			  size_t head_size, uint8_t *text, size_t size,
			  uint8_t tag[CIPHER_TAG_SIZE])
{
	int done;

	if (!begin(key, nonce, head, head_size, true))
		return -1;
	return library.update(library.context, text, &done, text, (int) size) == 1 &&
			       library.final(library.context, text + size, &done) == 1 &&
			       library.control(library.context, EVP_CTRL_AEAD_GET_TAG,
					       CIPHER_TAG_SIZE, tag) == 1
		       ? 0
		       : 1;
}

int cipher_libcrypto_open(const uint8_t key[CIPHER_KEY_SIZE],
			  const uint8_t nonce[CIPHER_NONCE_SIZE], const uint8_t *head,
			  size_t head_size, uint8_t *text, size_t size,
			  const uint8_t tag[CIPHER_TAG_SIZE])
{
	int done;

	if (!begin(key, nonce, head, head_size, false))
		return -1;
	return library.update(library.context, text, &done, text, (int) size) == 1 &&
			       library.control(library.context, EVP_CTRL_AEAD_SET_TAG,
					       CIPHER_TAG_SIZE,
					       (void *) (uintptr_t) tag) == 1 &&
			       library.final(library.context, text + size, &done) == 1
		       ? 0
		       : 1;
}

void cipher_libcrypto_forget(void)
{
	if (library.context && library.is_set) {
		library.reset(library.context);
		library.is_set = false;
	}
}
