/* SPDX-License-Identifier: MIT */
/* See backoff.h. */
#include "launcher/control/backoff.h"

#include <sys/random.h>

int64_t backoff_other(const struct backoff *backoff)
{
	int64_t ms = backoff->ms > 0 ? backoff->ms : BACKOFF_MS;
	unsigned chance = 0;

	if (getrandom(&chance, sizeof(chance), 0) < 0)
		chance = 0;
	return ms + (int64_t) (chance % (unsigned) (ms / 2 + 1));
}

int64_t backoff_next(struct backoff *backoff)
{
	int64_t delay = backoff_other(backoff);

	if (backoff->ms <= 0)
		backoff->ms = BACKOFF_MS;
	if (backoff->ms < BACKOFF_MAX_MS)
		backoff->ms *= 2;
	return delay;
}

void backoff_reset(struct backoff *backoff)
{
	backoff->ms = 0;
}
