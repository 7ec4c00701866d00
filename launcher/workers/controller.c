/* SPDX-License-Identifier: MIT */
/* See controller.h. */
#include "launcher/workers/controller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/spawn.h"
#include "launcher/workers/backoff.h"
#include "launcher/workers/channel.h"
#include "launcher/workers/process.h"

enum {
	FD_FIRST = 3, /* of what a child gets besides the standard ones */
	ID_MAX = 32,  /* bytes of " RANK.INDEX" */
	/* A program that ends closes its channel before it can be reaped. */
	CLOSED_MS = 2000
};

struct controller {
	struct loop *loop;
	const struct controller_options *options;
	struct controller_callbacks callbacks;
	struct process *process;
	struct channel *channel;
	struct loop_timer *timer; /* the next start, or the end of one that has hung up */
	unsigned expected, starts;
	bool forking; /* somebody else starts it, and has not said its pid yet */
	bool running, listening, any_joined, stopping;
	bool busy;	   /* its workers are, as it has said */
	int64_t last_busy; /* loop_now() of when they were, if not now; 0: never */
};

static void remark(struct controller *controller, const char *what, const char *more)
{
	struct reason text;

	reason_set(&text, "the controller %s%s", what, more);
	controller->callbacks.remark(text.text, controller->callbacks.arg);
}

static void say_expected(struct controller *controller)
{
	char line[32];

	if (!controller->running || !controller->expected)
		return;
	snprintf(line, sizeof(line), "expect %u", controller->expected);
	/* One that does not read does not want to know. */
	(void) channel_say(controller->channel, line);
}

void controller_gone(struct controller *controller, size_t rank, unsigned first, unsigned count)
{
	char line[CHANNEL_LINE_MAX];
	size_t used = 0;

	if (!controller->running || controller->stopping)
		return;
	/* As many in a line as it holds: a channel takes few lines that are not read yet. */
	for (unsigned i = 0; i < count; i++) {
		used += (size_t) snprintf(line + used, sizeof(line) - used, "%s %zu.%u",
					  used ? "" : "gone", rank, first + i);
		if (used + ID_MAX < sizeof(line) && i + 1 < count)
			continue;
		/* Without it the controller notices by itself, later. */
		(void) channel_say(controller->channel, line);
		used = 0;
	}
}

/* "2.1": the node's rank and the worker's index on it. */
static int parse_id(char *id, size_t *rank, unsigned *index)
{
	unsigned long first, second;
	char *point = strchr(id, '.');

	if (!point)
		return -1;
	*point = '\0';
	int rc = text_to_ulong(id, 0, SIZE_MAX / 2, &first) < 0 ||
		 text_to_ulong(point + 1, 0, WORKERS_COUNT_MAX - 1, &second) < 0;
	*point = '.';
	if (rc)
		return -1;
	*rank = first;
	*index = (unsigned) second;
	return 0;
}

static void set_busy(struct controller *controller, bool busy)
{
	if (controller->busy && !busy)
		controller->last_busy = loop_now();
	controller->busy = busy;
}

static void on_line(char *line, void *arg)
{
	struct controller *controller = arg;
	struct controller_callbacks *callbacks = &controller->callbacks;
	unsigned index;
	size_t rank;

	if (controller->stopping)
		return;
	if (!strcmp(line, "listening")) {
		bool again = controller->listening;
		controller->listening = true;
		if (!again)
			callbacks->listening(callbacks->arg);
	} else if (!strncmp(line, "joined ", 7) && parse_id(line + 7, &rank, &index) == 0) {
		controller->any_joined = true;
		callbacks->joined(rank, index, callbacks->arg);
	} else if (!strncmp(line, "left ", 5) && parse_id(line + 5, &rank, &index) == 0) {
		callbacks->left(rank, index, callbacks->arg);
	} else if (!strcmp(line, "busy") || !strcmp(line, "idle")) {
		set_busy(controller, *line == 'b');
	} else {
		remark(controller, "says what is not known: ", line);
	}
}

static void on_refused(const char *why, void *arg)
{
	remark(arg, "says what is no line: ", why);
}

