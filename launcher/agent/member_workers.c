/* SPDX-License-Identifier: MIT */
/* See member_workers.h. */
#include "launcher/agent/member_workers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/agent/init_change.h"
#include "launcher/agent/init_file.h"
#include "launcher/control/control.h"
#include "launcher/runtime_dir.h"
#include "launcher/workers/node.h"
#include "launcher/workers/worker_log.h"

enum {
	/* Messages kept in either direction; a kind's files and what 1,024 workers say. */
	LETTERS_MAX = 8192,
	LETTERS_SIZE_MAX = 8 << 20, /* bytes of all of them */
	RETRY_MS = 100		    /* for a connection whose queue is full */
};

struct letter {
	STAILQ_ENTRY(letter) link;
	char type[CONTROL_TYPE_MAX];
	size_t size;
	char payload[];
};

STAILQ_HEAD(letter_list, letter);

struct letters {
	struct letter_list list;
	size_t count, size;
};

struct member_workers {
	struct agent *agent;
	struct member_workers_callbacks callbacks;
	struct runtime_dir runtime;
	struct worker_log *log; /* of --jupyter-init */
	struct init_file *init;
	struct reason failure; /* why none can be started here; "" */
	char failure_tail[WORKERS_TAIL_MAX];
	struct workers_node *node; /* NULL before --jupyter-init is done */
	struct letters in, out;	   /* before there is a node; before there is a connection */
	struct loop_timer *timer;  /* sends again; says stopped */
	bool overflown;		   /* something was lost, and all is to be told again */
	bool stopping;
};

/* Letters. */

/* Whether there was room. */
static bool letters_add(struct letters *letters, const char *type, const void *payload,
			size_t size)
{
	struct letter *letter = NULL;

	if (letters->count < LETTERS_MAX && letters->size + size <= LETTERS_SIZE_MAX)
		letter = calloc(1, sizeof(*letter) + size);
	if (!letter)
		return false;
	snprintf(letter->type, sizeof(letter->type), "%s", type);
	letter->size = size;
	if (size)
		memcpy(letter->payload, payload, size);
	STAILQ_INSERT_TAIL(&letters->list, letter, link);
	letters->count++;
	letters->size += size;
	return true;
}

static void letters_drop_first(struct letters *letters)
{
	struct letter *letter = STAILQ_FIRST(&letters->list);

	STAILQ_REMOVE_HEAD(&letters->list, link);
	letters->count--;
	letters->size -= letter->size;
	/* Keys are among the files. */
	explicit_bzero(letter->payload, letter->size);
	free(letter);
}

static void letters_clear(struct letters *letters)
{
	while (!STAILQ_EMPTY(&letters->list))
		letters_drop_first(letters);
}

/* To the head. */

static void send_kept(struct member_workers *workers)
{
	struct letter *letter;

	while ((letter = STAILQ_FIRST(&workers->out.list))) {
		if (workers->callbacks.send(letter->type, letter->payload, letter->size,
					    workers->callbacks.arg) < 0) {
			/* Without a connection the next welcome goes on. */
			if (errno == EAGAIN)
				loop_timer_set(workers->timer, RETRY_MS);
			if (errno == EAGAIN || errno == ENOTCONN)
				return;
		}
		letters_drop_first(&workers->out);
	}
	if (!workers->overflown || !workers->node)
		return;
	workers->overflown = false;
	workers_node_repeat(workers->node);
}

static void on_send(const char *type, const void *payload, size_t size, void *arg)
{
	struct member_workers *workers = arg;
	bool first = STAILQ_EMPTY(&workers->out.list);

	if (!letters_add(&workers->out, type, payload, size)) {
		/* All of it is told anew: what is there now would be old by then. */
		workers->overflown = true;
		letters_clear(&workers->out);
	}
	if (first)
		send_kept(workers);
}

static void on_stopped(void *arg)
{
	struct member_workers *workers = arg;

	workers->callbacks.stopped(workers->callbacks.arg);
}

/* None can be started here: told of each kind that the head begins. */
static void tell_failed(struct member_workers *workers, const void *payload, size_t size)
{
	struct workers_message begin, failed = {.count = 0};
	char *text;

	if (workers_message_decode(payload, size, &begin, NULL) < 0)
		return;
	memcpy(failed.kind, begin.kind, sizeof(failed.kind));
	text_excerpt(workers->failure.text, failed.text, sizeof(failed.text));
	memcpy(failed.tail, workers->failure_tail, sizeof(failed.tail));
	text = workers_message_encode(&failed, &size);
	if (text)
		on_send(WORKERS_FAILED, text, size, workers);
	free(text);
}

/* From the head. */

