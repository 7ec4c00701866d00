/* SPDX-License-Identifier: MIT */
/*
 * See kind.h.  The step of a kind with start = srun: when it may start, and what its end means
 * for its workers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/kind.h"
#include "launcher/head/workers.h"
#include "launcher/workers/backoff.h"

/* Whether the step that has ended now is to be started again, which is seen to. */
static bool again(struct kind *kind)
{
	bool was_stable = loop_now() - kind->step_started >= BACKOFF_STABLE_MS;

	kind->step_deaths = was_stable ? 1 : kind->step_deaths + 1;
	if (kind->step_deaths > kind->recipe->restarts)
		return false;
	loop_timer_set(kind->step_again, backoff_delay(kind->step_deaths));
	return true;
}

static void on_step_ended(const char *how, void *arg)
{
	struct kind *kind = arg;
	char tail[WORKERS_TAIL_MAX];
	bool restarts;

	if (kind->stopping) {
		head_workers_stopped(kind->head);
		return;
	}
	if (kind->failed)
		return;
	restarts = again(kind);
	head_say(kind->head, "%s workers: their step %s%s", kind->recipe->name, how,
		 restarts ? "; starting it again" : "");
	srun_step_words(kind->step, tail, sizeof(tail));
	kind_log_tail(kind, tail);
	struct reason reason;
	reason_set(&reason, "the step %s", how);
	for (size_t rank = 0; rank < kind->head->agent->ranks; rank++) {
		unsigned count = barrier_node_count(kind->barrier, rank);
		if (kind->controller && count)
			controller_gone(kind->controller, rank, 0, count);
		for (unsigned index = 0; index < count; index++)
			(void) barrier_exited(
				kind->barrier, rank, index, restarts, reason.text,
				srun_step_tail(kind->step, rank, index, tail, sizeof(tail)));
	}
	kind_update(kind);
}

void kind_start_step_again(void *arg)
{
	struct kind *kind = arg;

	srun_step_destroy(kind->step);
	kind->step = NULL;
	kind_start_step(kind);
}

void kind_start_step(struct kind *kind)
{
	struct head *head = kind->head;
	size_t ranks = head->agent->ranks;
	struct reason reason;

	if (!kind->recipe->step || !kind->open || kind->failed || kind->stopping ||
	    kind->step || !barrier_all_heard(kind->barrier))
		return;
	unsigned *counts = calloc(ranks, sizeof(*counts)), all = 0;
	for (size_t rank = 0; counts && rank < ranks; rank++) {
		counts[rank] = barrier_node_count(kind->barrier, rank);
		all += counts[rank];
		if (counts[rank] && !kind->nodes[rank].shared)
			goto out;
	}
	if (!all)
		goto out;
	kind->step_options = (struct srun_step_options){
		.agent = head->agent,
		.recipe = kind->recipe,
		/* Each node has a --jupyter-init of its own: see rank.h. */
		.environment = head->agent->before_init ? head->agent->before_init
							: head->agent->environment,
		.variables = kind->variables.pairs,
		.ip = head->ip,
		.port = kind->port,
		.log_dirfd = kind->log_fd,
	};
	kind->step_started = loop_now();
	kind->step =
		srun_step_create(head->agent->loop, &kind->step_options, on_step_ended, kind);
	if (!counts || !kind->step)
		kind_fail(kind, strerror(errno), "");
	else if (srun_step_start(kind->step, counts, &reason) < 0)
		kind_fail(kind, reason.text, "");
out:
	free(counts);
}
