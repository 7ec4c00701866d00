/* SPDX-License-Identifier: MIT */
/* See guard.h. */
#include "launcher/control/guard.h"

void guard_enter(struct guard *guard)
{
	guard->depth++;
}

void guard_leave(struct guard *guard)
{
	if (--guard->depth == 0 && guard->ending)
		guard->free(guard->arg);
}

void guard_end(struct guard *guard)
{
	guard->ending = true;
	if (guard->depth == 0)
		guard->free(guard->arg);
}
