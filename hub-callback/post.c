/* SPDX-License-Identifier: MIT */
/*
 * `jupyter-hub-callback post`: one exchange with the hub, for scripts; with --deadline it is
 * tried again until then.  As the user.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "hub-callback/commands.h"
#include "hub-callback/exchange.h"
#include "hub-callback/lines.h"
#include "hub-callback/retry.h"

struct post {
	const struct arguments *arguments;
	struct loop *loop;
	struct loop_timer *timer;
	struct exchange *exchange;
	struct retry retry;
	int64_t deadline_ms;
	int status;
};

static void complain(const char *words)
{
	fprintf(stderr, "jupyter-hub-callback: %s\n", words);
}

static void print(struct post *post, const struct exchange_result *result)
{
	enum hub_action action = post->arguments->action;
	json_t *line;

	if (result->environment)
		line = json_pack("{s:O}", "environment", result->environment);
	else
		line = json_pack("{s:b}", action == HUB_SERVING ? "registered" : "done", 1);
	if (result->left_out[0]) {
		struct reason words;

		reason_set(&words, "left out, since they are the node's or the job's: %s",
			   result->left_out);
		complain(words.text);
	}
	if (!line || lines_say(STDOUT_FILENO, line) < 0) {
		complain(strerror(errno));
		post->status = COMMAND_FAILED;
	}
	json_decref(line);
}

static void on_result(const struct exchange_result *result, void *arg)
{
	struct post *post = arg;
	uint64_t random = 0;
	int64_t delay;

	if (result->outcome == HUB_DONE) {
		post->status = COMMAND_DONE;
		print(post, result);
		loop_stop(post->loop);
		return;
	}
	complain(result->words.text);
	post->status = result->outcome == HUB_GONE || result->outcome == HUB_REFUSED
			       ? COMMAND_REFUSED
			       : COMMAND_FAILED;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = 0;
	if (post->status == COMMAND_REFUSED ||
	    !retry_next(&post->retry, loop_now(), post->deadline_ms, result->retry_after_ms,
			random, &delay))
		loop_stop(post->loop);
	else
		loop_timer_set(post->timer, delay);
}

static void on_timer(void *arg)
{
	struct post *post = arg;

	exchange_begin(post->exchange, post->arguments->action, post->arguments->fields,
		       on_result, post);
}

static int prepare(struct post *post, struct reason *reason)
{
	const struct arguments *arguments = post->arguments;

	post->loop = loop_create();
	if (!post->loop)
		return reason_set(reason, "%s", strerror(errno));
	post->exchange =
		exchange_create(post->loop, &arguments->identity, &arguments->http, reason);
	if (!post->exchange)
		return -1;
	post->timer = loop_timer_create(post->loop, on_timer, post);
	if (!post->timer)
		return reason_set(reason, "%s", strerror(errno));
	return 0;
}

int post_main(const struct arguments *arguments)
{
	struct post post = {.arguments = arguments, .status = COMMAND_FAILED};
	struct reason reason;

	signal(SIGPIPE, SIG_IGN);
	post.deadline_ms =
		loop_now() + (arguments->deadline_ms > 0 ? arguments->deadline_ms : 0);
	if (prepare(&post, &reason) < 0) {
		complain(reason.text);
	} else {
		loop_timer_set(post.timer, 0);
		if (loop_run(post.loop) < 0)
			complain(strerror(errno));
	}
	exchange_destroy(post.exchange);
	loop_destroy(post.loop);
	return post.status;
}
