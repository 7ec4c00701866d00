/* SPDX-License-Identifier: MIT */
/* See kernel.h: what a client of the control stream asks, which is the user, by the session's
 * token. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/kernel/kernel.h"

enum {
	/* For a kernel that is shut down by its client; jupyter_client's
	 * KernelManager.shutdown_wait_time. */
	SHUTDOWN_GRACE_MS = 5000
};

static json_t *connection(struct kernel *kernel, struct reason *reason)
{
	const struct connection *of = kernel_connection(kernel);

	(void) reason;
	return json_pack("{s:s, s:s, s:s}", "key", connection_key(of), "signature_scheme",
			 CONNECTION_SCHEME, "kernel_name", connection_kernel(of));
}

static json_t *status(struct kernel *kernel, struct reason *reason)
{
	(void) reason;
	if (kernel == NULL)
		return json_pack("{s:s, s:i, s:s}", "state", "starting", "restarts", 0,
				 "reason", "");
	return json_pack("{s:s, s:i, s:s}", "state", kernel_state_name(kernel_state(kernel)),
			 "restarts", (int) kernel_restarts(kernel), "reason",
			 kernel_reason(kernel));
}

static json_t *done(void)
{
	return json_pack("{s:b}", "ok", 1);
}

static json_t *interrupt(struct kernel *kernel, struct reason *reason)
{
	return kernel_interrupt(kernel, reason) == 0 ? done() : NULL;
}

static json_t *restart(struct kernel *kernel, struct reason *reason)
{
	return kernel_restart(kernel, reason) == 0 ? done() : NULL;
}

static json_t *stop(struct kernel *kernel, struct reason *reason)
{
	(void) reason;
	kernel_stop(kernel, SHUTDOWN_GRACE_MS);
	return done();
}

static const struct {
	const char *name;
	json_t *(*run)(struct kernel *kernel, struct reason *reason);
} commands[] = {{"connection", connection},
		{"status", status},
		{"interrupt", interrupt},
		{"restart", restart},
		{"shutdown", stop}};

static json_t *run(struct kernel *kernel, const char *line, size_t size, struct reason *reason)
{
	json_error_t error;
	json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error), *answer;
	size_t i = 0;

	if (object == NULL) {
		reason_set(reason, "not JSON: %s", error.text);
		return NULL;
	}
	while (i < sizeof(commands) / sizeof(commands[0])) {
		const json_t *words = json_object_get(object, commands[i].name);
		/* By its number kernels_answer() has found the kernel. */
		size_t numbers = json_is_integer(json_object_get(words, "number")) ? 1 : 0;
		if (json_is_object(words) && json_object_size(words) == numbers)
			break;
		i++;
	}
	bool known =
		json_object_size(object) == 1 && i < sizeof(commands) / sizeof(commands[0]);
	json_decref(object);
	if (!known) {
		reason_set(reason, "not one of {\"connection\": {}}, \"status\", "
				   "\"interrupt\", \"restart\", \"shutdown\", \"start\", "
				   "\"kernels\"");
		return NULL;
	}
	if (kernel == NULL && commands[i].run != status) {
		reason_set(reason, "the kernel is not started yet");
		return NULL;
	}
	reason_set(reason, "%s", strerror(ENOMEM));
	answer = commands[i].run(kernel, reason);
	return answer;
}

char *kernel_answer(struct kernel *kernel, const char *line, size_t size)
{
	struct reason reason;
	json_t *object = run(kernel, line, size, &reason);
	char *text, *answer = NULL;

	if (object == NULL)
		object = json_pack("{s:s}", "error", reason.text);
	text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	if (text == NULL || asprintf(&answer, "%s\n", text) < 0)
		answer = NULL;
	free(text);
	json_decref(object);
	if (answer == NULL)
		errno = ENOMEM;
	return answer;
}
