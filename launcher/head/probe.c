/* SPDX-License-Identifier: MIT */
/*
 * The probe of the server's unix socket: see probe.h.  Called by the head, in its event loop,
 * as the user.  The server is the user's program, so what it answers is read with suspicion:
 * the status line and no more, from at most REPLY_MAX bytes.
 */
#include "launcher/head/probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	REPLY_MAX = 16384,   /* bytes read of one reply */
	RETRY_FIRST_MS = 10, /* doubled after each try that failed ... */
	RETRY_MAX_MS = 500,  /* ... up to this */

	/* A try that hears nothing for so long is given up; the next one is given twice that,
	 * in case the server is slow and not stuck, up to eight times. */
	SILENCE_MS = 5000,
	SILENCE_TIMES = 8
};

struct probe {
	struct loop *loop;
	struct sockaddr_un address;
	const char *name; /* of the socket in its directory, within address */
	char *request;
	char *path;
	bool tls;
	int64_t deadline_ms;
	probe_callback *callback;
	void *arg;

	struct loop_timer *deadline;
	struct loop_timer *retry;   /* until the next try */
	struct loop_timer *silence; /* of the try under way */
	int64_t retry_ms;
	int64_t silence_ms;
	int64_t silence_max_ms;

	int inotify_fd; /* -1: none to be had, so a missing socket is looked for by retries */
	struct loop_fd *inotify_watch;

	int fd; /* of the try under way, or -1 */
	struct loop_fd *watch;
	size_t sent;
	char reply[REPLY_MAX];
	size_t received;

	struct reason last; /* why the last try failed */
	bool answered;	    /* that was not for want of a connection */
};

static void try_now(struct probe *probe);

static void finish(struct probe *probe, int status)
{
	struct reason reason;

	/* The callback may destroy the probe, and the reason with it. */
	reason_set(&reason, "no answer to GET %s on %s within %lld ms: %s", probe->path,
		   probe->address.sun_path, (long long) probe->deadline_ms, probe->last.text);
	probe->callback(status, status < 0 ? reason.text : "", probe->arg);
}

static void end_try(struct probe *probe)
{
	loop_timer_set(probe->silence, -1);
	loop_fd_remove(probe->watch);
	probe->watch = NULL;
	if (probe->fd >= 0)
		close(probe->fd);
	probe->fd = -1;
}

static void end_inotify(struct probe *probe)
{
	loop_fd_remove(probe->inotify_watch);
	probe->inotify_watch = NULL;
	if (probe->inotify_fd >= 0)
		close(probe->inotify_fd);
	probe->inotify_fd = -1;
}

/* Everything that can still happen is stopped: after the callback the probe only waits to be
 * destroyed. */
static void stop(struct probe *probe)
{
	end_try(probe);
	loop_timer_set(probe->retry, -1);
	loop_timer_set(probe->deadline, -1);
	end_inotify(probe);
}

static void try_failed(struct probe *probe)
{
	end_try(probe);
	loop_timer_set(probe->retry, probe->retry_ms);
	probe->retry_ms *= 2;
	if (probe->retry_ms > RETRY_MAX_MS)
		probe->retry_ms = RETRY_MAX_MS;
}

/* "HTTP/1.x NNN[ words]": the status; -1 when it is anything else.  Final statuses only:
 * nothing in a bare GET asks for a 1xx. */
static int parse_status(const char *line, size_t length)
{
	int status;

	if (length < 12 || memcmp(line, "HTTP/1.", 7) != 0 ||
	    (line[7] != '0' && line[7] != '1') || line[8] != ' ' ||
	    (length > 12 && line[12] != ' '))
		return -1;
	for (int i = 9; i < 12; i++)
		if (line[i] < '0' || line[i] > '9')
			return -1;
	for (size_t i = 12; i < length; i++)
		if ((unsigned char) line[i] < 0x20 && line[i] != '\t')
			return -1;
	status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	return status >= 200 && status <= 599 ? status : -1;
}

