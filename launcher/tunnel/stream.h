/* SPDX-License-Identifier: MIT */
/*
 * One direction of a tunnel's connection as encrypted frames: libsodium's secretstream
 * (XChaCha20-Poly1305), in which no frame can be changed, left out, repeated, put elsewhere or
 * cut off without notice.  Pure: bytes in, bytes out.  In the head and in sjupyter, as the
 * user.
 *
 * A direction begins with STREAM_HEADER_SIZE bytes; then come frames: two bytes of how many
 * bytes follow (big-endian, authenticated as additional data), and these.  The last frame says
 * that it is the last one, so that an end of file is one that the other side has meant.
 */
#ifndef TUNNEL_STREAM_H
#define TUNNEL_STREAM_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "launcher/tunnel/handshake.h"

enum {
	STREAM_HEADER_SIZE = 24, /* crypto_secretstream_xchacha20poly1305_HEADERBYTES */
	STREAM_LENGTH_SIZE = 2,
	STREAM_EXTRA_SIZE = 17,	  /* crypto_secretstream_xchacha20poly1305_ABYTES */
	STREAM_FRAME_MAX = 65536, /* bytes of a frame, all included */
	STREAM_PLAIN_MAX = STREAM_FRAME_MAX - STREAM_LENGTH_SIZE - STREAM_EXTRA_SIZE
};

struct stream_out {
	crypto_secretstream_xchacha20poly1305_state state;
	bool ended;
};

struct stream_in {
	crypto_secretstream_xchacha20poly1305_state state;
	uint8_t key[HANDSHAKE_KEY_SIZE]; /* until the header has come; then wiped */
	bool begun;
	bool ended; /* the last frame has come: what follows is an error */
};

/* The header goes out first. */
void stream_out_begin(struct stream_out *out, const uint8_t key[HANDSHAKE_KEY_SIZE],
		      uint8_t header[STREAM_HEADER_SIZE]);

/*
 * The frame of size bytes of data (at most STREAM_PLAIN_MAX; 0 is fine) into frame, which has
 * room for STREAM_LENGTH_SIZE + size + STREAM_EXTRA_SIZE.  Returns the frame's size; 0 after
 * the last one, or when there is too much.
 */
size_t stream_out_frame(struct stream_out *out, const void *data, size_t size, bool last,
			uint8_t *frame);

void stream_in_begin(struct stream_in *in, const uint8_t key[HANDSHAKE_KEY_SIZE]);

/*
 * Takes the header, or one frame, from the front of bytes.  Returns how many bytes it has
 * taken, 0 when it is not whole yet, and -1 with EBADMSG when it is not what the other end has
 * sent.  A frame's content goes to plain (room for STREAM_PLAIN_MAX) and *plain_size.
 */
ssize_t stream_in_take(struct stream_in *in, const uint8_t *bytes, size_t size, uint8_t *plain,
		       size_t *plain_size);

/* Wipe the keys. */
void stream_out_clear(struct stream_out *out);
void stream_in_clear(struct stream_in *in);

#endif
