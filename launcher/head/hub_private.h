/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the session's hub share: hub.c (what is said and heard), hub_start.c (how
 * it begins, and what the server gets) and hub_leave.c (how the session goes on without it). In
 * the agent of rank 0, as the user.
 */
#ifndef HEAD_HUB_PRIVATE_H
#define HEAD_HUB_PRIVATE_H

#include <jansson.h>

#include "launcher/head/hub.h"
#include "launcher/head/hub_activity.h"
#include "launcher/head/hub_child.h"
#include "launcher/head/hub_environment.h"
#include "launcher/hub_plan.h"

enum { HUB_ARGUMENTS_MAX = 12 };

struct hub {
	struct head *head;
	struct hub_plan plan;
	const struct recipe *app; /* that the user has asked for */
	struct env *child_environment;
	char *argv[HUB_ARGUMENTS_MAX + 1];
	struct hub_child_options child_options;
	struct hub_child *child;
	struct hub_activity *activity;
	struct loop_timer *patience; /* for the first answer, and for the last */
	struct loop_timer *grace;
	json_t *environment; /* the server's; NULL: not there yet */
	struct hub_place place;
	char *own_url; /* the session's without the hub; NULL: it has no other */
	char *api, *token_file;
	char *status; /* as it was said last */
	bool awaited; /* the server waits */
	bool without; /* the session goes on as if there were none */
	bool guards;  /* the server has the hub's environment */
	bool told;    /* of the first registration */
	bool denied;  /* and its user has been told so */
	bool refused, child_gone;
	void (*done)(void *head); /* the session has ended */
};

/* hub.c: starts the child. 0, or -1 with a reason. */
int hub_begin(struct hub *hub, struct reason *reason);
/* hub.c: the session goes on as if there were none, and says why. */
void hub_give_up(struct hub *hub, const char *words);
/* hub_start.c: frees what that has made. */
void hub_clear(struct hub *hub);

#endif
