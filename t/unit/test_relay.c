/* SPDX-License-Identifier: MIT */
/*
 * Tests of what the relay carries (launcher/head/relay_connection.c): bytes in both directions,
 * their ends, resets, and readers that are slow or still.  Run by `make check`, as anybody.
 */
#include <pthread.h>

#include "relay_world.h"

enum { MUCH = 100 << 20, SOME = 1 << 20 };

static const struct relay_options defaults = {.socket_path = NULL};

/* Much data, written and read in pieces of all sizes, so that each byte depends on its place.
 */

struct stream {
	int fd;
	uint64_t seed;
	size_t size, done;
	uint64_t sum;
	bool close; /* shut down when all is written; read until the end */
};

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t mix(uint64_t sum, const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static void *stream_write(void *arg)
{
	struct stream *stream = arg;
	unsigned char buffer[65536];
	uint64_t state = stream->seed;

	while (stream->done < stream->size) {
		size_t size = 1 + next(&state) % sizeof(buffer), at = 0;

		if (size > stream->size - stream->done)
			size = stream->size - stream->done;
		for (size_t i = 0; i < size; i += sizeof(state)) {
			next(&state);
			memcpy(buffer + i, &state,
			       size - i < sizeof(state) ? size - i : sizeof(state));
		}
		stream->sum = mix(stream->sum, buffer, size);
		while (at < size) {
			ssize_t n = send(stream->fd, buffer + at, size - at, MSG_NOSIGNAL);

			if (n <= 0)
				return NULL;
			at += (size_t) n;
			stream->done += (size_t) n;
		}
	}
	if (stream->close)
		shutdown(stream->fd, SHUT_WR);
	return NULL;
}

static void *stream_read(void *arg)
{
	struct stream *stream = arg;
	unsigned char buffer[65536];
	uint64_t state = stream->seed;

	while (stream->close || stream->done < stream->size) {
		size_t size = 1 + next(&state) % sizeof(buffer);
		ssize_t n = recv(stream->fd, buffer, size, 0);

		if (n <= 0)
			break;
		stream->sum = mix(stream->sum, buffer, (size_t) n);
		stream->done += (size_t) n;
	}
	return NULL;
}

static void start(pthread_t *thread, void *(*function)(void *), struct stream *stream)
{
	if (pthread_create(thread, NULL, function, stream) != 0)
		bail_out("pthread_create");
}

static void test_both_ways(void)
{
	struct pair pair = pair_open();
	struct relay_counts before = world_tell('c'), after;
	struct stream streams[4] = {
		{.fd = pair.client, .seed = 1, .size = MUCH, .close = true},
		{.fd = pair.server, .seed = 2, .size = MUCH, .close = true},
		{.fd = pair.server, .seed = 3, .size = MUCH, .close = true},
		{.fd = pair.client, .seed = 4, .size = MUCH, .close = true}};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		start(&threads[i], i % 2 ? stream_read : stream_write, &streams[i]);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 4; i += 2) {
		is_int(streams[i + 1].done, MUCH, "%d MiB %s", MUCH >> 20, i ? "out" : "in");
		ok(streams[i].sum == streams[i + 1].sum, "with the same checksum");
	}
	ok(world_open(0), "and the connection ends");
	pair_close(&pair);
	after = world_tell('c');
	ok(after.bytes_in - before.bytes_in == MUCH &&
		   after.bytes_out - before.bytes_out == MUCH,
	   "all of it was counted");
	ok(after.last_activity_ms > 0 && after.last_activity_ms <= loop_now(),
	   "and when it was");
}

static void test_small(void)
{
	struct pair pair = pair_open();
	int good = 0;

	ok(carries(pair.server, pair.client, "hello"), "the server may speak first");
	for (int i = 0; i < 1000; i++)
		good += echoes(&pair);
	is_int(good, 1000, "questions and answers");
	pair_close(&pair);
	ok(world_open(0), "both sides closed");
}

/* One side ends; the other side still says much, and is heard. */
static void test_half_close(void)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = pair_open();
		int first = i ? pair.server : pair.client,
		    second = i ? pair.client : pair.server;
		struct stream out = {.fd = second, .seed = 5, .size = SOME, .close = true},
			      in = {.fd = first, .seed = 6, .size = SOME, .close = true};
		pthread_t thread;

		ok(carries(first, second, "last words"), "the %s's last words",
		   i ? "server" : "client");
		shutdown(first, SHUT_WR);
		ok(ended(second), "its end");
		start(&thread, stream_write, &out);
		stream_read(&in);
		pthread_join(thread, NULL);
		ok(in.done == SOME && in.sum == out.sum, "it still hears all");
		ok(world_open(0), "and the connection ends");
		pair_close(&pair);
	}
}

