/* SPDX-License-Identifier: MIT */
/*
 * How long to wait before a process that has died is started again.  In jupyter-agent, as the
 * user.
 */
#ifndef WORKERS_BACKOFF_H
#define WORKERS_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_FIRST_MS = 500,
	BACKOFF_MAX_MS = 30000,
	BACKOFF_STABLE_MS = 600000 /* of life, after which old deaths are forgotten */
};

/* Milliseconds, after so many deaths in a row, from 1: 500, 1000, 2000, up to BACKOFF_MAX_MS.
 */
static inline int64_t backoff_delay(unsigned deaths)
{
	int64_t delay = BACKOFF_FIRST_MS;

	for (unsigned i = 1; i < deaths && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	return delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
}

#endif
