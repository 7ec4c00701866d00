/* SPDX-License-Identifier: MIT */
/*
 * Tests of the probe (launcher/head/probe.h) against servers that are late, broken, silent or
 * hostile.  They run in the probe's own event loop.  Run by `make check`, as anybody.
 */
#include "launcher/head/probe.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "scratch.h"

/* What a server says to each connection in turn; the last one again to all others. */
struct script {
	const char *answers[4]; /* NULL: the end; "": closes; SILENT: says nothing; else said */
	bool endless;		/* the first answer without end */
	bool slow;		/* one byte at a time */
};
static const char SILENT[] = "(silent)";

static bool tls;
static struct loop *loop;
static char socket_path[sizeof(scratch_path) + 8];
static struct probe *probe;

static struct {
	int calls, status;
	char reason[REASON_MAX];
	bool destroy;
} answer;

static struct {
	int fd;
	struct loop_fd *watch;
	struct script script;
	int connections;
	int client;
	struct loop_fd *client_watch;
	const char *saying;
	char request[512];
	size_t size;
	uint64_t said;
} server = {.fd = -1, .client = -1};

/* The server. */

static void server_hang_up(void)
{
	loop_fd_remove(server.client_watch);
	server.client_watch = NULL;
	if (server.client >= 0)
		close(server.client);
	server.client = -1;
}

static void server_talks(uint32_t events, void *arg)
{
	size_t size;
	ssize_t n;

	(void) arg;
	if (events & EPOLLIN && server.size < sizeof(server.request) - 1) {
		n = recv(server.client, server.request + server.size,
			 sizeof(server.request) - 1 - server.size, MSG_DONTWAIT);
		if (n == 0) {
			server_hang_up();
			return;
		}
		server.size += n > 0 ? (size_t) n : 0;
		server.request[server.size] = '\0';
		if (!strstr(server.request, "\r\n\r\n") || server.saying == SILENT)
			return;
		loop_fd_events(server.client_watch, EPOLLOUT);
		return;
	}
	size = server.script.slow ? 1 : strlen(server.saying);
	if (*server.saying)
		n = send(server.client, server.saying, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	else
		n = 0;
	if (n <= 0) {
		server_hang_up();
		return;
	}
	server.said += (uint64_t) n;
	if (!server.script.endless || server.connections > 1)
		server.saying += n;
}

static void server_accepts(uint32_t events, void *arg)
{
	int index = server.connections++;

	(void) events;
	(void) arg;
	server_hang_up();
	server.client = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC);
	if (server.client < 0)
		bail_out("accept4");
	while (index > 0 && (index >= 4 || !server.script.answers[index]))
		index--;
	server.saying = server.script.answers[index];
	server.size = 0;
	server.client_watch = loop_fd_add(loop, server.client, EPOLLIN, server_talks, NULL);
}

static void server_bind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		bail_out("TMPDIR is too long for a socket");
	strcpy(address.sun_path, path);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		bail_out("bind");
}

static void server_listen(void *arg)
{
	(void) arg;
	if (listen(server.fd, 8) < 0)
		bail_out("listen");
	server.watch = loop_fd_add(loop, server.fd, EPOLLIN, server_accepts, NULL);
}

static void server_start(void *arg)
{
	(void) arg;
	server_bind(socket_path);
	server_listen(NULL);
}

static void server_rename(void *arg)
{
	char other[sizeof(socket_path) + 8];

	(void) arg;
	snprintf(other, sizeof(other), "%s.new", socket_path);
	server_bind(other);
	server_listen(NULL);
	if (rename(other, socket_path) < 0)
		bail_out("rename");
}

static void server_stop(void)
{
	server_hang_up();
	loop_fd_remove(server.watch);
	server.watch = NULL;
	if (server.fd >= 0)
		close(server.fd);
	server.fd = -1;
	unlink(socket_path);
}

/* The probe. */

static void answered(int status, const char *reason, void *arg)
{
	(void) arg;
	answer.calls++;
	answer.status = status;
	snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
	if (answer.destroy) {
		probe_destroy(probe);
		probe = NULL;
	}
	loop_stop(loop);
}

