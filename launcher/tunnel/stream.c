/* SPDX-License-Identifier: MIT */
/* See stream.h. */
#include "launcher/tunnel/stream.h"

#include <errno.h>
#include <string.h>

_Static_assert((int) STREAM_HEADER_SIZE ==
		       (int) crypto_secretstream_xchacha20poly1305_HEADERBYTES,
	       "as libsodium has it");
_Static_assert((int) STREAM_EXTRA_SIZE == (int) crypto_secretstream_xchacha20poly1305_ABYTES,
	       "as libsodium has it");
_Static_assert(STREAM_FRAME_MAX - STREAM_LENGTH_SIZE <= UINT16_MAX, "two bytes are enough");

void stream_out_begin(struct stream_out *out, const uint8_t key[HANDSHAKE_KEY_SIZE],
		      uint8_t header[STREAM_HEADER_SIZE])
{
	crypto_secretstream_xchacha20poly1305_init_push(&out->state, header, key);
	out->ended = false;
}

size_t stream_out_frame(struct stream_out *out, const void *data, size_t size, bool last,
			uint8_t *frame)
{
	size_t length = size + STREAM_EXTRA_SIZE;

	if (out->ended || size > STREAM_PLAIN_MAX)
		return 0;
	frame[0] = (uint8_t) (length >> 8);
	frame[1] = (uint8_t) length;
	crypto_secretstream_xchacha20poly1305_push(
		&out->state, frame + STREAM_LENGTH_SIZE, NULL, data, size, frame,
		STREAM_LENGTH_SIZE,
		last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
		     : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
	out->ended = last;
	return STREAM_LENGTH_SIZE + length;
}

void stream_in_begin(struct stream_in *in, const uint8_t key[HANDSHAKE_KEY_SIZE])
{
	memset(in, 0, sizeof(*in));
	memcpy(in->key, key, HANDSHAKE_KEY_SIZE);
}

static ssize_t take_header(struct stream_in *in, const uint8_t *bytes, size_t size)
{
	if (size < STREAM_HEADER_SIZE)
		return 0;
	crypto_secretstream_xchacha20poly1305_init_pull(&in->state, bytes, in->key);
	sodium_memzero(in->key, sizeof(in->key));
	in->begun = true;
	return STREAM_HEADER_SIZE;
}

static ssize_t bad(void)
{
	errno = EBADMSG;
	return -1;
}

ssize_t stream_in_take(struct stream_in *in, const uint8_t *bytes, size_t size, uint8_t *plain,
		       size_t *plain_size)
{
	unsigned long long got = 0;
	unsigned char tag = 0;

	*plain_size = 0;
	if (in->ended)
		return size > 0 ? bad() : 0;
	if (!in->begun)
		return take_header(in, bytes, size);
	if (size < STREAM_LENGTH_SIZE)
		return 0;
	size_t length = (size_t) bytes[0] << 8 | bytes[1];
	/* Said before the frame is there, so that nobody waits for one that cannot be. */
	if (length < STREAM_EXTRA_SIZE || length > STREAM_PLAIN_MAX + STREAM_EXTRA_SIZE)
		return bad();
	if (size < STREAM_LENGTH_SIZE + length)
		return 0;
	if (crypto_secretstream_xchacha20poly1305_pull(&in->state, plain, &got, &tag,
						       bytes + STREAM_LENGTH_SIZE, length,
						       bytes, STREAM_LENGTH_SIZE) != 0)
		return bad();
	if (tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL)
		in->ended = true;
	else if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
		return bad();
	*plain_size = (size_t) got;
	return (ssize_t) (STREAM_LENGTH_SIZE + length);
}

void stream_out_clear(struct stream_out *out)
{
	sodium_memzero(out, sizeof(*out));
}

void stream_in_clear(struct stream_in *in)
{
	sodium_memzero(in, sizeof(*in));
}
