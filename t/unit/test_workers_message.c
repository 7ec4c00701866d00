/* SPDX-License-Identifier: MIT */
/*
 * Tests of the messages about workers: what is written comes back, and nothing else is taken.
 * Run by `make check` as any user.
 */
#include "launcher/workers/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/control.h"
#include "tap.h"

static bool round_trip(const struct workers_message *message, struct workers_message *back)
{
	struct reason reason = {""};
	size_t size = 0;
	char *encoded = workers_message_encode(message, &size);
	int rc = encoded && size == strlen(encoded) && size <= CONTROL_PAYLOAD_MAX
			 ? workers_message_decode(encoded, size, back, &reason)
			 : -1;

	if (rc < 0)
		tap_note("%s: %s", encoded ? encoded : "(none)", reason.text);
	free(encoded);
	return rc == 0;
}

static void test_round_trip(void)
{
	struct workers_message full = {.kind = "dask",
				       .index = WORKERS_COUNT_MAX - 1,
				       .count = WORKERS_COUNT_MAX,
				       .port = 65535,
				       .ip = "2001:db8::1",
				       .pid = 4711,
				       .again = true,
				       .text = "was ended by signal 9",
				       .tail = "one\ntwo \303\244\n"};
	struct workers_message least = {.kind = "x"}, back;
	char *encoded;
	size_t size;

	ok(round_trip(&full, &back), "a full message");
	ok(memcmp(&back, &full, sizeof(full)) == 0, "comes back as it was");
	ok(round_trip(&least, &back), "the least message");
	ok(memcmp(&back, &least, sizeof(least)) == 0, "comes back as it was");
	encoded = workers_message_encode(&least, &size);
	is_str(encoded, "{\"kind\":\"x\"}", "with nothing that it does not use");
	free(encoded);
}

static void test_bytes(void)
{
	struct workers_message message = {.kind = "dask"}, back;

	snprintf(message.text, sizeof(message.text), "a\nb\033[2J\377\"\\");
	snprintf(message.tail, sizeof(message.tail), "a\tb\n\033c\n\nlast, cut");
	ok(round_trip(&message, &back), "text and tail of any bytes");
	is_str(back.text, "a\\x0ab\\x1b[2J\\xff\"\\", "text on one line");
	is_str(back.tail, "a\\x09b\n\\x1bc\n\nlast, cut\n", "tail line by line");

	memset(message.text, 1, sizeof(message.text) - 1);
	memset(message.tail, 1, sizeof(message.tail) - 1);
	ok(round_trip(&message, &back), "what grows beyond its size when it is escaped");
	ok(strlen(back.tail) > WORKERS_TAIL_MAX - 8, "one long line is cut");
	ok(strlen(back.text) > WORKERS_TEXT_MAX - 8 &&
		   !strcmp(back.text + strlen(back.text) - 3, "..."),
	   "and so is the text");

	memset(message.tail, '\n', sizeof(message.tail) - 1);
	ok(round_trip(&message, &back), "nothing but ends of lines");
	is_str(back.tail, message.tail, "stays as it is");

	for (size_t i = 0; i + 8 < sizeof(message.tail); i += 8)
		memcpy(message.tail + i, "\t\t\tline\n", 8);
	memcpy(message.tail + 8 * 510, "the end", 8);
	ok(round_trip(&message, &back), "many lines that grow");
	ok(!strncmp(back.tail, "\\x09\\x09\\x09line\n", 17), "begin with a whole line");
	is_str(back.tail + strlen(back.tail) - 8, "the end\n", "and end with the last");
}

