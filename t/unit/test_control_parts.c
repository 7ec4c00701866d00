/* SPDX-License-Identifier: MIT */
/*
 * Tests of the control plane's parts that need no connection: batches, routes, places of
 * branches, the memory of handshakes.  Run by `make check` as any user.
 */
#include <pthread.h>
#include <stdint.h>

#include "launcher/control/backoff.h"
#include "launcher/control/batch.h"
#include "launcher/control/route.h"
#include "launcher/control/secret_memory.h"
#include "tap.h"

#define KEY   "0123456789abcdefghijklmnopqrstuvwxyzABCD"
#define NONCE "0123456789abcdef"
#define LINE  "7 " KEY " " NONCE " "

static void test_batch(void)
{
	static struct batch batch;
	struct batch_line line;
	size_t offset = 0, count = 0;

	is_int(batch_next("", 0, &offset, &line), 0, "an empty batch has no line");
	ok(batch_add(&batch, 3, KEY, NONCE, "n3") &&
		   batch_add(&batch, 1048575, KEY, NONCE, "") &&
		   batch_add(&batch, 0, KEY, NONCE, "went away, so to say"),
	   "three lines");
	is_int(batch_next(batch.text, batch.size, &offset, &line), 1, "the first");
	ok(line.rank == 3 && strcmp(line.key, KEY) == 0 && strcmp(line.nonce, NONCE) == 0 &&
		   strcmp(line.words, "n3") == 0,
	   "is as it was");
	is_int(batch_next(batch.text, batch.size, &offset, &line), 1, "the second");
	ok(line.rank == 1048575 && line.words[0] == '\0', "has the highest rank and no words");
	is_int(batch_next(batch.text, batch.size, &offset, &line), 1, "the third");
	is_str(line.words, "went away, so to say", "has a sentence");
	is_int(batch_next(batch.text, batch.size, &offset, &line), 0, "and no more");
	batch.size = 0;
	while (batch_add(&batch, count, KEY, NONCE, "node"))
		count++;
	ok(count > 500 && batch.size <= CONTROL_PAYLOAD_MAX, "%zu lines fill a batch", count);
	offset = 0;
	while (count > 0 && batch_next(batch.text, batch.size, &offset, &line) == 1)
		count--;
	is_int(count, 0, "all are there");
}

static void test_batch_malformed(void)
{
	static char words[REASON_MAX + 1], text[2 * REASON_MAX];
	static const char *const lines[] = {
		"\n",
		" \n",
		"7\n",
		"7 " KEY "\n",
		"7 " KEY " " NONCE "\n",
		LINE "no newline",
		"07 " KEY " " NONCE " n\n",
		"-7 " KEY " " NONCE " n\n",
		"+7 " KEY " " NONCE " n\n",
		"1048576 " KEY " " NONCE " n\n",
		"99999999999999999999 " KEY " " NONCE " n\n",
		"x " KEY " " NONCE " n\n",
		" 7 " KEY " " NONCE " n\n",
		"7  " KEY " " NONCE " n\n",
		"7 " KEY "x " NONCE " n\n",
		"7 \"" NONCE NONCE NONCE "\" " NONCE " n\n",
		"7 " KEY " 0123456789ABCDEF n\n",
		"7 " KEY " 0123456789abcde n\n",
		"7 " KEY "  123456789abcdef n\n",
		LINE "a\tb\n",
		LINE "\033[1m\n",
		LINE "\xff\n",
	};
	struct batch_line line;
	size_t offset;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		offset = 0;
		fails_with(batch_next(lines[i], strlen(lines[i]), &offset, &line), EPROTO,
			   "line %zu is malformed", i);
	}
	offset = 0;
	fails_with(batch_next(LINE "a\0b\n", sizeof(LINE "a\0b\n") - 1, &offset, &line), EPROTO,
		   "a NUL");
	memset(words, 'w', REASON_MAX);
	snprintf(text, sizeof(text), LINE "%s\n", words);
	offset = 0;
	fails_with(batch_next(text, strlen(text), &offset, &line), EPROTO, "long words");
	words[REASON_MAX - 1] = '\0';
	snprintf(text, sizeof(text), LINE "%s\n", words);
	offset = 0;
	is_int(batch_next(text, strlen(text), &offset, &line), 1, "one less is taken");
	is_int(offset, (long) strlen(text), "as a whole");
}