static void test_resets(void)
{
	struct pair pair = pair_open();
	char byte;

	reset(pair.client);
	ok(ready(pair.server, WAIT_MS) && recv(pair.server, &byte, 1, 0) <= 0,
	   "a client's reset reaches the server");
	ok(world_open(0), "and ends the connection");
	close(pair.server);

	pair = pair_open();
	ok(carries(pair.client, pair.server, "one"), "a client that says something");
	send(pair.client, "two", 3, 0);
	reset(pair.client);
	is_int(recv(pair.server, &byte, 1, 0), 1, "before its reset is heard");
	close(pair.server);
	ok(world_open(0), "the connection ends");

	/* A server that closes without having read all: over TCP, a reset. */
	pair = pair_open();
	send(pair.client, "unread", 6, 0);
	ready(pair.server, WAIT_MS);
	close(pair.server);
	errno = 0;
	ok(recv(pair.client, &byte, 1, 0) == -1 && errno == ECONNRESET,
	   "a server's reset reaches the client");
	close(pair.client);
	ok(world_open(0), "and ends the connection");

	/* While much is under way: nothing is left behind. */
	for (int i = 0; i < 4; i++) {
		struct stream out = {.seed = 7, .size = MUCH};
		pthread_t thread;

		pair = pair_open();
		out.fd = i & 1 ? pair.server : pair.client;
		start(&thread, stream_write, &out);
		recv(i & 1 ? pair.client : pair.server, &byte, 1, 0);
		if (i & 2)
			reset(i & 1 ? pair.client : pair.server);
		else
			close(i & 1 ? pair.client : pair.server);
		pthread_join(thread, NULL);
		close(out.fd);
	}
	ok(world_open(0), "sudden ends amid much data");
}

/* As a server would by itself: its close leaves no connection open, whatever the client does.
 */
static void test_server_close(void)
{
	struct pair pair = pair_open();

	ok(echoes(&pair), "a client that");
	close(pair.server);
	ok(world_open(0), "does nothing about the server's end is let go");
	ok(ended(pair.client), "with an end");
	close(pair.client);

	pair = pair_open();
	send(pair.server, "late answer", 11, 0);
	close(pair.server);
	ok(world_open(0), "so is one that has not read the answer");
	is_int(recv(pair.client, (char[16]){0}, 16, MSG_WAITALL), 11, "which it then can");
	close(pair.client);
}

