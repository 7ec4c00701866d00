/* SPDX-License-Identifier: MIT */
/* See worker.h. */
#include "launcher/workers/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/workers/backoff.h"
#include "launcher/workers/channel.h"
#include "launcher/workers/exit_words.h"
#include "launcher/workers/worker_command.h"
#include "launcher/workers/worker_log.h"
#include "launcher/workers/worker_pairs.h"

enum {
	/* A command is started for the node's purposes when it speaks, or after this long: what
	 * Python takes to import on a node that is not crowded. */
	SETTLE_MS = 2000
};

struct worker {
	const struct worker_kind *kind;
	unsigned index;
	char id[HOST_ID_MAX];
	char number[16]; /* the index */
	enum worker_state state;
	bool settling, ready, retiring;
	unsigned deaths; /* in a row */
	int64_t started; /* loop_now() */
	pid_t pid;
	struct loop_child *child;
	struct channel *channel;
	struct host_request *request;
	struct worker_log *log;
	struct loop_timer *timer; /* SETTLE_MS, or the next start */
	struct reason words;
};

static void tell(struct worker *worker, enum worker_event event)
{
	worker->kind->event(worker, event, worker->kind->arg);
}

/* The end, of a process or of an attempt. */

static void let_go(struct worker *worker)
{
	loop_timer_set(worker->timer, -1);
	channel_destroy(worker->channel);
	worker->channel = NULL;
	worker_log_close(worker->log);
	worker->settling = false;
	worker->pid = 0;
}

/* words say how. */
static void ended(struct worker *worker)
{
	const struct worker_kind *kind = worker->kind;
	bool was_stable = worker->state == WORKER_RUNNING &&
			  loop_now() - worker->started >= kind->stable_ms;

	let_go(worker);
	if (worker->retiring) {
		worker->state = WORKER_RETIRED;
		tell(worker, WORKER_HAS_RETIRED);
		return;
	}
	worker->deaths = was_stable ? 1 : worker->deaths + 1;
	if (worker->deaths > kind->recipe->restarts) {
		worker->state = WORKER_GIVEN_UP;
	} else {
		worker->state = WORKER_WAITING;
		loop_timer_set(worker->timer, backoff_delay(worker->deaths));
	}
	tell(worker, WORKER_HAS_EXITED);
}

static void on_exit_of_worker(pid_t pid, int status, void *arg)
{
	struct worker *worker = arg;
	char text[EXIT_WORDS_MAX];

	worker->child = NULL;
	/* What it has started goes with it. */
	kill(-pid, SIGKILL);
	if (worker->channel)
		channel_drain(worker->channel);
	reason_set(&worker->words, "%s", exit_words(status, worker->kind->memory, text));
	ended(worker);
}

/* The channel. */

static void settle(struct worker *worker)
{
	if (!worker->settling)
		return;
	worker->settling = false;
	loop_timer_set(worker->timer, -1);
	tell(worker, WORKER_HAS_SETTLED);
}

static void remark(struct worker *worker, const char *what, const char *more)
{
	struct reason text;

	reason_set(&text, "jupyter-agent: on its channel: %s%s", what, more);
	worker_log_write(worker->log, text.text, strlen(text.text));
	worker_log_write(worker->log, "\n", 1);
}

static void on_line(char *line, void *arg)
{
	struct worker *worker = arg;

	if (strcmp(line, "ready") != 0) {
		remark(worker, "not known: ", line);
	} else if (!worker->ready) {
		worker->ready = true;
		tell(worker, WORKER_IS_READY);
	}
	settle(worker);
}

static void on_refused(const char *why, void *arg)
{
	remark(arg, why, "");
}

/* A program may have no use for it; what matters is its exit. */
static void on_closed(void *arg)
{
	struct worker *worker = arg;

	channel_destroy(worker->channel);
	worker->channel = NULL;
}

/* Its output and its channel's end: out and theirs are the caller's. */
static int open_ends(struct worker *worker, int *out, int *theirs, struct reason *reason)
{
	struct channel_callbacks callbacks = {
		.line = on_line, .refused = on_refused, .closed = on_closed, .arg = worker};
	int ours = -1;

	if (worker_log_open(worker->log, worker->kind->loop, out) < 0 ||
	    channel_pair(&ours, theirs) < 0 ||
	    !(worker->channel = channel_create(worker->kind->loop, ours, &callbacks)))
		return reason_set(reason, "could not be started: %s", strerror(errno));
	return 0;
}

/* Starting. */

static int watch(struct worker *worker, pid_t pid, struct reason *reason)
{
	worker->child = loop_child_add(worker->kind->loop, pid, on_exit_of_worker, worker);
	if (!worker->child && errno == ESRCH)
		return reason_set(reason, "ended before it began");
	if (!worker->child) {
		reason_set(reason, "could not be watched: %s", strerror(errno));
		kill(pid, SIGKILL);
		return -1;
	}
	worker->pid = pid;
	worker->state = WORKER_RUNNING;
	worker->started = loop_now();
	worker->ready = false;
	return 0;
}

static void on_forked(pid_t pid, const char *why, void *arg)
{
	struct worker *worker = arg;

	worker->request = NULL;
	if (pid < 0)
		reason_set(&worker->words, "could not be forked: %s", why);
	if (pid < 0 || watch(worker, pid, &worker->words) < 0) {
		ended(worker);
		return;
	}
	worker->settling = false;
	/* If it is gone already its exit follows. */
	(void) channel_say(worker->channel, "go");
	tell(worker, WORKER_HAS_STARTED);
}

