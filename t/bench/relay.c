/* SPDX-License-Identifier: MIT */
/*
 * Benchmark of the relay: the same client and the same server, connected directly over TCP,
 * through the relay, and (HTTP only) through configurable-http-proxy, in alternating rounds of
 * one run. Prints medians, and ratios next to their bounds.  Run by t/bench/relay.sh or by
 * hand, as anybody.
 *
 *     relay [--rounds N] [--mib N] [--trips N] [--chp PROGRAM]
 *
 * Client, relay and server share the machine.  "Flat out" they go as fast as memory can be
 * copied, and a machine of two cores has one core too few for the three of them; "10 Gbit/s" is
 * the same with a client that takes or gives no more than such a link does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "launcher/head/relay.h"

enum {
	CHUNK = 65536,
	MESSAGE = 1024,
	ROUNDS_MAX = 1001,
	CHP_START_MS = 20000,
	RUN_MAX_S = 1800 /* a hang ends then */
};

/* What the relay is to keep: see the README. */
static const double bound_ratio = 0.9, bound_more_us = 30;

/* Bytes a second of a 10 Gbit/s link. */
static const double link_rate = 1.25e9;

/* A raw request is this, or else it is HTTP. */
enum operation { SINK = 1, SOURCE = 2, ECHO = 3 };
struct request {
	uint8_t operation;
	uint8_t padding[7];
	uint64_t bytes;
};

static bool is_child;

static void die(const char *what)
{
	fprintf(stderr, "relay benchmark: %s: %s\n", what, strerror(errno));
	if (is_child)
		_exit(1);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static bool write_all(int fd, const void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = send(fd, (const char *) data + at, size - at, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t) n;
	}
	return true;
}

static bool read_all(int fd, void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = recv(fd, (char *) data + at, size - at, 0);

		if (n <= 0)
			return false;
		at += (size_t) n;
	}
	return true;
}

/* Sleeps when more bytes have passed than the rate allows, by a millisecond's worth at least
 * (so that the sleep's own inexactness does not count); rate 0: no bound. */
static void keep_pace(double begin, uint64_t bytes, double rate)
{
	double ahead = rate > 0 ? (double) bytes / rate - (now() - begin) : 0;
	struct timespec wait = {.tv_nsec = (long) (ahead * 1e9)};

	if (ahead > 0.001)
		nanosleep(&wait, NULL);
}

static bool write_many(int fd, uint64_t bytes, double rate)
{
	static char chunk[CHUNK];
	double begin = now();

	for (uint64_t left = bytes; left > 0;) {
		size_t size = left < CHUNK ? (size_t) left : CHUNK;

		if (!write_all(fd, chunk, size))
			return false;
		left -= size;
		keep_pace(begin, bytes - left, rate);
	}
	return true;
}

static bool read_many(int fd, uint64_t bytes, double rate)
{
	char chunk[CHUNK];
	double begin = now();

	for (uint64_t left = bytes; left > 0;) {
		ssize_t n = recv(fd, chunk, left < CHUNK ? (size_t) left : CHUNK, 0);

		if (n <= 0)
			return false;
		left -= (uint64_t) n;
		keep_pace(begin, bytes - left, rate);
	}
	return true;
}

/* Up to the empty line.  What comes with it is of the body: its size, or -1. */
static ssize_t read_head(int fd, char *head, size_t room)
{
	size_t size = 0;
	char *end;

	for (;;) {
		ssize_t n = recv(fd, head + size, room - 1 - size, 0);

		if (n <= 0)
			return -1;
		size += (size_t) n;
		head[size] = '\0';
		end = strstr(head, "\r\n\r\n");
		if (end)
			return (ssize_t) (size - (size_t) (end + 4 - head));
		if (size == room - 1)
			return -1;
	}
}

/* The server. */

