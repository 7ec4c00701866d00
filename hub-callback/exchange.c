/* SPDX-License-Identifier: MIT */
/*
 * See exchange.h.  The steps follow each other as callbacks of the loop: munge in the worker's
 * thread, since a call blocks while munged hangs, HTTP in libcurl's multi handle.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hub-callback/batchspawner.h"
#include "hub-callback/credential.h"
#include "hub-callback/exchange.h"
#include "hub-callback/hub_words.h"
#include "hub-callback/record.h"
#include "hub-callback/reply.h"
#include "launcher/control/worker.h"

/* Kinds of what happened, besides HTTP statuses (from 100 on) and enum http_error. */
enum { KIND_MUNGE = 50, KIND_ANSWER, KIND_LOCAL };

/* Below the API's URL: our handler. */
#define OUR_PATH "/spank-jupyter"

/* Calls that may wait for a munged that hangs, of exchanges that were cancelled meanwhile. */
enum { MUNGE_JOBS_MAX = 8 };

struct exchange {
	const struct hub_identity *identity;
	struct http *http;
	struct worker *worker;
	struct loop_timer *later; /* ends an exchange that has failed before it began */
	struct batchspawner batchspawner;

	/* The exchange under way. */
	exchange_callback *callback; /* NULL: none */
	void *arg;
	enum hub_action action;
	char nonce[RECORD_NONCE];
	struct munge_job *munge; /* NULL: none */
	struct exchange_result result;
};

/* A call of munge.  It belongs to the worker, and to the exchange as long as that waits. */
struct munge_job {
	struct worker_job job;	   /* first: the worker hands this back */
	struct exchange *exchange; /* NULL: cancelled */
	void (*done)(struct exchange *exchange, struct munge_job *munge);
	const char *socket_path;
	uid_t uid;
	char *record, *credential, *payload;
	size_t payload_size;
	int error;
	struct reason reason;
};

static void text_wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void munge_job_free(struct worker_job *job)
{
	struct munge_job *munge = (struct munge_job *) job;

	text_wipe(munge->record);
	text_wipe(munge->credential);
	if (munge->payload)
		explicit_bzero(munge->payload, munge->payload_size);
	free(munge->payload);
	free(munge);
}

static void encode_run(struct worker_job *job)
{
	struct munge_job *munge = (struct munge_job *) job;

	if (hub_credential_encode(munge->socket_path, munge->uid, RECORD_TTL_S, munge->record,
				  &munge->credential, &munge->reason) < 0)
		munge->error = errno;
}

static void decode_run(struct worker_job *job)
{
	struct munge_job *munge = (struct munge_job *) job;

	if (hub_credential_decode(munge->socket_path, munge->credential, munge->uid,
				  &munge->payload, &munge->payload_size, &munge->reason) < 0)
		munge->error = errno;
}

static void munge_done(struct worker_job *job)
{
	struct munge_job *munge = (struct munge_job *) job;
	struct exchange *exchange = munge->exchange;

	if (exchange) {
		exchange->munge = NULL;
		munge->done(exchange, munge);
	}
	munge_job_free(job);
}

/* The result is ready: the callback may begin the next exchange, and so the last thing here. */
static void finish(struct exchange *exchange)
{
	exchange_callback *callback = exchange->callback;
	struct exchange_result result = exchange->result;

	exchange->callback = NULL;
	callback(&result, exchange->arg);
}

static void finish_with(struct exchange *exchange, enum hub_outcome outcome, int kind,
			const char *words)
{
	exchange->result.outcome = outcome;
	exchange->result.kind = kind;
	reason_set(&exchange->result.words, "%s", words);
	finish(exchange);
}

/* Not from within exchange_begin(). */
static void fail_later(struct exchange *exchange, const char *words)
{
	exchange->result.outcome = HUB_AGAIN;
	exchange->result.kind = KIND_LOCAL;
	reason_set(&exchange->result.words, "this request to the hub cannot be made: %s",
		   words);
	loop_timer_set(exchange->later, 0);
}

static void on_later(void *arg)
{
	finish(arg);
}

