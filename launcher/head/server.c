/* SPDX-License-Identifier: MIT */
/* See server.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/head/probe.h"
#include "launcher/head/server.h"
#include "launcher/spawn.h"
#include "launcher/tail.h"
#include "launcher/workers/exit_words.h"

enum {
	BACKOFF_FIRST_MS = 500,
	BACKOFF_MAX_MS = 30000,
	STABLE_MS = 600000 /* of serving, after which old crashes are forgotten */
};

struct server {
	struct loop *loop;
	const struct server_options *options;
	struct server_callbacks callbacks;
	char *program;
	char **argv;
	pid_t pid;
	struct loop_child *child;
	struct loop_fd *output_watch;
	int output_fd;
	struct probe *probe;
	struct loop_timer *timer; /* the next start, or the kill */
	struct tail tail;
	int64_t served_since; /* loop_now(), 0: not serving */
	bool has_served, stopping, guard_probed;
	unsigned crashes, restarts;
	struct reason verdict; /* why we ended it; empty: it ended by itself */
};

static void start_process(struct server *server);
static int start_probe(struct server *server, const char *path);

/* 0 when there may be more to come. */
static int read_output(struct server *server)
{
	char data[8192];
	ssize_t got = read(server->output_fd, data, sizeof(data));

	if (got > 0) {
		session_log_bytes(server->options->log, data, (size_t) got);
		tail_keep(&server->tail, data, (size_t) got);
		return 0;
	}
	return got < 0 && errno == EINTR ? 0 : -1;
}

static void close_output(struct server *server)
{
	loop_fd_remove(server->output_watch);
	server->output_watch = NULL;
	fd_close(&server->output_fd);
}

static void on_output(uint32_t events, void *arg)
{
	struct server *server = arg;

	(void) events;
	if (read_output(server) < 0 && errno != EAGAIN)
		close_output(server);
}

static void end(struct server *server, bool in_order, const char *reason)
{
	loop_timer_set(server->timer, -1);
	server->callbacks.ended(in_order, reason, server->callbacks.arg);
}

