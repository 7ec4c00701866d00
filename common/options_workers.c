/* SPDX-License-Identifier: MIT */
/*
 * The value of --jupyter-workers taken apart: see options.h.  Runs wherever options.c does, on
 * what anybody may have written, and in jupyter-launch, jupyter-agent and sjupyter as the user.
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "text.h"

/* The length bytes at text as a string; false when they are too many. */
static bool word_copy(char word[OPTIONS_NAME_MAX], const char *text, size_t length)
{
	if (length >= OPTIONS_NAME_MAX)
		return false;
	memcpy(word, text, length);
	word[length] = '\0';
	return true;
}

/* Reads KIND[:N] at text; returns what is behind it, or NULL with EINVAL or ERANGE. */
static const char *part_read(const char *text, struct options_workers *part)
{
	size_t length = strcspn(text, ","), kind_length = strcspn(text, ":,");
	char digits[OPTIONS_NAME_MAX];
	unsigned long count = 0;

	errno = EINVAL;
	if (!word_copy(part->kind, text, kind_length) ||
	    !text_is_name(part->kind, sizeof(part->kind)))
		return NULL;
	if (kind_length < length &&
	    (!word_copy(digits, text + kind_length + 1, length - kind_length - 1) ||
	     text_to_ulong(digits, 1, OPTIONS_WORKERS_MAX, &count) != 0)) {
		errno = ERANGE;
		return NULL;
	}
	part->count = (unsigned) count;
	return text + length;
}

int options_worker_list(const char *workers, struct options_workers *list, size_t max)
{
	size_t count = 0;

	if (workers == NULL)
		return 0;
	for (;; workers++) { /* behind the comma */
		struct options_workers part;

		workers = part_read(workers, &part);
		if (workers == NULL)
			return -1;
		if (count == max) {
			errno = E2BIG;
			return -1;
		}
		for (size_t i = 0; i < count; i++) {
			if (strcmp(list[i].kind, part.kind) == 0) {
				errno = EEXIST;
				return -1;
			}
		}
		list[count++] = part;
		if (*workers == '\0')
			return (int) count;
	}
}
