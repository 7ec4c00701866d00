/* SPDX-License-Identifier: MIT */
/*
 * The server: starts an app's recipe on a unix socket, confirms by the probe that it answers,
 * starts it again behind the same socket when it crashes, and ends it in order.  In the head's
 * event loop, as the user.
 */
#ifndef HEAD_SERVER_H
#define HEAD_SERVER_H

#include <stdbool.h>

#include "common/env.h"
#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/session_log.h"
#include "launcher/settings.h"

struct server;

struct server_options {
	const struct recipe *recipe;
	struct env *environment; /* becomes the server's; changed by the recipe's env lines */
	const char *const *variables; /* NAME, VALUE, ..., NULL for the recipe */
	const char *socket_path;
	const char *base;	 /* path that comes before those of the recipe, or NULL */
	bool tls;		 /* it speaks TLS: that it answers at all has to do */
	bool patient;		 /* one that ends before it has served is started again, too */
	const char *directory;	 /* to start in */
	unsigned restarts_max;	 /* in a row; one that has served ten minutes starts anew */
	struct session_log *log; /* may be NULL */
};

struct server_callbacks {
	void (*spawned)(void *arg); /* each time the process is started */
	void (*serving)(void *arg); /* each time the probe has passed */
	/* It has crashed and is started again. */
	void (*restarting)(const char *reason, void *arg);
	/* The last: it has ended by itself without error (in_order), or it cannot be kept up.
	 */
	void (*ended)(bool in_order, const char *reason, void *arg);
	void *arg;
};

/* options and what it points to must outlive the server. */
struct server *server_create(struct loop *loop, const struct server_options *options,
			     const struct server_callbacks *callbacks);
void server_destroy(struct server *server); /* kills what is left; accepts NULL */

/* Looks for the program, then starts it.  -1 with a reason: it cannot be started at all. */
int server_start(struct server *server, struct reason *reason);

/* SIGTERM, and SIGKILL after grace_ms; ended() is called when it is gone, at once if it is
 * already. */
void server_stop(struct server *server, int64_t grace_ms);

unsigned server_restarts(const struct server *server);

#endif
