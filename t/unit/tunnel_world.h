/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the tunnel share: its two ends, each in a child process of its own, the
 * socket that it leads to (the test itself), and a peer that speaks the tunnel's language byte
 * by byte.  Included by test_tunnel.c, which runs as whoever calls `make check`.  Traffic stays
 * on the loopback interface.
 */
#ifndef TUNNEL_WORLD_H
#define TUNNEL_WORLD_H

#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "launcher/head/relay.h"
#include "launcher/tunnel/handshake.h"
#include "launcher/tunnel/stream.h"
#include "launcher/tunnel/tunnel_client.h"
#include "launcher/tunnel/tunnel_server.h"
#include "scratch.h"

#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { WAIT_MS = 30000 }; /* for what must happen: a deadline, not a delay */

struct child {
	pid_t pid;
	int control; /* SOCK_SEQPACKET */
};

static struct child server_child, client_child;
static unsigned server_port;
static int backend = -1; /* what the way "shell" leads to */

static const char *path_of(const char *name)
{
	static char path[8][300];
	static unsigned at;
	char *one = path[at++ % 8];

	snprintf(one, sizeof(path[0]), "%s/%s", scratch_path, name);
	return one;
}

/* In the children. */

static struct loop *child_loop;
static int child_fd;

static void child_begin(int fd)
{
	struct rlimit limit;

	alarm(300);
	child_fd = fd;
	close(backend); /* who listens there is the test alone */
	child_loop = loop_create();
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Orders: every byte comes back. */
static void echo(uint32_t events, void *arg)
{
	struct loop_fd **watch = arg;
	char bytes[256];
	int fd = (int) (intptr_t) watch[1];
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	(void) events;
	if (n > 0) {
		send(fd, bytes, (size_t) n, MSG_NOSIGNAL);
	} else {
		loop_fd_remove(watch[0]);
		close(fd);
		free(watch);
	}
}

static void take_orders(int fd, void *arg)
{
	struct loop_fd **watch = calloc(2, sizeof(*watch));

	(void) arg;
	watch[1] = (struct loop_fd *) (intptr_t) fd;
	watch[0] = loop_fd_add(child_loop, fd, EPOLLIN, echo, watch);
}

static void server_command(uint32_t events, void *arg)
{
	struct tunnel_server *server = arg;
	struct tunnel_server_counts counts;
	char command;

	(void) events;
	if (recv(child_fd, &command, 1, 0) != 1) {
		loop_stop(child_loop);
		return;
	}
	tunnel_server_counts(server, &counts);
	send(child_fd, &counts, sizeof(counts), MSG_NOSIGNAL);
}

static int server_run(int fd, int listen_fd, const struct tunnel_server_options *options)
{
	struct tunnel_server *server;
	struct loop_fd *watch;

	child_begin(fd);
	server = tunnel_server_create(child_loop, listen_fd, options);
	if (!server || tunnel_server_way_unix(server, "shell", path_of("backend")) < 0)
		return 2;
	watch = loop_fd_add(child_loop, fd, EPOLLIN, server_command, server);
	if (!watch || loop_run(child_loop) < 0)
		return 3;
	loop_fd_remove(watch);
	tunnel_server_destroy(server);
	loop_destroy(child_loop);
	return 0;
}

static void client_failed(const char *name, const struct reason *reason, void *arg)
{
	char text[REASON_MAX + TUNNEL_NAME_MAX];
	int size = snprintf(text, sizeof(text), "%s: %s", name, reason->text);

	(void) arg;
	send(child_fd, text, (size_t) size + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Any command: listen anew at a socket that was removed. */
static void client_command(uint32_t events, void *arg)
{
	struct tunnel_client *client = arg;
	struct reason reason;
	char command;

	(void) events;
	if (recv(child_fd, &command, 1, 0) <= 0) {
		loop_stop(child_loop);
		return;
	}
	if (tunnel_client_listen(client, "shell", path_of("shell"), &reason) == 0)
		send(child_fd, "listens", 8, MSG_NOSIGNAL);
	else
		send(child_fd, reason.text, strlen(reason.text) + 1, MSG_NOSIGNAL);
}

static int client_run(int fd, unsigned port, const char *token)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t) port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tunnel_client_options options = {
		.address = (struct sockaddr *) &address,
		.address_length = sizeof(address),
		.token = token,
		.token_size = strlen(token),
		.failed = client_failed,
	};
	static const char *const names[] = {"shell", "nowhere", TUNNEL_ORDERS};
	struct tunnel_client *client;
	struct reason reason;
	struct loop_fd *watch;

	child_begin(fd);
	client = tunnel_client_create(child_loop, &options);
	for (size_t i = 0; client && i < sizeof(names) / sizeof(names[0]); i++)
		if (tunnel_client_listen(client, names[i], path_of(names[i]), &reason) < 0)
			return 2;
	watch = loop_fd_add(child_loop, fd, EPOLLIN, client_command, client);
	send(fd, "up", 3, 0);
	if (!client || !watch || loop_run(child_loop) < 0)
		return 3;
	loop_fd_remove(watch);
	tunnel_client_destroy(client);
	loop_destroy(child_loop);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(names[i]));
	return 0;
}

/* In the test. */

static void server_start(const struct tunnel_server_options *options)
{
	struct tunnel_server_options own = *options;
	struct reason reason;
	int fds[2], fd = relay_listen("127.0.0.1", 0, 0, &server_port, &reason);

	own.token = TOKEN;
	own.token_size = strlen(TOKEN);
	own.orders = take_orders;
	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
	    (server_child.pid = fork()) < 0)
		bail_out("server");
	if (server_child.pid == 0) {
		close(fds[0]);
		exit(server_run(fds[1], fd, &own));
	}
	close(fd);
	close(fds[1]);
	server_child.control = fds[0];
}

