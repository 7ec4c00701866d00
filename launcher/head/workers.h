/* SPDX-License-Identifier: MIT */
/*
 * The workers of a session as the head has them: all kinds that were asked for, the first
 * node's own workers, and the commands that change them.  In the head's event loop, as the
 * user.
 */
#ifndef HEAD_WORKERS_H
#define HEAD_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/head/head.h"
#include "launcher/workers/barrier.h"
#include "launcher/workers/node.h"

struct workers;

/* Takes what --jupyter-workers asks for: directories, ports, places in the record.  After
 * head_nodes_start().  0, also without workers, or -1 with a reason. */
int head_workers_create(struct head *head, struct reason *reason);
void head_workers_destroy(struct head *head); /* kills what is left */

/*
 * With the environment that --jupyter-init has left: the first node's workers get ready, and
 * each kind is prepared.  Then head_prepared() of app.c is called, maybe at once.
 */
void head_workers_begin(struct head *head);
/* What the server gets besides.  0, or -1 with a reason. */
int head_workers_environment(struct head *head, struct env *environment, struct reason *reason);
/* The controllers. */
void head_workers_start(struct head *head);

/* A member has joined, first or again; is lost; has said something: true when it was about
 * workers. */
void head_workers_joined(struct head *head, size_t rank);
void head_workers_lost(struct head *head, size_t rank, const char *reason);
bool head_workers_message(struct head *head, size_t rank, const char *type, const void *payload,
			  size_t size);

/* The worst of all kinds' states, BARRIER_READY without workers; in reason what is wrong. */
enum barrier_state head_workers_state(const struct head *head, struct reason *reason);
/* Whether no worker that is missing is on its way any more. */
bool head_workers_settled(const struct head *head);
unsigned head_workers_expected(const struct head *head);
/* Whether any has something to do, as their controllers say: an idle_work.  arg: the head. */
bool head_workers_busy(const void *arg, int64_t *last_ms);

/* Changes how many of a kind there are on each node; *expected: now in all.  0, or -1 with a
 * reason for the one who asked. */
int head_workers_resize(struct head *head, const char *kind, unsigned count, unsigned *expected,
			struct reason *reason);

/* What runs on this node ends; head_workers_gone() of head.c is called then, maybe at once. */
void head_workers_stop(struct head *head, int64_t grace_ms);
bool head_workers_have_stopped(const struct head *head);

/* For the kinds: this node's workers; one is prepared; one has stopped. */
struct workers_node *head_workers_node(const struct head *head);
void head_workers_prepared(struct head *head);
void head_workers_stopped(struct head *head);

#endif