void member_workers_message(struct member_workers *workers, const char *type,
			    const void *payload, size_t size)
{
	if (workers->node)
		workers_node_message(workers->node, type, payload, size);
	else if (!workers->failure.text[0])
		/* The head does not say as much before it has had an answer. */
		(void) letters_add(&workers->in, type, payload, size);
	else if (!strcmp(type, WORKERS_BEGIN))
		tell_failed(workers, payload, size);
}

void member_workers_welcomed(struct member_workers *workers)
{
	workers->overflown = workers->node;
	send_kept(workers);
}

static void take_kept(struct member_workers *workers)
{
	struct letter *letter;

	while ((letter = STAILQ_FIRST(&workers->in.list))) {
		member_workers_message(workers, letter->type, letter->payload, letter->size);
		letters_drop_first(&workers->in);
	}
}

/* --jupyter-init, then the node. */

static void make_node(struct member_workers *workers)
{
	struct workers_node_callbacks callbacks = {on_send, on_stopped, workers};

	workers->node = workers_node_create(workers->agent, &workers->runtime, &callbacks,
					    &workers->failure);
}

static void on_init_done(struct env *environment, const char *why, void *arg)
{
	struct member_workers *workers = arg;

	worker_log_close(workers->log);
	if (!environment) {
		reason_set(&workers->failure, "%s", why);
		worker_log_tail(workers->log, workers->failure_tail,
				sizeof(workers->failure_tail));
	} else {
		workers->agent->before_init = workers->agent->environment;
		workers->agent->environment = environment;
		if (init_change_write(workers->runtime.fd, workers->agent->before_init,
				      environment) < 0)
			reason_set(&workers->failure, "what --jupyter-init has changed: %s",
				   strerror(errno));
		else
			make_node(workers);
	}
	take_kept(workers);
}

static void start_init(struct member_workers *workers)
{
	struct agent *agent = workers->agent;
	struct init_file_options options = {
		.path = agent->options.init,
		.environment = agent->environment,
		.timeout_s = agent->settings->init_timeout_s,
	};

	if (!(workers->log = worker_log_create(workers->runtime.fd, "init")) ||
	    worker_log_open(workers->log, agent->loop, &options.err) < 0) {
		reason_set(&workers->failure, "--jupyter-init: %s", strerror(errno));
		return;
	}
	workers->init = init_file_start(agent->loop, &options, on_init_done, workers,
					&workers->failure);
	fd_close(&options.err);
}

/* The job's environment is that of its script on the first node. */
static int set_node(struct agent *agent)
{
	char rank[24];

	snprintf(rank, sizeof(rank), "%zu", agent->rank);
	if (env_get(agent->environment, "SLURM_NODEID") &&
	    env_set(agent->environment, "SLURM_NODEID", rank) < 0)
		return -1;
	return env_set(agent->environment, "SLURMD_NODENAME", agent->node);
}

static void on_timer(void *arg)
{
	struct member_workers *workers = arg;

	if (workers->stopping && !workers->node)
		on_stopped(workers);
	else
		send_kept(workers);
}

void member_workers_stop(struct member_workers *workers, int64_t grace_ms)
{
	if (workers->stopping)
		return;
	workers->stopping = true;
	init_file_destroy(workers->init);
	workers->init = NULL;
	if (workers->node)
		workers_node_stop(workers->node, grace_ms);
	else
		loop_timer_set(workers->timer, 0);
}

struct member_workers *member_workers_create(struct agent *agent,
					     const struct member_workers_callbacks *callbacks)
{
	struct member_workers *workers = calloc(1, sizeof(*workers));

	if (!workers)
		return NULL;
	STAILQ_INIT(&workers->in.list);
	STAILQ_INIT(&workers->out.list);
	workers->agent = agent;
	workers->callbacks = *callbacks;
	workers->runtime.fd = workers->runtime.lock_fd = -1;
	if (!(workers->timer = loop_timer_create(agent->loop, on_timer, workers)) ||
	    set_node(agent) < 0) {
		member_workers_destroy(workers);
		return NULL;
	}
	/* What is wrong is told when the head begins a kind. */
	if (runtime_dir_create(&workers->runtime, agent->settings->tmpdir, &workers->failure) <
	    0)
		return workers;
	/* Should we be killed, jupyter-sweep finds it by that, from now on. */
	if (runtime_dir_set_job(&workers->runtime, agent->job_id, agent->node) < 0)
		reason_set(&workers->failure, "%s/job: %s", workers->runtime.path,
			   strerror(errno));
	else if (agent->options.init)
		start_init(workers);
	else
		make_node(workers);
	return workers;
}

void member_workers_destroy(struct member_workers *workers)
{
	int saved = errno;

	if (!workers)
		return;
	workers_node_destroy(workers->node);
	init_file_destroy(workers->init);
	worker_log_destroy(workers->log);
	letters_clear(&workers->in);
	letters_clear(&workers->out);
	loop_timer_destroy(workers->timer);
	runtime_dir_destroy(&workers->runtime);
	free(workers);
	errno = saved;
}
