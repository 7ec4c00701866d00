/* SPDX-License-Identifier: MIT */
/*
 * --jupyter=kernel: a bare kernel in the place of a server.  The session lives as long as it,
 * or as those that clients have started beside it (kernel_host.h).  In the agent of rank 0, as
 * the user.
 */
#ifndef HEAD_KERNEL_APP_H
#define HEAD_KERNEL_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/head/head.h"

/* 0, or -1 with a reason. */
int kernel_app_create(struct head *head, struct reason *reason);
void kernel_app_destroy(struct kernel_app *app); /* accepts NULL */

/* With head->server_environment, after --jupyter-init; calls head_app_... of app.c from now on.
 * 0, or -1 with a reason. */
int kernel_app_start(struct kernel_app *app, struct reason *reason);

/* True when a kernel lives: head_app_ended() is called when all have ended, maybe at once. */
bool kernel_app_stop(struct kernel_app *app, int64_t grace_ms);

/* One of the kernels has come, gone, or changed its state; accepts NULL. */
void kernel_app_changed(struct kernel_app *app);

unsigned kernel_app_restarts(const struct kernel_app *app);
/* Whether it hangs, or has ended before others, and why.  app may be NULL. */
bool kernel_app_is_wrong(const struct kernel_app *app, struct reason *reason);

#endif
