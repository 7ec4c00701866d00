/* SPDX-License-Identifier: MIT */
/* See kernel_request.h. */
#include "launcher/sjupyter/kernel_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_MS = 30000, /* for the head to answer */
	ASK_MS = 100	  /* until the head is asked again whether a kernel is ready */
};

/* What the next answer is about. */
enum stage { STAGE_NEW, STAGE_STATUS, STAGE_CONNECTION };

struct kernel_request {
	struct kernel_request_options options;
	unsigned long number; /* 0: none was given, so the first */
	struct loop_timer *first, *ask;
	enum stage stage;
};

static void fail(struct kernel_request *request, const char *words)
{
	request->options.failed(words, request->options.arg);
}

static void on_first_late(void *arg)
{
	struct kernel_request *request = arg;
	struct reason reason;

	reason_set(&reason, "the head of job %s has not answered within %d s",
		   request->options.job_id, FIRST_MS / 1000);
	fail(request, reason.text);
}

static void next(struct kernel_request *request, enum stage stage)
{
	static const char *const names[] = {
		[STAGE_STATUS] = "status", [STAGE_CONNECTION] = "connection"};

	request->stage = stage;
	loop_timer_set(request->first, FIRST_MS);
	if (kernel_orders_send_name(request->options.orders, names[stage], request->number) < 0)
		fail(request, "there is no connection to the head now");
}

static void on_ask(void *arg)
{
	next(arg, STAGE_STATUS);
}

/* The number of one that was started. */
static void take_new(struct kernel_request *request, const json_t *answer)
{
	json_int_t number = json_integer_value(json_object_get(answer, "number"));

	if (number < 1 || number > INT32_MAX) {
		fail(request, "the head has answered without a kernel's number");
		return;
	}
	request->number = (unsigned long) number;
	next(request, STAGE_STATUS);
}

/* Whether it can be connected to: why not, only the head knows. */
static void take_status(struct kernel_request *request, const json_t *answer)
{
	const char *state = json_string_value(json_object_get(answer, "state"));
	const char *words = json_string_value(json_object_get(answer, "reason"));

	if (state && (!strcmp(state, "ready") || !strcmp(state, "hung"))) {
		next(request, STAGE_CONNECTION);
	} else if (state && (!strcmp(state, "starting") || !strcmp(state, "restarting"))) {
		loop_timer_set(request->first, -1);
		loop_timer_set(request->ask, ASK_MS);
	} else {
		struct reason reason;

		reason_set(&reason, "kernel %lu of job %s has ended: %s", request->number,
			   request->options.job_id, words ? words : "no reason is known");
		fail(request, reason.text);
	}
}

void kernel_request_answer(struct kernel_request *request, const json_t *answer)
{
	const char *refusal = json_string_value(json_object_get(answer, "error"));
	struct reason reason;

	if (request->stage == STAGE_CONNECTION) {
		loop_timer_set(request->first, -1);
		request->options.ready(request->number, answer, request->options.arg);
		return;
	}
	reason_set(&reason, "the head of job %s: %s", request->options.job_id,
		   refusal ? refusal : "");
	if (refusal)
		fail(request, reason.text);
	else if (request->stage == STAGE_NEW)
		take_new(request, answer);
	else
		take_status(request, answer);
}

/* The first order. */
static int begin(struct kernel_request *request)
{
	json_t *json;
	int rc;

	request->stage = STAGE_NEW;
	if (!request->options.new) {
		next(request, request->number ? STAGE_STATUS : STAGE_CONNECTION);
		return 0;
	}
	loop_timer_set(request->first, FIRST_MS);
	json = json_pack("{s:{s:s}}", "start", "kernel", request->options.new);
	rc = json ? kernel_orders_send(request->options.orders, json) : -1;
	json_decref(json);
	return rc;
}

struct kernel_request *kernel_request_create(const struct kernel_request_options *options)
{
	struct kernel_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->options = *options;
	request->number = options->number;
	if (!(request->first = loop_timer_create(options->loop, on_first_late, request)) ||
	    !(request->ask = loop_timer_create(options->loop, on_ask, request)) ||
	    begin(request) < 0) {
		kernel_request_destroy(request);
		return NULL;
	}
	return request;
}

void kernel_request_destroy(struct kernel_request *request)
{
	int error = errno;

	if (!request)
		return;
	loop_timer_destroy(request->first);
	loop_timer_destroy(request->ask);
	free(request);
	errno = error;
}
