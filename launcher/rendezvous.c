/* SPDX-License-Identifier: MIT */
/* See rendezvous.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/reason.h"
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
	/* Single spaces and no others between; the widths are CONTROL_ENDPOINT_MAX and
	 * CONTROL_KEY_SIZE without the NUL. */
	int end = 0;
	if (sscanf(line, "endpoint%*1[ ]%127[!-~]%*1[ ]%40[!-~]%n", parsed.endpoint, parsed.key,
		   &end) == 2 &&
	    !line[end] && strlen(parsed.key) == CONTROL_KEY_SIZE - 1 &&
	    !strncmp(parsed.endpoint, "tcp://", 6)) {
		parsed.kind = RENDEZVOUS_ENDPOINT;
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