static void client_start(unsigned port, const char *token)
{
	char up[8];
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 ||
	    (client_child.pid = fork()) < 0)
		bail_out("client");
	if (client_child.pid == 0) {
		close(fds[0]);
		close(server_child.control);
		exit(client_run(fds[1], port, token));
	}
	close(fds[1]);
	client_child.control = fds[0];
	if (recv(fds[0], up, sizeof(up), 0) != 3)
		bail_out("the client does not come up");
}

static void child_stop(struct child *child, const char *what)
{
	int status = -1;

	close(child->control);
	if (waitpid(child->pid, &status, 0) != child->pid)
		bail_out("waitpid");
	is_int(status, 0, "%s ends well", what);
}

static struct tunnel_server_counts counts(void)
{
	struct tunnel_server_counts got = {0};

	if (send(server_child.control, "c", 1, MSG_NOSIGNAL) != 1 ||
	    recv(server_child.control, &got, sizeof(got), 0) != sizeof(got))
		bail_out("the server does not answer");
	return got;
}

/* Whether it comes to be so before the deadline. */
#define becomes(condition)                                                                     \
	({                                                                                     \
		int64_t becomes_until = loop_now() + WAIT_MS;                                  \
		while (!(condition) && loop_now() < becomes_until)                             \
			poll(NULL, 0, 1);                                                      \
		(condition);                                                                   \
	})

static void bound_waits(int fd)
{
	static const struct timeval wait = {.tv_sec = WAIT_MS / 1000};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static struct sockaddr_un unix_address(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path_of(name));
	return address;
}

static void backend_listen(void)
{
	struct sockaddr_un address = unix_address("backend");

	unlink(address.sun_path);
	backend = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (backend < 0 || bind(backend, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    listen(backend, SOMAXCONN) < 0)
		bail_out("backend");
}

static bool ready(int fd, int ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, ms) == 1;
}

static int backend_accept(void)
{
	int fd = ready(backend, WAIT_MS) ? accept4(backend, NULL, NULL, SOCK_CLOEXEC) : -1;

	if (fd < 0)
		bail_out("accept");
	bound_waits(fd);
	return fd;
}

/* A program at the user's end. */
static int local_connect(const char *name)
{
	struct sockaddr_un address = unix_address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		bail_out("connect");
	bound_waits(fd);
	return fd;
}

/* A peer of the server, as a stranger on the network is. */
static int raw_connect(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t) server_port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		bail_out("connect");
	bound_waits(fd);
	return fd;
}

static bool write_all(int fd, const void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = send(fd, (const char *) bytes + at, size - at, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t) n;
	}
	return true;
}

static bool read_all(int fd, void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = recv(fd, (char *) bytes + at, size - at, 0);

		if (n <= 0)
			return false;
		at += (size_t) n;
	}
	return true;
}

static bool carries(int from, int to, const char *text)
{
	char buffer[256];
	size_t size = strlen(text);

	return write_all(from, text, size) && read_all(to, buffer, size) &&
	       memcmp(buffer, text, size) == 0;
}

/* Whether it is closed, or reset, and nothing has come before. */
static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

/* A user's connection, made by hand. */
struct raw {
	int fd;
	struct stream out, in;
	uint8_t sent[4096]; /* all bytes that have gone out */
	size_t sent_size;
};

static bool raw_send(struct raw *raw, const void *bytes, size_t size)
{
	if (raw->sent_size + size <= sizeof(raw->sent)) {
		memcpy(raw->sent + raw->sent_size, bytes, size);
		raw->sent_size += size;
	}
	return write_all(raw->fd, bytes, size);
}

static size_t raw_seal(struct raw *raw, const char *text, bool last, uint8_t frame[512])
{
	return stream_out_copy(&raw->out, frame, text, strlen(text), last);
}

/* As far as the wish.  Whether the server has answered. */
static bool raw_open(struct raw *raw, const char *name)
{
	struct handshake_token token;
	struct handshake handshake;
	struct handshake_keys keys;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE], frame[512];

	memset(raw, 0, sizeof(*raw));
	raw->fd = raw_connect();
	handshake_token_set(&token, TOKEN, strlen(TOKEN));
	handshake_begin(&handshake, &token, cipher_suites(), handshake_random_true, NULL);
	if (!raw_send(raw, handshake.hello, sizeof(handshake.hello)) ||
	    !read_all(raw->fd, answer, sizeof(answer)) ||
	    handshake_finish(&handshake, &token, answer, &keys) < 0)
		return false;
	stream_begin(&raw->in, keys.suite, keys.to_client);
	stream_begin(&raw->out, keys.suite, keys.to_server);
	return raw_send(raw, frame, raw_seal(raw, name, false, frame));
}

/* First word of the server: its size, or -1. */
static int raw_word(struct raw *raw)
{
	uint8_t bytes[STREAM_LENGTH_SIZE + 512], *plain;
	size_t got, length;

	if (!read_all(raw->fd, bytes, STREAM_LENGTH_SIZE))
		return -1;
	length = (size_t) bytes[1] << 16 | (size_t) bytes[2] << 8 | bytes[3];
	if (length > 500 || !read_all(raw->fd, bytes + STREAM_LENGTH_SIZE, length) ||
	    stream_in_take(&raw->in, bytes, length + STREAM_LENGTH_SIZE, &plain, &got) < 0)
		return -1;
	return (int) got;
}

#endif
