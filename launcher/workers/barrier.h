/* SPDX-License-Identifier: MIT */
/*
 * The barrier of one kind of workers: takes what nodes and controller say of each worker, and
 * tells how many are expected and ready, who is missing and why, and what state that makes.  No
 * input or output, no clock.  In the head, as the user.
 */
#ifndef WORKERS_BARRIER_H
#define WORKERS_BARRIER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reason.h"
#include "common/session.h"

struct barrier;

enum barrier_state {
	BARRIER_STARTING,
	BARRIER_READY,
	BARRIER_DEGRADED, /* some are missing for longer than a start takes */
	BARRIER_FAILED	  /* the controller has died for good */
};

/*
 * count: workers that are to be on each node; 0: each node says by itself.  controlled: there
 * is a controller, at which they join; else they say themselves that they are ready.  NULL with
 * ENOMEM.
 */
struct barrier *barrier_create(size_t nodes, unsigned count, bool controlled);
void barrier_destroy(struct barrier *barrier); /* accepts NULL */

/*
 * The events.  0, or -1 with EINVAL (no such node, or an index that the node does not have) or
 * ENOMEM, and nothing changed.  Events of a worker may come in any order, since nodes and
 * controller do not speak through one line.
 */
int barrier_here(struct barrier *barrier, size_t node, unsigned count);
int barrier_started(struct barrier *barrier, size_t node, unsigned index);
int barrier_joined(struct barrier *barrier, size_t node, unsigned index);
int barrier_left(struct barrier *barrier, size_t node, unsigned index);
/* again: it is started again.  text and tail (its last lines) are copied. */
int barrier_exited(struct barrier *barrier, size_t node, unsigned index, bool again,
		   const char *text, const char *tail);
/* Its last lines, asked for. */
int barrier_tail(struct barrier *barrier, size_t node, unsigned index, const char *tail);
/* None of the kind can be on that node; until it says here again. */
int barrier_node_failed(struct barrier *barrier, size_t node, const char *text,
			const char *tail);
/* The node is not heard any more; until it says here again. */
int barrier_node_lost(struct barrier *barrier, size_t node, const char *text);
/* One that was lost is heard again, and will say here; nothing where it was not lost. */
int barrier_node_back(struct barrier *barrier, size_t node);

/* The workers that it has are to go, and others to come in their places: one of an index joins
 * once its node has said that it was started. */
int barrier_node_anew(struct barrier *barrier, size_t node);

void barrier_listening(struct barrier *barrier); /* the controller does */
/* The controller has died and is started again: nobody has joined the new one. */
void barrier_begin_again(struct barrier *barrier);
/* It has died for good, and with it what the workers were to it. */
int barrier_failed(struct barrier *barrier, const char *text);
/* From now on so many on each node, 0 too; the time for it begins anew. */
int barrier_resize(struct barrier *barrier, unsigned count);
/* The time that a start may take is over for all that are on their way; for those that set out
 * once none is on its way any more it begins anew. */
void barrier_deadline(struct barrier *barrier);

enum barrier_state barrier_state(const struct barrier *barrier);
unsigned barrier_expected(const struct barrier *barrier);
unsigned barrier_ready(const struct barrier *barrier);
bool barrier_all_heard(const struct barrier *barrier); /* each node is here, lost or failed */
/* Whether nothing that is missing is on its way: each has come, has ended for good, is on a
 * node that is lost or has failed, or is late. */
bool barrier_settled(const struct barrier *barrier);
/* Whether any worker has joined that has not left. */
bool barrier_any_joined(const struct barrier *barrier);
/* How many the node is to have; 0 when it is lost or has failed. */
unsigned barrier_node_count(const struct barrier *barrier, size_t node);

/*
 * Calls back for each of the missing, by node and index, at most max times.  asked: its node is
 * there and could tell its last lines, which are not known.
 */
typedef void barrier_missing_callback(size_t node, unsigned index, bool asked, void *arg);
void barrier_each_missing(const struct barrier *barrier, size_t max,
			  barrier_missing_callback *callback, void *arg);

/*
 * All of it into the session's record: state, reason, counts, and the missing where the state
 * is degraded or failed.  nodes as many as the barrier has, for their names.  0, or -1 with
 * ENOMEM and parts of it done.
 */
int barrier_tell(const struct barrier *barrier, const struct session_node *nodes,
		 struct session_workers *workers);

#endif
