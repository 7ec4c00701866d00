/* SPDX-License-Identifier: MIT */
/* See mpi_list.h. */
#include "launcher/workers/mpi_list.h"

#include <stddef.h>
#include <string.h>

/* A line with that word alone: others name versions of it. */
static bool has(const char *output, const char *kind)
{
	static const char blank[] = " \t\r";
	size_t size = strlen(kind);

	for (const char *line = output; *line;) {
		const char *word = line + strspn(line, blank);
		if (!strncmp(word, kind, size)) {
			const char *rest = word + size + strspn(word + size, blank);
			if (*rest == '\n' || *rest == '\0')
				return true;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

const char *mpi_list_choose(const char *output, const char *tried)
{
	static const char *const kinds[] = {"pmix", "pmi2"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (tried && strcmp(tried, kinds[i]) == 0)
			tried = NULL;
		else if (!tried && has(output, kinds[i]))
			return kinds[i];
	}
	return NULL;
}

bool mpi_list_refused(const char *words)
{
	return strstr(words, "Invalid MPI type") != NULL;
}
