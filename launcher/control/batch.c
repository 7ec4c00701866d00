/* SPDX-License-Identifier: MIT */
/* See batch.h. */
#include "launcher/control/batch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/route.h"

/* Bytes of a line beyond its words: rank, key, nonce, a space behind each, and the newline. */
enum { LINE_REST = 8 + CONTROL_KEY_SIZE + FRAME_NONCE_MAX + 1 };

bool batch_add(struct batch *batch, size_t rank, const char *key, const char *nonce,
	       const char *words)
{
	if (batch->size + LINE_REST + strlen(words) >= sizeof(batch->text))
		return false;
	batch->size +=
		(size_t) snprintf(batch->text + batch->size, sizeof(batch->text) - batch->size,
				  "%zu %s %s %s\n", rank, key, nonce, words);
	return true;
}

/* Moves *at behind a word of size-1 bytes and its space, and copies it with NUL. */
static bool word_take(const char **at, char *word, size_t size)
{
	if (strlen(*at) < size || (*at)[size - 1] != ' ')
		return false;
	memcpy(word, *at, size - 1);
	word[size - 1] = '\0';
	*at += size;
	return true;
}

int batch_next(const void *payload, size_t size, size_t *offset, struct batch_line *line)
{
	const char *begin = (const char *) payload + *offset, *end;
	char text[LINE_REST + REASON_MAX];
	const char *at = text;
	size_t length;

	if (*offset == size)
		return 0;
	end = memchr(begin, '\n', size - *offset);
	length = end ? (size_t) (end - begin) : sizeof(text);
	if (length >= sizeof(text) || memchr(begin, '\0', length))
		goto malformed;
	memcpy(text, begin, length);
	text[length] = '\0';
	if (!route_rank_take(&at, &line->rank) ||
	    !word_take(&at, line->key, sizeof(line->key)) ||
	    !word_take(&at, line->nonce, sizeof(line->nonce)) || !frame_key_valid(line->key) ||
	    !frame_nonce_valid(line->nonce) || strlen(at) >= sizeof(line->words) ||
	    !text_printable(at))
		goto malformed;
	memcpy(line->words, at, strlen(at) + 1);
	*offset += length + 1;
	return 1;

malformed:
	errno = EPROTO;
	return -1;
}
