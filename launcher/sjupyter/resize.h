/* SPDX-License-Identifier: MIT */
/*
 * How many workers of some kinds there are to be on each node of a running session: tells its
 * head, and waits for them.  For sjupyter workers, as the user; blocks.
 */
#ifndef SJUPYTER_RESIZE_H
#define SJUPYTER_RESIZE_H

#include <stddef.h>

#include "common/options.h"
#include "launcher/sjupyter/target.h"

struct resize {
	struct options_workers workers; /* the kind, and how many on each node, 0 too */
	unsigned expected;		/* on all nodes, as the head has answered */
};

/*
 * Tells the head, one kind after the other, until it refuses; none when the session lacks one
 * of them.  told is called for each that it has taken.  What is wrong is said on stderr.  An
 * exit code.
 */
int resize_send(const struct target *target, struct resize *list, size_t count,
		void (*told)(const struct resize *resize));

/*
 * Until the workers are as many as the head has answered, or some will not come, with progress
 * on stderr, where also what is wrong is said.  The target's record is the last one then.  An
 * exit code.
 */
int resize_wait(struct target *target, const struct resize *list, size_t count);

#endif
