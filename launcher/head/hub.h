/* SPDX-License-Identifier: MIT */
/*
 * The session's JupyterHub, where there is one: gets the server's environment from it, tells it
 * where the server is, how the session goes and that it has ended, through a child
 * (hub_child.h).  Nothing waits for it for long but a server that cannot be without it.  In the
 * agent of rank 0, as the user.
 */
#ifndef HEAD_HUB_H
#define HEAD_HUB_H

#include <stdbool.h>

#include "launcher/head/head.h"

struct hub;

/* Finds out which hub there is and begins to speak with it; recipe is the app's, NULL of a bare
 * kernel.  0, also without a hub, or -1 with a reason: the app cannot be without one. */
int head_hub_create(struct head *head, const struct recipe *recipe, struct reason *reason);
void head_hub_destroy(struct head *head);

/* The server has to wait: head_hub_decided() of app.c is called when it need not any more. */
bool head_hub_is_awaited(const struct head *head);
/* Puts the hub's variables into the server's environment, and what follows into its options.
 * 0, also without a hub, or -1 with a reason. */
int head_hub_environment(struct head *head, struct env *server, struct reason *reason);

/* The server cannot be kept up with what the hub wants of it, for the reason `words`: true when
 * the session is one of the user's own, and now as if there were no hub. */
bool head_hub_leave(struct head *head, const char *words);

/* Whether the server is behind the hub's login, so that the session's token is nobody's. */
bool head_hub_guards(const struct head *head);
/* Of Jupyter's REST API and of the file with its token, where the hub guards it. */
const char *head_hub_api(const struct head *head);
const char *head_hub_token_file(const struct head *head);

/* The server answers, first or again; the record has changed. */
void head_hub_serving(struct head *head);
void head_hub_status(struct head *head);

/* The session has ended, as its record says: true when done(head) is called as soon as the hub
 * has heard it, or a few seconds later. */
bool head_hub_end(struct head *head, void (*done)(void *head));

#endif
