/* SPDX-License-Identifier: MIT */
/* See frame.h. */
#include "launcher/control/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define CLAIM_TITLE "spank-jupyter control"

static const char *const types[] = {
	[FRAME_HELLO] = FRAME_TYPE_PREFIX "hello",
	[FRAME_WELCOME] = FRAME_TYPE_PREFIX "welcome",
	[FRAME_REJECT] = FRAME_TYPE_PREFIX "reject",
	[FRAME_RETRY] = FRAME_TYPE_PREFIX "retry",
	[FRAME_ELSEWHERE] = FRAME_TYPE_PREFIX "elsewhere",
	[FRAME_PING] = FRAME_TYPE_PREFIX "ping",
	[FRAME_PONG] = FRAME_TYPE_PREFIX "pong",
	[FRAME_BRANCH] = FRAME_TYPE_PREFIX "branch",
	[FRAME_ASKS] = FRAME_TYPE_PREFIX "asks",
	[FRAME_GONE] = FRAME_TYPE_PREFIX "gone",
	[FRAME_FROM] = FRAME_TYPE_PREFIX "from",
	[FRAME_TELLS] = FRAME_TYPE_PREFIX "tells",
	[FRAME_BYE] = FRAME_TYPE_PREFIX "bye",
	[FRAME_TAKES] = FRAME_TYPE_PREFIX "takes",
	[FRAME_REFUSES] = FRAME_TYPE_PREFIX "refuses",
	[FRAME_TO] = FRAME_TYPE_PREFIX "to",
	[FRAME_ALL] = FRAME_TYPE_PREFIX "all",
};
enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

enum frame_kind frame_kind(const void *type, size_t size)
{
	char name[CONTROL_TYPE_MAX];

	if (size == 0 || size >= sizeof(name) || memchr(type, '\0', size))
		return FRAME_MALFORMED;
	memcpy(name, type, size);
	name[size] = '\0';
	if (!text_is_name(name, sizeof(name)))
		return FRAME_MALFORMED;
	if (strncmp(name, FRAME_TYPE_PREFIX, strlen(FRAME_TYPE_PREFIX)) != 0)
		return FRAME_MESSAGE;
	for (int kind = 0; kind < TYPE_COUNT; kind++)
		if (strcmp(name, types[kind]) == 0)
			return kind;
	return FRAME_MALFORMED;
}

const char *frame_type(enum frame_kind kind)
{
	return types[kind];
}

