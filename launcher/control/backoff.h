/* SPDX-License-Identifier: MIT */
/*
 * The time before an agent's next connection, or its next hello: doubled each time, and by
 * chance up to half more, so that many agents do not come at once.  Used by the agents, as the
 * user.
 */
#ifndef CONTROL_BACKOFF_H
#define CONTROL_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_MS = 100, BACKOFF_MAX_MS = 5000 };

struct backoff {
	int64_t ms; /* 0: BACKOFF_MS */
};

int64_t backoff_next(struct backoff *backoff); /* milliseconds */
/* Without doubling: for one that was not tried before. */
int64_t backoff_other(const struct backoff *backoff);
void backoff_reset(struct backoff *backoff);

#endif
