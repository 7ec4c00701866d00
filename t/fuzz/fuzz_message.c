/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parser of a kernel's messages.  The input is frames, each after two bytes of its
 * length (big endian); with a first byte of "s" they are signed before they are parsed, so that
 * what the signature covers is reached.
 */
#include "fuzz.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/text.h"
#include "launcher/kernel/message.h"

enum { FRAMES = MESSAGE_FRAMES_MAX + 8 };

static const char key[] = "0123456789abcdef";

static size_t cut(const uint8_t *data, size_t size, struct message_frame *frames)
{
	size_t count = 0;

	while (size >= 2 && count < FRAMES) {
		size_t length = (size_t) data[0] << 8 | data[1];

		if (length > size - 2)
			length = size - 2;
		frames[count++] = (struct message_frame){data + 2, length};
		data += 2 + length;
		size -= 2 + length;
	}
	return count;
}

static void sign(struct message_frame *frames, size_t count, char *text)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;
	size_t at = 0;

	while (at < count && (frames[at].size != 9 || memcmp(frames[at].data, "<IDS|MSG>", 9)))
		at++;
	if (count - at < MESSAGE_PARTS)
		return;
	crypto_auth_hmacsha256_init(&state, (const uint8_t *) key, strlen(key));
	for (size_t i = at + 2; i < at + 6; i++)
		crypto_auth_hmacsha256_update(&state, frames[i].data, frames[i].size);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(text, MESSAGE_SIGNATURE + 1, mac, sizeof(mac));
	frames[at + 1] = (struct message_frame){text, MESSAGE_SIGNATURE};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message_frame frames[FRAMES];
	struct message message = {.content = NULL};
	struct reason reason;
	char signature[MESSAGE_SIGNATURE + 1];
	size_t count;

	if (size == 0 || sodium_init() < 0)
		return 0;
	count = cut(data + 1, size - 1, frames);
	if (data[0] == 's')
		sign(frames, count, signature);
	if (message_parse(key, frames, count, &message, &reason) < 0) {
		REQUIRE(errno == EINVAL || errno == EACCES || errno == EMSGSIZE);
		REQUIRE(text_printable(reason.text));
		REQUIRE(message.content == NULL);
		return 0;
	}
	/* Nobody guesses a signature. */
	REQUIRE(data[0] == 's');
	REQUIRE(message.id[0] != '\0' && text_printable(message.id));
	REQUIRE(message.type[0] != '\0' && text_printable(message.type));
	REQUIRE(text_printable(message.parent_id));
	REQUIRE(json_is_object(message.content));
	message_clear(&message);
	return 0;
}
