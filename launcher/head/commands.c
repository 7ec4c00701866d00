/* SPDX-License-Identifier: MIT */
/* See commands.h. */
#include "launcher/head/commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/options.h"
#include "common/text.h"

enum { REST_MS = 1000 };

struct client {
	struct commands *commands;
	struct loop_fd *watch;
	struct loop_timer *deadline;
	int fd; /* -1: this place is free */
	char line[COMMANDS_LINE_MAX];
	size_t used;
	char *answer; /* NULL: the line is not complete */
	size_t sent;
};

struct commands {
	struct loop *loop;
	struct commands_callbacks callbacks;
	struct loop_fd *watch;
	struct loop_timer *rest; /* from accepting */
	int fd;
	struct client clients[COMMANDS_CLIENTS_MAX];
	size_t count;
};

/* {"kind": KIND, "count": COUNT} and nothing else. */
static int take_workers(const json_t *workers, const char **kind, unsigned *count,
			struct reason *reason)
{
	const json_t *number = json_object_get(workers, "count");

	*kind = json_string_value(json_object_get(workers, "kind"));
	if (json_object_size(workers) != 2 || !*kind ||
	    !text_is_name(*kind, OPTIONS_NAME_MAX) || !json_is_integer(number) ||
	    json_integer_value(number) < 0 || json_integer_value(number) > OPTIONS_WORKERS_MAX)
		return reason_set(reason,
				  "\"workers\" wants a \"kind\" and a \"count\" of 0 to %d",
				  OPTIONS_WORKERS_MAX);
	*count = (unsigned) json_integer_value(number);
	return 0;
}

static json_t *resize(const struct commands_callbacks *callbacks, const json_t *workers,
		      struct reason *reason)
{
	unsigned count = 0, expected = 0;
	const char *kind;

	if (take_workers(workers, &kind, &count, reason) < 0 ||
	    callbacks->resize(kind, count, &expected, reason, callbacks->arg) < 0)
		return NULL;
	return json_pack("{s:b, s:i}", "ok", 1, "expected", (int) expected);
}

static json_t *kernels(const struct commands_callbacks *callbacks, const json_t *words,
		       struct reason *reason)
{
	unsigned port = 0;

	if (!json_is_object(words) || json_object_size(words) != 0) {
		reason_set(reason, "\"kernels\" wants {}");
		return NULL;
	}
	if (callbacks->kernels(&port, reason, callbacks->arg) < 0)
		return NULL;
	return json_pack("{s:b, s:i}", "ok", 1, "port", (int) port);
}

static json_t *run(const struct commands_callbacks *callbacks, const char *line, size_t size)
{
	json_error_t error;
	json_t *command = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error),
	       *answer = NULL;
	const json_t *words;
	struct reason reason;

	reason_set(&reason, "%s", strerror(ENOMEM));
	if (!command)
		reason_set(&reason, "not JSON: %s", error.text);
	else if (json_object_size(command) == 1 &&
		 (words = json_object_get(command, "workers")))
		answer = resize(callbacks, words, &reason);
	else if (json_object_size(command) == 1 &&
		 (words = json_object_get(command, "kernels")))
		answer = kernels(callbacks, words, &reason);
	else
		reason_set(&reason, "not a command: there are \"workers\" and \"kernels\"");
	json_decref(command);
	return answer ? answer : json_pack("{s:s}", "error", reason.text);
}

char *commands_answer(const struct commands_callbacks *callbacks, const char *line, size_t size)
{
	json_t *object = run(callbacks, line, size);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL, *answer = NULL;

	if (!text || asprintf(&answer, "%s\n", text) < 0)
		answer = NULL;
	free(text);
	json_decref(object);
	return answer;
}

static void accept_more(struct commands *commands)
{
	loop_fd_events(commands->watch, commands->count < COMMANDS_CLIENTS_MAX ? EPOLLIN : 0);
}

static void client_close(struct client *client)
{
	if (client->fd < 0)
		return;
	loop_fd_remove(client->watch);
	loop_timer_destroy(client->deadline);
	fd_close(&client->fd);
	free(client->answer);
	client->watch = NULL;
	client->deadline = NULL;
	client->answer = NULL;
	client->commands->count--;
}

