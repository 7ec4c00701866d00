/* SPDX-License-Identifier: MIT */
/*
 * When to try again: full jitter, what the server asks for by Retry-After, and a deadline.
 * Pure: clock and random numbers are the caller's.  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_RETRY_H
#define HUB_CALLBACK_RETRY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	RETRY_BASE_MS = 500,	   /* the longest pause after the first failure; doubled ... */
	RETRY_CAP_MS = 20000,	   /* ... up to this, */
	RETRY_GENTLE_MS = 60000,   /* and to this where there is no deadline */
	RETRY_AFTER_MS = 120000,   /* a Retry-After beyond is taken as this */
	RETRY_DEADLINE_MS = 600000 /* for what a session cannot do without */
};

struct retry {
	unsigned failures; /* in a row */
};

/*
 * After a failure: how long to wait in *delay_ms, or false when it is to be given up since the
 * deadline (in the caller's clock, 0: none) has passed.  A pause that is drawn ends at the
 * deadline at the latest, for one last try; one that the server asks for (after_ms, negative:
 * none) is kept to, and more is drawn on top so that not all come back at once.
 */
bool retry_next(struct retry *retry, int64_t now_ms, int64_t deadline_ms, int64_t after_ms,
		uint64_t random, int64_t *delay_ms);

/*
 * The value of a Retry-After header: seconds, or a date in the one form that RFC 9110 (5.6.7)
 * lets servers make, relative to now.  Milliseconds, from 0 to RETRY_AFTER_MS; -1 for anything
 * else.
 */
int64_t retry_after_parse(const char *value, time_t now);

#endif