static void crashed(struct server *server, const char *how)
{
	char line[512];
	struct reason reason;

	tail_last_line(&server->tail, line, sizeof(line));
	if (server->verdict.text[0])
		reason_set(&reason, "%s: %s", server->argv[0], server->verdict.text);
	else
		reason_set(&reason, "%s %s%s%s", server->argv[0], how, line[0] ? ": " : "",
			   line);
	if (server->served_since && loop_now() - server->served_since > STABLE_MS)
		server->crashes = 0;
	server->served_since = 0;
	server->crashes++;
	bool for_good =
		!server->has_served && (!server->options->patient || server->verdict.text[0]);
	if (for_good || server->crashes > server->options->restarts_max) {
		end(server, false, reason.text);
		return;
	}
	server->restarts++;
	int64_t delay = BACKOFF_FIRST_MS;
	for (unsigned i = 1; i < server->crashes && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	loop_timer_set(server->timer, delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
	server->callbacks.restarting(reason.text, server->callbacks.arg);
}

static void on_exit_of_server(pid_t pid, int status, void *arg)
{
	struct server *server = arg;
	char how[EXIT_WORDS_MAX + 32];

	(void) pid;
	server->child = NULL;
	probe_destroy(server->probe);
	server->probe = NULL;
	if (server->output_fd >= 0) {
		/* Bounded: children of the server may hold the pipe and go on writing. */
		for (int turns = 0; turns < 64 && read_output(server) == 0; turns++)
			;
		close_output(server);
	}
	exit_words(status, NULL, how);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !server->stopping)
		strcat(how, " (out of memory?)");
	if (server->stopping)
		end(server, true, how);
	else if (server->has_served && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		end(server, true, "the server was shut down by its user");
	else
		crashed(server, how);
}

/* Its exit is then told as the crash that it is, for our reason whatever it still prints. */
static void give_up(struct server *server, const char *reason)
{
	session_log_line(server->options->log, LOG_ERROR, "head", "%s", reason);
	reason_set(&server->verdict, "%s", reason);
	loop_child_kill(server->child, SIGKILL);
}

static void on_probe(int status, const char *reason, void *arg)
{
	struct server *server = arg;
	const char *guarded = server->options->recipe->guarded;

	probe_destroy(server->probe);
	server->probe = NULL;
	if (status < 0) {
		give_up(server, reason);
	} else if (guarded && !server->options->tls && !server->guard_probed) {
		server->guard_probed = true;
		if (start_probe(server, guarded) < 0)
			give_up(server, strerror(errno));
	} else if (guarded && !server->options->tls && status < 300) {
		struct reason open;
		reason_set(&open,
			   "it answers %s to everybody, without the token: not offered to a "
			   "network; look for an empty token or password in your Jupyter "
			   "configuration",
			   guarded);
		give_up(server, open.text);
	} else {
		server->has_served = true;
		server->served_since = loop_now();
		server->callbacks.serving(server->callbacks.arg);
	}
}

static int start_probe(struct server *server, const char *path)
{
	const char *base = server->options->base ? server->options->base : "";
	char whole[PROBE_PATH_MAX];
	struct probe_options options = {
		.socket_path = server->options->socket_path,
		.path = whole,
		.tls = server->options->tls,
		.deadline_ms = server->options->recipe->ready_timeout_s * 1000,
	};

	if (snprintf(whole, sizeof(whole), "%s%s", base, path) >= (int) sizeof(whole)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	server->probe = probe_start(server->loop, &options, on_probe, server);
	return server->probe ? 0 : -1;
}

static void on_timer(void *arg)
{
	struct server *server = arg;

	if (server->child && server->stopping)
		loop_child_kill(server->child, SIGKILL);
	else
		start_process(server);
}

static int spawn(struct server *server, struct reason *reason)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return reason_set(reason, "%s: pipe: %s", server->argv[0], strerror(errno));
	struct spawn_options options = {
		.program = server->program,
		.argv = server->argv,
		.environment = env_vector(server->options->environment),
		.directory = server->options->directory,
		.in = -1,
		.out = ends[1],
		.err = ends[1],
		.own_session = true,
		.dies_with_us = true,
		.core_dumps = true,
	};
	/* A server that was killed leaves its socket. */
	unlink(server->options->socket_path);
	server->tail.used = 0;
	server->verdict.text[0] = '\0';
	server->pid = spawn_process(&options, reason);
	fd_close(&ends[1]);
	server->output_fd = ends[0];
	if (server->pid < 0) {
		fd_close(&server->output_fd);
		return -1;
	}
	return 0;
}

static int watch(struct server *server, struct reason *reason)
{
	if (!(server->child =
		      loop_child_add(server->loop, server->pid, on_exit_of_server, server))) {
		kill(server->pid, SIGKILL);
		return reason_set(reason, "pidfd: %s", strerror(errno));
	}
	server->guard_probed = false;
	if (!(server->output_watch = loop_fd_add(server->loop, server->output_fd, EPOLLIN,
						 on_output, server)) ||
	    start_probe(server, server->options->recipe->ready) < 0)
		return reason_set(reason, "watching %s: %s", server->argv[0], strerror(errno));
	return 0;
}

static void start_process(struct server *server)
{
	struct reason reason;

	if (spawn(server, &reason) < 0 || watch(server, &reason) < 0)
		end(server, false, reason.text);
	else
		server->callbacks.spawned(server->callbacks.arg);
}

int server_start(struct server *server, struct reason *reason)
{
	const struct recipe *recipe = server->options->recipe;
	struct env *environment = server->options->environment;

	if (recipe_environment(recipe, environment, server->options->variables, reason) < 0)
		return -1;
	if (!(server->program = recipe_program(recipe, env_get(environment, "PATH"), reason)) ||
	    !(server->argv = recipe_argv(recipe, server->options->variables, reason)))
		return -1;
	if (spawn(server, reason) < 0 || watch(server, reason) < 0)
		return -1;
	server->callbacks.spawned(server->callbacks.arg);
	return 0;
}

void server_stop(struct server *server, int64_t grace_ms)
{
	if (server->stopping)
		return;
	server->stopping = true;
	probe_destroy(server->probe);
	server->probe = NULL;
	if (!server->child) {
		end(server, true, "the server was not running");
		return;
	}
	loop_child_kill(server->child, SIGTERM);
	loop_timer_set(server->timer, grace_ms);
}

unsigned server_restarts(const struct server *server)
{
	return server->restarts;
}

struct server *server_create(struct loop *loop, const struct server_options *options,
			     const struct server_callbacks *callbacks)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->loop = loop;
	server->options = options;
	server->callbacks = *callbacks;
	server->output_fd = -1;
	if (!(server->timer = loop_timer_create(loop, on_timer, server))) {
		free(server);
		return NULL;
	}
	return server;
}

void server_destroy(struct server *server)
{
	int error = errno;

	if (!server)
		return;
	probe_destroy(server->probe);
	if (server->child) {
		loop_child_kill(server->child, SIGKILL);
		loop_child_remove(server->child);
	}
	if (server->output_fd >= 0)
		close_output(server);
	loop_timer_destroy(server->timer);
	text_words_free(server->argv);
	free(server->program);
	free(server);
	errno = error;
}