static void on_closed(void *arg)
{
	struct controller *controller = arg;

	if (controller->running && !controller->stopping)
		loop_timer_set(controller->timer, CLOSED_MS);
}

/* It has ended, or could not be started. how: behind "the controller"; words: it may have said
 * why in its last line. */
static void died(struct controller *controller, const char *how, bool words)
{
	struct controller_callbacks *callbacks = &controller->callbacks;
	char tail[WORKERS_TAIL_MAX], line[256] = "";
	struct reason reason;

	controller->running = false;
	controller->forking = false;
	if (controller->channel)
		channel_drain(controller->channel);
	channel_destroy(controller->channel);
	controller->channel = NULL;
	controller->listening = false;
	set_busy(controller, false);
	loop_timer_set(controller->timer, -1);
	if (controller->stopping) {
		callbacks->stopped(callbacks->arg);
		return;
	}
	controller_tail(controller, tail, sizeof(tail));
	if (words)
		process_last_line(controller->process, line, sizeof(line));
	reason_set(&reason, "the controller %s%s%s", how, line[0] ? ": " : "", line);
	if (controller->any_joined ||
	    controller->starts > controller->options->recipe->restarts) {
		callbacks->failed(reason.text, tail, callbacks->arg);
		return;
	}
	loop_timer_set(controller->timer, backoff_delay(controller->starts));
	callbacks->again(reason.text, tail, callbacks->arg);
}

static void on_ended(const char *how, int status, void *arg)
{
	died(arg, how, WIFEXITED(status));
}

static int open_channel(struct controller *controller, int fd)
{
	struct channel_callbacks callbacks = {
		.line = on_line,
		.refused = on_refused,
		.closed = on_closed,
		.arg = controller,
	};

	controller->channel = channel_create(controller->loop, fd, &callbacks);
	return controller->channel ? 0 : -1;
}

/* The descriptors' numbers in the child, where process.h puts them. */
static int set_fds(struct env *environment, size_t listener_count)
{
	char fd[16], list[RECIPE_PORTS_MAX * 8] = "";

	snprintf(fd, sizeof(fd), "%d", FD_FIRST);
	for (size_t i = 0; i < listener_count; i++) {
		size_t used = strlen(list);
		snprintf(list + used, sizeof(list) - used, "%s%zu", i ? "," : "",
			 FD_FIRST + 1 + i);
	}
	if (env_set(environment, "SPANK_JUPYTER_FD", fd) < 0)
		return -1;
	if (*list)
		return env_set(environment, "SPANK_JUPYTER_LISTEN_FDS", list);
	env_unset(environment, "SPANK_JUPYTER_LISTEN_FDS");
	return 0;
}

static int start_command(struct controller *controller, struct reason *reason)
{
	const struct controller_options *options = controller->options;
	int fds[1 + RECIPE_PORTS_MAX], ours = -1, theirs = -1, rc = -1;
	char *program = NULL;
	char **argv = recipe_command(options->recipe, options->recipe->controller,
				     options->variables, reason);

	if (!argv ||
	    !(program = recipe_program_of(options->recipe, argv[0],
					  env_get(options->environment, "PATH"), reason)))
		goto out;
	if (channel_pair(&ours, &theirs) < 0 || open_channel(controller, ours) < 0 ||
	    set_fds(options->environment, options->listener_count) < 0) {
		reason_set(reason, "%s: %s", argv[0], strerror(errno));
		goto out;
	}
	fds[0] = theirs;
	for (size_t i = 0; i < options->listener_count; i++)
		fds[1 + i] = options->listeners[i];
	struct process_options process = {
		.program = program,
		.argv = argv,
		.environment = options->environment,
		.fds = fds,
		.fd_count = 1 + options->listener_count,
	};
	if (process_start(controller->process, &process, reason) < 0)
		goto out;
	controller->running = true;
	say_expected(controller);
	rc = 0;
out:
	fd_close(&theirs);
	free(program);
	text_words_free(argv);
	return rc;
}

