/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/head/ask.h"

enum { REQUEST_MAX = 2048 };

struct ask {
	ask_callback *callback;
	void *arg;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *deadline;
	char *answer;
	size_t used, size;
};

static void finish(struct ask *ask, bool whole)
{
	static const char ok[] = "HTTP/1.";
	const char *body = NULL;

	loop_fd_remove(ask->watch);
	ask->watch = NULL;
	loop_timer_set(ask->deadline, -1);
	ask->answer[ask->used] = '\0';
	if (whole && !strncmp(ask->answer, ok, strlen(ok)) && ask->used > 12 &&
	    !strncmp(ask->answer + 8, " 200", 4))
		body = strstr(ask->answer, "\r\n\r\n");
	if (body)
		body += 4;
	ask->callback(body, body ? strlen(body) : 0, ask->arg);
}

static void on_deadline(void *arg)
{
	finish(arg, false);
}

static void on_answer(uint32_t events, void *arg)
{
	struct ask *ask = arg;

	(void) events;
	if (ask->used + 1 == ask->size) {
		size_t size = 2 * ask->size;
		char *answer = size <= ASK_ANSWER_MAX ? realloc(ask->answer, size) : NULL;
		if (!answer) {
			finish(ask, false);
			return;
		}
		ask->answer = answer;
		ask->size = size;
	}
	ssize_t got = recv(ask->fd, ask->answer + ask->used, ask->size - ask->used - 1, 0);
	if (got > 0)
		ask->used += (size_t) got;
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		finish(ask, got == 0);
}

/* HTTP/1.0: the answer ends with the connection and comes in one piece.  The request is far
 * smaller than a socket's buffer, so it is taken at once. */
static int send_request(int fd, const struct ask_options *options)
{
	char request[REQUEST_MAX];
	char *token = NULL;
	int rc = -1;

	if (file_read(AT_FDCWD, options->token_file, ASK_TOKEN_MAX, &token, NULL) < 0)
		return -1;
	const char *body = options->body;
	int size = snprintf(request, sizeof(request),
			    "%s %s HTTP/1.0\r\nHost: localhost\r\nAuthorization: token %s\r\n"
			    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			    body ? "POST" : "GET", options->path, token,
			    body ? strlen(body) : 0, body ? body : "");
	if (size < 0 || (size_t) size >= sizeof(request))
		errno = EMSGSIZE;
	else if (send(fd, request, (size_t) size, MSG_NOSIGNAL) == size)
		rc = 0;
	explicit_bzero(request, sizeof(request));
	explicit_bzero(token, strlen(token));
	free(token);
	return rc;
}

struct ask *ask_start(struct loop *loop, const struct ask_options *options,
		      ask_callback *callback, void *arg)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->callback = callback;
	ask->arg = arg;
	ask->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ask->fd < 0 || strlen(options->socket_path) >= sizeof(address.sun_path))
		goto error;
	strcpy(address.sun_path, options->socket_path);
	if (!(ask->answer = malloc(ask->size = 4096)) ||
	    connect(ask->fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    send_request(ask->fd, options) < 0 ||
	    !(ask->watch = loop_fd_add(loop, ask->fd, EPOLLIN, on_answer, ask)) ||
	    !(ask->deadline = loop_timer_create(loop, on_deadline, ask)))
		goto error;
	loop_timer_set(ask->deadline,
		       options->deadline_ms ? options->deadline_ms : ASK_DEADLINE_MS);
	return ask;
error:
	ask_destroy(ask);
	return NULL;
}

void ask_destroy(struct ask *ask)
{
	int error = errno;

	if (!ask)
		return;
	loop_fd_remove(ask->watch);
	loop_timer_destroy(ask->deadline);
	fd_close(&ask->fd);
	free(ask->answer);
	free(ask);
	errno = error;
}
