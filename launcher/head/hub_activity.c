/* SPDX-License-Identifier: MIT */
/* See hub_activity.h. */
#include "launcher/head/hub_activity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/head/ask.h"

enum { PATH_SIZE = 1024 };

struct hub_activity {
	struct loop *loop;
	struct hub_activity_options options;
	hub_activity_callback *callback;
	void *arg;
	struct loop_timer *timer;
	struct ask *ask;
	time_t begun;
	bool busy;
};

static time_t wall_time(int64_t ms)
{
	return time(NULL) - (time_t) ((loop_now() - ms) / 1000);
}

/* What the relay has carried; a session without any began with work. */
static time_t last_of_relay(const struct hub_activity *activity)
{
	struct relay_counts counts;

	relay_counts(activity->options.relay, &counts);
	if (!counts.last_activity_ms)
		return activity->begun;
	return wall_time(counts.last_activity_ms);
}

static void tell(struct hub_activity *activity, time_t last)
{
	int64_t last_ms;
	bool works = activity->options.work(activity->options.work_arg, &last_ms);

	loop_timer_set(activity->timer, activity->options.pause_ms);
	if (last_ms && wall_time(last_ms) > last)
		last = wall_time(last_ms);
	if (activity->busy)
		last = time(NULL);
	activity->callback(last, activity->busy || works, activity->arg);
}

static int ask(struct hub_activity *activity, const char *what, ask_callback *callback)
{
	char path[PATH_SIZE];
	struct ask_options options = {
		.socket_path = activity->options.socket_path,
		.token_file = activity->options.token_file,
		.path = path,
	};

	/* Asking is not work. */
	snprintf(path, sizeof(path), "%s/%s?no_track_activity=1", activity->options.api, what);
	ask_destroy(activity->ask);
	activity->ask = ask_start(activity->loop, &options, callback, activity);
	return activity->ask ? 0 : -1;
}

static void on_status(const char *body, size_t size, void *arg)
{
	struct hub_activity *activity = arg;
	time_t last = body ? idle_last_activity(body, size) : -1;

	tell(activity, last > 0 ? last : last_of_relay(activity));
}

static void on_kernels(const char *body, size_t size, void *arg)
{
	struct hub_activity *activity = arg;

	activity->busy = body && idle_any_busy(body, size) > 0;
	if (activity->busy || ask(activity, "status", on_status) < 0)
		tell(activity, last_of_relay(activity));
}

static void on_timer(void *arg)
{
	struct hub_activity *activity = arg;

	activity->busy = false;
	if (!activity->options.api || ask(activity, "kernels", on_kernels) < 0)
		tell(activity, last_of_relay(activity));
}

struct hub_activity *hub_activity_create(struct loop *loop,
					 const struct hub_activity_options *options,
					 hub_activity_callback *callback, void *arg)
{
	struct hub_activity *activity = calloc(1, sizeof(*activity));

	if (!activity)
		return NULL;
	activity->loop = loop;
	activity->options = *options;
	activity->callback = callback;
	activity->arg = arg;
	activity->begun = time(NULL);
	if (!(activity->timer = loop_timer_create(loop, on_timer, activity))) {
		free(activity);
		return NULL;
	}
	loop_timer_set(activity->timer, 0);
	return activity;
}

void hub_activity_destroy(struct hub_activity *activity)
{
	int error = errno;

	if (!activity)
		return;
	ask_destroy(activity->ask);
	loop_timer_destroy(activity->timer);
	free(activity);
	errno = error;
}
