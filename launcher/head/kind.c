/* SPDX-License-Identifier: MIT */
/* See kind.h.  The life of a kind on the first node, from its directory to its end; how it
 * starts is in kind_start.c. */
#include "launcher/head/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/head/relay.h"
#include "launcher/head/workers.h"

enum {
	GATHER_MS = 250 /* changes told at once to the record, as record.c writes them */
};

static void on_gather(void *arg)
{
	struct kind *kind = arg;

	if (barrier_tell(kind->barrier, record_session(kind->head->record)->nodes,
			 kind->record) < 0)
		head_log(kind->head, LOG_ERROR, "%s: %s", kind->recipe->name, strerror(errno));
	record_changed(kind->head->record);
	if (kind->state == BARRIER_DEGRADED)
		head_update(kind->head);
}

static void stop_waiting(struct kind *kind)
{
	kind->waits = false;
	loop_timer_set(kind->deadline, -1);
}

void kind_wait(struct kind *kind)
{
	kind->waits = true;
	loop_timer_set(kind->deadline, kind->recipe->ready_timeout_s * 1000);
}

/* One that is started again later, or whose node is back, has as much time as the first had. */
static void update_deadline(struct kind *kind)
{
	if (kind->settled)
		stop_waiting(kind);
	else if (!kind->waits)
		kind_wait(kind);
}

void kind_update(struct kind *kind)
{
	struct head *head = kind->head;
	enum barrier_state before = kind->state;
	const char *name = kind->recipe->name;
	bool was_settled = kind->settled;

	/* What ends then was told to. */
	if (kind->stopping || head->ending)
		return;
	kind->state = barrier_state(kind->barrier);
	kind->settled = barrier_settled(kind->barrier);
	update_deadline(kind);
	loop_timer_set(kind->gather, GATHER_MS);
	if (kind->state == before && (was_settled || !kind->settled))
		return;
	/* Who waits for that reads in the record what there is. */
	on_gather(kind);
	if (kind->state == before)
		return;
	const char *reason = kind->record->reason ? kind->record->reason : "";
	unsigned expected = barrier_expected(kind->barrier);
	if (kind->state == BARRIER_READY && kind->begun > 0)
		head_log(head, LOG_INFO,
			 "%s: all %u workers are ready, %.1f s after they began", name,
			 expected, session_now() - kind->begun);
	else if (kind->state == BARRIER_READY)
		head_log(head, LOG_INFO, "%s: all %u workers are ready again", name, expected);
	else if (kind->state == BARRIER_STARTING)
		head_log(head, LOG_INFO, "%s: waits for workers", name);
	else
		head_log(head, LOG_WARNING, "%s: %s: %s", name, kind->record->state, reason);
	if (kind->state == BARRIER_READY)
		kind->begun = 0;
	head_update(head);
}

void kind_log_tail(struct kind *kind, const char *tail)
{
	char lines[WORKERS_TAIL_MAX];

	text_excerpt_lines(tail, lines, sizeof(lines));
	session_log_bytes(kind->head->log, lines, strlen(lines));
}

void kind_fail(struct kind *kind, const char *reason, const char *tail)
{
	if (kind->failed || kind->stopping)
		return;
	kind->failed = true;
	kind->open = false;
	stop_waiting(kind);
	loop_timer_set(kind->step_again, -1);
	head_say(kind->head, "%s workers: %s", kind->recipe->name, reason);
	kind_log_tail(kind, tail);
	if (kind->step)
		srun_step_stop(kind->step, kind->recipe->stop_timeout_s * 1000);
	if (barrier_failed(kind->barrier, reason) < 0)
		head_log(kind->head, LOG_ERROR, "%s: %s", kind->recipe->name, strerror(errno));
	kind_tell_count(kind);
	kind_update(kind);
}

static void on_deadline(void *arg)
{
	struct kind *kind = arg;

	kind->waits = false;
	barrier_deadline(kind->barrier);
	head_log(kind->head, LOG_WARNING, "%s: not all workers are there after %ld s",
		 kind->recipe->name, kind->recipe->ready_timeout_s);
	kind_ask_tails(kind);
	kind_update(kind);
}

static void on_retry(void *arg)
{
	kind_tell_all(arg);
}

