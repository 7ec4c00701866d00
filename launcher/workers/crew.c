/* SPDX-License-Identifier: MIT */
/* See crew.h. */
#include "launcher/workers/crew_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/workers/channel.h"
#include "launcher/workers/share.h"

enum {
	STARTS_MIN = 4,	     /* commands that are being started at one time, at least, */
	STARTS_MAX = 64,     /* and at most; in between as many as there are CPUs */
	UNKILLABLE_MS = 5000 /* after SIGKILL, for a process that hangs in the kernel */
};

const char *crew_kind(const struct crew *crew)
{
	return crew->options.recipe->name;
}

static void on_timer(void *arg);

/* Its workers. */

static void remove_worker(struct crew *crew, unsigned index)
{
	crew_worker_destroy(crew->workers[index]);
	crew->workers[index] = NULL;
}

static unsigned count_settling(const struct crew *crew)
{
	unsigned count = 0;

	for (unsigned i = 0; i < crew->slots; i++)
		count += crew->workers[i] && worker_settling(crew->workers[i]);
	return count;
}

static unsigned starts_at_once(const struct crew *crew)
{
	unsigned cpus = crew->options.cpus->count;

	/* One fork takes little, and less before those that were forked take the CPUs: the host
	 * gets as many at once as it forks in one go. */
	if (crew->host)
		return STARTS_MAX;
	return cpus < STARTS_MIN ? STARTS_MIN : cpus > STARTS_MAX ? STARTS_MAX : cpus;
}

static int make_slots(struct crew *crew)
{
	unsigned wanted = crew->kind.count;

	if (wanted <= crew->slots)
		return 0;
	struct worker **workers = reallocarray(crew->workers, wanted, sizeof(*workers));
	if (!workers)
		return -1;
	memset(workers + crew->slots, 0, (wanted - crew->slots) * sizeof(*workers));
	crew->workers = workers;
	crew->slots = wanted;
	return 0;
}

/* As many as may be started now.  One that retires keeps its place until it has ended: two of
 * one index would not be told apart. */
static void start_due(struct crew *crew)
{
	if (crew->starting || !crew->prepared || !crew->started || crew->failure.text[0] ||
	    crew->stopping || crew->options.recipe->step)
		return;
	if (make_slots(crew) < 0) {
		crew_failed(crew, strerror(ENOMEM), "");
		return;
	}
	/* One that cannot be started says so from within: no need to begin again here. */
	crew->starting = true;
	unsigned settling = count_settling(crew), most = starts_at_once(crew);
	for (unsigned i = 0; i < crew->kind.count && settling < most; i++) {
		if (!crew->workers[i] &&
		    !(crew->workers[i] = crew_worker_create(&crew->kind, i))) {
			crew_failed(crew, strerror(errno), "");
			break;
		}
		if (worker_state(crew->workers[i]) != WORKER_DUE)
			continue;
		worker_start(crew->workers[i]);
		settling += worker_settling(crew->workers[i]);
	}
	crew->starting = false;
}

static void on_event(struct worker *worker, enum worker_event event, void *arg)
{
	struct crew *crew = arg;

	switch (event) {
	case WORKER_HAS_STARTED:
	case WORKER_HAS_EXITED:
		crew_tell_worker(crew, worker);
		break;
	case WORKER_IS_READY:
		crew_tell_ready(crew, worker);
		break;
	case WORKER_HAS_RETIRED:
		crew_tell_retired(crew, worker);
		remove_worker(crew, worker_index(worker));
		break;
	case WORKER_IS_DUE:
	case WORKER_HAS_SETTLED:
		break;
	}
	if (crew->stopping)
		crew_check_stopped(crew);
	else
		start_due(crew);
}

/* Those from this index on are to go. */
static void retire_from(struct crew *crew, unsigned index, bool told)
{
	for (; index < crew->slots; index++) {
		struct worker *worker = crew->workers[index];

		if (!worker)
			continue;
		worker_retire(worker);
		if (worker_runs(worker))
			continue;
		if (told)
			crew_tell_retired(crew, worker);
		remove_worker(crew, index);
	}
}

/* Where none can be started any more, those that run may go on. */
void crew_failed(struct crew *crew, const char *reason, const char *tail)
{
	if (crew->failure.text[0] || crew->stopping)
		return;
	reason_set(&crew->failure, "%s", reason);
	snprintf(crew->failure_tail, sizeof(crew->failure_tail), "%s", tail);
	for (unsigned i = 0; i < crew->slots; i++) {
		if (!crew->workers[i] || worker_runs(crew->workers[i]))
			continue;
		worker_retire(crew->workers[i]);
		remove_worker(crew, i);
	}
	crew_tell_failed(crew);
}

void crew_prepared(struct crew *crew)
{
	crew_tell_shared(crew);
	start_due(crew);
}

/* What the head says. */

struct crew *crew_create(const struct crew_options *options,
			 const struct workers_message *begin)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	struct reason reason;

	if (!crew)
		return NULL;
	crew->options = *options;
	crew->share_fd = crew->log_fd = -1;
	if (!(crew->timer = loop_timer_create(options->agent->loop, on_timer, crew))) {
		free(crew);
		return NULL;
	}
	crew->kind.event = on_event;
	crew->kind.arg = crew;
	if (crew_setup(crew, begin, &reason) < 0) {
		crew_failed(crew, reason.text, "");
		return crew;
	}
	crew_tell_here(crew);
	crew_prepare(crew);
	return crew;
}

