/* SPDX-License-Identifier: MIT */
/*
 * `jupyter-hub-callback run` as the head's child: lines of JSON to it and from it, bounded; one
 * that dies is started again.  In the head's event loop, with SIGPIPE
 * ignored, as the user.
 */
#ifndef HEAD_HUB_CHILD_H
#define HEAD_HUB_CHILD_H

#include <jansson.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"

enum {
	HUB_CHILD_LINE_MAX = 262144,   /* bytes of a line with its newline, either way */
	HUB_CHILD_QUEUE_MAX = 1 << 20, /* bytes that wait for a child that does not read */
	HUB_CHILD_RESTARTS_MAX = 10 /* in a row; one that has lived ten minutes starts anew */
};

struct hub_child;

struct hub_child_options {
	const char *program;
	char *const *argv;
	char *const *environment; /* holds secrets: its alone */
	int64_t backoff_ms;	  /* before the first restart, doubled; 0: one second */
};

struct hub_child_callbacks {
	/* One line, an object of one key. */
	void (*line)(const json_t *line, void *arg);
	/* It was started again, and knows nothing of what was said before. */
	void (*restarted)(void *arg);
	/* What it does not do: a line for the log. */
	void (*trouble)(const char *words, void *arg);
	/* Once: it cannot be kept alive, or has ended when told to. */
	void (*gone)(const char *words, void *arg);
	void *arg;
};

/* Starts it.  Options' strings must outlive it.  NULL with a reason. */
struct hub_child *hub_child_create(struct loop *loop, const struct hub_child_options *options,
				   const struct hub_child_callbacks *callbacks,
				   struct reason *reason);
void hub_child_destroy(struct hub_child *child); /* kills it; accepts NULL */

/* Takes the event (also on failure).  0, or -1: it is not running, or does not read. */
int hub_child_say(struct hub_child *child, json_t *event);

/* No more will be said, and it ends by itself when it has done what it was told: it is not
 * started again. */
void hub_child_finish(struct hub_child *child);

#endif