/* As much as a still reader's sockets take; whether it comes to rest at all. */
static size_t fill(int fd)
{
	char buffer[65536] = {0};
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
	size_t total = 0;

	while (poll(&poll_fd, 1, 500) == 1 && total < (size_t) 1 << 30) {
		ssize_t n = send(fd, buffer, sizeof(buffer), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			total += (size_t) n;
	}
	return total;
}

static void test_backpressure(void)
{
	for (int i = 0; i < 2; i++) {
		struct pair pair = pair_open(), other = pair_open();
		int writer = i ? pair.server : pair.client,
		    reader = i ? pair.client : pair.server;
		long before = world_status("VmRSS:"), switches;
		unsigned long ticks;
		struct stream in = {.fd = reader, .seed = 8};

		in.size = fill(writer);
		ok(in.size < (size_t) 1 << 30, "a still %s: its writer is held up",
		   i ? "client" : "server");
		ticks = world_ticks();
		switches = world_status("voluntary_ctxt_switches:");
		poll(NULL, 0, 300);
		ok(world_ticks() - ticks < 10 &&
			   world_status("voluntary_ctxt_switches:") - switches < 10,
		   "meanwhile the relay sleeps");
		if (instrumented())
			skip("memory is the instrument's");
		else
			ok(world_status("VmRSS:") - before < 1024, "and keeps nothing");
		ok(echoes(&other), "others go on");
		ok(carries(reader, writer, "the other way"), "so does the other way");
		stream_read(&in);
		is_int(in.done, in.size, "all arrives when it is read");
		ok(echoes(&pair), "and the connection goes on");
		pair_close(&pair);
		pair_close(&other);
		ok(world_open(0), "until it ends");
	}
}

/* A still reader ends while much waits for it. */
static void test_still_end(void)
{
	for (int i = 0; i < 4; i++) {
		struct pair pair = pair_open();
		int writer = i & 1 ? pair.server : pair.client,
		    reader = i & 1 ? pair.client : pair.server;

		fill(writer);
		if (i & 2)
			reset(reader);
		else
			close(reader);
		ok(world_open(0), "a still %s %s", i & 1 ? "client" : "server",
		   i & 2 ? "resets" : "ends");
		close(writer);
	}
}

/* Nothing that comes for a direction that waits already wakes the relay. */
static void test_held_up(void)
{
	static char much[500000];
	struct pair pair = pair_open();
	size_t size = 0;
	long switches;

	/* Less than would stop the client too. */
	while (size < sizeof(much)) {
		ssize_t n = send(pair.client, much, sizeof(much) - size, MSG_DONTWAIT);

		if (n < 0 && !(poll(&(struct pollfd){.fd = pair.client, .events = POLLOUT}, 1,
				    500) == 1))
			break;
		size += n > 0 ? (size_t) n : 0;
	}
	poll(NULL, 0, 100);
	switches = world_status("voluntary_ctxt_switches:");
	for (int i = 0; i < 50; i++) {
		size += send(pair.client, "x", 1, MSG_DONTWAIT) == 1;
		poll(NULL, 0, 2);
	}
	ok(world_status("voluntary_ctxt_switches:") - switches < 25,
	   "more for a server that is held up wakes nobody");
	for (size_t left = size; left > 0;) {
		ssize_t n = recv(pair.server, much, sizeof(much), 0);

		if (n <= 0)
			break;
		left -= (size_t) n;
		size = left;
	}
	is_int(size, 0, "it hears all in the end");
	pair_close(&pair);
	ok(world_open(0), "and ends");
}

/* What has happened by the time the relay comes to it. */
static void test_late_relay(void)
{
	struct pair pair = pair_open();
	char answer[16] = "";
	int good = 0, wanted = 4 << 20;

	ok(echoes(&pair), "while the relay is stopped");
	kill(world.pid, SIGSTOP);
	send(pair.client, "more", 4, 0);
	send(pair.server, "late answer", 11, 0);
	close(pair.server);
	kill(world.pid, SIGCONT);
	ok(recv(pair.client, answer, 11, MSG_WAITALL) == 11, "the server answers and closes");
	close(pair.client);
	ok(world_open(0), "the connection ends");

	/* More than a turn's worth in one go, and no event after it. */
	pair = pair_open();
	if (setsockopt(pair.server, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0) {
		skip("needs root to make a socket's queue longer");
		pair_close(&pair);
		return;
	}
	for (int i = 0; i < 10; i++) {
		struct stream out = {.fd = pair.server, .seed = 11, .size = 3 << 20},
			      in = {.fd = pair.client, .seed = 12, .size = 3 << 20};

		kill(world.pid, SIGSTOP);
		stream_write(&out);
		kill(world.pid, SIGCONT);
		stream_read(&in);
		good += in.done == out.done && in.sum == out.sum;
	}
	is_int(good, 10, "the server says much at once");
	pair_close(&pair);
	ok(world_open(0), "all end");
}

/* One client that takes all it can get, and one that asks small questions. */
static void test_turns(void)
{
	struct pair bulk = pair_open(), small = pair_open();
	struct stream out = {.fd = bulk.client, .seed = 9, .size = MUCH, .close = true},
		      in = {.fd = bulk.server, .seed = 10, .size = MUCH, .close = true};
	pthread_t threads[2];
	int good = 0;

	start(&threads[0], stream_write, &out);
	start(&threads[1], stream_read, &in);
	for (int i = 0; i < 100; i++)
		good += echoes(&small);
	is_int(good, 100, "questions are answered beside much data");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	ok(in.sum == out.sum, "which comes through");
	pair_close(&bulk);
	pair_close(&small);
	ok(world_open(0), "both end");
}

int main(void)
{
	close(scratch_open());
	alarm(300);
	world_begin(&defaults);
	test_small();
	test_both_ways();
	test_half_close();
	test_resets();
	test_server_close();
	test_backpressure();
	test_still_end();
	test_held_up();
	test_late_relay();
	test_turns();
	world_stop();
	return world_done();
}
