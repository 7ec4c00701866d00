/* SPDX-License-Identifier: MIT */
/*
 * --jupyter=kernel: a bare kernel in the place of a server, and the tunnel to it in the place
 * of the relay.  In the agent of rank 0, as the user.
 */
#ifndef HEAD_KERNEL_APP_H
#define HEAD_KERNEL_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/head/head.h"
#include "launcher/network.h"

/* Takes the listening socket (also on failure) and lets in whoever holds the token.  0, or -1
 * with a reason. */
int kernel_app_create(struct head *head, int listen_fd, const struct network *networks,
		      size_t network_count, struct reason *reason);
void kernel_app_destroy(struct kernel_app *app); /* kills what is left; accepts NULL */

/* With head->server_environment, after --jupyter-init; calls head_app_... of app.c from now on.
 * 0, or -1 with a reason. */
int kernel_app_start(struct kernel_app *app, struct reason *reason);

/* True when it lives: head_app_ended() is called when it has ended, maybe at once. */
bool kernel_app_stop(struct kernel_app *app, int64_t grace_ms);
/* Kills it if it lives, without a call; accepts NULL. */
void kernel_app_end(struct kernel_app *app);

unsigned kernel_app_restarts(const struct kernel_app *app);
/* Whether it hangs, and why.  app may be NULL. */
bool kernel_app_hangs(const struct kernel_app *app, struct reason *reason);

#endif
