/* SPDX-License-Identifier: MIT */
/* See idle.h. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/ask.h"
#include "launcher/head/idle.h"

enum {
	/* A quarter of the limit is late enough, within these. */
	LOOK_MIN_MS = 1000,
	LOOK_MAX_MS = 60000,
	PATH_SIZE = 1024
};

struct idle {
	struct loop *loop;
	struct idle_options options;
	idle_callback *callback;
	void *arg;
	struct loop_timer *timer;
	struct ask *ask;
	int64_t begun; /* loop_now() */
};

int idle_any_busy(const char *kernels, size_t size)
{
	json_t *list = json_loadb(kernels, size, JSON_REJECT_DUPLICATES, NULL);
	int busy = json_is_array(list) ? 0 : -1;
	json_t *kernel;
	size_t i;

	json_array_foreach(list, i, kernel)
	{
		const char *state =
			json_string_value(json_object_get(kernel, "execution_state"));
		if (state && strcmp(state, "idle") && strcmp(state, "dead"))
			busy = 1;
	}
	json_decref(list);
	return busy;
}

time_t idle_last_activity(const char *status, size_t size)
{
	json_t *answer = json_loadb(status, size, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(answer, "last_activity"));
	struct tm utc = {0};
	time_t last = -1;

	/* "2026-11-20T10:00:00.123456Z", always UTC. */
	const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &utc) : NULL;
	if (rest && strchr(rest, 'Z'))
		last = timegm(&utc);
	json_decref(answer);
	return last;
}

static void look_again(struct idle *idle)
{
	int64_t delay = idle->options.limit_s * 1000 / 4;

	loop_timer_set(idle->timer, delay < LOOK_MIN_MS	  ? LOOK_MIN_MS
				    : delay > LOOK_MAX_MS ? LOOK_MAX_MS
							  : delay);
}

static void decide(struct idle *idle, int64_t idle_ms)
{
	int64_t last_ms;

	if (idle->options.work(idle->options.work_arg, &last_ms)) {
		look_again(idle);
		return;
	}
	if (last_ms && loop_now() - last_ms < idle_ms)
		idle_ms = loop_now() - last_ms;
	if (idle_ms >= idle->options.limit_s * 1000)
		idle->callback(idle->arg);
	else
		look_again(idle);
}

static void ask(struct idle *idle, const char *what, ask_callback *callback)
{
	char path[PATH_SIZE];
	struct ask_options options = {
		.socket_path = idle->options.socket_path,
		.token_file = idle->options.token_file,
		.path = path,
	};

	/* Asking is not work. */
	snprintf(path, sizeof(path), "%s/%s?no_track_activity=1", idle->options.api, what);
	ask_destroy(idle->ask);
	/* A server that cannot be asked is starting again, or stuck: not known to be idle. */
	if (!(idle->ask = ask_start(idle->loop, &options, callback, idle)))
		look_again(idle);
}

static void on_status(const char *body, size_t size, void *arg)
{
	struct idle *idle = arg;
	time_t last = body ? idle_last_activity(body, size) : -1;
	int64_t since_begin = loop_now() - idle->begun;

	if (last < 0) {
		look_again(idle);
		return;
	}
	int64_t since_activity = (int64_t) (time(NULL) - last) * 1000;
	decide(idle, since_activity < since_begin ? since_activity : since_begin);
}

static void on_kernels(const char *body, size_t size, void *arg)
{
	struct idle *idle = arg;

	if (!body || idle_any_busy(body, size) != 0)
		look_again(idle);
	else
		ask(idle, "status", on_status);
}

static void on_timer(void *arg)
{
	struct idle *idle = arg;
	struct relay_counts counts;

	if (idle->options.api) {
		ask(idle, "kernels", on_kernels);
		return;
	}
	relay_counts(idle->options.relay, &counts);
	decide(idle,
	       loop_now() - (counts.last_activity_ms ? counts.last_activity_ms : idle->begun));
}

struct idle *idle_create(struct loop *loop, const struct idle_options *options,
			 idle_callback *callback, void *arg)
{
	struct idle *idle = calloc(1, sizeof(*idle));

	if (!idle)
		return NULL;
	idle->loop = loop;
	idle->options = *options;
	idle->callback = callback;
	idle->arg = arg;
	idle->begun = loop_now();
	if (!(idle->timer = loop_timer_create(loop, on_timer, idle))) {
		free(idle);
		return NULL;
	}
	look_again(idle);
	return idle;
}

void idle_go_on(struct idle *idle)
{
	look_again(idle);
}

void idle_destroy(struct idle *idle)
{
	int error = errno;

	if (!idle)
		return;
	ask_destroy(idle->ask);
	loop_timer_destroy(idle->timer);
	free(idle);
	errno = error;
}
