/* SPDX-License-Identifier: MIT */
/*
 * Benchmark of the kernel's encrypted way: the same ZeroMQ sockets connected directly over ipc,
 * as kernel and client of one node are, and through the tunnel's two ends, in alternating
 * rounds of one run.  Prints medians next to their bounds.  Run by t/bench/run or by hand, as
 * anybody.
 *
 *     tunnel [--rounds N] [--trips N]
 *
 * All processes share the machine.  "Flat out" the sender is a loop of C that does nothing
 * else, and of the processes on the way each wants a core; no kernel is like that.  "As a
 * kernel's" is the same at the pace at which CPython can serialise and sign output (measured
 * with ipykernel 7, of 4 MB in one message: 50 MB/s; here four times that).  Flat out libsodium
 * is what bounds it: a core of the machine of these figures seals 400 MB/s.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "launcher/head/relay.h"
#include "launcher/tunnel/tunnel_client.h"
#include "launcher/tunnel/tunnel_server.h"

enum {
	MESSAGE = 1024,
	PIECE = 1000000, /* of output in one message */
	PIECES = 100,	 /* 100 MB in all */
	ROUNDS_MAX = 101,
	TRIPS_MAX = 1 << 20,
	RUN_MAX_S = 600,
	WAIT_MS = 60000
};

#define TOKEN "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* An execute round trip at most so much more, 100 MB at least so fast. */
static const double bound_ratio = 0.8, bound_more_us = 150;
static const double kernel_rate = 200e6; /* bytes a second */

static char directory[] = "/tmp/tunnel-bench.XXXXXX";
static char kernel_path[sizeof(directory) + 16], client_path[sizeof(directory) + 16];
static size_t rounds = 11, trips = 1000;
static bool is_child;

static void die(const char *what)
{
	fprintf(stderr, "tunnel benchmark: %s: %s\n", what, zmq_strerror(errno));
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

/* The kernel: answers a message with itself, and "output" with 100 MB. */
static void serve(void)
{
	static char message[PIECE];
	char endpoint[256];
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
	int none = 0;

	zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof(none));
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", kernel_path);
	if (zmq_bind(socket, endpoint) < 0)
		die(endpoint);
	for (;;) {
		char peer[256];
		int peer_size = zmq_recv(socket, peer, sizeof(peer), 0);
		int size = zmq_recv(socket, message, sizeof(message), 0);

		if (peer_size < 0 || size < 0)
			die("kernel");
		if (size == MESSAGE) {
			zmq_send(socket, peer, (size_t) peer_size, ZMQ_SNDMORE);
			zmq_send(socket, message, (size_t) size, 0);
			continue;
		}
		double begin = now(), rate = message[0] == 'p' ? kernel_rate : 0;
		for (int i = 1; i <= PIECES; i++) {
			zmq_send(socket, peer, (size_t) peer_size, ZMQ_SNDMORE);
			zmq_send(socket, message, PIECE, 0);
			double ahead =
				rate > 0 ? i * (double) PIECE / rate - (now() - begin) : 0;
			struct timespec wait = {.tv_nsec = (long) (ahead * 1e9)};
			if (ahead > 0)
				nanosleep(&wait, NULL);
		}
	}
}

