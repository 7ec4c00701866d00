/* SPDX-License-Identifier: MIT */
/*
 * A guard: an object that its user may destroy from within its own callbacks is freed only when
 * the last entry from the loop has returned.  The parts of one object share its guard.  Used by
 * the head and the agents, as the user.
 */
#ifndef CONTROL_GUARD_H
#define CONTROL_GUARD_H

#include <stdbool.h>

struct guard {
	unsigned depth; /* of entries from the loop */
	bool ending;	/* destroyed: nobody is called back any more */
	void (*free)(void *arg);
	void *arg;
};

/* Around everything in which the user may be called back. */
void guard_enter(struct guard *guard);
void guard_leave(struct guard *guard); /* the object may be gone after it */

/* Calls free(arg), now or at the last guard_leave(). */
void guard_end(struct guard *guard);

#endif
