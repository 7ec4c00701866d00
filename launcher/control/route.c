/* SPDX-License-Identifier: MIT */
/* See route.h. */
#include "launcher/control/route.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "launcher/control/dealer.h"

static int malformed(void)
{
	errno = EPROTO;
	return -1;
}

bool route_wanted(enum frame_kind kind)
{
	return kind == FRAME_FROM || kind == FRAME_TO || kind == FRAME_ALL;
}

size_t route_format(size_t rank, const char *type, char route[ROUTE_MAX])
{
	return (size_t) snprintf(route, ROUTE_MAX, "%zu %s", rank, type);
}

bool route_rank_take(const char **text, size_t *rank)
{
	const char *space = strchr(*text, ' ');
	char digits[8];
	unsigned long number;
	size_t size = space ? (size_t) (space - *text) : sizeof(digits);

	if (size >= sizeof(digits))
		return false;
	memcpy(digits, *text, size);
	digits[size] = '\0';
	if (text_to_ulong(digits, 0, FRAME_RANK_MAX - 1, &number) < 0 ||
	    (digits[0] == '0' && size > 1))
		return false;
	*rank = number;
	*text = space + 1;
	return true;
}

int route_parse(const void *route, size_t size, size_t *rank, char type[CONTROL_TYPE_MAX])
{
	char text[ROUTE_MAX];
	const char *at = text;

	if (size >= sizeof(text) || memchr(route, '\0', size))
		return malformed();
	memcpy(text, route, size);
	text[size] = '\0';
	if ((rank && !route_rank_take(&at, rank)) ||
	    frame_kind(at, strlen(at)) != FRAME_MESSAGE)
		return malformed();
	memcpy(type, at, strlen(at) + 1);
	return 0;
}

int route_place_parse(const void *payload, size_t size, char endpoint[CONTROL_ENDPOINT_MAX],
		      char key[CONTROL_KEY_SIZE], struct reason *words)
{
	char text[REASON_MAX];
	const char *space;
	size_t length;

	words->text[0] = '\0';
	if (size >= sizeof(text) || memchr(payload, '\0', size))
		return malformed();
	memcpy(text, payload, size);
	text[size] = '\0';
	if (strncmp(text, "- ", 2) == 0) {
		reason_set(words, "%s", text + 2);
		return malformed();
	}
	space = strchr(text, ' ');
	length = space ? (size_t) (space - text) : CONTROL_ENDPOINT_MAX;
	if (length >= CONTROL_ENDPOINT_MAX || !frame_key_valid(space + 1))
		return malformed();
	text[length] = '\0';
	if (!dealer_endpoint_valid(text))
		return malformed();
	memcpy(endpoint, text, length + 1);
	memcpy(key, space + 1, CONTROL_KEY_SIZE);
	return 0;
}