/* Processor time that a process has taken so far, in seconds. */
static double taken(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
		die("processor time");
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static pid_t start_head(unsigned *port)
{
	struct tunnel_server_options options = {.token = TOKEN, .token_size = strlen(TOKEN)};
	struct reason reason;
	int fd = relay_listen("127.0.0.1", 0, 0, port, &reason);
	pid_t pid = fd < 0 ? -1 : start();

	if (fd < 0)
		die("listen");
	if (pid == 0) {
		struct loop *loop = loop_create();
		struct tunnel_server *server =
			loop ? tunnel_server_create(loop, fd, &options) : NULL;

		if (!server || tunnel_server_way_unix(server, "shell", kernel_path) < 0)
			die("head");
		loop_run(loop);
		_exit(1);
	}
	close(fd);
	return pid;
}

static pid_t start_proxy(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((in_port_t) port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tunnel_client_options options = {.address = (struct sockaddr *) &address,
						.address_length = sizeof(address),
						.token = TOKEN,
						.token_size = strlen(TOKEN)};
	struct reason reason;
	int up[2];
	char byte;
	pid_t pid;

	if (pipe(up) < 0)
		die("pipe");
	pid = start();
	if (pid == 0) {
		struct loop *loop = loop_create();
		struct tunnel_client *client =
			loop ? tunnel_client_create(loop, &options) : NULL;

		if (!client || tunnel_client_listen(client, "shell", client_path, &reason) < 0)
			die("proxy");
		close(up[0]);
		close(up[1]);
		loop_run(loop);
		_exit(1);
	}
	close(up[1]);
	(void) !read(up[0], &byte, 1);
	close(up[0]);
	return pid;
}

/* The client. */

static void *context;

static void *connect_to(const char *path)
{
	static const int wait = WAIT_MS, none = 0;
	void *socket = zmq_socket(context, ZMQ_DEALER);
	char endpoint[256];

	snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
	zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait, sizeof(wait));
	zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
	zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof(none));
	if (zmq_connect(socket, endpoint) < 0)
		die(endpoint);
	return socket;
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

static double round_trip(void *socket)
{
	static double times[TRIPS_MAX];
	char message[MESSAGE] = {0};

	for (size_t i = 0; i < trips; i++) {
		double begin = now();

		if (zmq_send(socket, message, MESSAGE, 0) < 0 ||
		    zmq_recv(socket, message, MESSAGE, 0) != MESSAGE)
			die("round trip");
		times[i] = now() - begin;
	}
	return median(times, trips);
}

static double output(void *socket, const char *how)
{
	static char message[PIECE];
	double begin = now();

	zmq_send(socket, how, 1, 0);
	for (int i = 0; i < PIECES; i++)
		if (zmq_recv(socket, message, PIECE, 0) != PIECE)
			die("output");
	return now() - begin;
}

static double output_flat_out(void *socket)
{
	return output(socket, "f");
}

static double output_paced(void *socket)
{
	return output(socket, "p");
}

enum { DIRECT, TUNNEL, PATHS };
static double results[PATHS][ROUNDS_MAX];

/* Each round measures both, in turned order; the first is for warming up. */
static void measure(double (*one)(void *socket))
{
	const char *paths[] = {kernel_path, client_path};

	for (size_t i = 0; i <= rounds; i++)
		for (size_t j = 0; j < PATHS; j++) {
			size_t path = (i + j) % PATHS;
			void *socket = connect_to(paths[path]);
			char message[MESSAGE] = {0};

			/* Connected, before the clock runs. */
			if (zmq_send(socket, message, MESSAGE, 0) < 0 ||
			    zmq_recv(socket, message, MESSAGE, 0) != MESSAGE)
				die("connecting");
			results[path][i ? i - 1 : 0] = one(socket);
			zmq_close(socket);
		}
}

static double middle(int path)
{
	double values[ROUNDS_MAX];

	memcpy(values, results[path], sizeof(values));
	return median(values, rounds);
}

static double paired(bool quotient)
{
	double values[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++)
		values[i] = quotient ? results[DIRECT][i] / results[TUNNEL][i]
				     : results[TUNNEL][i] - results[DIRECT][i];
	return median(values, rounds);
}

static const char *verdict(bool met)
{
	return met ? "met" : "MISSED";
}

/* What the two ends take for it decides where cores are few: with the kernel and its client
 * they are four. */
static void print_rate(const char *what, bool bounded, double work)
{
	double ratio = paired(true), megabytes = (double) PIECE * PIECES / 1e6;

	printf("%-34s%8.0f MB/s %8.0f MB/s   ratio %5.2f", what, megabytes / middle(DIRECT),
	       megabytes / middle(TUNNEL), ratio);
	if (bounded)
		printf("   bound >= %.2f: %s", bound_ratio, verdict(ratio >= bound_ratio));
	printf("   ends %.0f ms", work * 1e3 / (double) (rounds + 1));
	putchar('\n');
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || value < 1 || value > max) {
		fprintf(stderr, "tunnel benchmark: \"%s\": allowed are 1 to %lu\n", text, max);
		exit(2);
	}
	return value;
}

static void clean_up(void)
{
	unlink(kernel_path);
	unlink(client_path);
	rmdir(directory);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'r'},
						{"trips", required_argument, NULL, 't'},
						{NULL, 0, NULL, 0}};
	pid_t pids[3];
	unsigned port;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'r':
			rounds = number(optarg, ROUNDS_MAX - 1);
			break;
		case 't':
			trips = number(optarg, TRIPS_MAX);
			break;
		default:
			return 2;
		}
	alarm(RUN_MAX_S);
	if (!mkdtemp(directory))
		die(directory);
	snprintf(kernel_path, sizeof(kernel_path), "%s/kernel", directory);
	snprintf(client_path, sizeof(client_path), "%s/client", directory);
	pids[0] = start();
	if (pids[0] == 0)
		serve();
	pids[1] = start_head(&port);
	pids[2] = start_proxy(port);
	atexit(clean_up);
	context = zmq_ctx_new();

	printf("%zu rounds, %zu round trips of 1 KiB, %d MB in messages of %d MB; medians of "
	       "pairs; %ld cores\n",
	       rounds, trips, PIECE / 1000000 * PIECES, PIECE / 1000000,
	       sysconf(_SC_NPROCESSORS_ONLN));
	printf("%-34s%13s %13s\n", "ZeroMQ", "direct", "tunnel");
	measure(round_trip);
	double more = paired(false) * 1e6;
	printf("%-34s%8.1f us   %8.1f us     more %+6.1f us   bound <= %+.0f us: %s\n",
	       "round trip", middle(DIRECT) * 1e6, middle(TUNNEL) * 1e6, more, bound_more_us,
	       verdict(more <= bound_more_us));
	double before = taken(pids[1]) + taken(pids[2]);
	measure(output_paced);
	double middle_of = taken(pids[1]) + taken(pids[2]);
	print_rate("output, as a kernel's", true, middle_of - before);
	measure(output_flat_out);
	print_rate("output, flat out", false, taken(pids[1]) + taken(pids[2]) - middle_of);

	for (size_t i = 0; i < 3; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return 0;
}
