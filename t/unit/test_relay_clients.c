/* SPDX-License-Identifier: MIT */
/*
 * Tests of how the relay takes its clients (launcher/head/relay.c): held while the server is
 * not there, let in by network, bounded in number, thousands of them idle, with few descriptors
 * left. Run by `make check`, as anybody.
 */
#include "relay_world.h"

enum { IDLE_MAX = RELAY_CONNECTIONS_MAX - 2, LORISES = 64, RSS_MAX_KB = 3072, SHORT_MS = 100 };

static const struct relay_options defaults = {.socket_path = NULL};

static void test_held(void)
{
	struct pair pair;
	int clients[3];

	world_start("127.0.0.1", &defaults, 0);
	pair.client = client_connect(NULL, world.ip);
	send(pair.client, "early", 5, 0);
	ok(world_open(1), "a client comes in before the server is there");
	ok(!ready(pair.client, SHORT_MS), "and is held");
	server_listen(SOMAXCONN);
	ok(!ready(world.server, SHORT_MS), "until the server is known to be up");
	world_tell('u');
	pair.server = server_accept();
	is_int(recv(pair.server, (char[8]){0}, 5, MSG_WAITALL), 5,
	       "then what it said is heard");
	ok(echoes(&pair), "and it goes on");

	world_tell('d');
	ok(echoes(&pair), "a connection outlives the server's being down");
	for (int i = 0; i < 3; i++)
		clients[i] = client_connect(NULL, world.ip);
	send(clients[1], "second", 6, 0);
	ok(world_open(4), "three more are held");
	reset(clients[0]);
	ok(world_open(3), "one that resets is let go");
	shutdown(clients[1], SHUT_WR);
	world_tell('u');
	pair_close(&pair);
	for (int i = 1; i < 3; i++) {
		char text[8] = "";
		int fd = server_accept();

		if (i == 1)
			ok(recv(fd, text, 6, MSG_WAITALL) == 6, "the first to come");
		else
			ok(!ready(fd, 0), "is the first to be served");
		if (i == 1)
			ok(ended(fd) && carries(fd, clients[1], "yes"),
			   "which had ended its side is served");
		close(fd);
		close(clients[i]);
	}
	ok(world_open(0), "all are gone");
	world_stop();
}

static void test_hold_deadline(void)
{
	const struct relay_options options = {.hold_ms = 300};
	struct pair pair;
	int64_t start;
	int late;

	world_start("127.0.0.1", &options, 0);
	start = loop_now();
	pair.client = client_connect(NULL, world.ip);
	ok(world_open(1), "a client");
	poll(NULL, 0, 50);
	late = client_connect(NULL, world.ip);
	ok(ended(pair.client) && loop_now() - start >= 299, "is not held beyond the deadline");
	ok(ended(late) && loop_now() - start >= 349, "nor is one who came later");
	ok(world_open(0), "which both have left");
	close(pair.client);
	close(late);

	server_listen(SOMAXCONN);
	world_tell('u');
	pair = pair_open();
	poll(NULL, 0, 400);
	ok(echoes(&pair), "one that is served has no deadline");
	pair_close(&pair);
	world_stop();
}

static void test_restart(void)
{
	struct pair pair;

	/* The server has died, and nobody has noticed yet. */
	world_begin(&defaults);
	pair = pair_open();
	server_stop();
	close(pair.server);
	ok(ended(pair.client), "a connection to a server that died");
	close(pair.client);
	pair.client = client_connect(NULL, world.ip);
	ok(!ready(pair.client, SHORT_MS), "a new client is held, though refused");
	unlink(world.socket_path);
	ok(!ready(pair.client, SHORT_MS), "even when the socket has gone");
	server_listen(SOMAXCONN);
	pair.server = server_accept();
	ok(echoes(&pair), "and served by the next server");
	pair_close(&pair);

	/* A server whose queue is full. */
	server_stop();
	server_listen(0);
	{
		int clients[8], servers[8], good = 0;

		for (int i = 0; i < 8; i++)
			clients[i] = client_connect(NULL, world.ip);
		ok(world_open(8), "more clients than the server's queue has room for");
		for (int i = 0; i < 8; i++)
			servers[i] = server_accept();
		for (int i = 0; i < 8; i++)
			good += carries(clients[i], servers[i], "hello");
		is_int(good, 8, "are all served, in their order");
		for (int i = 0; i < 8; i++) {
			close(clients[i]);
			close(servers[i]);
		}
	}
	ok(world_open(0), "and go");
	world_stop();
}

