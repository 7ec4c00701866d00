/* SPDX-License-Identifier: MIT */
/* See ways.h. */
#include "launcher/tunnel/ways.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

/* TUNNEL_WAYS_MAX: there is none. */
static size_t find(const struct ways *ways, const char *name)
{
	size_t i = 0;

	while (i < TUNNEL_WAYS_MAX && strcmp(ways->ways[i].name, name) != 0)
		i++;
	return i;
}

const struct way *ways_find(const struct ways *ways, const char *name)
{
	size_t i = find(ways, name);

	return i < TUNNEL_WAYS_MAX ? &ways->ways[i] : NULL;
}

int ways_set(struct ways *ways, const char *name, const struct sockaddr *address,
	     socklen_t length)
{
	struct way *way;
	size_t i;

	if (!text_is_name(name, TUNNEL_NAME_MAX) || !strcmp(name, TUNNEL_ORDERS) ||
	    length > sizeof(way->address)) {
		errno = EINVAL;
		return -1;
	}
	i = find(ways, name);
	if (!address) {
		if (i < TUNNEL_WAYS_MAX)
			ways->ways[i].name[0] = '\0';
		return 0;
	}
	if (i == TUNNEL_WAYS_MAX && (i = find(ways, "")) == TUNNEL_WAYS_MAX) {
		errno = E2BIG;
		return -1;
	}
	way = &ways->ways[i];
	snprintf(way->name, sizeof(way->name), "%s", name);
	memcpy(&way->address, address, length);
	way->length = length;
	return 0;
}