static void stop_now(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

/* Probes a server that follows the script; `late`, if any, runs after so many ms. */
static void run(const struct script *script, int64_t deadline_ms, loop_timer_callback *late,
		int64_t late_ms)
{
	const struct probe_options options = {.socket_path = socket_path,
					      .path = "/api",
					      .tls = tls,
					      .deadline_ms = deadline_ms,
					      .silence_ms = 60};
	struct loop_timer *timer = loop_timer_create(loop, late ? late : stop_now, NULL);

	memset(&answer, 0, sizeof(answer));
	server.script = *script;
	server.connections = 0;
	server.said = 0;
	if (!late)
		server_start(NULL);
	else
		loop_timer_set(timer, late_ms);
	probe = probe_start(loop, &options, answered, NULL);
	if (!probe || loop_run(loop) < 0)
		bail_out("probe");
	probe_destroy(probe);
	loop_timer_destroy(timer);
	server_stop();
}

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static void test_answers(void)
{
	static const struct {
		const char *what, *reply;
		int status;
	} good[] = {
		{"an answer", OK_REPLY, 200},
		{"a redirection is an answer", "HTTP/1.1 302 Found\r\n\r\n", 302},
		{"so is a refusal", "HTTP/1.1 403 Forbidden\r\n\r\n", 403},
		{"without words", "HTTP/1.0 404\r\n\r\n", 404},
		{"with the status line alone", "HTTP/1.1 204 \r\n", 204},
	};
	struct script script = {.answers = {NULL}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		script.answers[0] = good[i].reply;
		run(&script, 20000, NULL, 0);
		is_int(answer.status, good[i].status, "%s", good[i].what);
	}
	is_str(answer.reason, "", "success has no reason");
	is_int(answer.calls, 1, "the callback comes once");
	is_str(server.request,
	       "GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
	       "what was asked");
	script = (struct script){.answers = {OK_REPLY}, .slow = true};
	run(&script, 20000, NULL, 0);
	is_int(answer.status, 200, "an answer byte by byte");
}

/* What a server that speaks TLS does with a plain request. */
static void test_tls(void)
{
	static const struct script scripts[] = {
		{.answers = {""}}, {.answers = {"\x15\x03\x03"}}, {.answers = {SILENT, ""}}};
	static const char *const names[] = {"one that closes", "one that says an alert",
					    "one that is busy at first"};

	tls = true;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		run(&scripts[i], 20000, NULL, 0);
		is_int(answer.status, 200, "of servers with TLS %s answers", names[i]);
	}
	run(&(struct script){.answers = {SILENT}}, 300, NULL, 0);
	is_int(answer.status, -1, "but not one that says nothing");
	tls = false;
}

static void test_late(void)
{
	static const struct script good = {.answers = {OK_REPLY}};
	int64_t start = loop_now();

	run(&good, 20000, server_start, 100);
	ok(answer.status == 200 && loop_now() - start < 5000, "a socket that appears later");
	is_int(server.connections, 1, "is asked once");
	run(&good, 20000, server_rename, 50);
	is_int(answer.status, 200, "a socket that is renamed into place");
	server_bind(socket_path);
	run(&good, 20000, server_listen, 100);
	is_int(answer.status, 200, "a socket that refuses at first");
}

static void test_failures(void)
{
	static const struct script scripts[] = {
		{.answers = {"HTTP/1.1 500 Oh\r\n\r\n", "HTTP/1.1 503 Wait\r\n\r\n", OK_REPLY}},
		{.answers = {"", OK_REPLY}},
		{.answers = {"HTTP/1.1 20", OK_REPLY}},
		{.answers = {SILENT, SILENT, OK_REPLY}},
	};
	static const char *const names[] = {"500, then 503, then 200", "closed, then 200",
					    "broken off, then 200", "silent twice, then 200"};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		run(&scripts[i], 20000, NULL, 0);
		is_int(answer.status, 200, "%s", names[i]);
	}
}

static void test_hostile(void)
{
	static const char *const replies[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 -20 OK\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 099 No\r\n\r\n",
		"HTTP/1.1 600 No\r\n\r\n",
		"HTTP/1.1 100 Go\r\n\r\n",
		"\r\n",
		"HTTP/1.1 200 a\033b\r\n\r\n",
		"HTTP/1.1 200OK\r\n\r\n",
		"\n",
	};
	struct script script = {.answers = {NULL, OK_REPLY}};
	int accepted = 0;

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		script.answers[0] = replies[i];
		run(&script, 20000, NULL, 0);
		if (answer.status != 200 || server.connections != 2) {
			accepted++;
			tap_note("reply %zu: %d %s", i, answer.status, answer.reason);
		}
	}
	is_int(accepted, 0, "replies that are not quite HTTP are not taken, the next one is");

	script.answers[0] = "HTTP/1.1 200 aaaaaaaaa";
	script.endless = true;
	run(&script, 20000, NULL, 0);
	ok(answer.status == 200 && server.connections == 2, "nor an endless status line");
	script.answers[0] = "x";
	run(&script, 20000, NULL, 0);
	ok(answer.status == 200 && server.connections == 2, "nor endless garbage");

	script = (struct script){.answers = {"SSH-2.0-OpenSSH_9.2\r\n"}};
	run(&script, 200, NULL, 0);
	ok(answer.status == -1 && strstr(answer.reason, "no HTTP status line") &&
		   strstr(answer.reason, "begins with \"SSH-2.0-OpenSSH_9.2"),
	   "%s", answer.reason);
}

