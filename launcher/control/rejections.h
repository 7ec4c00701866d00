/* SPDX-License-Identifier: MIT */
/*
 * What is told of those that were turned away: at most a few lines a second, and of the rest
 * a count and the last, so that nobody can fill the log.  Used by the head, as the user.
 */
#ifndef CONTROL_REJECTIONS_H
#define CONTROL_REJECTIONS_H

#include <stdint.h>

#include "common/reason.h"

enum {
	REJECTIONS_MAX = 4, /* lines in REJECTIONS_MS */
	REJECTIONS_MS = 1000
};

struct rejections {
	void (*tell)(const char *reason, void *arg);
	void *arg;
	int64_t since; /* loop_now() of the first line of this second */
	unsigned told;
	uint64_t held;	    /* lines held back */
	struct reason last; /* of those */
};

/* Tells "address: reason", or holds it back: then rejections_rest() is to be called after
 * REJECTIONS_MS.  Returns whether it was told. */
int rejections_add(struct rejections *rejections, const char *address, const char *reason,
		   int64_t now);
void rejections_rest(struct rejections *rejections);

#endif
