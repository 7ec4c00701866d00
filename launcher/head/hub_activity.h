/* SPDX-License-Identifier: MIT */
/*
 * What a hub is told of a session's work: whether a kernel or worker is busy, and when there
 * was any last. In the head's event loop, as the user.
 */
#ifndef HEAD_HUB_ACTIVITY_H
#define HEAD_HUB_ACTIVITY_H

#include <stdbool.h>
#include <time.h>

#include "launcher/head/idle.h"
#include "launcher/head/relay.h"
#include "launcher/loop.h"

enum { HUB_ACTIVITY_MS = 60000 /* between two looks: a hub's culler counts minutes */ };

struct hub_activity;

struct hub_activity_options {
	const char *api; /* of Jupyter's REST API; NULL: what the relay carries is work */
	const char *socket_path, *token_file;
	const struct relay *relay;
	idle_work *work;
	const void *work_arg;
	int64_t pause_ms; /* between two looks */
};

typedef void hub_activity_callback(time_t last, bool busy, void *arg);

/* Looks now, and again after each pause.  options' strings, relay and work_arg must
 * outlive it.  NULL with errno. */
struct hub_activity *hub_activity_create(struct loop *loop,
					 const struct hub_activity_options *options,
					 hub_activity_callback *callback, void *arg);
void hub_activity_destroy(struct hub_activity *activity); /* accepts NULL */

#endif
