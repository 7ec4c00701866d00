/* SPDX-License-Identifier: MIT */
/* See memory.h. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "launcher/agent/memory.h"

void memory_settle(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t size = 0;

	malloc_trim(0);
	if (!maps)
		return;
	while (getline(&line, &size, maps) > 0) {
		unsigned long begin, end;
		char access[5];
		/* Text only: it is never written to, so nothing is lost with its pages. */
		if (sscanf(line, "%lx-%lx %4s", &begin, &end, access) == 3 &&
		    !strcmp(access, "r-xp") && strchr(line, '/'))
			/* It is a saving, not a need. */
			(void) madvise((void *) begin, end - begin, MADV_DONTNEED);
	}
	free(line);
	fclose(maps);
}