static void test_networks(void)
{
	struct network networks[2];
	struct relay_options options = {.networks = networks, .network_count = 1};
	struct pair pair;
	char byte;
	int fd;

	network_parse("127.0.0.2/32", &networks[0], NULL);
	world_begin(&options);
	fd = client_connect(NULL, "127.0.0.1");
	ok(recv(fd, &byte, 1, 0) <= 0, "a client of another network is refused");
	close(fd);
	pair.client = client_connect("127.0.0.2", "127.0.0.1");
	pair.server = server_accept();
	ok(echoes(&pair), "one of the allowed network is served");
	ok(world_tell('c').refused == 1 && world_tell('c').accepted == 1, "both are counted");
	ok(!ready(world.server, 0), "the server has not seen the first");
	pair_close(&pair);
	world_stop();

	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd,
			   (struct sockaddr *) &(struct sockaddr_in6){
				   .sin6_family = AF_INET6, .sin6_addr.s6_addr[15] = 1},
			   sizeof(struct sockaddr_in6)) < 0) {
		skip("no IPv6 here");
		return;
	}
	close(fd);
	network_parse("127.0.0.0/8", &networks[0], NULL);
	network_parse("::1", &networks[1], NULL);
	options.network_count = 2;
	world_start("::", &options, 0);
	server_listen(SOMAXCONN);
	world_tell('u');
	pair.client = client_connect(NULL, "127.0.0.1");
	pair.server = server_accept();
	ok(echoes(&pair), "\"::\" is IPv4 too, matched as such");
	pair_close(&pair);
	pair.client = client_connect(NULL, "::1");
	pair.server = server_accept();
	ok(echoes(&pair), "and IPv6");
	pair_close(&pair);
	world_stop();
}

static void test_limit(void)
{
	const struct relay_options options = {.connections_max = 3};
	struct pair pairs[3], late;
	unsigned long ticks;

	world_begin(&options);
	for (int i = 0; i < 3; i++)
		pairs[i] = pair_open();
	late.client = client_connect(NULL, world.ip);
	ticks = world_ticks();
	ok(!ready(world.server, 3 * SHORT_MS), "one more than the limit waits");
	ok(world_ticks() - ticks < 10, "without the relay turning round and round");
	ok(echoes(&pairs[0]), "the others go on");
	pair_close(&pairs[1]);
	late.server = server_accept();
	ok(echoes(&late), "it is served when one has ended");
	pair_close(&pairs[0]);
	pair_close(&pairs[2]);
	pair_close(&late);
	ok(world_open(0), "all end");
	world_stop();
}

static void test_few_files(void)
{
	enum { CLIENTS = 40 };
	static struct pair pairs[CLIENTS];
	unsigned long ticks;
	int served = 0, got = 0;

	world_start("127.0.0.1", &defaults, 32);
	server_listen(SOMAXCONN);
	world_tell('u');
	for (int i = 0; i < CLIENTS; i++)
		pairs[i].client = client_connect(NULL, world.ip);
	while (served < CLIENTS && ready(world.server, 5 * SHORT_MS))
		pairs[served++].server = server_accept();
	ok(served > 4 && served < CLIENTS, "of %d clients %d are served with 32 descriptors",
	   CLIENTS, served);
	ticks = world_ticks();
	ok(!ready(world.server, 5 * SHORT_MS), "the others wait");
	ok(world_ticks() - ticks < 10, "without the relay turning round and round");
	for (int i = 0; i < served; i++)
		got += echoes(&pairs[i]);
	is_int(got, served, "those who are served are not disturbed");
	{
		/* There is no descriptor for a pipe either. */
		static char much[1 << 20];
		size_t left = sizeof(much), sent = 0;
		ssize_t n = 1;

		while (left > 0 && n > 0) {
			n = send(pairs[0].client, much, sizeof(much) - sent, MSG_DONTWAIT);
			sent += n > 0 ? (size_t) n : 0;
			n = recv(pairs[0].server, much, left, 0);
			left -= n > 0 ? (size_t) n : 0;
		}
		is_int(left, 0, "nor is one who sends much");
	}
	for (int i = 0; i < CLIENTS; i++) {
		if (i >= served)
			pairs[i].server = server_accept();
		got = echoes(&pairs[i]);
		pair_close(&pairs[i]);
		if (!got)
			break;
	}
	ok(got, "all are served as others end");
	ok(world_open(0), "and end");
	world_stop();
}

