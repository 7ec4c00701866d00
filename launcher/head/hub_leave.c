/* SPDX-License-Identifier: MIT */
/*
 * How a session of the user's own leaves the hub when the hub's server cannot be kept up: it
 * has its own token and URL again, and whoever starts its server again starts the app that the
 * user has asked for.  See hub.h.
 */
#include <errno.h>
#include <string.h>

#include "launcher/head/hub_private.h"
#include "launcher/head/token.h"

/* What take_place() and drop_token() of hub_start.c have changed. */
static int restore(struct hub *hub)
{
	struct head *head = hub->head;
	int state_fd = head->state_fd == head->runtime.fd ? -1 : head->state_fd;

	head->server_options.recipe = hub->app;
	head->server_options.base = NULL;
	head->server_options.tls = false;
	head->server_options.patient = false;
	/* Whoever waits for it is told where it is now. */
	head->announced = head->serving_announced = false;
	hub->guards = false;
	hub_environment_forget(head->runtime.fd);
	if (hub->own_url && session_set(&record_session(head->record)->url, hub->own_url) < 0)
		return -1;
	return token_create(head->runtime.fd, state_fd);
}

bool head_hub_leave(struct head *head, const char *words)
{
	struct hub *hub = head->hub;

	if (!hub || hub->without || hub->done || hub->awaited || hub->app->hub ||
	    hub->plan.mode != HUB_PLAN_ADOPT)
		return false;
	hub_give_up(hub, words);
	loop_timer_set(hub->grace, -1);
	hub_activity_destroy(hub->activity);
	hub->activity = NULL;
	/* It asks for work by the hub's token and below the hub's path. */
	idle_destroy(head->idle);
	head->idle = NULL;
	if (restore(hub) == 0)
		return true;
	head_log(head, LOG_ERROR, "without the hub: %s", strerror(errno));
	return false;
}
