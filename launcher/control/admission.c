/* SPDX-License-Identifier: MIT */
/* See admission.h. */
#include "launcher/control/admission.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/control/credential.h"
#include "launcher/control/worker.h"

/* Hellos that wait for munged beyond one for each connection; each takes 4 KiB. */
enum { WAITING_SPARE = 64 };

struct admission {
	struct worker *worker;
	admission_callback *callback;
	void *arg;
	char job_id[FRAME_JOB_MAX];
	char head_key[CONTROL_KEY_SIZE];
	uid_t uid;
	size_t agents;
};

struct check {
	struct worker_job job; /* first: the worker hands this back */
	struct admission *admission;
	struct admission_sender sender;
	struct frame_hello hello;
	char socket_path[CREDENTIAL_SOCKET_MAX];
	uid_t uid;
	int error;
	struct reason reason;
};

static void check_run(struct worker_job *job)
{
	struct check *check = (struct check *) job;
	const char *text = check->hello.text;

	if (credential_check(check->socket_path, check->hello.credential, check->uid, text,
			     strlen(text), &check->reason) < 0)
		check->error = errno;
}

static void check_drop(struct worker_job *job)
{
	free(job);
}

static void check_done(struct worker_job *job)
{
	struct check *check = (struct check *) job;
	struct admission *admission = check->admission;
	enum admission_verdict verdict = ADMISSION_ADMIT;

	if (check->error != 0)
		verdict = check->error == EAGAIN ? ADMISSION_RETRY : ADMISSION_REJECT;
	admission->callback(verdict, &check->sender, &check->hello.claim, check->reason.text,
			    admission->arg);
	free(check);
}

/* What can be told without munged. */
static int claim_check(const struct admission *admission, const struct admission_sender *sender,
		       const struct frame_claim *claim, struct reason *reason)
{
	if (strcmp(claim->job_id, admission->job_id) != 0)
		return reason_set(reason, "job %s joins job %s", claim->job_id,
				  admission->job_id);
	if (strcmp(claim->head_key, admission->head_key) != 0)
		return reason_set(reason, "the hello is for another head");
	if (strcmp(claim->agent_key, sender->key) != 0)
		return reason_set(reason, "the hello is of another connection");
	if (claim->rank >= admission->agents)
		return reason_set(reason, "rank %zu joins a session of %zu agents", claim->rank,
				  admission->agents);
	return 0;
}

void admission_submit(struct admission *admission, const struct admission_sender *sender,
		      const void *payload, size_t size)
{
	struct check *check = calloc(1, sizeof(*check));
	struct reason reason = {.text = ""};

	if (!check) {
		admission->callback(ADMISSION_RETRY, sender, NULL, "out of memory",
				    admission->arg);
		return;
	}
	if (frame_hello_parse(payload, size, &check->hello, &reason) < 0) {
		free(check);
		admission->callback(ADMISSION_REJECT, sender, NULL, reason.text,
				    admission->arg);
		return;
	}
	if (claim_check(admission, sender, &check->hello.claim, &reason) < 0) {
		admission->callback(ADMISSION_REJECT, sender, &check->hello.claim, reason.text,
				    admission->arg);
		free(check);
		return;
	}
	check->job =
		(struct worker_job){.run = check_run, .done = check_done, .drop = check_drop};
	check->admission = admission;
	check->sender = *sender;
	check->uid = admission->uid;
	credential_socket(check->socket_path);
	if (worker_submit(admission->worker, &check->job) < 0) {
		admission->callback(ADMISSION_RETRY, sender, &check->hello.claim,
				    "too many agents come at once", admission->arg);
		free(check);
	}
}

struct admission *admission_create(struct loop *loop, const struct admission_options *options,
				   admission_callback *callback, void *arg)
{
	struct admission *admission;

	if (!frame_job_valid(options->job_id) ||
	    strlen(options->head_key) >= CONTROL_KEY_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	admission = calloc(1, sizeof(*admission));
	if (!admission)
		return NULL;
	memcpy(admission->job_id, options->job_id, strlen(options->job_id) + 1);
	memcpy(admission->head_key, options->head_key, strlen(options->head_key) + 1);
	admission->uid = options->uid;
	admission->agents = options->agents;
	admission->callback = callback;
	admission->arg = arg;
	admission->worker = worker_create(loop, options->waiting + WAITING_SPARE);
	if (!admission->worker) {
		free(admission);
		return NULL;
	}
	return admission;
}

void admission_destroy(struct admission *admission)
{
	if (!admission)
		return;
	worker_destroy(admission->worker);
	free(admission);
}
