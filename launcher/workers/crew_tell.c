/* SPDX-License-Identifier: MIT */
/*
 * What a crew tells the head; see message.h.  Called by crew.c, in jupyter-agent, as the user.
 */
#include "launcher/workers/crew_private.h"

#include <stdio.h>

#include "common/text.h"

static void tell(struct crew *crew, const char *type, struct workers_message *message)
{
	if (crew->stopping)
		return;
	snprintf(message->kind, sizeof(message->kind), "%s", crew_kind(crew));
	crew->options.tell(type, message, crew->options.arg);
}

void crew_tell_here(struct crew *crew)
{
	struct workers_message message = {.count = crew->kind.count};

	tell(crew, WORKERS_HERE, &message);
}

void crew_tell_shared(struct crew *crew)
{
	struct workers_message message = {.count = 0};

	if (crew->options.recipe->step && crew->started && crew->prepared)
		tell(crew, WORKERS_SHARED, &message);
}

void crew_tell_failed(struct crew *crew)
{
	struct workers_message message = {.count = 0};

	text_excerpt(crew->failure.text, message.text, sizeof(message.text));
	snprintf(message.tail, sizeof(message.tail), "%s", crew->failure_tail);
	tell(crew, WORKERS_FAILED, &message);
}

static void tell_exited(struct crew *crew, const struct worker *worker)
{
	struct workers_message message = {
		.index = worker_index(worker),
		/* The next attempt would fail as well where none can be started any more. */
		.again = worker_state(worker) != WORKER_GIVEN_UP && !crew->failure.text[0],
	};

	text_excerpt(worker_words(worker), message.text, sizeof(message.text));
	worker_tail(worker, message.tail, sizeof(message.tail));
	tell(crew, WORKERS_EXITED, &message);
}

void crew_tell_worker(struct crew *crew, const struct worker *worker)
{
	struct workers_message message = {
		.index = worker_index(worker),
		.pid = worker_pid(worker),
	};

	if (worker_runs(worker))
		tell(crew, WORKERS_STARTED, &message);
	else if (worker_words(worker)[0])
		tell_exited(crew, worker);
}

void crew_tell_ready(struct crew *crew, const struct worker *worker)
{
	struct workers_message message = {.index = worker_index(worker)};

	tell(crew, WORKERS_READY, &message);
}

void crew_tell_retired(struct crew *crew, const struct worker *worker)
{
	struct workers_message message = {.index = worker_index(worker)};

	text_excerpt(worker_words(worker), message.text, sizeof(message.text));
	tell(crew, WORKERS_RETIRED, &message);
}
