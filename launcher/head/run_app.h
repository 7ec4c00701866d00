/* SPDX-License-Identifier: MIT */
/*
 * --jupyter=run:NOTEBOOK: a notebook that is executed in the place of a server, and whose end
 * is the session's.  In the agent of rank 0, as the user.
 */
#ifndef HEAD_RUN_APP_H
#define HEAD_RUN_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/session.h"
#include "launcher/head/head.h"

/* Reads the notebook and finds out where the executed one goes.  0, or -1 with a reason. */
int run_app_create(struct head *head, struct reason *reason);
void run_app_destroy(struct run_app *app); /* kills what is left; accepts NULL */

/* Puts its paths into the record.  0, or -1 with errno. */
int run_app_record(const struct run_app *app, struct session *session);

/* With head->server_environment, after --jupyter-init; calls head_app_... of app.c from now on.
 * 0, or -1 with a reason. */
int run_app_start(struct run_app *app, struct reason *reason);

/*
 * Nodes, workers or the kernel have come or gone: the first cell begins once all that was asked
 * for is there, or is known not to come.  Without a single worker of a kind the session fails.
 * app may be NULL.
 */
void run_app_update(struct run_app *app);

/* The session is degraded: told to the user once the first cell has begun. */
void run_app_degraded(struct run_app *app, const char *reason);

/* The session is told to end: what that is for a notebook that has not got to its end yet.
 * Returns false when it has, or none is executed; app may be NULL. */
bool run_app_interrupted(const struct run_app *app, const char *why, struct reason *reason);

/* True when it lives: head_app_ended() is called when it has written what it has. */
bool run_app_stop(struct run_app *app, int64_t grace_ms);
/* Kills it if it lives, without a call; accepts NULL. */
void run_app_end(struct run_app *app);

/* For people: the paths' last parts. */
const char *run_app_notebook(const struct run_app *app);
const char *run_app_output(const struct run_app *app); /* whole */

#endif