/* After bytes or the end of file have come. */
static void handle_reply(struct probe *probe, bool ended)
{
	static const char start[] = "HTTP/1.";
	size_t compared =
		probe->received < sizeof(start) - 1 ? probe->received : sizeof(start) - 1;
	const char *newline = memchr(probe->reply, '\n', probe->received);
	int status = -1;

	if (probe->tls && (ended || probe->received > 0)) {
		stop(probe);
		finish(probe, 200);
		return;
	}
	if (memcmp(probe->reply, start, compared) == 0 && !newline && !ended &&
	    probe->received < REPLY_MAX)
		return;
	if (newline && newline > probe->reply && newline[-1] == '\r')
		status = parse_status(probe->reply, (size_t) (newline - probe->reply) - 1);
	if (status >= 200 && status < 500) {
		stop(probe);
		finish(probe, status);
		return;
	}
	if (status >= 500)
		reason_set(&probe->last, "the server answered with HTTP status %d", status);
	else if (probe->received == 0)
		reason_set(&probe->last, "the server closed the connection without an answer");
	else
		reason_set(
			&probe->last,
			"the server's answer has no HTTP status line, it begins with \"%.*s\"",
			(int) (probe->received < 40 ? probe->received : 40), probe->reply);
	probe->answered = true;
	try_failed(probe);
}

static void handle_socket(uint32_t events, void *arg)
{
	struct probe *probe = arg;
	size_t length = strlen(probe->request);
	ssize_t n;

	(void) events;
	if (probe->sent < length) {
		n = send(probe->fd, probe->request + probe->sent, length - probe->sent,
			 MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			reason_set(&probe->last, "cannot send the request: %s",
				   strerror(errno));
			try_failed(probe);
			return;
		}
		probe->sent += (size_t) n;
		if (probe->sent == length && loop_fd_events(probe->watch, EPOLLIN) < 0) {
			reason_set(&probe->last, "cannot wait for the answer: %s",
				   strerror(errno));
			try_failed(probe);
		}
		return;
	}
	n = recv(probe->fd, probe->reply + probe->received, REPLY_MAX - probe->received, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0 && probe->tls && errno == ECONNRESET) {
		handle_reply(probe, true);
		return;
	}
	if (n < 0) {
		reason_set(&probe->last, "cannot read the answer: %s", strerror(errno));
		try_failed(probe);
		return;
	}
	probe->received += (size_t) n;
	loop_timer_set(probe->silence, probe->silence_ms);
	handle_reply(probe, n == 0);
}

static void handle_silence(void *arg)
{
	struct probe *probe = arg;

	reason_set(&probe->last, "the server took the request but said nothing for %lld ms",
		   (long long) probe->silence_ms);
	probe->answered = true;
	probe->silence_ms *= 2;
	if (probe->silence_ms > probe->silence_max_ms)
		probe->silence_ms = probe->silence_max_ms;
	try_failed(probe);
}

static void handle_retry(void *arg)
{
	try_now(arg);
}

static void handle_deadline(void *arg)
{
	struct probe *probe = arg;

	stop(probe);
	finish(probe, -1);
}

/* Connecting to a unix socket is done at once or not at all: EAGAIN is a full backlog. */
static void try_now(struct probe *probe)
{
	loop_timer_set(probe->retry, -1);
	probe->sent = 0;
	probe->received = 0;
	probe->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe->fd < 0) {
		reason_set(&probe->last, "cannot make a socket: %s", strerror(errno));
		try_failed(probe);
		return;
	}
	if (connect(probe->fd, (const struct sockaddr *) &probe->address,
		    sizeof(probe->address)) < 0) {
		if (errno == ENOENT) {
			reason_set(&probe->last, "the server has not made the socket");
			/* With inotify there is nothing to retry until it appears. */
			if (probe->inotify_fd >= 0) {
				end_try(probe);
				return;
			}
		} else {
			reason_set(&probe->last, "cannot connect: %s", strerror(errno));
		}
		try_failed(probe);
		return;
	}
	probe->watch = loop_fd_add(probe->loop, probe->fd, EPOLLOUT, handle_socket, probe);
	if (!probe->watch) {
		reason_set(&probe->last, "cannot wait for the answer: %s", strerror(errno));
		try_failed(probe);
		return;
	}
	/* What the deadline says unless an earlier try has learnt more. */
	if (!probe->answered)
		reason_set(&probe->last,
			   "the server took the connection but has not answered yet");
	loop_timer_set(probe->silence, probe->silence_ms);
}

