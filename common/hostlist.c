/* SPDX-License-Identifier: MIT */
/* See hostlist.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hostlist.h"

enum {
	NAME_SIZE = 256, /* bytes of one name with NUL: HOST_NAME_MAX is 64 */
	DIGITS_MAX = 9,	 /* of a number: fits an unsigned long */
	BRACKETS_MAX = 8 /* in one name: Slurm's own HIGHEST_DIMENSIONS is 5 */
};

struct names {
	char **all;
	size_t count, size, max;
};

static int add(struct names *names, const char *name)
{
	if (names->count == names->max) {
		errno = E2BIG;
		return -1;
	}
	if (names->count == names->size) {
		size_t size = names->size ? 2 * names->size : 16;
		char **all = realloc(names->all, size * sizeof(*all));
		if (!all)
			return -1;
		names->all = all;
		names->size = size;
	}
	if (!(names->all[names->count] = strdup(name)))
		return -1;
	names->count++;
	return 0;
}

static int invalid(void)
{
	errno = EINVAL;
	return -1;
}

/* Decimal digits up to a stop character; width keeps leading zeros. */
static int read_number(const char **text, unsigned long *number, int *width)
{
	char *end;

	size_t digits = strspn(*text, "0123456789");
	if (!digits || digits > DIGITS_MAX)
		return invalid();
	*number = strtoul(*text, &end, 10);
	*width = (int) digits;
	*text = end;
	return 0;
}

/* Appends to prefix what text describes up to the name's end, for every value of its brackets.
 */
static int expand_name(struct names *names, const char *prefix, const char *text, size_t length,
		       int depth)
{
	char name[NAME_SIZE];
	const char *open = memchr(text, '[', length);

	size_t plain = open ? (size_t) (open - text) : length;
	int used = snprintf(name, sizeof(name), "%s%.*s", prefix, (int) plain, text);
	if (used < 0 || (size_t) used >= sizeof(name) || memchr(text, ']', plain) ||
	    depth > BRACKETS_MAX)
		return invalid();
	if (!open)
		return used ? add(names, name) : invalid();

	const char *close = memchr(open, ']', length - plain);
	if (!close)
		return invalid();
	const char *rest = close + 1;
	size_t rest_length = length - (size_t) (rest - text);
	for (const char *range = open + 1;;) {
		unsigned long first, last;
		int width, last_width;
		if (read_number(&range, &first, &width) < 0)
			return -1;
		last = first;
		if (*range == '-') {
			range++;
			if (read_number(&range, &last, &last_width) < 0)
				return -1;
		}
		if (last < first)
			return invalid();
		if (last - first >= names->max) {
			errno = E2BIG;
			return -1;
		}
		for (unsigned long number = first; number <= last; number++) {
			int more = snprintf(name + used, sizeof(name) - (size_t) used, "%0*lu",
					    width, number);
			if (more < 0 || (size_t) (used + more) >= sizeof(name))
				return invalid();
			if (expand_name(names, name, rest, rest_length, depth + 1) < 0)
				return -1;
		}
		if (range == close)
			return 0;
		if (*range++ != ',')
			return invalid();
	}
}

/* The length of the first name: commas inside brackets are part of it. */
static size_t name_length(const char *text)
{
	int inside = 0;
	size_t length;

	for (length = 0; text[length] && (inside || text[length] != ','); length++)
		inside = text[length] == '[' || (inside && text[length] != ']');
	return length;
}

int hostlist_expand(const char *text, size_t max, char ***names, size_t *count)
{
	struct names found = {.max = max};

	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char) *c) && !strchr("._-[],", *c))
			return invalid();
	for (;;) {
		size_t length = name_length(text);
		if (expand_name(&found, "", text, length, 0) < 0) {
			int error = errno;
			hostlist_free(found.all, found.count);
			errno = error;
			return -1;
		}
		text += length;
		if (!*text)
			break;
		text++;
	}
	*names = found.all;
	*count = found.count;
	return 0;
}

void hostlist_free(char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
}