int frame_message_check(const char *type, size_t size)
{
	if (frame_kind(type, strlen(type)) != FRAME_MESSAGE) {
		errno = EINVAL;
		return -1;
	}
	if (size > CONTROL_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	return 0;
}

/* The 85 characters of ZeroMQ's RFC 32. */
int frame_key_valid(const char *key)
{
	static const char z85[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		".-:+=^!/*?&<>()[]{}@%$#";

	return strlen(key) == CONTROL_KEY_SIZE - 1 && strspn(key, z85) == CONTROL_KEY_SIZE - 1;
}

int frame_nonce_valid(const char *nonce)
{
	return strlen(nonce) == FRAME_NONCE_MAX - 1 &&
	       strspn(nonce, "0123456789abcdef") == FRAME_NONCE_MAX - 1;
}

int frame_job_valid(const char *job_id)
{
	size_t size = strlen(job_id);

	return size > 0 && size < FRAME_JOB_MAX && strspn(job_id, "0123456789") == size;
}

int frame_claim_format(const struct frame_claim *claim, char text[FRAME_CLAIM_MAX])
{
	if (!frame_job_valid(claim->job_id) || claim->rank >= FRAME_RANK_MAX ||
	    !text_is_name(claim->node, CONTROL_NODE_MAX) || !frame_key_valid(claim->head_key) ||
	    !frame_key_valid(claim->agent_key) || !frame_nonce_valid(claim->nonce)) {
		errno = EINVAL;
		return -1;
	}
	return snprintf(text, FRAME_CLAIM_MAX,
			CLAIM_TITLE
			" %d\njob %s\nrank %zu\nnode %s\nhead %s\nagent %s\nnonce %s\n",
			FRAME_VERSION, claim->job_id, claim->rank, claim->node, claim->head_key,
			claim->agent_key, claim->nonce);
}

/* Moves *cursor behind the line that begins with `word ` and copies the rest of it. */
static bool line_take(const char **cursor, const char *word, char *value, size_t max)
{
	size_t length = strlen(word), size;
	const char *at = *cursor;

	if (strncmp(at, word, length) != 0 || at[length] != ' ')
		return false;
	at += length + 1;
	size = strcspn(at, "\n");
	if (at[size] != '\n' || size >= max)
		return false;
	memcpy(value, at, size);
	value[size] = '\0';
	*cursor = at + size + 1;
	return true;
}

/* The version comes first, so that a later one can be named whatever follows it. */
static int version_take(const char **cursor, struct reason *reason)
{
	char digits[8];
	unsigned long version;

	if (!line_take(cursor, CLAIM_TITLE, digits, sizeof(digits)) ||
	    text_to_ulong(digits, 0, 999999, &version) < 0) {
		errno = EPROTO;
		return reason_set(reason, "a hello that is none");
	}
	if (version != FRAME_VERSION) {
		errno = ENOTSUP;
		return reason_set(
			reason,
			"a hello of protocol version %lu; this head speaks version %d: "
			"install the same spank-jupyter on all nodes",
			version, FRAME_VERSION);
	}
	return 0;
}

static bool claim_take(const char **cursor, struct frame_claim *claim)
{
	char rank[12];
	unsigned long number;

	if (!line_take(cursor, "job", claim->job_id, sizeof(claim->job_id)) ||
	    !line_take(cursor, "rank", rank, sizeof(rank)) ||
	    !line_take(cursor, "node", claim->node, sizeof(claim->node)) ||
	    !line_take(cursor, "head", claim->head_key, sizeof(claim->head_key)) ||
	    !line_take(cursor, "agent", claim->agent_key, sizeof(claim->agent_key)) ||
	    !line_take(cursor, "nonce", claim->nonce, sizeof(claim->nonce)) ||
	    text_to_ulong(rank, 0, FRAME_RANK_MAX - 1, &number) < 0)
		return false;
	claim->rank = number;
	return true;
}

int frame_hello_parse(const void *payload, size_t size, struct frame_hello *hello,
		      struct reason *reason)
{
	char text[FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX], again[FRAME_CLAIM_MAX];
	struct frame_hello found;
	const char *cursor = text;
	size_t claim_size, credential_size;

	if (size == 0 || size >= sizeof(text) || memchr(payload, '\0', size)) {
		errno = EPROTO;
		return reason_set(reason, "a hello that is none");
	}
	memcpy(text, payload, size);
	text[size] = '\0';
	if (version_take(&cursor, reason) < 0)
		return -1;
	if (!claim_take(&cursor, &found.claim) || *cursor != '\n')
		goto malformed;
	claim_size = (size_t) (cursor - text);
	/* What is written back must be what came: so a leading zero or a bad key is found too.
	 */
	if (frame_claim_format(&found.claim, again) != (int) claim_size ||
	    memcmp(again, text, claim_size) != 0)
		goto malformed;
	memcpy(found.text, again, claim_size + 1);
	cursor++;
	credential_size = strlen(cursor);
	if (credential_size == 0 || credential_size >= sizeof(found.credential) ||
	    strspn(cursor,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=:") !=
		    credential_size)
		goto malformed;
	memcpy(found.credential, cursor, credential_size + 1);
	*hello = found;
	return 0;

malformed:
	errno = EPROTO;
	return reason_set(reason, "a malformed hello");
}

int frame_answer_parse(const void *payload, size_t size, char nonce[FRAME_NONCE_MAX],
		       struct reason *words)
{
	char found[FRAME_NONCE_MAX] = "", text[REASON_MAX];
	const char *bytes = payload;
	size_t length = FRAME_NONCE_MAX - 1, rest = 0;

	if (size < length || memchr(payload, '\0', size))
		goto malformed;
	memcpy(found, bytes, length);
	if (!frame_nonce_valid(found) || (size > length && bytes[length] != ' '))
		goto malformed;
	if (size > length)
		rest = size - length - 1;
	if (rest >= sizeof(text))
		goto malformed;
	memcpy(text, bytes + size - rest, rest);
	text[rest] = '\0';
	memcpy(nonce, found, sizeof(found));
	reason_set(words, "%s", text);
	return 0;

malformed:
	errno = EPROTO;
	return -1;
}