static void on_forked(pid_t pid, const char *reason, void *arg)
{
	struct controller *controller = arg;
	struct reason how;

	/* Told to end meanwhile: it has lost its channel, and goes without a "go". */
	if (!controller->forking)
		return;
	controller->forking = false;
	if (pid < 0) {
		reason_set(&how, "cannot be forked: %s", reason);
		died(controller, how.text, false);
		return;
	}
	if (process_adopt(controller->process, pid) < 0) {
		reason_set(&how, "cannot be watched: %s", strerror(errno));
		died(controller, how.text, false);
		return;
	}
	controller->running = true;
	/* One that has ended already is reaped soon. */
	(void) channel_say(controller->channel, "go");
	say_expected(controller);
}

static int start_forked(struct controller *controller, struct reason *reason)
{
	const struct controller_options *options = controller->options;
	int out = -1, channel = -1;

	if (process_open_log(controller->process, &out) < 0)
		return reason_set(reason, "pipe: %s", strerror(errno));
	controller->forking = true;
	int rc = workers_node_fork_controller(options->node, options->recipe->name,
					      options->listeners, options->listener_count, out,
					      &channel, on_forked, controller, reason);
	fd_close(&out);
	if (rc == 0 && open_channel(controller, channel) < 0)
		rc = reason_set(reason, "channel: %s", strerror(errno));
	if (rc < 0)
		controller->forking = false;
	return rc;
}

int controller_start(struct controller *controller, struct reason *reason)
{
	int rc;

	controller->starts++;
	controller->listening = false;
	if (!strcmp(controller->options->recipe->controller, "preload"))
		rc = start_forked(controller, reason);
	else
		rc = start_command(controller, reason);
	if (rc == 0)
		return 0;
	channel_destroy(controller->channel);
	controller->channel = NULL;
	return reason_prefix(reason, "the controller");
}

static void on_timer(void *arg)
{
	struct controller *controller = arg;
	struct reason reason;

	if (controller->running) {
		remark(controller, "has closed its channel: it is ended", "");
		process_stop(controller->process,
			     controller->options->recipe->stop_timeout_s * 1000);
	} else if (controller_start(controller, &reason) < 0) {
		controller->callbacks.failed(reason.text, "", controller->callbacks.arg);
	}
}

struct controller *controller_create(struct loop *loop,
				     const struct controller_options *options,
				     const struct controller_callbacks *callbacks)
{
	struct controller *controller = calloc(1, sizeof(*controller));

	if (!controller)
		return NULL;
	controller->loop = loop;
	controller->options = options;
	controller->callbacks = *callbacks;
	if (!(controller->process = process_create(loop, options->log_dirfd, "controller",
						   on_ended, controller)) ||
	    !(controller->timer = loop_timer_create(loop, on_timer, controller))) {
		controller_destroy(controller);
		return NULL;
	}
	return controller;
}

void controller_destroy(struct controller *controller)
{
	int error = errno;

	if (!controller)
		return;
	loop_timer_destroy(controller->timer);
	channel_destroy(controller->channel);
	process_destroy(controller->process);
	free(controller);
	errno = error;
}

void controller_expect(struct controller *controller, unsigned count)
{
	if (count == controller->expected)
		return;
	controller->expected = count;
	say_expected(controller);
}

void controller_stop(struct controller *controller, int64_t grace_ms)
{
	int64_t timeout = controller->options->recipe->stop_timeout_s * 1000;

	if (controller->stopping)
		return;
	controller->stopping = true;
	if (!controller->running) {
		died(controller, "", false);
		return;
	}
	loop_timer_set(controller->timer, -1);
	(void) channel_say(controller->channel, "end");
	process_stop(controller->process, timeout < grace_ms ? timeout : grace_ms);
}

bool controller_runs(const struct controller *controller)
{
	return controller->running;
}

bool controller_is_busy(const struct controller *controller, int64_t *last_ms)
{
	*last_ms = controller->busy ? loop_now() : controller->last_busy;
	return controller->busy;
}

const char *controller_tail(const struct controller *controller, char *text, size_t size)
{
	return process_tail(controller->process, text, size);
}
