/* SPDX-License-Identifier: MIT */
/* See stream.h. */
#include "launcher/tunnel/stream.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

enum { MESSAGE, LAST }; /* a frame's first byte */

_Static_assert(STREAM_FRAME_MAX < 1 << 24, "three bytes are enough");

void stream_begin(struct stream *stream, enum cipher_suite suite,
		  const uint8_t key[CIPHER_KEY_SIZE])
{
	*stream = (struct stream){.suite = suite};
	memcpy(stream->key, key, CIPHER_KEY_SIZE);
}

/* Of the next frame. */
static void make_nonce(const struct stream *stream, uint8_t nonce[CIPHER_NONCE_SIZE])
{
	memset(nonce, 0, CIPHER_NONCE_SIZE);
	for (int i = 0; i < 8; i++)
		nonce[CIPHER_NONCE_SIZE - 1 - i] = (uint8_t) (stream->frames >> 8 * i);
}

size_t stream_out_frame(struct stream *out, uint8_t *frame, size_t size, bool last)
{
	size_t length = size + STREAM_EXTRA_SIZE;
	uint8_t nonce[CIPHER_NONCE_SIZE], *text = frame + STREAM_LENGTH_SIZE;

	if (out->ended || size > STREAM_PLAIN_MAX || out->frames == UINT64_MAX)
		return 0;
	frame[0] = last ? LAST : MESSAGE;
	frame[1] = (uint8_t) (length >> 16);
	frame[2] = (uint8_t) (length >> 8);
	frame[3] = (uint8_t) length;
	make_nonce(out, nonce);
	/* Also when it fails: no number comes twice. */
	out->frames++;
	if (cipher_seal(out->suite, out->key, nonce, frame, STREAM_LENGTH_SIZE, text, size,
			text + size) < 0)
		return 0;
	out->ended = last;
	return STREAM_LENGTH_SIZE + length;
}

size_t stream_out_copy(struct stream *out, uint8_t *frame, const void *data, size_t size,
		       bool last)
{
	if (size > STREAM_PLAIN_MAX)
		return 0;
	memcpy(frame + STREAM_LENGTH_SIZE, data, size);
	return stream_out_frame(out, frame, size, last);
}

static ssize_t bad(void)
{
	errno = EBADMSG;
	return -1;
}

ssize_t stream_in_take(struct stream *in, uint8_t *bytes, size_t size, uint8_t **plain,
		       size_t *plain_size)
{
	uint8_t nonce[CIPHER_NONCE_SIZE], *text = bytes + STREAM_LENGTH_SIZE;

	*plain = text;
	*plain_size = 0;
	if (in->ended)
		return size > 0 ? bad() : 0;
	if (size < STREAM_LENGTH_SIZE)
		return 0;
	size_t length = (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
	/* Said before the frame is there, so that nobody waits for one that cannot be. */
	if (bytes[0] > LAST || length < STREAM_EXTRA_SIZE ||
	    length > STREAM_PLAIN_MAX + STREAM_EXTRA_SIZE || in->frames == UINT64_MAX)
		return bad();
	if (size < STREAM_LENGTH_SIZE + length)
		return 0;
	length -= STREAM_EXTRA_SIZE;
	make_nonce(in, nonce);
	in->frames++;
	if (cipher_open(in->suite, in->key, nonce, bytes, STREAM_LENGTH_SIZE, text, length,
			text + length) < 0)
		return bad();
	in->ended = bytes[0] == LAST;
	*plain_size = length;
	return (ssize_t) (STREAM_LENGTH_SIZE + length + STREAM_EXTRA_SIZE);
}

void stream_clear(struct stream *stream)
{
	sodium_memzero(stream, sizeof(*stream));
	cipher_forget();
}
