/* SPDX-License-Identifier: MIT */
/*
 * A branch: an agent to which others connect, see span.h.  It admits them with the head's
 * consent, and carries what they and the head say to each other.  Runs in that agent's event
 * loop, as the user.
 */
#ifndef CONTROL_BRANCH_H
#define CONTROL_BRANCH_H

#include "launcher/control/uplink.h"
#include "launcher/control/port.h"

struct branch;

struct branch_options {
	const char *ip;
	unsigned port_first, port_last;
	const char *job_id;
	size_t agents, span;
	int64_t heartbeat_ms, silence_ms;
	struct uplink *link; /* to the head; outlives it */
};

/* NULL with errno and a reason. */
struct branch *branch_create(struct loop *loop, struct guard *guard,
			     const struct branch_options *options, struct reason *reason);
/* Not from within the guard; accepts NULL. */
void branch_destroy(struct branch *branch);

/* The head has welcomed this agent, for the first time or again. */
void branch_up(struct branch *branch);
/* The connection to the head is lost; nothing of its agents is read until it is there again. */
void branch_down(struct branch *branch);

/* There is room on the link again, see uplink.h. */
void branch_ready(struct branch *branch);
/* This agent ends in order, and its agents with it. */
void branch_bye(struct branch *branch);

/* A message of the head for its agents, or about them. */
void branch_message(struct branch *branch, enum frame_kind kind, struct wire_message *message);

#endif
