/* SPDX-License-Identifier: MIT */
/*
 * Slurm's short form of many host names, "n[01-03,7],login", as SLURM_STEP_NODELIST has it. Our
 * own reader of it, since libslurm's costs more memory than the rest of an agent.  As the user.
 */
#ifndef COMMON_HOSTLIST_H
#define COMMON_HOSTLIST_H

#include <stddef.h>

/*
 * The names in order; caller frees each and the array (hostlist_free).  Several brackets in one
 * name are expanded with the last running fastest, as Slurm does.  -1 with EINVAL, E2BIG (more
 * than max names) or ENOMEM.
 */
int hostlist_expand(const char *text, size_t max, char ***names, size_t *count);
void hostlist_free(char **names, size_t count);

#endif
