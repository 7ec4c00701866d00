/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/kernel/message.h: messages of Jupyter's protocol right, forged, cut and
 * hostile; run by `make check` as whoever calls it.
 */
#include "launcher/kernel/message.h"

#include <sodium.h>

#include "tap.h"

enum { FRAMES = 80 };

static struct reason reason;
static struct message message;

/* A message as ipykernel publishes it; the signature is put in later. */
static const char key[] = "a0436f6c-1916-498b-8eb9-e81ab9368e84";
static const char *const real[] = {
	"kernel.status",
	"<IDS|MSG>",
	"@SIGNATURE@",
	"{\"msg_id\": \"b\", \"msg_type\": \"status\", \"username\": \"u\", \"session\": "
	"\"s\", "
	"\"date\": \"2026-01-01T00:00:00Z\", \"version\": \"5.3\"}",
	"{\"msg_id\": \"a\"}",
	"{}",
	"{\"execution_state\": \"busy\"}",
};

/* frames of these texts. */
static size_t frames_of(const char *const texts[], size_t count, struct message_frame *frames)
{
	for (size_t i = 0; i < count; i++)
		frames[i] = (struct message_frame){texts[i], strlen(texts[i])};
	return count;
}

/* The same, signed over the four parts from the given one on: jupyter_client's hmac.new(key,
 * digestmod=sha256). */
static void sign(const char *with, struct message_frame *frames, size_t first, char *text)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	char joined[4096];
	size_t used = 0;
	crypto_auth_hmacsha256_state state;

	for (size_t i = first; i < first + 4; i++) {
		memcpy(joined + used, frames[i].data, frames[i].size);
		used += frames[i].size;
	}
	crypto_auth_hmacsha256_init(&state, (const unsigned char *) with, strlen(with));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *) joined, used);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(text, MESSAGE_SIGNATURE + 1, mac, sizeof(mac));
	frames[first - 1] = (struct message_frame){text, MESSAGE_SIGNATURE};
}

static void test_right(void)
{
	struct message_frame frames[FRAMES];
	char signature[MESSAGE_SIGNATURE + 1];
	size_t count = frames_of(real, 7, frames);

	sign(key, frames, 3, signature);
	is_int(message_parse(key, frames, count, &message, &reason), 0, "a right one is taken");
	is_str(message.id, "b", "its id");
	is_str(message.type, "status", "its type");
	is_str(message.parent_id, "a", "its parent");
	is_str(json_string_value(json_object_get(message.content, "execution_state")), "busy",
	       "its content");
	message_clear(&message);
	frames[7] = (struct message_frame){"\0\xff", 2};
	is_int(message_parse(key, frames, 8, &message, &reason), 0, "a buffer may follow");
	message_clear(&message);
	is_int(message_parse(key, frames + 1, 6, &message, &reason), 0, "without identities");
	message_clear(&message);
}

/* RFC 4231, test case 2, tells whether what we call HMAC-SHA256 is that. */
static void test_hmac(void)
{
	const char *texts[] = {"<IDS|MSG>", "", "what do ya ", "want ", "for ", "nothing?"};
	struct message_frame frames[FRAMES];

	texts[1] = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
	frames_of(texts, 6, frames);
	fails_with(message_parse("Jefe", frames, 6, &message, &reason), EINVAL,
		   "RFC 4231: the signature is right, what it signs is no JSON");
	fails_with(message_parse("jefe", frames, 6, &message, &reason), EACCES,
		   "with another key it is not");
}

static void test_forged(void)
{
	struct message_frame frames[FRAMES];
	char signature[MESSAGE_SIGNATURE + 1];
	size_t count = frames_of(real, 7, frames);

	fails_with(message_parse(key, frames, count, &message, &reason), EACCES,
		   "no signature at all");
	ok(strstr(reason.text, "not signed") != NULL, "the reason says so: %s", reason.text);
	sign("another key", frames, 3, signature);
	fails_with(message_parse(key, frames, count, &message, &reason), EACCES,
		   "signed with another key");
	for (size_t part = 3; part < 7; part++) {
		char changed[512];

		count = frames_of(real, 7, frames);
		sign(key, frames, 3, signature);
		snprintf(changed, sizeof(changed), "%s ", real[part]);
		frames[part] = (struct message_frame){changed, strlen(changed)};
		fails_with(message_parse(key, frames, count, &message, &reason), EACCES,
			   "part %zu is changed", part);
	}
	count = frames_of(real, 7, frames);
	sign(key, frames, 3, signature);
	signature[MESSAGE_SIGNATURE - 1] ^= 1;
	fails_with(message_parse(key, frames, count, &message, &reason), EACCES,
		   "the signature's last digit");
	frames[2].size = 0;
	fails_with(message_parse(key, frames, count, &message, &reason), EACCES,
		   "an empty signature, as of a kernel without a key");
}