static void test_not_encoded(void)
{
	struct workers_message good = {.kind = "dask"}, bad;
	size_t size;

#define REFUSED(change, ...)                                                                   \
	do {                                                                                   \
		bad = good;                                                                    \
		change;                                                                        \
		errno = 0;                                                                     \
		ok(!workers_message_encode(&bad, &size) && errno == EINVAL, __VA_ARGS__);      \
	} while (0)
	REFUSED(bad.kind[0] = '\0', "no kind");
	REFUSED(strcpy(bad.kind, "../x"), "a kind that is no name");
	REFUSED(bad.index = WORKERS_COUNT_MAX, "an index beyond the bound");
	REFUSED(bad.count = WORKERS_COUNT_MAX + 1, "a count beyond the bound");
	REFUSED(bad.port = 65536, "a port beyond the bound");
	REFUSED(bad.pid = -1, "a negative pid");
	REFUSED(strcpy(bad.ip, "localhost"), "a name for an address");
}

static void test_hostile(void)
{
	static const char *const cases[] = {
		"",
		"{",
		"[]",
		"null",
		"\"kind\"",
		"{}",
		"{\"count\":1}",
		"{\"kind\":\"dask\"} ",
		"{\"kind\":\"dask\"}{}",
		"{\"kind\":\"dask\",\"kind\":\"mpi\"}",
		"{\"kind\":\"dask\",\"unknown\":1}",
		"{\"Kind\":\"dask\"}",
		"{\"kind\":null}",
		"{\"kind\":\"\"}",
		"{\"kind\":\"a/b\"}",
		"{\"kind\":\"-a\"}",
		"{\"kind\":\"a\\u0000b\"}",
		"{\"kind\":\"dask\",\"index\":-1}",
		"{\"kind\":\"dask\",\"index\":1024}",
		"{\"kind\":\"dask\",\"index\":1.0}",
		"{\"kind\":\"dask\",\"index\":\"1\"}",
		"{\"kind\":\"dask\",\"index\":18446744073709551617}",
		"{\"kind\":\"dask\",\"count\":1025}",
		"{\"kind\":\"dask\",\"count\":true}",
		"{\"kind\":\"dask\",\"port\":65536}",
		"{\"kind\":\"dask\",\"pid\":2147483648}",
		"{\"kind\":\"dask\",\"pid\":-1}",
		"{\"kind\":\"dask\",\"again\":1}",
		"{\"kind\":\"dask\",\"ip\":\"\"}",
		"{\"kind\":\"dask\",\"ip\":\"10.0.0.256\"}",
		"{\"kind\":\"dask\",\"ip\":\"10.0.0.1 \"}",
		"{\"kind\":\"dask\",\"text\":\"a\\nb\"}",
		"{\"kind\":\"dask\",\"text\":\"\\u001b\"}",
		"{\"kind\":\"dask\",\"text\":[\"a\"]}",
		"{\"kind\":\"dask\",\"tail\":\"no end\"}",
		"{\"kind\":\"dask\",\"tail\":\"a\\n\\u202e\\n\"}",
		"{\"kind\":\"dask\",\"tail\":\"\377\\n\"}",
	};
	struct workers_message message, before;
	struct reason reason;
	char *large = calloc(1, CONTROL_PAYLOAD_MAX + 1);

	memset(&before, 0x55, sizeof(before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		message = before;
		reason.text[0] = '\0';
		/* A space behind the object is JSON's to allow. */
		if (cases[i][0] && cases[i][strlen(cases[i]) - 1] == ' ') {
			is_int(workers_message_decode(cases[i], strlen(cases[i]), &message,
						      &reason),
			       0, "taken: %s", cases[i]);
			continue;
		}
		fails_with(
			workers_message_decode(cases[i], strlen(cases[i]), &message, &reason),
			EPROTO, "refused: %s", cases[i]);
		ok(!memcmp(&message, &before, sizeof(before)) && reason.text[0] &&
			   text_printable(reason.text),
		   "nothing is changed, and it says: %s", reason.text);
	}
	if (!large)
		bail_out("calloc");
	memset(large, ' ', CONTROL_PAYLOAD_MAX + 1);
	memcpy(large, "{\"kind\":\"a\"}", 12);
	fails_with(workers_message_decode(large, CONTROL_PAYLOAD_MAX + 1, &message, &reason),
		   EPROTO, "too large");
	is_int(workers_message_decode(large, CONTROL_PAYLOAD_MAX, &message, &reason), 0,
	       "just not too large");
	memset(large, 'x', CONTROL_PAYLOAD_MAX);
	memcpy(large, "{\"kind\":\"a\",\"text\":\"", 20);
	memcpy(large + 20 + WORKERS_TEXT_MAX, "\"}", 2);
	fails_with(workers_message_decode(large, 22 + WORKERS_TEXT_MAX, &message, &reason),
		   EPROTO, "a text that has no room for its NUL");
	memcpy(large + 19 + WORKERS_TEXT_MAX, "\"}", 2);
	is_int(workers_message_decode(large, 21 + WORKERS_TEXT_MAX, &message, &reason), 0,
	       "the longest text");
	free(large);
	fails_with(workers_message_decode("[[[[", 4, &message, NULL), EPROTO,
		   "nobody asks for the reason");
}

static void test_file(void)
{
	static char bytes[WORKERS_FILE_MAX + 1];
	struct workers_file file = {"dask", "ca.pem", "a\0b", 3}, back;
	struct reason reason;
	size_t size = 0;
	char *encoded = workers_file_encode(&file, &size);

	is_int(size, 15, "a file's message has kind, name and bytes");
	ok(encoded && !memcmp(encoded, "dask\0ca.pem\0a\0b", 15), "ended by NULs");
	is_int(workers_file_decode(encoded, size, &back, &reason), 0, "is taken");
	is_str(back.kind, "dask", "kind");
	is_str(back.name, "ca.pem", "name");
	ok(back.size == 3 && back.data == encoded + 12, "bytes where they are");
	fails_with(workers_file_decode(encoded, 11, &back, &reason), EPROTO, "cut in the name");
	fails_with(workers_file_decode(encoded, 5, &back, &reason), EPROTO, "no name");
	fails_with(workers_file_decode(encoded, 4, &back, &reason), EPROTO, "cut in the kind");
	fails_with(workers_file_decode(encoded, 0, &back, &reason), EPROTO, "nothing");
	is_int(workers_file_decode(encoded, 12, &back, &reason), 0, "an empty file");
	is_int(back.size, 0, "has no bytes");
	free(encoded);

	fails_with(workers_file_decode("dask\0../x\0", 10, &back, &reason), EPROTO,
		   "a way out of the directory");
	fails_with(workers_file_decode("dask\0.x\0", 8, &back, &reason), EPROTO,
		   "a hidden file");
	fails_with(workers_file_decode("a/b\0x\0", 6, &back, &reason), EPROTO,
		   "a kind that is no name");
	fails_with(workers_file_decode("\0x\0", 3, &back, &reason), EPROTO, "no kind");

	file = (struct workers_file){"dask", "key", bytes, WORKERS_FILE_MAX};
	encoded = workers_file_encode(&file, &size);
	ok(encoded && size <= CONTROL_PAYLOAD_MAX, "the largest file fits into a message");
	is_int(workers_file_decode(encoded, size, &back, &reason), 0, "and is taken");
	free(encoded);
	file.size++;
	errno = 0;
	ok(!workers_file_encode(&file, &size) && errno == EINVAL, "a larger one is not sent");
	char *large = calloc(1, 9 + WORKERS_FILE_MAX + 1);
	if (!large)
		bail_out("calloc");
	memcpy(large, "dask\0key\0", 9);
	fails_with(workers_file_decode(large, 9 + WORKERS_FILE_MAX + 1, &back, &reason), EPROTO,
		   "nor taken");
	free(large);
	file = (struct workers_file){"dask", "a/b", bytes, 1};
	ok(!workers_file_encode(&file, &size) && errno == EINVAL, "nor one with a path");
}

int main(void)
{
	test_round_trip();
	test_bytes();
	test_not_encoded();
	test_hostile();
	test_file();
	return done_testing();
}
