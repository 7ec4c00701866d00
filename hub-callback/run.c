/* SPDX-License-Identifier: MIT */
/*
 * `jupyter-hub-callback run`: the head's child that speaks with the hub, lines of JSON on stdin
 * and stdout.  As the user, as long as the session lives.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "hub-callback/commands.h"
#include "hub-callback/conversation.h"
#include "hub-callback/event.h"
#include "hub-callback/exchange.h"
#include "hub-callback/lines.h"
#include "hub-callback/retry.h"

struct run {
	const struct arguments *arguments;
	struct loop *loop;
	struct lines *lines;
	struct loop_timer *timer;
	struct exchange *exchange;
	struct conversation *conversation;
	int status;
};

/* The conversation's world. */

static int64_t now(void *arg)
{
	(void) arg;
	return loop_now();
}

static uint64_t draw(void *arg)
{
	uint64_t number = 0;

	(void) arg;
	/* 0 where the kernel has none yet: a pause of no length, once. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		return 0;
	return number;
}

static void on_result(const struct exchange_result *result, void *arg)
{
	struct run *run = arg;

	conversation_result(run->conversation, result);
}

static void begin(enum hub_action action, json_t *fields, void *arg)
{
	struct run *run = arg;

	exchange_begin(run->exchange, action, fields, on_result, run);
}

static void cancel(void *arg)
{
	struct run *run = arg;

	exchange_cancel(run->exchange);
}

static void set_timer(int64_t delay_ms, void *arg)
{
	struct run *run = arg;

	loop_timer_set(run->timer, delay_ms);
}

static void say(json_t *line, void *arg)
{
	struct run *run = arg;
	int rc = lines_say(STDOUT_FILENO, line);

	if (rc < 0 && errno == EMSGSIZE) {
		json_decref(line);
		line = json_pack("{s:s}", "failed",
				 "the hub's environment does not fit into a line of 256 KiB");
		rc = line ? lines_say(STDOUT_FILENO, line) : 0;
	}
	json_decref(line);
	if (rc < 0) {
		/* The head is gone, or stands still: then nobody needs this process. */
		run->status = COMMAND_FAILED;
		loop_stop(run->loop);
	}
}

static void over(void *arg)
{
	struct run *run = arg;

	loop_stop(run->loop);
}

/* The head. */

static void on_line(const char *line, size_t size, void *arg)
{
	struct run *run = arg;
	enum hub_action action;
	struct reason reason;
	json_t *fields;

	if (event_parse(run->arguments->identity.mode, line, size, &action, &fields, &reason) <
	    0) {
		reason_prefix(&reason, "a line on standard input");
		conversation_problem(run->conversation, reason.text);
		return;
	}
	conversation_event(run->conversation, action, fields);
}

static void on_too_long(void *arg)
{
	struct run *run = arg;

	conversation_problem(run->conversation,
			     "a line on standard input is longer than 256 KiB");
}

static void on_closed(void *arg)
{
	struct run *run = arg;

	loop_stop(run->loop);
}

static void on_timer(void *arg)
{
	struct run *run = arg;

	conversation_timer(run->conversation);
}

/* It ends with stdin: what is sent to the whole job at its end must not take it from the head,
 * which has a last word to say. */
static void ignore_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT,	SIGHUP,	   SIGUSR1, SIGUSR2, SIGQUIT,
				      SIGALRM, SIGPROF, SIGVTALRM, SIGXCPU, SIGPIPE};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
}

static int prepare(struct run *run, struct reason *reason)
{
	const struct arguments *arguments = run->arguments;
	const struct lines_callbacks callbacks = {
		.line = on_line, .too_long = on_too_long, .closed = on_closed, .arg = run};
	const struct conversation_world world = {.now = now,
						 .random = draw,
						 .begin = begin,
						 .cancel = cancel,
						 .timer = set_timer,
						 .say = say,
						 .over = over,
						 .arg = run};

	run->loop = loop_create();
	if (!run->loop)
		return reason_set(reason, "%s", strerror(errno));
	run->exchange =
		exchange_create(run->loop, &arguments->identity, &arguments->http, reason);
	if (!run->exchange)
		return -1;
	run->timer = loop_timer_create(run->loop, on_timer, run);
	run->conversation = conversation_create(
		arguments->identity.mode,
		arguments->deadline_ms < 0 ? RETRY_DEADLINE_MS : arguments->deadline_ms,
		&world);
	run->lines = lines_create(run->loop, STDIN_FILENO, &callbacks);
	if (!run->timer || !run->conversation || !run->lines)
		return reason_set(reason, "%s", strerror(errno));
	return 0;
}

int run_main(const struct arguments *arguments)
{
	struct run run = {.arguments = arguments, .status = COMMAND_DONE};
	struct reason reason;

	ignore_signals();
	if (prepare(&run, &reason) < 0) {
		fprintf(stderr, "jupyter-hub-callback: %s\n", reason.text);
		run.status = COMMAND_FAILED;
	} else if (loop_run(run.loop) < 0) {
		fprintf(stderr, "jupyter-hub-callback: %s\n", strerror(errno));
		run.status = COMMAND_FAILED;
	}
	lines_destroy(run.lines);
	exchange_destroy(run.exchange);
	conversation_destroy(run.conversation);
	loop_destroy(run.loop);
	return run.status;
}
