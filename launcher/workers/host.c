/* SPDX-License-Identifier: MIT */
/* See host.h. */
#include "launcher/workers/host_private.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/spawn.h"
#include "launcher/workers/backoff.h"
#include "launcher/workers/exit_words.h"
#include "launcher/workers/message.h"
#include "launcher/workers/worker_log.h"

enum {
	ANSWER_MAX = 4096,    /* bytes of a datagram of the host's */
	ANSWERS_AT_ONCE = 64, /* read in one round */
	ANSWERS_LAST = 4096,  /* read of a host that has died */
	LAST_MS = 2000	      /* from its last words or the end of its socket to its exit */
};

enum host_state {
	HOST_IDLE,    /* not started; forks wait for host_start() */
	HOST_DEAD,    /* it has died, and is started again for the next fork */
	HOST_WAITING, /* for the time to start it again */
	HOST_LOADING,
	HOST_READY,
	HOST_OVER /* for good */
};

struct host {
	struct loop *loop;
	struct host_options options;
	struct host_callbacks callbacks;
	enum host_state state;
	bool stopping, import_failed;
	int fd; /* our end of the socket */
	struct loop_fd *watch;
	struct loop_child *child;
	pid_t pid;
	struct loop_timer *timer; /* loading, an answer, the next start, or telling a stop */
	struct worker_log *log;
	TAILQ_HEAD(host_requests, host_request) requests; /* those sent come first, in order */
	unsigned deaths;				  /* in a row */
	struct reason verdict; /* why we ended it, or what it has said */
};

/* Requests. */

static struct host_request *first_sent(const struct host *host)
{
	struct host_request *request = TAILQ_FIRST(&host->requests);

	return request && request->sent ? request : NULL;
}

static void answer_request(struct host *host, struct host_request *request, pid_t pid,
			   const char *reason)
{
	host_forked *forked = request->forked;
	void *arg = request->arg;

	TAILQ_REMOVE(&host->requests, request, link);
	host_request_destroy(request);
	if (forked)
		forked(pid, reason, arg);
}

/* The callbacks may ask for new forks, which are not meant, and cancel others. */
static void fail_requests(struct host *host, bool sent_only, const char *reason)
{
	struct host_request *request;

	TAILQ_FOREACH(request, &host->requests, link)
	{
		request->doomed = request->sent || !sent_only;
	}
	while ((request = TAILQ_FIRST(&host->requests)) && request->doomed)
		answer_request(host, request, -1, reason);
}

/* The oldest with this id: the host answers in order. */
static void answer_id(struct host *host, const struct host_answer *answer)
{
	struct host_request *request;

	TAILQ_FOREACH(request, &host->requests, link)
	{
		if (!request->sent || !strcmp(request->id, answer->id))
			break;
	}
	if (!request || !request->sent)
		return;
	bool forked = answer->says == HOST_FORKED;
	if (forked)
		host->deaths = 0;
	answer_request(host, request, forked ? answer->pid : -1,
		       forked ? NULL : answer->reason.text);
}

static void wait_for_answer(struct host *host)
{
	if (host->state == HOST_READY)
		loop_timer_set(host->timer, first_sent(host) ? host->options.answer_ms : -1);
}

static void send_requests(struct host *host)
{
	struct host_request *request;
	bool idle = !first_sent(host), blocked = false;

	if (host->state != HOST_READY || !host->watch)
		return;
	TAILQ_FOREACH(request, &host->requests, link)
	{
		if (request->sent)
			continue;
		/* Of a host that has died we hear by its exit. */
		if (host_request_send(request, host->fd) < 0) {
			blocked = errno == EAGAIN;
			break;
		}
	}
	loop_fd_events(host->watch, EPOLLIN | (blocked ? EPOLLOUT : 0));
	if (idle)
		wait_for_answer(host);
}

/* The process. */

