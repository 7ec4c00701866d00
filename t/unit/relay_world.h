/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the relay share: a relay in a child process of its own, told what to do
 * over a socket, the server that it leads to (the test itself), and clients.  Included by
 * test_relay*.c, which run as whoever calls `make check`.  Traffic stays on the loopback
 * interface.
 */
#ifndef RELAY_WORLD_H
#define RELAY_WORLD_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "launcher/head/relay.h"
#include "scratch.h"

enum { WAIT_MS = 30000 }; /* for what must happen: a deadline, not a delay */

static struct world {
	char socket_path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
	char ip[INET6_ADDRSTRLEN];
	unsigned port;
	pid_t pid;
	int control;
	int server; /* listening on socket_path, or -1 */
} world = {.server = -1, .control = -1};

/* The relay's process. */

static struct relay *world_relay;
static struct loop *world_loop;
static int world_fd;

static void world_command(uint32_t events, void *arg)
{
	struct relay_counts counts;
	char command;

	(void) events;
	(void) arg;
	if (recv(world_fd, &command, 1, 0) != 1 || command == 'q') {
		loop_stop(world_loop);
		return;
	}
	if (command == 'u' || command == 'd')
		relay_backend(world_relay, command == 'u');
	relay_counts(world_relay, &counts);
	send(world_fd, &counts, sizeof(counts), MSG_NOSIGNAL);
}

static int world_run(int listen_fd, const struct relay_options *options, rlim_t files)
{
	struct rlimit limit;
	struct loop_fd *watch;

	alarm(300);
	world_loop = loop_create();
	world_relay = world_loop ? relay_create(world_loop, listen_fd, options) : NULL;
	if (!world_relay)
		return 2;
	watch = loop_fd_add(world_loop, world_fd, EPOLLIN, world_command, NULL);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = files ? files : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (!watch || loop_run(world_loop) < 0)
		return 3;
	loop_fd_remove(watch);
	relay_destroy(world_relay);
	loop_destroy(world_loop);
	close(world_fd);
	return 0;
}

/* Starts it on ip, for a server that is not there yet.  files: how many it may open, or 0. */
static void world_start(const char *ip, const struct relay_options *options, rlim_t files)
{
	struct relay_options own = *options;
	struct reason reason;
	int fds[2], fd;

	if (!*world.socket_path) {
		if (strlen(scratch_path) + 3 > sizeof(world.socket_path))
			bail_out("TMPDIR is too long for a socket");
		strcpy(world.socket_path, scratch_path);
		strcat(world.socket_path, "/s");
	}
	own.socket_path = world.socket_path;
	snprintf(world.ip, sizeof(world.ip), "%s", ip);
	fd = relay_listen(ip, 0, 0, &world.port, &reason);
	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		bail_out("relay");
	world.pid = fork();
	if (world.pid < 0)
		bail_out("fork");
	if (world.pid == 0) {
		close(fds[0]);
		world_fd = fds[1];
		exit(world_run(fd, &own, files));
	}
	close(fd);
	close(fds[1]);
	world.control = fds[0];
}

static struct relay_counts world_tell(char command)
{
	struct relay_counts counts = {0};

	if (send(world.control, &command, 1, MSG_NOSIGNAL) != 1 ||
	    recv(world.control, &counts, sizeof(counts), 0) != sizeof(counts))
		bail_out("the relay does not answer");
	return counts;
}

static void server_listen(int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	unlink(world.socket_path);
	strcpy(address.sun_path, world.socket_path);
	world.server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (world.server < 0 ||
	    bind(world.server, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    listen(world.server, backlog) < 0)
		bail_out("server");
}

/* The socket file stays, as when a server is killed. */
static void server_stop(void)
{
	if (world.server >= 0)
		close(world.server);
	world.server = -1;
}

/* Whether it ended as it should: no sanitizer, no valgrind had anything to say. */
static void world_stop(void)
{
	int status = -1;

	close(world.control);
	if (waitpid(world.pid, &status, 0) != world.pid)
		bail_out("waitpid");
	is_int(status, 0, "the relay ends well");
	server_stop();
	unlink(world.socket_path);
}

/* Ready to use: relay, server, and the relay knows of the server. */
static void world_begin(const struct relay_options *options)
{
	world_start("127.0.0.1", options, 0);
	server_listen(SOMAXCONN);
	world_tell('u');
}

/* A number of the relay's process as /proc has it, such as "VmRSS:" (kB), or -1. */
__attribute__((unused)) static long world_status(const char *name)
{
	char path[64], line[256];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int) world.pid);
	file = fopen(path, "re");
	if (!file)
		bail_out(path);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtol(line + strlen(name), NULL, 10);
	fclose(file);
	return value;
}