static void test_deadline(void)
{
	static const struct script silent = {.answers = {SILENT}},
				   busy = {.answers = {"HTTP/1.1 502 No\r\n\r\n"}};
	int64_t start = loop_now();

	run(&silent, 300, NULL, 0);
	ok(answer.status == -1 && loop_now() - start >= 300, "a silent server: the deadline");
	ok(strstr(answer.reason, "GET /api") && strstr(answer.reason, socket_path), "%s",
	   answer.reason);
	ok(server.connections <= 3, "was asked with twice the patience each time");
	run(&busy, 200, NULL, 0);
	ok(answer.status == -1 && strstr(answer.reason, "HTTP status 502"), "%s",
	   answer.reason);
	run(&silent, 50, stop_now, 5000);
	ok(answer.status == -1 && strstr(answer.reason, "has not made the socket"), "%s",
	   answer.reason);
	server_bind(socket_path);
	run(&silent, 50, stop_now, 5000);
	ok(answer.status == -1 && strstr(answer.reason, "refused"), "%s", answer.reason);
	run(&silent, 0, stop_now, 5000);
	is_int(answer.status, -1, "no time at all");
}

static void test_destroy(void)
{
	const struct probe_options options = {
		.socket_path = socket_path, .path = "/api", .deadline_ms = 20};
	struct loop_timer *timer = loop_timer_create(loop, stop_now, NULL);

	memset(&answer, 0, sizeof(answer));
	answer.destroy = true;
	probe = probe_start(loop, &options, answered, NULL);
	loop_run(loop);
	ok(answer.calls == 1 && !probe, "a probe is destroyed from within its callback");
	memset(&answer, 0, sizeof(answer));
	probe = probe_start(loop, &options, answered, NULL);
	probe_destroy(probe);
	loop_timer_set(timer, 50);
	loop_run(loop);
	is_int(answer.calls, 0, "a probe that is destroyed does not call");
	loop_timer_destroy(timer);
	probe_destroy(NULL);
}

static void test_options(void)
{
	static const char *const paths[] = {"",	      "api",   "/a b",	   "/a\tb",
					    "/a\r\n", "/\x7f", "/\xc3\xa4"};
	char longest[2000];
	struct probe_options options = {.socket_path = socket_path, .deadline_ms = 20};
	int taken = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		options.path = paths[i];
		errno = 0;
		taken += probe_start(loop, &options, answered, NULL) || errno != EINVAL;
	}
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	options.path = longest;
	taken += probe_start(loop, &options, answered, NULL) || errno != EINVAL;
	is_int(taken, 0, "paths that would break the request");
	options.path = "/";
	options.socket_path = longest;
	ok(!probe_start(loop, &options, answered, NULL) && errno == ENAMETOOLONG,
	   "a socket's path that is too long");
	options.socket_path = "";
	ok(!probe_start(loop, &options, answered, NULL) && errno == EINVAL, "or empty");
}

/* The user's editors have taken all instances that there are. */
static int without_inotify(int dir)
{
	static const struct script good = {.answers = {OK_REPLY}};
	int fds[4096], count = 0;

	if (become_nobody() != 0)
		return CANNOT;
	while (count < 4096 && (fds[count] = inotify_init1(IN_CLOEXEC)) >= 0)
		count++;
	if (count == 4096 || dup(dir) < 0)
		return CANNOT; /* it is not the instances that have run out */
	run(&good, 20000, server_start, 50);
	return answer.status == 200 ? 0 : 1;
}

static void remove_directory(void *arg)
{
	(void) arg;
	*strrchr(socket_path, '/') = '\0';
	if (rmdir(socket_path) < 0 || mkdir(socket_path, 0700) < 0)
		bail_out(socket_path);
	strcat(socket_path, "/s");
	server_start(NULL);
}

int main(void)
{
	static const struct script good = {.answers = {OK_REPLY}};
	int dir = scratch_open();
	char command[512];

	alarm(120);
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	snprintf(socket_path, sizeof(socket_path), "%s/s", scratch_path);
	test_answers();
	test_tls();
	test_late();
	test_failures();
	test_hostile();
	test_deadline();
	test_destroy();
	test_options();
	is_child(in_child(without_inotify, dir), "without inotify it looks again and again");
	snprintf(socket_path, sizeof(socket_path), "%s/d", scratch_path);
	mkdir(socket_path, 0700);
	strcat(socket_path, "/s");
	run(&good, 20000, remove_directory, 50);
	is_int(answer.status, 200, "a directory that is made anew");
	loop_destroy(loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", scratch_path);
	ok(system(command) == 0, "all is cleaned up");
	return done_testing();
}
