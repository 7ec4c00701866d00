/* SPDX-License-Identifier: MIT */
/* See kernel_app.h. */
#include "launcher/head/kernel_app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/kernel_host.h"
#include "launcher/workers/kernel_choice.h"

struct kernel_app {
	struct head *head;
	unsigned number; /* 0: not started yet */
	bool ended;	 /* and how */
	bool in_order;
	bool told; /* to the app */
	struct reason reason;
};

int kernel_app_create(struct head *head, struct reason *reason)
{
	struct kernel_app *app = calloc(1, sizeof(*app));

	head->kernel_app = app;
	if (!app)
		return reason_set(reason, "kernel: %s", strerror(errno));
	app->head = head;
	return 0;
}

static void on_spawned(void *arg)
{
	struct kernel_app *app = arg;

	head_app_spawned(app->head);
}

static void on_ready(void *arg)
{
	struct kernel_app *app = arg;

	head_app_serving(app->head);
}

static void on_hung(const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	(void) reason;
	head_update(app->head);
}

static void on_restarting(const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	head_app_restarting(reason, app->head);
}

/* What it means for the session kernel_app_changed() says, which comes next. */
static void on_ended(bool in_order, const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	app->ended = true;
	app->in_order = in_order;
	reason_set(&app->reason, "%s", reason);
}

void kernel_app_changed(struct kernel_app *app)
{
	if (!app || !app->ended || app->told)
		return;
	if (kernel_host_alive(app->head) > 0) {
		/* It may have ended before it was ready; the others serve. */
		app->head->serving = true;
		head_update(app->head);
		return;
	}
	app->told = true;
	head_app_ended(app->in_order, app->reason.text, app->head);
}

int kernel_app_start(struct kernel_app *app, struct reason *reason)
{
	struct kernel_callbacks callbacks = {on_spawned,    on_ready, on_hung,
					     on_restarting, on_ended, app};
	int number = kernel_host_start(app->head, kernel_app_spec(&app->head->agent->options),
				       &callbacks, reason);

	app->number = number > 0 ? (unsigned) number : 0;
	return number > 0 ? 0 : reason_prefix(reason, "--jupyter=kernel");
}

bool kernel_app_stop(struct kernel_app *app, int64_t grace_ms)
{
	if (!app || kernel_host_alive(app->head) == 0)
		return false;
	kernel_host_stop(app->head, grace_ms);
	return true;
}

void kernel_app_destroy(struct kernel_app *app)
{
	free(app);
}

unsigned kernel_app_restarts(const struct kernel_app *app)
{
	const struct kernel *kernel = kernel_host_find(app->head, app->number);

	return kernel ? kernel_restarts(kernel) : 0;
}

bool kernel_app_is_wrong(const struct kernel_app *app, struct reason *reason)
{
	const struct kernel *kernel = app ? kernel_host_find(app->head, app->number) : NULL;

	if (app && app->ended) {
		reason_set(reason, "%s; %zu kernel(s) of the session go on", app->reason.text,
			   kernel_host_alive(app->head));
		return true;
	}
	if (!kernel || kernel_state(kernel) != KERNEL_HUNG)
		return false;
	reason_set(reason, "%s", kernel_reason(kernel));
	return true;
}
