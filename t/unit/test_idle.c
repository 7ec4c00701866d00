/* SPDX-License-Identifier: MIT */
/*
 * Tests of what counts as work (launcher/head/idle.h, hub_activity.h): what the server answers,
 * and workers that are busy while nobody uses the relay.  Run by `make check`, as anybody.
 */
#include "launcher/head/idle.h"

#include <stdlib.h>

#include "launcher/head/hub_activity.h"
#include "tap.h"

enum { LIMIT_S = 1, BUSY_LOOKS = 3, AHEAD_MS = 5000, LONG_MS = 60000 };

static struct loop *loop;
static struct relay *relay;

/* Workers that are busy whenever somebody looks, the first times. */
static struct {
	int looks;
	int64_t last; /* loop_now() */
} workers;

static bool work(const void *arg, int64_t *last_ms)
{
	ok(arg == &workers, "the work is asked for with its own argument");
	if (++workers.looks <= BUSY_LOOKS)
		workers.last = loop_now();
	*last_ms = workers.last;
	return workers.looks <= BUSY_LOOKS;
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void run_loop(void)
{
	struct loop_timer *timer = loop_timer_create(loop, too_late, NULL);

	if (!timer)
		bail_out("loop_timer_create");
	loop_timer_set(timer, LONG_MS);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(timer);
}

static void on_idle(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

static void test_answers(void)
{
	const struct {
		const char *kernels;
		int busy;
	} answers[] = {
		{"[]", 0},
		{"[{\"execution_state\": \"idle\"}, {\"execution_state\": \"dead\"}]", 0},
		{"[{\"execution_state\": \"idle\"}, {\"execution_state\": \"busy\"}]", 1},
		{"{}", -1},
		{"[", -1},
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		is_int(idle_any_busy(answers[i].kernels, strlen(answers[i].kernels)),
		       answers[i].busy, "kernels: %s", answers[i].kernels);
	const char *status = "{\"last_activity\": \"1970-01-02T00:00:01.5Z\"}";
	is_int(idle_last_activity(status, strlen(status)), 86401, "the last activity");
	is_int(idle_last_activity("{}", 2), -1, "none");
}

static void test_idle(void)
{
	struct idle_options options = {
		.limit_s = LIMIT_S,
		.relay = relay,
		.work = work,
		.work_arg = &workers,
	};
	struct idle *idle = idle_create(loop, &options, on_idle, NULL);

	if (!idle)
		bail_out("idle_create");
	workers.looks = 0;
	run_loop();
	ok(workers.looks > BUSY_LOOKS, "no session is idle whose workers are busy");
	ok(loop_now() - workers.last >= LIMIT_S * 1000, "nor before the limit after them");
	idle_destroy(idle);
}

static struct {
	int count;
	bool busy;
	time_t last;
} told;

static void on_activity(time_t last, bool busy, void *arg)
{
	(void) arg;
	told.busy = busy;
	told.last = last;
	if (told.count++ == 0)
		ok(busy && time(NULL) - last <= 1, "busy workers are activity");
	if (!busy)
		loop_stop(loop);
}

static void test_hub_activity(void)
{
	struct hub_activity_options options = {
		.relay = relay,
		.work = work,
		.work_arg = &workers,
		.pause_ms = 1,
	};

	workers.looks = 0;
	struct hub_activity *activity = hub_activity_create(loop, &options, on_activity, NULL);
	if (!activity)
		bail_out("hub_activity_create");
	run_loop();
	is_int(told.count, BUSY_LOOKS + 1, "the hub hears busy as long as they are");
	hub_activity_destroy(activity);

	/* A session that has begun now, whose workers are known to be so much ahead: only to
	 * see that theirs is what counts. */
	workers.last = loop_now() + AHEAD_MS;
	activity = hub_activity_create(loop, &options, on_activity, NULL);
	if (!activity)
		bail_out("hub_activity_create");
	run_loop();
	ok(!told.busy && told.last > time(NULL) + 1, "and then when they were last");
	hub_activity_destroy(activity);
}

int main(void)
{
	struct relay_options options = {.socket_path = "/nonexistent"};
	struct reason reason;
	unsigned port;

	if (!(loop = loop_create()))
		bail_out("loop_create");
	int fd = relay_listen("127.0.0.1", 0, 0, &port, &reason);
	if (fd < 0 || !(relay = relay_create(loop, fd, &options)))
		bail_out("relay");
	test_answers();
	test_idle();
	test_hub_activity();
	idle_destroy(NULL);
	hub_activity_destroy(NULL);
	relay_destroy(relay);
	loop_destroy(loop);
	return done_testing();
}
