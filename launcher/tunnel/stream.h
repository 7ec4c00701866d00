/* SPDX-License-Identifier: MIT */
/*
 * One direction of a tunnel's connection as encrypted frames of which none can be changed, left
 * out, repeated, put elsewhere or cut off without notice.  Pure: bytes in, bytes out.  In the
 * head and in sjupyter, as the user.
 *
 * A frame is STREAM_LENGTH_SIZE bytes, authenticated with it: one that says whether it is the
 * last one (so that an end of file is one that the other side has meant), and how many bytes
 * follow (big-endian); then these, sealed in place, and their tag.  The key is this direction's
 * of this connection alone, and a frame's nonce is its number, so that none comes twice: a
 * connection that carries 1 GB/s for a year is far from where AES-GCM wears out (2^51 blocks).
 */
#ifndef TUNNEL_STREAM_H
#define TUNNEL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "launcher/tunnel/cipher.h"

enum {
	STREAM_LENGTH_SIZE = 4,
	STREAM_EXTRA_SIZE = CIPHER_TAG_SIZE,
	/* Bytes of a frame, all included.  Larger ones are not faster: what is sealed and sent
	 * at once is to stay in the processor's cache. */
	STREAM_FRAME_MAX = 65536 + STREAM_LENGTH_SIZE + STREAM_EXTRA_SIZE,
	STREAM_PLAIN_MAX = STREAM_FRAME_MAX - STREAM_LENGTH_SIZE - STREAM_EXTRA_SIZE
};

/* Each direction of a connection has one at both ends. */
struct stream {
	enum cipher_suite suite;
	uint8_t key[CIPHER_KEY_SIZE];
	uint64_t frames; /* so far: the next one is of this number */
	bool ended;	 /* the last frame has gone, or come: what follows is an error */
};

void stream_begin(struct stream *stream, enum cipher_suite suite,
		  const uint8_t key[CIPHER_KEY_SIZE]);

/*
 * Makes the frame of the size bytes (at most STREAM_PLAIN_MAX; 0 is fine) at frame +
 * STREAM_LENGTH_SIZE, in place, with room for STREAM_EXTRA_SIZE behind them.  Returns the
 * frame's size; 0 after the last one, or when it cannot be.
 */
size_t stream_out_frame(struct stream *out, uint8_t *frame, size_t size, bool last);

/* The same of data elsewhere. */
size_t stream_out_copy(struct stream *out, uint8_t *frame, const void *data, size_t size,
		       bool last);

/*
 * Takes one frame from the front of bytes and opens it in place.  Returns how many bytes it has
 * taken, 0 when it is not whole yet, and -1 with EBADMSG when it is not what the other end has
 * sent.  The content is at *plain, *plain_size bytes.
 */
ssize_t stream_in_take(struct stream *in, uint8_t *bytes, size_t size, uint8_t **plain,
		       size_t *plain_size);

void stream_clear(struct stream *stream); /* wipes the key */

#endif
