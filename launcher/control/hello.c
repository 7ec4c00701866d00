/* SPDX-License-Identifier: MIT */
/* See hello.h. */
#include "launcher/control/hello.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "launcher/control/credential.h"
#include "launcher/control/worker.h"

/* The worker lives no longer than the hello: an agent keeps no thread for it. */
struct hello {
	struct worker *worker;
	hello_callback *callback;
	void *arg;
};

struct make {
	struct worker_job job; /* first: the worker hands this back */
	struct hello *hello;
	char text[FRAME_CLAIM_MAX];
	char socket_path[CREDENTIAL_SOCKET_MAX];
	char *credential;
	int error;
	struct reason reason;
};

static void make_run(struct worker_job *job)
{
	struct make *make = (struct make *) job;

	if (credential_encode(make->socket_path, CONTROL_CREDENTIAL_TTL_S, make->text,
			      strlen(make->text), &make->credential, &make->reason) < 0)
		make->error = errno;
}

static void make_drop(struct worker_job *job)
{
	struct make *make = (struct make *) job;

	if (make->credential)
		explicit_bzero(make->credential, strlen(make->credential));
	free(make->credential);
	free(make);
}

static void make_done(struct worker_job *job)
{
	struct make *make = (struct make *) job;
	struct hello *hello = make->hello;
	char payload[FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX];

	if (make->error == 0 && snprintf(payload, sizeof(payload), "%s\n%s", make->text,
					 make->credential) >= (int) sizeof(payload)) {
		make->error = EMSGSIZE;
		reason_set(&make->reason, "munge made a credential that is too long");
	}
	hello->callback(make->error == 0 ? payload : NULL, make->error, make->reason.text,
			hello->arg);
	explicit_bzero(payload, sizeof(payload));
	make_drop(job);
}

/* The count goes on from the last one's: who hears of two hellos knows which is the later. */
static int nonce_make(char nonce[FRAME_NONCE_MAX])
{
	uint32_t number;
	char digits[9];

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -1;
	memcpy(digits, nonce, 8);
	digits[8] = '\0';
	snprintf(nonce, FRAME_NONCE_MAX, "%08lx%08lx",
		 (strtoul(digits, NULL, 16) + 1) & UINT32_MAX, (unsigned long) number);
	return 0;
}

struct hello *hello_create(struct loop *loop, struct frame_claim *claim,
			   hello_callback *callback, void *arg)
{
	struct hello *hello = calloc(1, sizeof(*hello));
	struct make *make = calloc(1, sizeof(*make));

	if (!hello || !make || nonce_make(claim->nonce) < 0 ||
	    frame_claim_format(claim, make->text) < 0)
		goto error;
	hello->callback = callback;
	hello->arg = arg;
	make->job = (struct worker_job){.run = make_run, .done = make_done, .drop = make_drop};
	make->hello = hello;
	credential_socket(make->socket_path);
	hello->worker = worker_create(loop, 1);
	if (!hello->worker || worker_submit(hello->worker, &make->job) < 0)
		goto error;
	return hello;

error:
	hello_destroy(hello);
	free(make);
	return NULL;
}

void hello_destroy(struct hello *hello)
{
	if (!hello)
		return;
	worker_destroy(hello->worker);
	free(hello);
}
