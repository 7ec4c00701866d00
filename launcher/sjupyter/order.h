/* SPDX-License-Identifier: MIT */
/*
 * An order to the head of a running session: a line of JSON for the socket in its runtime
 * directory, and the line it answers.  The socket is on the job's first node and of the job's
 * user, so the way there is a step of the job that runs `jupyter-agent --ask`.  In sjupyter, as
 * the user; blocks, see interrupt.h for Ctrl-C.
 */
#ifndef SJUPYTER_ORDER_H
#define SJUPYTER_ORDER_H

#include <jansson.h>

#include "common/reason.h"
#include "common/session.h"

/*
 * Sends it within half a minute.  0, and the caller releases *answer, an object that says "ok";
 * or -1 with a reason, which is the head's own where it has refused.
 */
int order_send(const struct session *session, const json_t *order, json_t **answer,
	       struct reason *reason);

/* Reads what the head has answered, which may be anything.  As above. */
int order_parse(const char *text, json_t **answer, struct reason *reason);

#endif