/* What is wrong is told by its exit, which follows. */
static void end_process(struct host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void end_process(struct host *host, const char *format, ...)
{
	char text[REASON_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!host->verdict.text[0])
		reason_set(&host->verdict, "%s", text);
	loop_timer_set(host->timer, -1);
	loop_child_kill(host->child, SIGKILL);
}

static void take_answer(struct host *host, const char *data, size_t size)
{
	struct host_answer answer;

	host_answer_parse(data, size, &answer);
	switch (answer.says) {
	case HOST_LOADED:
		if (host->state != HOST_LOADING)
			break;
		host->state = HOST_READY;
		loop_timer_set(host->timer, -1);
		send_requests(host);
		return;
	case HOST_FAILED:
		if (host->state != HOST_LOADING)
			break;
		/* Its own words; that it ends follows, or is seen to. */
		host->verdict = answer.reason;
		host->import_failed = true;
		loop_timer_set(host->timer, LAST_MS);
		return;
	case HOST_FORKED:
	case HOST_FORK_FAILED:
		answer_id(host, &answer);
		wait_for_answer(host);
		return;
	case HOST_NONSENSE:
		break;
	}
	if (host->child)
		end_process(host, "it says what is not understood");
}

/* Reads once; whether there may be more. */
static bool read_answer(struct host *host)
{
	char data[ANSWER_MAX];
	ssize_t got = recv(host->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);

	if (got > 0) {
		take_answer(host, data, (size_t) got < sizeof(data) ? (size_t) got : 0);
		return host->watch;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	/* It is ending, or has closed the socket without reason. */
	loop_fd_remove(host->watch);
	host->watch = NULL;
	if (host->child)
		loop_timer_set(host->timer, LAST_MS);
	return false;
}

static void on_socket(uint32_t events, void *arg)
{
	struct host *host = arg;

	if (events & EPOLLOUT)
		send_requests(host);
	for (int i = 0; i < ANSWERS_AT_ONCE && host->watch && read_answer(host); i++)
		;
}

static void close_socket(struct host *host)
{
	loop_fd_remove(host->watch);
	host->watch = NULL;
	fd_close(&host->fd);
}

static void over(struct host *host, const char *reason)
{
	char tail[WORKERS_TAIL_MAX];

	host->state = HOST_OVER;
	reason_set(&host->verdict, "%s", reason);
	loop_timer_set(host->timer, -1);
	worker_log_tail(host->log, tail, sizeof(tail));
	host->callbacks.failed(reason, tail, host->callbacks.arg);
	fail_requests(host, false, reason);
}

static void start_again(struct host *host)
{
	host->state = HOST_WAITING;
	/* Once is an accident, and somebody waits. */
	loop_timer_set(host->timer, host->deaths > 1 ? backoff_delay(host->deaths - 1) : 0);
}

static void died(struct host *host, int status, const char *how)
{
	bool loading = host->state == HOST_LOADING;
	struct reason reason;

	if (host->import_failed)
		reason_set(&reason, "%s", host->verdict.text);
	else
		reason_set(&reason, "the preload process of %s %s%s", host->options.module,
			   host->verdict.text[0] ? "was ended: " : how, host->verdict.text);
	/* A program that does not come up is not helped by another try; one that is killed is.
	 */
	if (host->import_failed || (loading && (WIFEXITED(status) || host->verdict.text[0])) ||
	    ++host->deaths > host->options.restarts) {
		over(host, reason.text);
		return;
	}
	host->state = HOST_DEAD;
	fail_requests(host, true, reason.text);
	if (host->state == HOST_DEAD && !TAILQ_EMPTY(&host->requests))
		start_again(host);
}

static void on_exit_of_host(pid_t pid, int status, void *arg)
{
	struct host *host = arg;
	char how[EXIT_WORDS_MAX];

	(void) pid;
	host->child = NULL;
	loop_timer_set(host->timer, -1);
	/* What it has said before it died. */
	for (int i = 0; i < ANSWERS_LAST && host->watch && read_answer(host); i++)
		;
	close_socket(host);
	worker_log_close(host->log);
	exit_words(status, host->options.memory, how);
	if (host->stopping)
		fail_requests(host, false, host->verdict.text);
	else
		died(host, status, how);
	host->callbacks.gone(host->callbacks.arg);
}

static int spawn(struct host *host, struct reason *reason)
{
	int ends[2], out = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return reason_set(reason, "%s: socketpair: %s", host->options.program,
				  strerror(errno));
	host->fd = ends[0];
	if (worker_log_open(host->log, host->loop, &out) < 0) {
		reason_set(reason, "%s: its output: %s", host->options.program,
			   strerror(errno));
		fd_close(&ends[1]);
		return -1;
	}
	struct spawn_options options = {
		.program = host->options.program,
		.argv = host->options.argv,
		.environment = host->options.environment,
		.in = -1,
		.out = out,
		.err = out,
		.more = &ends[1],
		.more_count = 1,
		.own_session = true,
		.dies_with_us = true,
		.core_dumps = true,
	};
	host->pid = spawn_process(&options, reason);
	fd_close(&ends[1]);
	fd_close(&out);
	return host->pid < 0 ? -1 : 0;
}

int host_start(struct host *host, struct reason *reason)
{
	if (host->state == HOST_OVER || host->stopping)
		return reason_set(reason, "%s", host->verdict.text);
	if (host->child)
		return 0;
	host->verdict.text[0] = '\0';
	if (spawn(host, reason) < 0)
		goto error;
	if (!(host->child = loop_child_add(host->loop, host->pid, on_exit_of_host, host)) ||
	    !(host->watch = loop_fd_add(host->loop, host->fd, EPOLLIN, on_socket, host))) {
		reason_set(reason, "watching %s: %s", host->options.program, strerror(errno));
		kill(-host->pid, SIGKILL);
		goto error;
	}
	host->state = HOST_LOADING;
	loop_timer_set(host->timer, host->options.load_ms);
	return 0;
error:
	loop_child_remove(host->child);
	host->child = NULL;
	close_socket(host);
	host->state = HOST_OVER;
	if (reason)
		host->verdict = *reason;
	return -1;
}

static void on_timer(void *arg)
{
	struct host *host = arg;
	struct reason reason;

	if (host->stopping) {
		fail_requests(host, false, host->verdict.text);
		return;
	}
	switch (host->state) {
	case HOST_WAITING:
		if (host_start(host, &reason) < 0)
			over(host, reason.text);
		break;
	case HOST_LOADING:
		end_process(host, "not imported within %lld s",
			    (long long) host->options.load_ms / 1000);
		break;
	default:
		if (host->child)
			end_process(host, "it does not answer");
	}
}

/* For everybody. */

struct host *host_create(struct loop *loop, const struct host_options *options,
			 const struct host_callbacks *callbacks)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	TAILQ_INIT(&host->requests);
	host->loop = loop;
	host->options = *options;
	host->callbacks = *callbacks;
	host->fd = -1;
	if (!(host->log = worker_log_create(options->log_dirfd, "host")) ||
	    !(host->timer = loop_timer_create(loop, on_timer, host))) {
		host_destroy(host);
		return NULL;
	}
	return host;
}

void host_destroy(struct host *host)
{
	struct host_request *request;
	int saved = errno;

	if (!host)
		return;
	if (host->child) {
		host_kill(host);
		loop_child_remove(host->child);
	}
	while ((request = TAILQ_FIRST(&host->requests))) {
		TAILQ_REMOVE(&host->requests, request, link);
		host_request_destroy(request);
	}
	close_socket(host);
	worker_log_destroy(host->log);
	loop_timer_destroy(host->timer);
	free(host);
	errno = saved;
}

void host_stop(struct host *host)
{
	if (host->stopping)
		return;
	host->stopping = true;
	reason_set(&host->verdict, "the session ends");
	/* The end of file tells it to end; whoever waits is told from the loop. */
	close_socket(host);
	host->state = HOST_OVER;
	loop_timer_set(host->timer, 0);
}

void host_kill(struct host *host)
{
	if (host->child)
		kill(-host->pid, SIGKILL);
}

bool host_runs(const struct host *host)
{
	return host->child;
}

struct host_request *host_fork(struct host *host, const struct host_fork *fork,
			       host_forked *forked, void *arg, struct reason *reason)
{
	struct host_request *request;

	if (host->state == HOST_OVER || host->import_failed) {
		errno = ESRCH;
		reason_set(reason, "%s", host->verdict.text);
		return NULL;
	}
	if (!(request = host_request_create(fork))) {
		reason_set(reason, "asking for a fork: %s", strerror(errno));
		return NULL;
	}
	request->host = host;
	request->forked = forked;
	request->arg = arg;
	TAILQ_INSERT_TAIL(&host->requests, request, link);
	if (host->state == HOST_DEAD)
		start_again(host);
	send_requests(host);
	return request;
}

void host_cancel(struct host_request *request)
{
	if (!request)
		return;
	request->forked = NULL;
	if (request->sent)
		return;
	TAILQ_REMOVE(&request->host->requests, request, link);
	host_request_destroy(request);
}