static int start_forked(struct worker *worker, int out, int theirs, struct reason *reason)
{
	const struct worker_kind *kind = worker->kind;
	struct host_fork fork = {.id = worker->id, .fds = {out, theirs}, .fd_count = 2};
	struct worker_pairs pairs;

	fork.cpu_count = cpus_share(kind->cpus, worker->index, kind->count, &fork.cpus);
	if (worker_pairs_set(&pairs, kind, worker->index, worker->id) == 0) {
		fork.env = pairs.list;
		worker->request = host_fork(kind->host, &fork, on_forked, worker, reason);
		if (worker->request)
			worker->state = WORKER_FORKING;
	} else {
		reason_set(reason, "could not be started: %s", strerror(errno));
	}
	worker_pairs_clear(&pairs);
	return worker->request ? 0 : -1;
}

static int start_command(struct worker *worker, int out, int theirs, struct reason *reason)
{
	struct worker_command command = {worker->kind, worker->index, worker->id, out, theirs};
	pid_t pid = worker_command_spawn(&command, reason);

	if (pid < 0 || watch(worker, pid, reason) < 0)
		return -1;
	loop_timer_set(worker->timer, SETTLE_MS);
	return 0;
}

void worker_start(struct worker *worker)
{
	bool forked = worker->kind->host;
	int out = -1, theirs = -1, rc = -1;

	memory_kill_forget(worker->kind->memory);
	worker->settling = true;
	if (open_ends(worker, &out, &theirs, &worker->words) == 0)
		rc = forked ? start_forked(worker, out, theirs, &worker->words)
			    : start_command(worker, out, theirs, &worker->words);
	fd_close(&out);
	fd_close(&theirs);
	if (rc < 0)
		ended(worker);
	else if (!forked)
		tell(worker, WORKER_HAS_STARTED);
}

static void on_timer(void *arg)
{
	struct worker *worker = arg;

	if (worker->state != WORKER_WAITING) {
		settle(worker);
		return;
	}
	worker->state = WORKER_DUE;
	tell(worker, WORKER_IS_DUE);
}

/* One that does not run. */
static void give_back(struct worker *worker)
{
	host_cancel(worker->request);
	worker->request = NULL;
	let_go(worker);
	worker->state = WORKER_RETIRED;
}

void worker_retire(struct worker *worker)
{
	if (worker->retiring)
		return;
	worker->retiring = true;
	if (!worker->child)
		give_back(worker);
	/* Who does not read it any more is not one that could finish something. */
	else if (!worker->kind->host || channel_say(worker->channel, "retire") < 0)
		loop_child_kill(worker->child, SIGTERM);
}

void worker_tell_count(struct worker *worker)
{
	char line[32];

	if (!worker->kind->host || !worker->child || worker->retiring)
		return;
	snprintf(line, sizeof(line), "count %u", worker->kind->count);
	/* One that does not read does not want to know. */
	(void) channel_say(worker->channel, line);
}

void worker_stop(struct worker *worker)
{
	worker->retiring = true;
	if (worker->child)
		worker_signal(worker, SIGTERM);
	else
		give_back(worker);
}

void worker_signal(struct worker *worker, int signo)
{
	if (!worker->child)
		return;
	/* The pid is its own until it is reaped, and so is the group that it leads; before a
	 * fork has made it, there is only the process. */
	if (kill(-worker->pid, signo) < 0)
		loop_child_kill(worker->child, signo);
}

struct worker *crew_worker_create(const struct worker_kind *kind, unsigned index)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return NULL;
	worker->kind = kind;
	worker->index = index;
	snprintf(worker->number, sizeof(worker->number), "%u", index);
	snprintf(worker->id, sizeof(worker->id), "%zu.%u", kind->rank, index);
	if (!(worker->log = worker_log_create(kind->log_dirfd, worker->number)) ||
	    !(worker->timer = loop_timer_create(kind->loop, on_timer, worker))) {
		crew_worker_destroy(worker);
		return NULL;
	}
	return worker;
}

void crew_worker_destroy(struct worker *worker)
{
	int saved = errno;

	if (!worker)
		return;
	worker_signal(worker, SIGKILL);
	loop_child_remove(worker->child);
	host_cancel(worker->request);
	channel_destroy(worker->channel);
	worker_log_destroy(worker->log);
	loop_timer_destroy(worker->timer);
	free(worker);
	errno = saved;
}

unsigned worker_index(const struct worker *worker)
{
	return worker->index;
}

enum worker_state worker_state(const struct worker *worker)
{
	return worker->state;
}

bool worker_runs(const struct worker *worker)
{
	return worker->child;
}

bool worker_settling(const struct worker *worker)
{
	return worker->settling;
}

bool worker_ready(const struct worker *worker)
{
	return worker->ready;
}

bool worker_retiring(const struct worker *worker)
{
	return worker->retiring;
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->pid;
}

const char *worker_words(const struct worker *worker)
{
	return worker->words.text;
}

const char *worker_tail(const struct worker *worker, char *text, size_t size)
{
	return worker_log_tail(worker->log, text, size);
}
