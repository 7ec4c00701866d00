/* SPDX-License-Identifier: MIT */
/*
 * Whether all that a session was asked for is up: for wait --ready, and for run and start,
 * which show how the workers come up once they have told the URL.  In sjupyter, as the user.
 */
#ifndef SJUPYTER_READY_H
#define SJUPYTER_READY_H

#include "common/session.h"
#include "launcher/sjupyter/progress.h"
#include "launcher/sjupyter/watch.h"

/*
 * For follow.h.  1: ready.  -1: degraded, and nothing is on its way that could change it: every
 * kind of workers and every node is there, lost, or beyond its deadline.  0: neither yet.
 */
int ready_verdict(const struct session *session, void *arg);

/*
 * Shows on stderr how the workers come up, from the state that session has on, until that is
 * decided; nothing where there are none.  told: the phases that were told (phases.h).  An exit
 * code: a session that is degraded, or left with Ctrl-C, serves, so it is COMMAND_OK.
 */
int ready_show(const struct session *session, const struct watch_filter *filter,
	       struct progress *progress, unsigned *told);

#endif