/* Signed, but wrong. */
static void wrong(size_t part, const char *text, const char *what)
{
	struct message_frame frames[FRAMES];
	char signature[MESSAGE_SIGNATURE + 1];

	frames_of(real, 7, frames);
	frames[part] = (struct message_frame){text, strlen(text)};
	sign(key, frames, 3, signature);
	fails_with(message_parse(key, frames, 7, &message, &reason), EINVAL, "%s", what);
}

static void test_wrong(void)
{
	struct message_frame frames[FRAMES];
	static char large[MESSAGE_BYTES_MAX + 1];
	char signature[MESSAGE_SIGNATURE + 1], name[2 * MESSAGE_NAME_MAX];

	wrong(3, "", "an empty header");
	wrong(3, "[]", "a header that is a list");
	wrong(3, "{}", "a header without an id");
	wrong(3, "{\"msg_id\": 1, \"msg_type\": \"status\"}", "an id that is a number");
	wrong(3, "{\"msg_id\": \"b\", \"msg_type\": \"a/b\"}", "a type with a slash");
	wrong(3, "{\"msg_id\": \"b\\u001b\", \"msg_type\": \"x\"}", "an id with an escape");
	memset(name, 'x', sizeof(name));
	snprintf(name, sizeof(name), "{\"msg_type\": \"x\", \"msg_id\": \"%.*s\"}",
		 MESSAGE_NAME_MAX,
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	wrong(3, name, "an id that is too long");
	wrong(4, "{\"msg_id\": \"\"}", "a parent with an empty id");
	wrong(6, "{\"a\": }", "content that is no JSON");
	wrong(6, "", "empty content");
	frames_of(real, 7, frames);
	sign(key, frames, 3, signature);
	fails_with(message_parse(key, frames, 6, &message, &reason), EINVAL, "no content");
	fails_with(message_parse(key, frames, 2, &message, &reason), EINVAL, "no signature");
	fails_with(message_parse(key, frames, 1, &message, &reason), EINVAL, "no delimiter");
	fails_with(message_parse(key, frames, 0, &message, &reason), EINVAL, "no frames");
	frames[0].data = large;
	frames[0].size = sizeof(large);
	fails_with(message_parse(key, frames, 7, &message, &reason), EMSGSIZE,
		   "a frame that is too long");
	for (size_t i = 7; i < FRAMES; i++)
		frames[i] = (struct message_frame){"", 0};
	frames[0].size = 0;
	is_int(message_parse(key, frames, MESSAGE_FRAMES_MAX, &message, &reason), 0,
	       "as many frames as are allowed");
	message_clear(&message);
	fails_with(message_parse(key, frames, MESSAGE_FRAMES_MAX + 1, &message, &reason),
		   EMSGSIZE, "one more");
}

static void test_draft(void)
{
	struct message_draft draft, other;
	struct message_frame frames[MESSAGE_PARTS];

	if (message_draft(key, "session", "shutdown_request", "{\"restart\":true}", &draft) <
		    0 ||
	    message_draft(key, "session", "shutdown_request", "{}", &other) < 0)
		bail_out("message_draft");
	frames_of((const char *const *) draft.parts, MESSAGE_PARTS, frames);
	is_int(message_parse(key, frames, MESSAGE_PARTS, &message, &reason), 0,
	       "what is drafted is right");
	is_str(message.type, "shutdown_request", "its type");
	is_str(message.id, draft.id, "its id");
	is_str(message.parent_id, "", "no parent");
	ok(json_is_true(json_object_get(message.content, "restart")), "its content");
	ok(strcmp(draft.id, other.id) != 0, "ids differ");
	message_clear(&message);
	message_draft_clear(&draft);
	message_draft_clear(&other);
	message_draft_clear(&other);
	message_clear(&message);
}

int main(void)
{
	if (sodium_init() < 0)
		bail_out("sodium_init");
	test_right();
	test_hmac();
	test_forged();
	test_wrong();
	test_draft();
	return done_testing();
}