int kind_resize(struct kind *kind, unsigned count, struct reason *reason)
{
	const char *name = kind->recipe->name;

	errno = EINVAL;
	if (count > WORKERS_COUNT_MAX)
		return reason_set(reason, "%u workers on each node: 0 to %d are allowed", count,
				  WORKERS_COUNT_MAX);
	if (!kind->recipe->resize)
		return reason_set(reason,
				  "the number of %s workers cannot change while they run (no "
				  "\"resize = yes\" in their recipe)",
				  name);
	if (kind->failed)
		return reason_set(reason, "%s workers have failed: %s", name,
				  kind->record->reason ? kind->record->reason : "?");
	if (barrier_resize(kind->barrier, count) < 0)
		return reason_set(reason, "%s", strerror(errno));
	head_log(kind->head, LOG_INFO, "%s: %u workers on each node are wanted", name, count);
	kind->count = count;
	kind->resized = true;
	kind->begun = session_now();
	kind_wait(kind);
	if (kind->controller)
		controller_expect(kind->controller, barrier_expected(kind->barrier));
	kind_tell_count(kind);
	kind_update(kind);
	return 0;
}

bool kind_has_stopped(const struct kind *kind)
{
	return !(kind->controller && controller_runs(kind->controller)) &&
	       !(kind->step && srun_step_runs(kind->step));
}

void kind_stop(struct kind *kind, int64_t grace_ms)
{
	if (kind->stopping)
		return;
	kind->stopping = true;
	prepare_destroy(kind->prepare);
	kind->prepare = NULL;
	stop_waiting(kind);
	loop_timer_set(kind->gather, -1);
	loop_timer_set(kind->retry, -1);
	loop_timer_set(kind->step_again, -1);
	if (kind->step)
		srun_step_stop(kind->step, grace_ms);
	if (kind->controller)
		controller_stop(kind->controller, grace_ms);
}

/* Children take sockets as they are, and wait in accept unless they choose otherwise. */
static int open_ports(struct kind *kind, struct reason *reason)
{
	const struct settings *settings = kind->head->agent->settings;

	for (unsigned i = 0; i < kind->recipe->ports; i++) {
		unsigned port;
		int fd = relay_listen(kind->head->ip, settings->port_first, settings->port_last,
				      &port, reason);
		if (fd < 0)
			return -1;
		kind->listeners[kind->listener_count++] = fd;
		if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0)
			return reason_set(reason, "port %u: %s", port, strerror(errno));
		if (i == 0)
			kind->port = port;
	}
	return 0;
}

struct kind *kind_create(struct head *head, const struct recipe *recipe, unsigned count,
			 struct reason *reason)
{
	struct loop *loop = head->agent->loop;
	struct kind *kind = calloc(1, sizeof(*kind));

	if (!kind)
		goto error;
	kind->head = head;
	kind->recipe = recipe;
	kind->count = count ? count : recipe->count;
	kind->share_fd = kind->log_fd = -1;
	if (!(kind->record = session_workers_add(record_session(head->record), recipe->name)) ||
	    !(kind->barrier = barrier_create(head->agent->ranks, kind->count,
					     recipe->controller != NULL)) ||
	    !(kind->nodes = calloc(head->agent->ranks, sizeof(*kind->nodes))) ||
	    !(kind->deadline = loop_timer_create(loop, on_deadline, kind)) ||
	    !(kind->step_again = loop_timer_create(loop, kind_start_step_again, kind)) ||
	    !(kind->retry = loop_timer_create(loop, on_retry, kind)) ||
	    !(kind->gather = loop_timer_create(loop, on_gather, kind)))
		goto error;
	if ((kind->share_fd = share_open(head->runtime.fd, recipe->name, reason)) < 0)
		goto error_said;
	if ((kind->log_fd = dir_private(kind->share_fd, "log")) < 0)
		goto error;
	if (open_ports(kind, reason) < 0)
		goto error_said;
	return kind;
error:
	reason_set(reason, "%s", strerror(errno));
error_said:
	reason_prefix(reason, "%s workers", recipe->name);
	kind_destroy(kind);
	return NULL;
}

void kind_destroy(struct kind *kind)
{
	int error = errno;

	if (!kind)
		return;
	prepare_destroy(kind->prepare);
	controller_destroy(kind->controller);
	srun_step_destroy(kind->step);
	loop_timer_destroy(kind->deadline);
	loop_timer_destroy(kind->retry);
	loop_timer_destroy(kind->step_again);
	loop_timer_destroy(kind->gather);
	for (size_t i = 0; i < kind->listener_count; i++)
		fd_close(&kind->listeners[i]);
	share_clear(&kind->share);
	barrier_destroy(kind->barrier);
	variables_clear(&kind->variables);
	env_destroy(kind->environment);
	fd_close(&kind->share_fd);
	fd_close(&kind->log_fd);
	free(kind->nodes);
	free(kind);
	errno = error;
}
