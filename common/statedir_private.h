/* SPDX-License-Identifier: MIT */
/*
 * What statedir.c, statedir_list.c and statedir_find.c share; see statedir.h for who uses them.
 */
#ifndef COMMON_STATEDIR_PRIVATE_H
#define COMMON_STATEDIR_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "reason.h"

enum {
	STATEDIR_ID_MAX = 11,	 /* bytes of a job's number of 32 bits, NUL included */
	STATEDIR_SHOWN_MAX = 64, /* bytes of a wrong id in a message */
	STATEDIR_TOLD_MAX = 10	 /* sessions that a message lists before "and 7 more" */
};

/* Slurm's job numbers: 1 to 32 bits, without leading zeros. */
bool statedir_is_job_id(const char *text);

/* The directory of all sessions, made with its parents when create is true.  fd or -1. */
int statedir_base_open(bool create, struct reason *reason);

/* All sessions below an open base directory, newest first. */
struct sessions {
	int base;   /* -1: no base directory, so no sessions */
	char **ids; /* never NULL once loaded */
	size_t count;
	size_t unreadable; /* records that a search has skipped */
};

/* 0, or -1 with errno and a reason; nothing is then to be cleared. */
int sessions_load(struct sessions *sessions, struct reason *reason);
void sessions_clear(struct sessions *sessions);

#endif