static void fail_now(struct exchange *exchange, int error)
{
	struct reason reason;

	reason_set(&reason, "this request to the hub cannot be made: %s",
		   error == EMSGSIZE ? "the record is too large" : strerror(error));
	finish_with(exchange, error == EMSGSIZE ? HUB_REFUSED : HUB_AGAIN, KIND_LOCAL,
		    reason.text);
}

static void munge_submit(struct exchange *exchange, struct munge_job *munge,
			 void (*run)(struct worker_job *job))
{
	munge->job =
		(struct worker_job){.run = run, .done = munge_done, .drop = munge_job_free};
	munge->exchange = exchange;
	munge->socket_path = hub_credential_socket();
	munge->uid = exchange->identity->hub_uid;
	if (worker_submit(exchange->worker, &munge->job) < 0) {
		fail_later(exchange, errno == EAGAIN ? "munge on this node does not answer"
						     : strerror(errno));
		munge_job_free(&munge->job);
		return;
	}
	exchange->munge = munge;
}

/* The last step of ours: the hub's credential is open. */

static void on_decoded(struct exchange *exchange, struct munge_job *munge)
{
	bool with_environment =
		exchange->action == HUB_ENVIRONMENT || exchange->action == HUB_ADOPTION;
	struct reason reason;
	struct reply reply;

	if (munge->error) {
		finish_with(exchange, HUB_AGAIN,
			    munge->error == EAGAIN ? KIND_MUNGE : KIND_ANSWER,
			    munge->reason.text);
		return;
	}
	if (reply_take(munge->payload, munge->payload_size, exchange->nonce, with_environment,
		       &reply, &reason) < 0) {
		/* The hub itself has said so, and would again; but for memory and another's
		 * answer. */
		finish_with(exchange, errno == EPROTO ? HUB_REFUSED : HUB_AGAIN, KIND_ANSWER,
			    reason.text);
		return;
	}
	exchange->result.outcome = HUB_DONE;
	exchange->result.environment = reply.environment;
	exchange->result.left_out = reply.left_out;
	finish(exchange);
	reply_clear(&reply);
}

/* HTTP. */

static void decode(struct exchange *exchange, const struct http_reply *answer)
{
	struct munge_job *munge = calloc(1, sizeof(*munge));
	struct reason reason;

	if (!munge) {
		fail_now(exchange, ENOMEM);
		return;
	}
	munge->done = on_decoded;
	munge->credential = reply_credential(answer->body, answer->size, &reason);
	if (!munge->credential) {
		free(munge);
		finish_with(exchange, HUB_AGAIN, KIND_ANSWER, reason.text);
		return;
	}
	munge_submit(exchange, munge, decode_run);
}

static void take_stock(struct exchange *exchange, const struct http_reply *answer)
{
	struct reason reason;

	if (exchange->action == HUB_ACTIVITY &&
	    !batchspawner_known(&exchange->batchspawner, exchange->identity->server_name,
				answer->body, answer->size, &reason)) {
		finish_with(exchange, HUB_GONE, KIND_ANSWER, reason.text);
		return;
	}
	exchange->result.outcome = HUB_DONE;
	finish(exchange);
}

static void on_answer(enum http_error error, const struct http_reply *answer, const char *words,
		      void *arg)
{
	struct exchange *exchange = arg;
	struct exchange_result *result = &exchange->result;

	if (error != HTTP_ANSWERED) {
		result->outcome =
			hub_words_error(exchange->identity, error, words, &result->words);
		result->kind = (int) error;
		finish(exchange);
	} else if (answer->status < 200 || answer->status > 299) {
		result->outcome = hub_words_status(exchange->identity, answer, &result->words);
		result->kind = (int) answer->status;
		result->retry_after_ms = answer->retry_after_ms;
		finish(exchange);
	} else if (exchange->identity->mode == HUB_STOCK) {
		take_stock(exchange, answer);
	} else {
		decode(exchange, answer);
	}
}

