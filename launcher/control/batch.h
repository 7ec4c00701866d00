/* SPDX-License-Identifier: MIT */
/*
 * A batch: what head and branch say to each other about several agents in one message, each on
 * a line "RANK KEY NONCE WORDS\n", where KEY is the CURVE public key of that agent, and NONCE
 * is of the hello that it joined with.  Used by the head and the branches, as the user.  Pure
 * functions: what they take is hostile.
 */
#ifndef CONTROL_BATCH_H
#define CONTROL_BATCH_H

#include <stdbool.h>

#include "launcher/control/frame.h"

struct batch {
	size_t size;
	char text[CONTROL_PAYLOAD_MAX];
};

struct batch_line {
	size_t rank;
	char key[CONTROL_KEY_SIZE];
	char nonce[FRAME_NONCE_MAX];
	char words[REASON_MAX]; /* printable */
};

/* Appends a line; words are printable and in one line.  false: the batch is full. */
bool batch_add(struct batch *batch, size_t rank, const char *key, const char *nonce,
	       const char *words);

/*
 * Takes the line at *offset of the payload and moves *offset behind it.  1: *line is set; 0:
 * the payload is at its end; -1 with EPROTO: it is malformed.
 */
int batch_next(const void *payload, size_t size, size_t *offset, struct batch_line *line);

#endif