void crew_begin(struct crew *crew)
{
	crew_tell_here(crew);
	if (crew->failure.text[0])
		crew_tell_failed(crew);
}

void crew_file(struct crew *crew, const struct workers_file *file)
{
	struct reason reason;

	if (crew->share_fd >= 0 && share_write(crew->share_fd, file, &reason) < 0)
		crew_failed(crew, reason.text, "");
}

void crew_start(struct crew *crew)
{
	crew->started = true;
	crew_tell_shared(crew);
	start_due(crew);
}

/* Commands and lines of the environment may use the number. */
static void renew_environment(struct crew *crew)
{
	struct env *environment;

	if (!crew->kind.environment)
		return;
	crew->variables_options.count = crew->kind.count;
	snprintf(crew->variables.count, sizeof(crew->variables.count), "%u", crew->kind.count);
	environment = variables_environment(&crew->variables, &crew->variables_options, NULL);
	if (!environment)
		return;
	env_destroy(crew->kind.environment);
	crew->kind.environment = environment;
}

void crew_count(struct crew *crew, unsigned count)
{
	bool changes = count != crew->kind.count;

	if (changes) {
		crew->kind.count = count;
		renew_environment(crew);
	}
	crew_tell_here(crew);
	if (crew->failure.text[0])
		crew_tell_failed(crew);
	retire_from(crew, count, true);
	for (unsigned i = 0; changes && i < count && i < crew->slots; i++)
		if (crew->workers[i])
			worker_tell_count(crew->workers[i]);
	start_due(crew);
}

void crew_tail(struct crew *crew, unsigned index)
{
	struct workers_message message = {.index = index};

	if (index < crew->slots && crew->workers[index])
		worker_tail(crew->workers[index], message.tail, sizeof(message.tail));
	snprintf(message.kind, sizeof(message.kind), "%s", crew_kind(crew));
	crew->options.tell(WORKERS_TAIL, &message, crew->options.arg);
}

void crew_repeat(struct crew *crew)
{
	crew_begin(crew);
	for (unsigned i = 0; i < crew->slots; i++) {
		if (!crew->workers[i])
			continue;
		crew_tell_worker(crew, crew->workers[i]);
		if (worker_runs(crew->workers[i]) && worker_ready(crew->workers[i]))
			crew_tell_ready(crew, crew->workers[i]);
	}
}

int crew_fork_controller(struct crew *crew, const int *fds, size_t fd_count, int out,
			 int *channel, workers_forked *forked, void *arg, struct reason *reason)
{
	struct host_fork fork = {.controller = true, .id = "controller", .fds = {out, -1}};
	int ours = -1;

	if (crew->failure.text[0])
		return reason_set(reason, "%s", crew->failure.text);
	if (!crew->host || fd_count > HOST_FDS_MAX - 2) {
		errno = EINVAL;
		return reason_set(reason, "%s has no preload process, or over %d ports",
				  crew_kind(crew), HOST_FDS_MAX - 2);
	}
	if (channel_pair(&ours, &fork.fds[1]) < 0)
		return reason_set(reason, "socketpair: %s", strerror(errno));
	memcpy(fork.fds + 2, fds, fd_count * sizeof(*fds));
	fork.fd_count = 2 + fd_count;
	struct host_request *request = host_fork(crew->host, &fork, forked, arg, reason);
	fd_close(&fork.fds[1]);
	if (!request) {
		fd_close(&ours);
		return -1;
	}
	*channel = ours;
	return 0;
}

/* The end. */

static bool something_runs(const struct crew *crew)
{
	for (unsigned i = 0; i < crew->slots; i++)
		if (crew->workers[i] && worker_runs(crew->workers[i]))
			return true;
	return crew->prepare || (crew->host && host_runs(crew->host));
}

void crew_check_stopped(struct crew *crew)
{
	/* Not from within what has ended now. */
	if (crew->stopping && !crew->stopped && !something_runs(crew))
		loop_timer_set(crew->timer, 0);
}

static void on_timer(void *arg)
{
	struct crew *crew = arg;

	if (!something_runs(crew) || crew->killed) {
		crew->stopped = true;
		crew->options.stopped(crew->options.arg);
		return;
	}
	crew->killed = true;
	for (unsigned i = 0; i < crew->slots; i++)
		if (crew->workers[i])
			worker_signal(crew->workers[i], SIGKILL);
	loop_timer_set(crew->timer, UNKILLABLE_MS);
}

void crew_stop(struct crew *crew, int64_t grace_ms)
{
	int64_t timeout = crew->options.recipe->stop_timeout_s * 1000;

	if (crew->stopping)
		return;
	crew->stopping = true;
	prepare_destroy(crew->prepare);
	crew->prepare = NULL;
	for (unsigned i = 0; i < crew->slots; i++) {
		if (!crew->workers[i])
			continue;
		worker_stop(crew->workers[i]);
		if (!worker_runs(crew->workers[i]))
			remove_worker(crew, i);
	}
	/* It has nothing to bring to an end. */
	if (crew->host) {
		host_stop(crew->host);
		host_kill(crew->host);
	}
	loop_timer_set(crew->timer, !something_runs(crew) ? 0
				    : timeout < grace_ms  ? timeout
							  : grace_ms);
}

void crew_destroy(struct crew *crew)
{
	int saved = errno;

	if (!crew)
		return;
	for (unsigned i = 0; i < crew->slots; i++)
		crew_worker_destroy(crew->workers[i]);
	free(crew->workers);
	crew_cleanup(crew);
	loop_timer_destroy(crew->timer);
	free(crew);
	errno = saved;
}