static void test_route(void)
{
	static const char *const bad[] = {
		"",	    "7",	 "7 ",	       " status",
		"x status", "07 status", "-7 status",  "7 control.ping",
		"7 a b",    "7  status", "7 status\n", "1048576 status"};
	char route[ROUTE_MAX], type[CONTROL_TYPE_MAX];
	char longest[CONTROL_TYPE_MAX];
	size_t rank = 0, size;

	memset(longest, 't', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	size = route_format(FRAME_RANK_MAX - 1, longest, route);
	is_int(route_parse(route, size, &rank, type), 0, "the longest route");
	ok(rank == FRAME_RANK_MAX - 1 && strcmp(type, longest) == 0, "is as it was");
	is_int(route_parse("status", 6, NULL, type), 0,
	       "a type alone, where no rank is wanted");
	is_str(type, "status", "is as it was");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		fails_with(route_parse(bad[i], strlen(bad[i]), &rank, type), EPROTO,
			   "case %zu is no route", i);
	fails_with(route_parse("7 a\0b", 5, &rank, type), EPROTO, "a NUL");
	fails_with(route_parse("7 status", 8, NULL, type), EPROTO,
		   "a rank where none is wanted");
}

static void test_place(void)
{
	static const char *const bad[] = {"",
					  "tcp://127.0.0.1:1",
					  "tcp://127.0.0.1:1 ",
					  "tcp://127.0.0.1:1 short",
					  "tcp://127.0.0.1:1 " KEY "x",
					  "tcp://127.0.0.1:1  " KEY,
					  "ipc:///tmp/x " KEY,
					  "tcp://*:1 " KEY,
					  "tcp://localhost:1 " KEY,
					  " " KEY,
					  "-",
					  "- "};
	static char longest[REASON_MAX + 1];
	char endpoint[CONTROL_ENDPOINT_MAX] = "", key[CONTROL_KEY_SIZE] = "";
	struct reason words;

	is_int(route_place_parse("tcp://[::1]:65535 " KEY, 18 + 40, endpoint, key, &words), 0,
	       "a place");
	ok(strcmp(endpoint, "tcp://[::1]:65535") == 0 && strcmp(key, KEY) == 0, "is as it was");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fails_with(route_place_parse(bad[i], strlen(bad[i]), endpoint, key, &words),
			   EPROTO, "case %zu is none", i);
		is_str(words.text, "", "and says nothing");
	}
	ok(route_place_parse("- no\nport", 9, endpoint, key, &words) < 0 &&
		   strcmp(words.text, "no\\x0aport") == 0,
	   "why there is none, harmless: %s", words.text);
	memset(longest, 'x', REASON_MAX);
	fails_with(route_place_parse(longest, REASON_MAX, endpoint, key, &words), EPROTO,
		   "a long one");
}

/* libsodium's names, which are ours in this program. */
void *sodium_allocarray(size_t count, size_t size);
void sodium_free(void *buffer);

static void *hammer(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		unsigned char *one = sodium_allocarray(1, 64), *two = sodium_allocarray(2, 64);

		if (!one || !two || one == two)
			*(int *) arg = 1;
		memset(one, 1, 64);
		memset(two, 2, 128);
		for (int at = 0; at < 64; at++)
			if (one[at] != 1 || two[at] != 2 || two[64 + at] != 2)
				*(int *) arg = 1;
		sodium_free(one);
		sodium_free(two);
	}
	return NULL;
}

static void test_secret_memory(void)
{
	enum { MANY = 100, THREADS = 4 };
	unsigned char *buffers[MANY], *slot;
	int clean = 1, wrong[THREADS] = {0};
	pthread_t threads[THREADS];

	slot = sodium_allocarray(1, 100);
	ok(slot, "before there is a region a buffer has its own");
	memset(slot, 'x', 100);
	sodium_free(slot);
	is_int(secret_memory_used(), 0, "and no slot");
	secret_memory_open();
	secret_memory_open();
	slot = sodium_allocarray(1, 100);
	is_int(secret_memory_used(), 1, "then it takes a slot");
	memset(slot, 's', 100);
	sodium_free(slot);
	for (int i = 0; i < 100; i++)
		clean = clean && slot[i] == 0;
	ok(clean, "which is wiped when it is given back");
	is_int(secret_memory_used(), 0, "and free");
	for (int i = 0; i < MANY; i++) {
		buffers[i] = sodium_allocarray(4, 100);
		if (!buffers[i])
			bail_out("sodium_allocarray");
		ok((uintptr_t) buffers[i] % 16 == 0, "buffer %d is aligned", i);
		memset(buffers[i], i, 400);
	}
	for (int i = 0; i < MANY; i++)
		for (int at = 0; at < 400; at++)
			clean = clean && buffers[i][at] == i;
	ok(clean, "more than there are slots do not overlap");
	for (int i = 0; i < MANY; i++)
		sodium_free(buffers[i]);
	is_int(secret_memory_used(), 0, "all are free");
	slot = sodium_allocarray(100, 1000);
	ok(slot && secret_memory_used() == 0, "a large one has a region of its own");
	memset(slot, 'l', 100000);
	sodium_free(slot);
	sodium_free(NULL);
	ok(!sodium_allocarray(SIZE_MAX / 2, 3), "an impossible one is none");
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, hammer, &wrong[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		is_int(wrong[i], 0, "thread %d had its buffers for itself", i);
	}
	is_int(secret_memory_used(), 0, "all are free again");
}

static void test_backoff(void)
{
	struct backoff backoff = {0};
	int64_t last = 0;
	bool well = true;

	for (int64_t ms = BACKOFF_MS; ms < BACKOFF_MAX_MS; ms *= 2) {
		last = backoff_next(&backoff);
		well = well && last >= ms && last <= ms + ms / 2;
	}
	ok(well, "doubled each time, and by chance up to half more");
	for (int i = 0; i < 100; i++)
		last = backoff_next(&backoff);
	ok(last <= 3 * BACKOFF_MAX_MS, "up to a limit");
	ok(backoff_other(&backoff) <= 3 * BACKOFF_MAX_MS, "another is tried after as long");
	backoff_reset(&backoff);
	ok(backoff_other(&backoff) <= BACKOFF_MS * 3 / 2 &&
		   backoff_other(&backoff) <= BACKOFF_MS * 3 / 2,
	   "and does not make it longer");
	ok(backoff_next(&backoff) <= BACKOFF_MS * 3 / 2,
	   "and from the beginning when it was well");
}

int main(void)
{
	test_batch();
	test_batch_malformed();
	test_route();
	test_place();
	test_secret_memory();
	test_backoff();
	return done_testing();
}