/* As many as there may be, each of which has said something, and then nothing for long; beside
 * them some that dribble, and one that works. */
static void test_idle(void)
{
	static struct pair pairs[IDLE_MAX];
	struct pair busy;
	struct rlimit limit;
	long before, after, switches;
	int count = IDLE_MAX, files, good = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < 2 * IDLE_MAX + 100) {
		count = ((int) limit.rlim_max - 100) / 2;
		tap_note("only %d connections: the hard limit of descriptors is low", count);
	}
	world_begin(&defaults);
	busy = pair_open();
	good = echoes(&busy);
	before = world_status("VmRSS:");
	files = world_files();
	for (int i = 0; i < count; i++) {
		pairs[i] = pair_open();
		good += echoes(&pairs[i]);
	}
	is_int(good, count + 1, "%d connections", count + 1);
	for (int i = 0; i < 40; i++) {
		/* Enough to go through a pipe, both ways. */
		static char much[32768];

		good += send(pairs[i].client, much, sizeof(much), 0) == sizeof(much) &&
			recv(pairs[i].server, much, sizeof(much), MSG_WAITALL) == sizeof(much);
		good += send(pairs[i].server, much, sizeof(much), 0) == sizeof(much) &&
			recv(pairs[i].client, much, sizeof(much), MSG_WAITALL) == sizeof(much);
	}
	is_int(good, count + 81, "some carry more");
	after = world_status("VmRSS:");
	tap_note("%ld kB for %d idle connections, %ld kB in all", after - before, count, after);
	if (instrumented())
		skip("memory is the instrument's");
	else
		ok(after - before < RSS_MAX_KB, "cost little memory");
	ok(world_files() - files <= 2 * count + 32, "and two descriptors each");
	switches = world_status("voluntary_ctxt_switches:");
	poll(NULL, 0, 300);
	ok(world_status("voluntary_ctxt_switches:") - switches < 3, "and no wake-up");

	good = 0;
	for (int i = 0; i < 500; i++) {
		good += send(pairs[i % LORISES].client, "x", 1, 0) == 1;
		good += echoes(&busy);
	}
	is_int(good, 1000, "one that works is not hindered, slow ones beside it");
	for (int i = 0; i < count; i++)
		pair_close(&pairs[i]);
	ok(world_open(1), "all but one end");
	pair_close(&busy);
	world_stop();
}

/* /proc/net/tcp: the timer that runs for a connection of the relay's port; 2 is keepalive. */
static int keepalive_timer(void)
{
	char line[256];
	unsigned port, state, timer;
	int found = -1;
	FILE *file = fopen("/proc/net/tcp", "re");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%*d: %*x:%x %*x:%*x %x %*x:%*x %x:", &port, &state, &timer) ==
			    3 &&
		    port == world.port && state == TCP_ESTABLISHED)
			found = (int) timer;
	fclose(file);
	return found;
}

static void test_keepalive(void)
{
	struct pair pair;
	int64_t deadline = loop_now() + WAIT_MS;
	int timer;

	world_begin(&defaults);
	pair = pair_open();
	ok(echoes(&pair), "a client");
	/* Until the acknowledgement of what was sent last is in. */
	while ((timer = keepalive_timer()) != 2 && timer >= 0 && loop_now() < deadline)
		poll(NULL, 0, 10);
	if (timer < 0)
		skip("/proc/net/tcp shows nothing");
	else
		is_int(timer, 2, "is asked now and then whether it is still there");
	pair_close(&pair);
	world_stop();
}

static void test_end(void)
{
	struct pair pairs[4];
	int held;

	world_begin(&defaults);
	for (int i = 0; i < 4; i++)
		pairs[i] = pair_open();
	world_tell('d');
	held = client_connect(NULL, world.ip);
	ok(world_open(5), "connections of all sorts");
	world_stop();
	ok(ended(held), "all end with the relay: a held one");
	close(held);
	for (int i = 0; i < 4; i++) {
		ok(ended(pairs[i].client) && ended(pairs[i].server), "a served one");
		pair_close(&pairs[i]);
	}
}

int main(void)
{
	close(scratch_open());
	alarm(300);
	test_held();
	test_hold_deadline();
	test_restart();
	test_networks();
	test_limit();
	/* It closes what was accepted beyond the limit, where the kernel accepts nothing. */
	if (under_valgrind())
		skip("valgrind has its own idea of few descriptors");
	else
		test_few_files();
	test_idle();
	test_keepalive();
	test_end();
	return world_done();
}
