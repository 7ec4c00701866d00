/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: Slurm's short form of host names, common/hostlist.h.  The input is the text.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "common/hostlist.h"

enum { MAX = 1000, NAME_MAX_BYTES = 255 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	char *text = malloc(size + 1), **names = NULL, **again;
	size_t count = 0, one;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	errno = 0;
	if (hostlist_expand(text, MAX, &names, &count) == 0) {
		REQUIRE(count > 0 && count <= MAX);
		for (size_t i = 0; i < count; i++) {
			REQUIRE(names[i][0] != '\0' && strlen(names[i]) <= NAME_MAX_BYTES);
			REQUIRE(names[i][strspn(names[i], allowed)] == '\0');
			/* A name alone is itself. */
			REQUIRE(hostlist_expand(names[i], 1, &again, &one) == 0 && one == 1);
			REQUIRE(strcmp(again[0], names[i]) == 0);
			hostlist_free(again, one);
		}
		hostlist_free(names, count);
	} else {
		REQUIRE(errno == EINVAL || errno == E2BIG);
		REQUIRE(names == NULL && count == 0);
	}
	free(text);
	return 0;
}