static bool serve_http(int fd)
{
	char head[4096], reply[256 + MESSAGE];
	uint64_t bytes;
	int size;

	if (read_head(fd, head, sizeof(head)) != 0 ||
	    sscanf(head, "GET /%" SCNu64, &bytes) != 1)
		return false;
	size = snprintf(reply, 256,
			"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
			"Content-Length: %" PRIu64 "\r\n\r\n",
			bytes);
	if (bytes > MESSAGE)
		return write_all(fd, reply, (size_t) size) && write_many(fd, bytes, 0);
	memset(reply + size, 'x', (size_t) bytes);
	return write_all(fd, reply, (size_t) size + (size_t) bytes);
}

static bool serve_raw(int fd)
{
	struct request request;
	char message[MESSAGE];

	if (!read_all(fd, &request, sizeof(request)))
		return false;
	switch (request.operation) {
	case SINK:
		return read_many(fd, request.bytes, 0) && write_all(fd, "", 1);
	case SOURCE:
		return write_many(fd, request.bytes, 0);
	case ECHO:
		for (uint64_t left = request.bytes; left > 0; left -= MESSAGE)
			if (!read_all(fd, message, MESSAGE) || !write_all(fd, message, MESSAGE))
				return false;
		return true;
	}
	return false;
}

static void *serve_client(void *arg)
{
	int fd = (int) (intptr_t) arg;
	char first;
	bool more = true;

	while (more && recv(fd, &first, 1, MSG_PEEK) == 1)
		more = first == 'G' ? serve_http(fd) : serve_raw(fd);
	close(fd);
	return NULL;
}

static void serve(int tcp_fd, int unix_fd)
{
	static const int on = 1;
	struct pollfd fds[] = {{.fd = tcp_fd, .events = POLLIN},
			       {.fd = unix_fd, .events = POLLIN}};

	while (poll(fds, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			pthread_t thread;
			int fd = fds[i].revents ? accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC)
						: -1;

			if (fd < 0)
				continue;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			if (pthread_create(&thread, NULL, serve_client,
					   (void *) (intptr_t) fd) == 0)
				pthread_detach(thread);
			else
				close(fd);
		}
	die("server");
}

/* Processes: each ends with this one. */