static void handle_inotify(uint32_t events, void *arg)
{
	struct probe *probe = arg;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool appeared = false, lost = false;
	ssize_t n;

	(void) events;
	n = read(probe->inotify_fd, buffer, sizeof(buffer));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		lost = true;
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event =
			(const struct inotify_event *) (buffer + at);

		if (event->mask & IN_IGNORED)
			lost = true;
		if (event->mask & IN_Q_OVERFLOW ||
		    (event->len > 0 && strcmp(event->name, probe->name) == 0))
			appeared = true;
		at += (ssize_t) (sizeof(*event) + event->len);
	}
	/* The directory has gone; another of its name may come. */
	if (lost)
		end_inotify(probe);
	if ((appeared || lost) && probe->fd < 0) {
		probe->retry_ms = RETRY_FIRST_MS;
		try_now(probe);
	}
}

/* Without inotify (a user has few instances, and editors eat them) retries do. */
static void start_inotify(struct probe *probe)
{
	char directory[sizeof(probe->address.sun_path)] = ".";
	size_t length = (size_t) (probe->name - probe->address.sun_path);

	if (length > 0) {
		memcpy(directory, probe->address.sun_path, length);
		directory[length > 1 ? length - 1 : length] = '\0';
	}
	probe->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (probe->inotify_fd < 0)
		return;
	if (inotify_add_watch(probe->inotify_fd, directory,
			      IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR) >= 0)
		probe->inotify_watch = loop_fd_add(probe->loop, probe->inotify_fd, EPOLLIN,
						   handle_inotify, probe);
	if (!probe->inotify_watch)
		end_inotify(probe);
}

static bool path_valid(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PROBE_PATH_MAX)
		return false;
	for (const char *p = path; *p; p++)
		if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f)
			return false;
	return true;
}

struct probe *probe_start(struct loop *loop, const struct probe_options *options,
			  probe_callback *callback, void *arg)
{
	struct probe *probe;
	const char *slash;
	size_t length = strlen(options->socket_path);

	if (!path_valid(options->path) || length == 0) {
		errno = EINVAL;
		return NULL;
	}
	if (length >= sizeof(probe->address.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	probe = calloc(1, sizeof(*probe));
	if (!probe)
		return NULL;
	probe->loop = loop;
	probe->fd = probe->inotify_fd = -1;
	probe->callback = callback;
	probe->arg = arg;
	probe->tls = options->tls;
	probe->deadline_ms = options->deadline_ms > 0 ? options->deadline_ms : 0;
	probe->retry_ms = RETRY_FIRST_MS;
	probe->silence_ms = options->silence_ms > 0 ? options->silence_ms : SILENCE_MS;
	probe->silence_max_ms = SILENCE_TIMES * probe->silence_ms;
	probe->address.sun_family = AF_UNIX;
	memcpy(probe->address.sun_path, options->socket_path, length);
	slash = strrchr(probe->address.sun_path, '/');
	probe->name = slash ? slash + 1 : probe->address.sun_path;
	reason_set(&probe->last, "no try was made");
	probe->path = strdup(options->path);
	if (!probe->path)
		goto error;
	if (asprintf(&probe->request,
		     "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		     options->path) < 0) {
		probe->request = NULL;
		goto error;
	}
	probe->deadline = loop_timer_create(loop, handle_deadline, probe);
	probe->retry = loop_timer_create(loop, handle_retry, probe);
	probe->silence = loop_timer_create(loop, handle_silence, probe);
	if (!probe->deadline || !probe->retry || !probe->silence)
		goto error;
	start_inotify(probe);
	/* The first try is the loop's, so that the callback never comes from within this call.
	 */
	loop_timer_set(probe->retry, 0);
	loop_timer_set(probe->deadline, probe->deadline_ms);
	return probe;

error:
	probe_destroy(probe);
	return NULL;
}

void probe_destroy(struct probe *probe)
{
	int saved = errno;

	if (!probe)
		return;
	loop_timer_destroy(probe->deadline);
	loop_timer_destroy(probe->retry);
	loop_timer_destroy(probe->silence);
	loop_fd_remove(probe->watch);
	if (probe->fd >= 0)
		close(probe->fd);
	end_inotify(probe);
	free(probe->request);
	free(probe->path);
	free(probe);
	errno = saved;
}