/* The CPU time it has used, in clock ticks. */
__attribute__((unused)) static unsigned long world_ticks(void)
{
	char path[64];
	unsigned long user, kernel;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) world.pid);
	file = fopen(path, "re");
	if (!file ||
	    fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		   &user, &kernel) != 2)
		bail_out(path);
	fclose(file);
	return user + kernel;
}

__attribute__((unused)) static int world_files(void)
{
	char path[64];
	int dir, count;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int) world.pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	count = dir < 0 ? -1 : entries(dir);
	close(dir);
	return count;
}

/* Until so many connections are open.  Whether it came to that. */
__attribute__((unused)) static bool world_open(size_t count)
{
	int64_t deadline = loop_now() + WAIT_MS;
	bool reached;

	while (!(reached = world_tell('c').open == count) && loop_now() < deadline)
		poll(NULL, 0, 1);
	return reached;
}

/* Clients and server connections: blocking, but for WAIT_MS at most. */

static void bound_waits(int fd)
{
	static const struct timeval wait = {.tv_sec = WAIT_MS / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

/* From an address of this machine, or NULL. */
static int client_connect(const char *from, const char *to)
{
	static const int on = 1;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons((in_port_t) world.port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons((in_port_t) world.port)},
			   own = {.sin_family = AF_INET};
	bool is_v6 = strchr(to, ':') != NULL;
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bail_out("socket");
	bound_waits(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	inet_pton(is_v6 ? AF_INET6 : AF_INET, to,
		  is_v6 ? (void *) &v6.sin6_addr : (void *) &v4.sin_addr);
	if (from && (inet_pton(AF_INET, from, &own.sin_addr) != 1 ||
		     bind(fd, (struct sockaddr *) &own, sizeof(own)) < 0))
		bail_out(from);
	if (is_v6 ? connect(fd, (struct sockaddr *) &v6, sizeof(v6)) < 0
		  : connect(fd, (struct sockaddr *) &v4, sizeof(v4)) < 0)
		bail_out("connect");
	return fd;
}

/* Whether there is something to accept or read, or an end, within ms. */
static bool ready(int fd, int ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, ms) == 1;
}

static int server_accept(void)
{
	int fd = ready(world.server, WAIT_MS) ? accept4(world.server, NULL, NULL, SOCK_CLOEXEC)
					      : -1;

	if (fd < 0)
		bail_out("accept");
	bound_waits(fd);
	return fd;
}

struct pair {
	int client, server;
};

__attribute__((unused)) static struct pair pair_open(void)
{
	struct pair pair = {.client = client_connect(NULL, world.ip)};

	pair.server = server_accept();
	return pair;
}

__attribute__((unused)) static void pair_close(struct pair *pair)
{
	close(pair->client);
	close(pair->server);
}

/* Whether the text, sent into one, comes out of the other. */
static bool carries(int from, int to, const char *text)
{
	char buffer[256];
	size_t size = strlen(text), got = 0;

	if (send(from, text, size, MSG_NOSIGNAL) != (ssize_t) size)
		return false;
	while (got < size) {
		ssize_t n = recv(to, buffer + got, size - got, 0);

		if (n <= 0)
			return false;
		got += (size_t) n;
	}
	return memcmp(buffer, text, size) == 0;
}

__attribute__((unused)) static bool echoes(const struct pair *pair)
{
	return carries(pair->client, pair->server, "question") &&
	       carries(pair->server, pair->client, "answer");
}

/* Whether nothing more comes but the end. */
__attribute__((unused)) static bool ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

__attribute__((unused)) static void reset(int fd)
{
	static const struct linger at_once = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

__attribute__((unused)) static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* Memory says nothing where a tool adds its own. */
__attribute__((unused)) static bool instrumented(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	return true;
#endif
#endif
	return under_valgrind();
}

__attribute__((unused)) static int world_done(void)
{
	char command[sizeof(scratch_path) + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", scratch_path);
	ok(system(command) == 0, "all is cleaned up");
	return done_testing();
}

#endif