static pid_t start(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		is_child = true;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int listen_tcp(unsigned *port)
{
	struct reason reason;
	int fd = relay_listen("127.0.0.1", 0, 0, port, &reason);

	if (fd < 0) {
		fprintf(stderr, "relay benchmark: %s\n", reason.text);
		exit(1);
	}
	return fd;
}

static pid_t start_server(const char *path, unsigned *port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int tcp_fd = listen_tcp(port), unix_fd;
	pid_t pid;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (unix_fd < 0 || bind(unix_fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    listen(unix_fd, 128) < 0)
		die(path);
	pid = start();
	if (pid == 0)
		serve(tcp_fd, unix_fd);
	close(tcp_fd);
	close(unix_fd);
	return pid;
}

static pid_t start_relay(const char *path, unsigned *port)
{
	int fd = listen_tcp(port);
	struct relay_options options = {.socket_path = path};
	pid_t pid = start();

	if (pid == 0) {
		struct loop *loop = loop_create();
		struct relay *relay = loop ? relay_create(loop, fd, &options) : NULL;

		if (!relay)
			die("relay");
		relay_backend(relay, true);
		loop_run(loop);
		_exit(1);
	}
	close(fd);
	return pid;
}

/* The client. */

static int try_connect(unsigned port)
{
	static const int on = 1;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t) port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void ask(int fd, enum operation operation, uint64_t bytes)
{
	struct request request = {.operation = (uint8_t) operation, .bytes = bytes};

	if (!write_all(fd, &request, sizeof(request)))
		die("request");
}

static bool get(int fd, uint64_t bytes)
{
	char text[4096];
	ssize_t body;
	int size = snprintf(text, sizeof(text),
			    "GET /%" PRIu64 " HTTP/1.1\r\nHost: localhost\r\n\r\n", bytes);

	if (!write_all(fd, text, (size_t) size))
		return false;
	body = read_head(fd, text, sizeof(text));
	return body >= 0 && strncmp(text, "HTTP/1.1 200 ", 13) == 0 &&
	       read_many(fd, bytes - (uint64_t) body, 0);
}

static uint64_t bulk_bytes = UINT64_C(256) << 20;
static size_t trips = 2000;

/* What is measured: seconds, of all the bytes or of the median round trip. */
static double push(int fd, double rate)
{
	double begin = now();
	char answer;

	ask(fd, SINK, bulk_bytes);
	if (!write_many(fd, bulk_bytes, rate) || !read_all(fd, &answer, 1))
		die("upload");
	return now() - begin;
}

static double pull(int fd, double rate)
{
	double begin = now();

	ask(fd, SOURCE, bulk_bytes);
	if (!read_many(fd, bulk_bytes, rate))
		die("download");
	return now() - begin;
}

static double upload(int fd)
{
	return push(fd, 0);
}

static double download(int fd)
{
	return pull(fd, 0);
}

static double upload_link(int fd)
{
	return push(fd, link_rate);
}

static double download_link(int fd)
{
	return pull(fd, link_rate);
}

static double round_trip(int fd)
{
	static double times[1 << 20];
	char message[MESSAGE] = {0};

	ask(fd, ECHO, trips * MESSAGE);
	for (size_t i = 0; i < trips; i++) {
		double begin = now();

		if (!write_all(fd, message, MESSAGE) || !read_all(fd, message, MESSAGE))
			die("round trip");
		times[i] = now() - begin;
	}
	return median(times, trips);
}

static double http_download(int fd)
{
	double begin = now();

	if (!get(fd, bulk_bytes))
		die("HTTP download");
	return now() - begin;
}

static double http_round_trip(int fd)
{
	static double times[1 << 20];

	for (size_t i = 0; i < trips; i++) {
		double begin = now();

		if (!get(fd, MESSAGE))
			die("HTTP round trip");
		times[i] = now() - begin;
	}
	return median(times, trips);
}

static pid_t start_chp(const char *program, unsigned server_port, unsigned *port)
{
	char ports[2][16], target[64];
	unsigned api_port;
	int fds[2] = {listen_tcp(port), listen_tcp(&api_port)}, fd = -1;
	double deadline = now() + CHP_START_MS / 1e3;
	pid_t pid;

	snprintf(ports[0], sizeof(ports[0]), "%u", *port);
	snprintf(ports[1], sizeof(ports[1]), "%u", api_port);
	snprintf(target, sizeof(target), "http://127.0.0.1:%u", server_port);
	close(fds[0]);
	close(fds[1]);
	pid = start();
	if (pid == 0) {
		setenv("CONFIGPROXY_AUTH_TOKEN", "benchmark", 1);
		execlp(program, program, "--ip", "127.0.0.1", "--port", ports[0], "--api-ip",
		       "127.0.0.1", "--api-port", ports[1], "--default-target", target,
		       "--log-level", "error", NULL);
		_exit(127);
	}
	while (fd < 0 && now() < deadline && waitpid(pid, NULL, WNOHANG) == 0) {
		fd = try_connect(*port);
		if (fd >= 0 && !get(fd, MESSAGE)) {
			close(fd);
			fd = -1;
		}
		if (fd < 0)
			poll(NULL, 0, 20);
	}
	if (fd < 0) {
		fprintf(stderr, "relay benchmark: %s does not answer\n", program);
		exit(1);
	}
	close(fd);
	return pid;
}

enum { DIRECT, RELAY, CHP, PATHS };
static unsigned path_ports[PATHS];
static size_t rounds = 15;

/* Each round measures every path, in turned order; the first is for warming up. */
static void measure(double (*one)(int fd), size_t paths, double results[][ROUNDS_MAX])
{
	for (size_t i = 0; i <= rounds; i++)
		for (size_t j = 0; j < paths; j++) {
			size_t path = (i + j) % paths;
			int fd = try_connect(path_ports[path]);

			if (fd < 0)
				die("connect");
			results[path][i ? i - 1 : 0] = one(fd);
			close(fd);
		}
}

/* The median of a/b, or of a-b, pair by pair. */
static double paired(const double *a, const double *b, bool quotient)
{
	double values[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++)
		values[i] = quotient ? a[i] / b[i] : a[i] - b[i];
	return median(values, rounds);
}

static double results[PATHS][ROUNDS_MAX];

static double middle(int path)
{
	double values[ROUNDS_MAX];

	memcpy(values, results[path], sizeof(values));
	return median(values, rounds);
}

static const char *verdict(bool met)
{
	return met ? "met" : "MISSED";
}

static void print_rate(const char *what, int other)
{
	double ratio = paired(results[other], results[RELAY], true);
	double megabytes = (double) bulk_bytes / 1e6;

	printf("%-26s%8.0f MB/s %8.0f MB/s   ratio %5.2f    ", what, megabytes / middle(other),
	       megabytes / middle(RELAY), ratio);
	if (other == CHP)
		printf("bound: well above 1\n");
	else
		printf("bound >= %.2f: %s\n", bound_ratio, verdict(ratio >= bound_ratio));
}

static void print_latency(const char *what, int other)
{
	double more = paired(results[RELAY], results[other], false) * 1e6;

	printf("%-26s%8.1f us   %8.1f us     more %+6.1f us ", what, middle(other) * 1e6,
	       middle(RELAY) * 1e6, more);
	if (other == CHP)
		printf("bound: well below 0\n");
	else
		printf("bound <= %+.0f us: %s\n", bound_more_us,
		       verdict(more <= bound_more_us));
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value < 1 || value > max) {
		fprintf(stderr, "relay benchmark: \"%s\": allowed are 1 to %lu\n", text, max);
		exit(2);
	}
	return value;
}

static char directory[] = "/tmp/relay-bench.XXXXXX", path[sizeof(directory) + 8];

static void clean_up(void)
{
	unlink(path);
	rmdir(directory);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"mib", required_argument, NULL, 'm'},
						{"trips", required_argument, NULL, 't'},
						{"chp", required_argument, NULL, 'c'},
						{NULL, 0, NULL, 0}};
	const char *chp = NULL;
	pid_t pids[PATHS];
	size_t paths = 2;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'r':
			rounds = number(optarg, ROUNDS_MAX);
			break;
		case 'm':
			bulk_bytes = (uint64_t) number(optarg, 1 << 20) << 20;
			break;
		case 't':
			trips = number(optarg, 1 << 20);
			break;
		case 'c':
			chp = optarg;
			break;
		default:
			return 2;
		}
	alarm(RUN_MAX_S);
	if (!mkdtemp(directory))
		die(directory);
	atexit(clean_up);
	snprintf(path, sizeof(path), "%s/server", directory);
	pids[DIRECT] = start_server(path, &path_ports[DIRECT]);
	pids[RELAY] = start_relay(path, &path_ports[RELAY]);
	if (chp) {
		pids[CHP] = start_chp(chp, path_ports[DIRECT], &path_ports[CHP]);
		paths = 3;
	}

	printf("%zu rounds of %" PRIu64 " MiB, %zu round trips of 1 KiB; medians of pairs; "
	       "%ld cores\n",
	       rounds, bulk_bytes >> 20, trips, sysconf(_SC_NPROCESSORS_ONLN));
	printf("%-26s%13s %13s\n", "TCP", "direct", "relay");
	measure(upload, 2, results);
	print_rate("upload, flat out", DIRECT);
	measure(download, 2, results);
	print_rate("download, flat out", DIRECT);
	measure(upload_link, 2, results);
	print_rate("upload, 10 Gbit/s", DIRECT);
	measure(download_link, 2, results);
	print_rate("download, 10 Gbit/s", DIRECT);
	measure(round_trip, 2, results);
	print_latency("round trip", DIRECT);
	printf("%-26s%13s %13s\n", "HTTP", "direct", "relay");
	measure(http_download, paths, results);
	print_rate("GET, flat out", DIRECT);
	if (chp)
		print_rate("  CHP instead of direct", CHP);
	measure(http_round_trip, paths, results);
	print_latency("GET of 1 KiB", DIRECT);
	if (chp)
		print_latency("  CHP instead of direct", CHP);

	for (size_t i = 0; i < paths; i++)
		stop(pids[i]);
	return 0;
}
