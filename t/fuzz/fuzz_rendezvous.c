/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the lines between the head and jupyter-launch, launcher/rendezvous.h.  The input
 * is what comes through the pipe, in pieces whose size its first byte says.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "launcher/rendezvous.h"

static size_t newlines;

static void take(char *line, void *arg)
{
	struct rendezvous message;
	char again[2 * RENDEZVOUS_LINE_MAX];

	REQUIRE(arg == &newlines && newlines > 0);
	newlines--;
	REQUIRE(strlen(line) < RENDEZVOUS_LINE_MAX && !strchr(line, '\n'));
	errno = 0;
	if (rendezvous_parse(line, &message) < 0) {
		REQUIRE(errno == EPROTO);
		return;
	}
	/* What is taken is what would be sent. */
	if (message.kind == RENDEZVOUS_SAY)
		snprintf(again, sizeof(again), "say %s", message.text);
	else if (message.kind == RENDEZVOUS_END)
		snprintf(again, sizeof(again), "end");
	else if (message.kind == RENDEZVOUS_TREE)
		snprintf(again, sizeof(again), "tree %zu", message.span);
	else if (message.kind == RENDEZVOUS_BRANCH)
		snprintf(again, sizeof(again), "branch %zu %s %s", message.rank,
			 message.endpoint, message.key);
	else
		snprintf(again, sizeof(again), "endpoint %s %s", message.endpoint, message.key);
	REQUIRE(strcmp(again, line) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rendezvous_reader reader = {.used = 0};
	int ends[2];

	if (size < 1 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return 0;
	size_t piece = 1 + data[0] * 32;
	newlines = 0;
	for (size_t at = 1; at < size; at += piece) {
		size_t part = piece < size - at ? piece : size - at;

		for (size_t i = 0; i < part; i++)
			newlines += data[at + i] == '\n';
		REQUIRE(write(ends[1], data + at, part) == (ssize_t) part);
		while (rendezvous_read(&reader, ends[0], take, &newlines) > 0)
			REQUIRE(reader.used < sizeof(reader.buffer));
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}
