/* SPDX-License-Identifier: MIT */
/* See tail.h. */
#include "launcher/tail.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void tail_keep(struct tail *tail, const char *data, size_t size)
{
	if (size > TAIL_MAX) {
		data += size - TAIL_MAX;
		size = TAIL_MAX;
	}
	if (tail->used + size > TAIL_MAX) {
		size_t drop = tail->used + size - TAIL_MAX;
		memmove(tail->bytes, tail->bytes + drop, tail->used - drop);
		tail->used -= drop;
	}
	memcpy(tail->bytes + tail->used, data, size);
	tail->used += size;
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == '\0';
}

const char *tail_last_line_of(const char *bytes, size_t used, char *line, size_t size)
{
	size_t end = used, begin;

	while (end > 0 && is_blank(bytes[end - 1]))
		end--;
	begin = end;
	while (begin > 0 && bytes[begin - 1] != '\n')
		begin--;
	while (begin < end && is_blank(bytes[begin]))
		begin++;
	snprintf(line, size, "%.*s", (int) (end - begin), bytes + begin);
	return line;
}

const char *tail_last_line(const struct tail *tail, char *line, size_t size)
{
	return tail_last_line_of(tail->bytes, tail->used, line, size);
}
