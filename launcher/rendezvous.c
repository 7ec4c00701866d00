/* SPDX-License-Identifier: MIT */
/* See rendezvous.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/reason.h"
#include "common/session.h"
#include "common/text.h"
#include "launcher/rendezvous.h"

static int send_line(int fd, const char *line, int size)
{
	if (size < 0 || size >= RENDEZVOUS_LINE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	return fd_write_all(fd, line, (size_t) size);
}

int rendezvous_send_endpoint(int fd, const char *endpoint, const char *key)
{
	char line[RENDEZVOUS_LINE_MAX];

	return send_line(fd, line,
			 snprintf(line, sizeof(line), "endpoint %s %s\n", endpoint, key));
}

int rendezvous_send_tree(int fd, size_t span)
{
	char line[RENDEZVOUS_LINE_MAX];

	return send_line(fd, line, snprintf(line, sizeof(line), "tree %zu\n", span));
}

int rendezvous_send_branch(int fd, size_t rank, const char *endpoint, const char *key)
{
	char line[RENDEZVOUS_LINE_MAX];

	return send_line(
		fd, line,
		snprintf(line, sizeof(line), "branch %zu %s %s\n", rank, endpoint, key));
}

int rendezvous_say(int fd, const char *text)
{
	char line[RENDEZVOUS_LINE_MAX];
	struct reason safe;

	reason_set(&safe, "%s", text);
	return send_line(fd, line, snprintf(line, sizeof(line), "say %s\n", safe.text));
}

int rendezvous_send_end(int fd)
{
	return send_line(fd, "end\n", 4);
}

/* " ENDPOINT KEY", with single spaces and no others; the widths are
 * CONTROL_ENDPOINT_MAX and CONTROL_KEY_SIZE without the NUL. */
static bool place_take(const char *text, struct rendezvous *message)
{
	int end = 0;

	return sscanf(text, "%*1[ ]%127[!-~]%*1[ ]%40[!-~]%n", message->endpoint, message->key,
		      &end) == 2 &&
	       !text[end] && strlen(message->key) == CONTROL_KEY_SIZE - 1 &&
	       !strncmp(message->endpoint, "tcp://", 6);
}

/* "branch" is taken: " RANK ENDPOINT KEY". */
static bool branch_take(const char *text, struct rendezvous *message)
{
	char digits[sizeof("65535")] = "";
	int end = 0;
	unsigned long rank;

	if (sscanf(text, "%*1[ ]%5[0-9]%n", digits, &end) != 1 || digits[0] == '0' ||
	    text_to_ulong(digits, 1, SESSION_NODES_MAX - 1, &rank) < 0)
		return false;
	message->rank = rank;
	return place_take(text + end, message);
}

int rendezvous_parse(const char *line, struct rendezvous *message)
{
	struct rendezvous parsed = {.kind = RENDEZVOUS_SAY};

	if (!strncmp(line, "say ", 4) && strlen(line) < sizeof(parsed.text)) {
		strcpy(parsed.text, line + 4);
		*message = parsed;
		return 0;
	}
	if (!strcmp(line, "end")) {
		parsed.kind = RENDEZVOUS_END;
		*message = parsed;
		return 0;
	}
	if (!strncmp(line, "endpoint", 8) && place_take(line + 8, &parsed)) {
		parsed.kind = RENDEZVOUS_ENDPOINT;
		*message = parsed;
		return 0;
	}
	if (!strncmp(line, "branch", 6) && branch_take(line + 6, &parsed)) {
		parsed.kind = RENDEZVOUS_BRANCH;
		*message = parsed;
		return 0;
	}
	unsigned long span;
	if (!strncmp(line, "tree ", 5) && line[5] != '0' &&
	    text_to_ulong(line + 5, CONTROL_SPAN_MIN, SESSION_NODES_MAX, &span) == 0) {
		parsed.kind = RENDEZVOUS_TREE;
		parsed.span = span;
		*message = parsed;
		return 0;
	}
	errno = EPROTO;
	return -1;
}

ssize_t rendezvous_read(struct rendezvous_reader *reader, int fd,
			void (*line)(char *line, void *arg), void *arg)
{
	ssize_t got;

	do
		got = read(fd, reader->buffer + reader->used,
			   sizeof(reader->buffer) - reader->used);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got;
	reader->used += (size_t) got;

	char *begin = reader->buffer, *end;
	size_t left = reader->used;
	while ((end = memchr(begin, '\n', left))) {
		*end = '\0';
		if (!reader->skipping)
			line(begin, arg);
		reader->skipping = false;
		left -= (size_t) (end + 1 - begin);
		begin = end + 1;
	}
	if (left == sizeof(reader->buffer)) {
		reader->skipping = true;
		left = 0;
	}
	memmove(reader->buffer, begin, left);
	reader->used = left;
	return got;
}