static void client_end(struct client *client)
{
	client_close(client);
	accept_more(client->commands);
}

static void on_deadline(void *arg)
{
	client_end(arg);
}

static void client_write(struct client *client)
{
	size_t left = strlen(client->answer) - client->sent;
	ssize_t sent = send(client->fd, client->answer + client->sent, left,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent > 0)
		client->sent += (size_t) sent;
	if (sent == (ssize_t) left || (sent < 0 && errno != EAGAIN && errno != EINTR))
		client_end(client);
	else
		loop_fd_events(client->watch, EPOLLOUT);
}

static void client_read(struct client *client)
{
	ssize_t got = recv(client->fd, client->line + client->used,
			   sizeof(client->line) - client->used, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		client->used += (size_t) got;
	const char *end = memchr(client->line, '\n', client->used);
	/* One line, and no more than that. */
	if (!end && (got <= 0 || client->used == sizeof(client->line))) {
		client_end(client);
		return;
	}
	if (!end)
		return;
	client->answer = commands_answer(&client->commands->callbacks, client->line,
					 (size_t) (end - client->line));
	if (client->answer)
		client_write(client);
	else
		client_end(client);
}

static void on_client(uint32_t events, void *arg)
{
	struct client *client = arg;

	(void) events;
	if (client->answer)
		client_write(client);
	else
		client_read(client);
}

/* The directory is closed to others; this holds also where somebody has opened it. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       peer.uid == geteuid();
}

static void client_open(struct commands *commands, int fd)
{
	struct client *client = commands->clients;

	while (client->fd >= 0)
		client++;
	*client = (struct client){.commands = commands, .fd = fd};
	commands->count++;
	client->watch = loop_fd_add(commands->loop, fd, EPOLLIN, on_client, client);
	client->deadline = loop_timer_create(commands->loop, on_deadline, client);
	if (!client->watch || !client->deadline) {
		client_close(client);
		return;
	}
	loop_timer_set(client->deadline, COMMANDS_CLIENT_MS);
	accept_more(commands);
}

static void on_connection(uint32_t events, void *arg)
{
	struct commands *commands = arg;
	int fd = accept4(commands->fd, NULL, NULL, SOCK_CLOEXEC);

	(void) events;
	if (fd >= 0 && is_ours(fd)) {
		client_open(commands, fd);
	} else if (fd >= 0) {
		fd_close(&fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* No descriptor to be had: whoever waits goes on waiting. */
		loop_fd_events(commands->watch, 0);
		loop_timer_set(commands->rest, REST_MS);
	}
}

static void on_rest(void *arg)
{
	accept_more(arg);
}

struct commands *commands_create(struct loop *loop, const struct runtime_dir *runtime,
				 const struct commands_callbacks *callbacks,
				 struct reason *reason)
{
	struct commands *commands = calloc(1, sizeof(*commands));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask = umask(0177);

	if (!commands)
		goto error;
	for (size_t i = 0; i < COMMANDS_CLIENTS_MAX; i++)
		commands->clients[i].fd = -1;
	commands->loop = loop;
	commands->callbacks = *callbacks;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" COMMANDS_SOCKET,
		 runtime->path);
	commands->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (commands->fd < 0 ||
	    bind(commands->fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    listen(commands->fd, COMMANDS_CLIENTS_MAX) < 0 ||
	    !(commands->rest = loop_timer_create(loop, on_rest, commands)) ||
	    !(commands->watch =
		      loop_fd_add(loop, commands->fd, EPOLLIN, on_connection, commands)))
		goto error;
	umask(mask);
	return commands;
error:
	reason_set(reason, "%s/" COMMANDS_SOCKET ": %s", runtime->path, strerror(errno));
	umask(mask);
	commands_destroy(commands);
	return NULL;
}

void commands_destroy(struct commands *commands)
{
	int error = errno;

	if (!commands)
		return;
	for (size_t i = 0; i < COMMANDS_CLIENTS_MAX; i++)
		client_close(&commands->clients[i]);
	loop_fd_remove(commands->watch);
	loop_timer_destroy(commands->rest);
	fd_close(&commands->fd);
	free(commands);
	errno = error;
}