/* later: still within exchange_begin(). */
static void send_request(struct exchange *exchange, const char *path, const char *body,
			 bool later)
{
	const struct hub_identity *identity = exchange->identity;
	char url[HUB_URL_MAX + 32];
	struct http_request request = {.url = url, .body = body, .token = identity->token};
	struct reason reason;

	snprintf(url, sizeof(url), "%s%s", identity->api, path);
	if (http_begin(exchange->http, &request, on_answer, exchange, &reason) == 0)
		return;
	if (later)
		fail_later(exchange, reason.text);
	else
		finish_with(exchange, HUB_AGAIN, KIND_LOCAL, reason.text);
}

static void on_encoded(struct exchange *exchange, struct munge_job *munge)
{
	char *body;

	if (munge->error) {
		finish_with(exchange, munge->error == EAGAIN ? HUB_AGAIN : HUB_REFUSED,
			    KIND_MUNGE, munge->reason.text);
		return;
	}
	body = record_request(munge->credential);
	if (!body) {
		fail_now(exchange, errno);
		return;
	}
	send_request(exchange, OUR_PATH, body, false);
	text_wipe(body);
}

/* Beginning. */

static void begin_stock(struct exchange *exchange, const json_t *fields)
{
	char *body;

	if (exchange->action != HUB_SERVING) {
		send_request(exchange, BATCHSPAWNER_SELF_PATH, NULL, true);
		return;
	}
	body = batchspawner_body(fields);
	if (!body) {
		fail_later(exchange, strerror(errno));
		return;
	}
	send_request(exchange, BATCHSPAWNER_PATH, body, true);
	free(body);
}

static void begin_ours(struct exchange *exchange, const json_t *fields)
{
	struct munge_job *munge = calloc(1, sizeof(*munge));
	int error;

	if (!munge || record_nonce(exchange->nonce) < 0)
		goto error;
	munge->done = on_encoded;
	munge->record = record_text(exchange->identity, exchange->action, fields,
				    exchange->nonce, time(NULL));
	if (!munge->record)
		goto error;
	munge_submit(exchange, munge, encode_run);
	return;

error:
	error = errno;
	fail_later(exchange, error == EMSGSIZE ? "the record is too large" : strerror(error));
	/* The same record would be too large again. */
	if (error == EMSGSIZE)
		exchange->result.outcome = HUB_REFUSED;
	free(munge);
}

void exchange_begin(struct exchange *exchange, enum hub_action action, json_t *fields,
		    exchange_callback *callback, void *arg)
{
	exchange_cancel(exchange);
	exchange->action = action;
	exchange->callback = callback;
	exchange->arg = arg;
	exchange->result = (struct exchange_result){.retry_after_ms = -1, .left_out = ""};
	if (exchange->identity->mode == HUB_STOCK)
		begin_stock(exchange, fields);
	else
		begin_ours(exchange, fields);
}

void exchange_cancel(struct exchange *exchange)
{
	exchange->callback = NULL;
	if (exchange->munge)
		exchange->munge->exchange = NULL;
	exchange->munge = NULL;
	http_cancel(exchange->http);
	loop_timer_set(exchange->later, -1);
}

struct exchange *exchange_create(struct loop *loop, const struct hub_identity *identity,
				 const struct http_options *http, struct reason *reason)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (!exchange) {
		reason_set(reason, "%s", strerror(errno));
		return NULL;
	}
	exchange->identity = identity;
	exchange->http = http_create(loop, http, reason);
	if (!exchange->http)
		goto error;
	exchange->later = loop_timer_create(loop, on_later, exchange);
	exchange->worker = worker_create(loop, MUNGE_JOBS_MAX);
	if (!exchange->later || !exchange->worker) {
		reason_set(reason, "%s", strerror(errno));
		goto error;
	}
	return exchange;

error:
	exchange_destroy(exchange);
	return NULL;
}

void exchange_destroy(struct exchange *exchange)
{
	int saved = errno;

	if (!exchange)
		return;
	if (exchange->http && exchange->later)
		exchange_cancel(exchange);
	worker_destroy(exchange->worker);
	http_destroy(exchange->http);
	loop_timer_destroy(exchange->later);
	free(exchange);
	errno = saved;
}
