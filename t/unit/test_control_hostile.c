/* SPDX-License-Identifier: MIT */
/*
 * Tests of the control plane against enemies: what strangers, other users and broken agents
 * send to the control port, with a real munged and real connections.  Run by `make check` as
 * any user; as root more is tested.
 */
#include "control_world.h"

#define HELLO "control.hello"

enum { HELLO_SIZE = FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX, NOBODY = 65534 };

static struct keys alice, mallory;

/* Every test ends with it: whatever was sent, an agent joins as ever. */
static void still_open(const char *after)
{
	struct agent agent;
	int before = head.joined[7];

	agent_open(&agent, 7);
	wait_for(head.joined[7] > before && agent.welcomed, SOON);
	is_int(head.joined[7], before + 1, "after %s an agent joins as ever", after);
	agent_close(&agent);
	wait_for(head.lost[7] == before + 1, SOON);
}

/* Sends the payload as a hello over a connection with the keys; the answer. */
static struct heard hello_send(const struct keys *keys, const char *payload, size_t size)
{
	struct raw raw;
	struct heard heard;

	raw_open(&raw, keys);
	raw_send(&raw, HELLO, payload, size);
	heard = raw_hear(&raw, SOON);
	raw_close(&raw);
	return heard;
}

static void is_rejected(struct heard heard, const char *words, const char *what)
{
	ok(strcmp(heard.type, "control.reject") == 0 && strstr(heard.payload, words),
	   "%s: %s \"%s\"", what, heard.type, heard.payload);
	wait_for(strstr(head.rejected_reason, words), SOON);
	ok(strstr(head.rejected_reason, words), "the head tells: %s", head.rejected_reason);
}

static void test_claims(void)
{
	struct frame_claim claim;
	char payload[HELLO_SIZE], other[FRAME_CLAIM_MAX];

	claim_make(&claim, 0, &alice);
	snprintf(claim.job_id, sizeof(claim.job_id), "%s", "4712");
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "job 4712 joins job 4711",
		    "an agent of another job");

	claim_make(&claim, AGENTS, &alice);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)),
		    "rank 8 joins a session of 8 agents", "a rank that there is not");

	claim_make(&claim, 0, &alice);
	snprintf(claim.head_key, sizeof(claim.head_key), "%s", mallory.public_key);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "for another head",
		    "a hello for another head");

	claim_make(&claim, 0, &mallory);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "of another connection",
		    "a hello that names another's key");

	/* The credential of one rank with the claim of another. */
	claim_make(&claim, 1, &alice);
	frame_claim_format(&claim, other);
	claim.rank = 2;
	hello_make(payload, &claim, other, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "made for another claim",
		    "a claim that munge did not sign");

	claim_make(&claim, 1, &alice);
	hello_make(payload, &claim, "", 60);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "made for another claim",
		    "a credential with nothing in it");

	frame_claim_format(&claim, payload);
	snprintf(payload + strlen(payload), 32, "\nMUNGE:AwQFAABBBB:");
	is_rejected(hello_send(&alice, payload, strlen(payload)), "munge credential is",
		    "a forged credential");
	still_open("wrong claims");
}

static void test_malformed_hello(void)
{
	struct frame_claim claim;
	char payload[HELLO_SIZE], *line;
	size_t size;

	claim_make(&claim, 0, &alice);
	hello_make(payload, &claim, NULL, 60);
	memcpy(strstr(payload, "control 1"), "control 2", 9);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "protocol version 2",
		    "another version");
	is_rejected(hello_send(&alice, "", 0), "a hello that is none", "an empty hello");
	hello_make(payload, &claim, NULL, 60);
	line = strstr(payload, "rank 0");
	memcpy(line, "rank x", 6);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "malformed hello",
		    "a rank that is no number");
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&alice, payload, strlen(payload) / 4), "malformed hello",
		    "a part of a hello");
	size = strlen(payload);
	payload[10] = '\0';
	is_rejected(hello_send(&alice, payload, size), "a hello that is none",
		    "a hello with a NUL in it");
	still_open("malformed hellos");
}

static void test_replay(void)
{
	struct frame_claim claim;
	struct heard heard;
	struct raw raw;
	char payload[HELLO_SIZE];

	claim_make(&claim, 3, &alice);
	hello_make(payload, &claim, NULL, 60);
	raw_open(&raw, &alice);
	raw_send(&raw, HELLO, payload, strlen(payload));
	heard = raw_hear(&raw, SOON);
	is_str(heard.type, "control.welcome", "a hello is welcomed");
	is_str(heard.payload, claim.nonce, "with its nonce");

	is_rejected(hello_send(&mallory, payload, strlen(payload)), "of another connection",
		    "the same frames over another connection");
	is_rejected(hello_send(&alice, payload, strlen(payload)), "was used before (replayed)",
		    "the same frames with the same key");
	is_int(head.joined[3], 1, "joined once");
	is_int(head.lost[3], 0, "and there undisturbed");

	raw_send(&raw, HELLO, payload, strlen(payload));
	wait_for(strstr(head.rejected_reason, "a second hello"), SOON);
	ok(strstr(head.rejected_reason, "a second hello"),
	   "the same frames over the same connection: %s", head.rejected_reason);
	raw_send(&raw, "status", "fine", 4);
	wait_for(head.messages, SOON);
	is_int(head.messages, 1, "whose agent goes on");
	raw_close(&raw);
	wait_for(head.lost[3], SOON);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "was used before (replayed)",
		    "the same frames when the agent has gone");
	still_open("replays");
}

static void test_expired(void)
{
	struct frame_claim claim;
	char payload[HELLO_SIZE];

	claim_make(&claim, 0, &alice);
	hello_make(payload, &claim, NULL, 1);
	run_for(3000);
	is_rejected(hello_send(&alice, payload, strlen(payload)), "has expired",
		    "a credential of 1 s after 3 s");
}

/* In a child that is nobody: a hello whose credential root may read, written to a pipe. */
static void make_as_nobody(const struct frame_claim *claim, int out)
{
	char text[FRAME_CLAIM_MAX], command[256];
	FILE *pipe;
	int size = frame_claim_format(claim, text);

	if (size < 0 || setuid(NOBODY) < 0)
		_exit(1);
	if (dup2(out, 1) < 0 || write(1, text, (size_t) size) != size || write(1, "\n", 1) != 1)
		_exit(1);
	snprintf(command, sizeof(command), "munge -S %s -u 0", getenv("MUNGE_SOCKET"));
	pipe = popen(command, "w");
	if (!pipe || fwrite(text, 1, (size_t) size, pipe) != (size_t) size)
		_exit(1);
	_exit(pclose(pipe) == 0 ? 0 : 1);
}

static void test_wrong_uid(void)
{
	struct process process;
	struct frame_claim claim;
	char payload[HELLO_SIZE] = "";
	int pipes[2], status;
	size_t size = 0;
	ssize_t more;
	pid_t child;

	if (geteuid() != 0) {
		skip("another uid needs root");
		return;
	}
	process_open(&process, 0, 0, 0, NOBODY, NULL);
	wait_for(process_said(&process, "lost"), SOON);
	ok(process_said(&process, "is of another user"),
	   "an agent of another user is turned away: %s", process.said);
	ok(strstr(head.rejected_reason,
		  "rank 0 on process: the munge credential is of another"),
	   "the head tells: %s", head.rejected_reason);
	process_close(&process);

	claim_make(&claim, 0, &mallory);
	if (pipe2(pipes, O_CLOEXEC) < 0)
		bail_out("pipe2");
	child = fork();
	if (child == 0)
		make_as_nobody(&claim, pipes[1]);
	close(pipes[1]);
	while ((more = read(pipes[0], payload + size, sizeof(payload) - 1 - size)) > 0)
		size += (size_t) more;
	close(pipes[0]);
	waitpid(child, &status, 0);
	while (size > 0 && payload[size - 1] == '\n')
		payload[--size] = '\0';
	if (status != 0 || size == 0) {
		skip("munge(1) is not there");
		return;
	}
	is_rejected(hello_send(&mallory, payload, size),
		    "is of uid 65534, the session of uid 0",
		    "another user's credential that the head may read");
	is_int(head.joined[0], 0, "nobody has joined");
}

static void test_garbage_frames(void)
{
	static const char *const types[] = {
		"control.ping", "control.welcome", "control.x", "status", "", "-x", "a b",
		"\xff"};
	static char junk[60000];
	struct frame_claim claim;
	struct heard heard;
	struct raw raw;
	char payload[HELLO_SIZE];
	int rejected = head.rejected;

	if (getrandom(junk, sizeof(junk), 0) != sizeof(junk))
		bail_out("getrandom");
	raw_open(&raw, &alice);
	raw_frames(&raw, 1, "status", 6);
	raw_frames(&raw, 3, "status", 6);
	raw_frames(&raw, 1000, "status", 6);
	raw_frames(&raw, 1, "", 0);
	raw_frames(&raw, 2, junk, sizeof(junk));
	raw_frames(&raw, 5, junk, sizeof(junk));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		raw_send(&raw, types[i], "x", 1);
	wait_for(head.rejected > rejected, SOON);
	ok(head.rejected > rejected, "garbage is told: %s", head.rejected_reason);
	is_int(head.messages, 0, "nothing gets through without a hello");

	claim_make(&claim, 0, &alice);
	hello_make(payload, &claim, NULL, 60);
	raw_send(&raw, HELLO, payload, strlen(payload));
	heard = raw_hear(&raw, SOON);
	is_str(heard.type, "control.welcome", "with one it does join");
	raw_frames(&raw, 1, "status", 6);
	raw_frames(&raw, 3, "status", 6);
	raw_frames(&raw, 2, junk, sizeof(junk));
	raw_send(&raw, "control.x", "", 0);
	raw_send(&raw, "control.welcome", "", 0);
	raw_send(&raw, "a b", "", 0);
	raw_send(&raw, "status", "good", 4);
	wait_for(head.messages, SOON);
	is_int(head.messages, 1, "an agent's garbage is dropped, its message is not");
	is_int(head.lost[0], 0, "nor is the agent");
	raw_close(&raw);
	still_open("garbage");
}

static void test_flood_of_garbage(void)
{
	struct raw raw;
	int before = head.rejected;
	int64_t begin = loop_now();

	raw_open(&raw, &mallory);
	for (int i = 0; i < 20000; i++) {
		raw_send(&raw, "status", "x", 1);
		if (i % 200 == 0)
			step();
	}
	wait_for(strstr(head.rejected_reason, "more messages"), SOON);
	ok(strstr(head.rejected_reason, "more messages or agents were turned away"),
	   "the rest is counted: %s", head.rejected_reason);
	ok(head.rejected - before <= 5 * (2 + (loop_now() - begin) / 1000),
	   "20,000 bad messages make %d lines", head.rejected - before);
	raw_close(&raw);
	still_open("a flood");
}

static void test_oversized(void)
{
	static char big[4 * CONTROL_PAYLOAD_MAX];
	struct frame_claim claim;
	struct raw raw;
	char payload[HELLO_SIZE];

	raw_open(&raw, &alice);
	claim_make(&claim, 1, &alice);
	hello_make(payload, &claim, NULL, 60);
	raw_send(&raw, HELLO, payload, strlen(payload));
	wait_for(head.joined[1] == 1, SOON);
	raw_send(&raw, "big", big, CONTROL_PAYLOAD_MAX);
	wait_for(head.messages, SOON);
	is_int(head.size, CONTROL_PAYLOAD_MAX, "the largest payload arrives");
	head.messages = 0;
	raw_send(&raw, "big", big, CONTROL_PAYLOAD_MAX + 1);
	wait_for(head.lost[1] == 1, SOON);
	is_int(head.lost[1], 1, "a larger one costs the connection");
	is_int(head.messages, 0, "and does not arrive");
	raw_close(&raw);
	memset(big, 'A', sizeof(big));
	raw_open(&raw, &mallory);
	raw_send(&raw, HELLO, big, CONTROL_PAYLOAD_MAX);
	wait_for(strstr(head.rejected_reason, "hello that is none"), SOON);
	ok(strstr(head.rejected_reason, "hello that is none"), "a hello of 64 KiB: %s",
	   head.rejected_reason);
	raw_close(&raw);
	still_open("oversized frames");
}

/* After its rejection a connection is ignored, and then closed. */
static void test_turned_away(void)
{
	struct raw raw;
	struct heard heard;
	void *monitor;
	uint16_t event = 0;
	char frame[64];
	int before;

	raw_open(&raw, &mallory);
	raw_send(&raw, HELLO, "nonsense", 8);
	heard = raw_hear(&raw, SOON);
	is_str(heard.type, "control.reject", "nonsense is rejected");
	before = head.rejected;
	zmq_socket_monitor(raw.socket, "inproc://gone", ZMQ_EVENT_DISCONNECTED);
	monitor = zmq_socket(raw.context, ZMQ_PAIR);
	zmq_connect(monitor, "inproc://gone");
	for (int i = 0; i < 50; i++)
		raw_send(&raw, HELLO, "nonsense", 8);
	wait_for(zmq_recv(monitor, frame, sizeof(frame), ZMQ_DONTWAIT) >= 0, SOON);
	memcpy(&event, frame, sizeof(event));
	is_int(event, ZMQ_EVENT_DISCONNECTED, "then the connection is closed");
	is_int(head.rejected, before, "what came over it meanwhile is ignored");
	zmq_socket_monitor(raw.socket, NULL, 0);
	zmq_close(monitor);
	raw_close(&raw);
	still_open("a rejection");
}

static void test_other_mechanisms(void)
{
	struct raw raw;
	struct agent agent;
	int messages = head.messages, rejected = head.rejected;

	raw_open(&raw, NULL);
	raw_send(&raw, HELLO, "x", 1);
	raw_send(&raw, "status", "x", 1);
	run_for(500);
	ok(head.messages == messages && head.rejected == rejected,
	   "without CURVE nothing gets as far as us");
	raw_close(&raw);

	agent_open_to(&agent, 0, control_server_endpoint(head.server), mallory.public_key, 1500,
		      0);
	wait_for(agent.lost, SOON);
	ok(agent.lost && strstr(agent.reason, "does not complete the CURVE handshake"),
	   "an agent with a wrong key of the head: %s", agent.reason);
	is_int(head.joined[0], 0, "does not join");
	agent_open_to(&agent, 0, "tcp://127.0.0.1:1", mallory.public_key, 1500, 0);
	wait_for(agent.lost, SOON);
	ok(agent.lost && strstr(agent.reason, "cannot be reached"),
	   "an agent with a wrong address: %s", agent.reason);
	still_open("other mechanisms");
}

static void test_raw_tcp(void)
{
	/* ZMTP 1.0, 2.0 and 3.0 as far as they go, then something else. */
	static const char greeting[] =
		"\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\1\0",
					    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "x"};
	static char junk[100000];
	int fds[40];

	if (getrandom(junk, sizeof(junk), 0) != sizeof(junk))
		bail_out("getrandom");
	for (int i = 0; i < 40; i++) {
		fds[i] = tcp_open();
		if (i < 4)
			send(fds[i], texts[i], strlen(texts[i]) + 1, MSG_NOSIGNAL);
		else if (i < 10)
			send(fds[i], greeting, sizeof(greeting) - 1, MSG_NOSIGNAL);
		if (i >= 4)
			send(fds[i], junk + i * 100, (size_t) (i * 2000) % 50000, MSG_NOSIGNAL);
		if (i % 3 == 0)
			shutdown(fds[i], SHUT_WR);
		step();
	}
	still_open("random bytes");
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	still_open("their end");
}

static void test_idle_connections(void)
{
	enum { COUNT = 1000 };
	static int fds[COUNT];
	int closed = 0, allowed = AGENTS + 256;
	char byte;

	for (int i = 0; i < COUNT; i++) {
		fds[i] = tcp_open();
		if (i % 50 == 0)
			step();
	}
	still_open("1,000 idle connections");
	for (int i = 0; i < COUNT; i++) {
		/* The head's greeting comes first, if it is not closed. */
		ssize_t size = 1;

		while (size > 0)
			size = recv(fds[i], &byte, 1, 0);
		if (size == 0 || errno == ECONNRESET)
			closed++;
	}
	ok(COUNT - closed <= allowed, "%d of them are left, at most %d are", COUNT - closed,
	   allowed);
	for (int i = 0; i < COUNT; i++)
		close(fds[i]);
}

/* Connections that have done the handshake but say nothing. */
static void test_silent_peers(void)
{
	enum { COUNT = 300 };
	static void *sockets[COUNT];
	void *context = zmq_ctx_new();
	int linger = 0;

	for (int i = 0; i < COUNT; i++) {
		sockets[i] = zmq_socket(context, ZMQ_DEALER);
		zmq_setsockopt(sockets[i], ZMQ_LINGER, &linger, sizeof(linger));
		zmq_setsockopt(sockets[i], ZMQ_CURVE_SERVERKEY, control_server_key(head.server),
			       CONTROL_KEY_SIZE);
		zmq_setsockopt(sockets[i], ZMQ_CURVE_PUBLICKEY, mallory.public_key,
			       CONTROL_KEY_SIZE);
		zmq_setsockopt(sockets[i], ZMQ_CURVE_SECRETKEY, mallory.secret_key,
			       CONTROL_KEY_SIZE);
		zmq_connect(sockets[i], control_server_endpoint(head.server));
		step();
	}
	run_for(500);
	still_open("300 that say nothing");
	for (int i = 0; i < COUNT; i++)
		zmq_close(sockets[i]);
	zmq_ctx_term(context);
}

/* A routing id of the client's own choice, one that looks like a made-up one too. */
static void test_own_routing_id(void)
{
	static const struct {
		const char *id;
		size_t size;
	} ids[] = {{"\0\0\0\0\1", 5}, {"x", 1}, {"admin", 5}};
	struct frame_claim claim;
	char payload[HELLO_SIZE];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct raw first, second;

		raw_open(&first, NULL);
		raw_open(&second, NULL);
		for (int twice = 0; twice < 2; twice++) {
			struct raw *raw = twice ? &second : &first;

			zmq_disconnect(raw->socket, control_server_endpoint(head.server));
			zmq_setsockopt(raw->socket, ZMQ_ROUTING_ID, ids[i].id, ids[i].size);
			zmq_setsockopt(raw->socket, ZMQ_CURVE_SERVERKEY,
				       control_server_key(head.server), CONTROL_KEY_SIZE);
			zmq_setsockopt(raw->socket, ZMQ_CURVE_PUBLICKEY, mallory.public_key,
				       CONTROL_KEY_SIZE);
			zmq_setsockopt(raw->socket, ZMQ_CURVE_SECRETKEY, mallory.secret_key,
				       CONTROL_KEY_SIZE);
			zmq_connect(raw->socket, control_server_endpoint(head.server));
			claim_make(&claim, 5, &mallory);
			hello_make(payload, &claim, NULL, 60);
			raw_send(raw, HELLO, payload, strlen(payload));
			run_for(100);
		}
		raw_close(&first);
		raw_close(&second);
	}
	still_open("clients that name themselves");
}

/* A head that is not ours, or broken: it has the key, but says what it likes. */
static void test_broken_head(void)
{
	struct agent agent;
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
	char endpoint[64], id[16], type[32] = "", payload[HELLO_SIZE] = "", answer[64];
	size_t size = sizeof(endpoint);
	int on = 1, off = 0, id_size = -1;
	const char *nonce;

	zmq_setsockopt(socket, ZMQ_LINGER, &off, sizeof(off));
	zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on));
	zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, alice.secret_key, CONTROL_KEY_SIZE);
	if (zmq_bind(socket, "tcp://127.0.0.1:*") < 0 ||
	    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) < 0)
		bail_out("zmq_bind");
	agent_open_to(&agent, 3, endpoint, alice.public_key, 0, 0);
	wait_for((id_size = zmq_recv(socket, id, sizeof(id), ZMQ_DONTWAIT)) >= 0, SOON);
	zmq_recv(socket, type, sizeof(type) - 1, ZMQ_DONTWAIT);
	zmq_recv(socket, payload, sizeof(payload) - 1, ZMQ_DONTWAIT);
	is_str(type, HELLO, "the agent says hello");
	nonce = strstr(payload, "nonce ");
	if (id_size < 0 || !nonce)
		bail_out("no hello");
	nonce += strlen("nonce ");

#define say(type, text)                                                                        \
	do {                                                                                   \
		zmq_send(socket, id, (size_t) id_size, ZMQ_SNDMORE);                           \
		zmq_send(socket, type, strlen(type), ZMQ_SNDMORE);                             \
		zmq_send(socket, text, strlen(text), 0);                                       \
	} while (0)
	say("control.welcome", "0123456789abcdef");
	say("control.welcome", "");
	say("control.welcome", "0000000000000000");
	say("control.reject", "0123456789abcdef go away");
	say("control.retry", "0123456789abcdef later");
	say("control.hello", payload);
	say("control.x", "x");
	say("status", "too early");
	say("control.ping", "");
	zmq_send(socket, id, (size_t) id_size, ZMQ_SNDMORE);
	zmq_send(socket, "status", 6, 0);
	run_for(300);
	ok(agent.welcomed == 0 && agent.lost == 0 && agent.messages == 0,
	   "answers to other hellos, and what is malformed, are passed over");
	snprintf(answer, sizeof(answer), "%.16s", nonce);
	say("control.welcome", answer);
	say("status", "fine");
	say("a b", "not fine");
	wait_for(agent.messages, SOON);
	ok(agent.welcomed == 1 && agent.messages == 1, "the right one is not");
	say("control.reject", answer);
	run_for(100);
	is_int(agent.lost, 0, "who is welcomed is not turned away");
	agent_close(&agent);
	agent_open_to(&agent, 3, endpoint, alice.public_key, 0, 0);
	wait_for((id_size = zmq_recv(socket, id, sizeof(id), ZMQ_DONTWAIT)) == 5, SOON);
	while (zmq_recv(socket, payload, sizeof(payload) - 1, ZMQ_DONTWAIT) >= 0)
		;
	say("control.reject", "0000000000000000 cannot\nread \033[1mthat");
	wait_for(agent.lost, SOON);
	ok(agent.lost && strstr(agent.reason, "cannot\\x0aread \\x1b[1mthat"),
	   "a rejection without a nonce counts, its words are harmless: %s", agent.reason);
	zmq_close(socket);
	zmq_ctx_term(context);
}

int main(int argc, char **argv)
{
	struct munged munged;

	process_main(argc, argv);
	munged_start(&munged);
	world_open();
	zmq_curve_keypair(alice.public_key, alice.secret_key);
	zmq_curve_keypair(mallory.public_key, mallory.secret_key);
	void (*const tests[])(void) = {
		test_claims,	       test_malformed_hello, test_replay,
		test_expired,	       test_wrong_uid,	     test_garbage_frames,
		test_flood_of_garbage, test_oversized,	     test_turned_away,
		test_other_mechanisms, test_raw_tcp,	     test_idle_connections,
		test_silent_peers,     test_own_routing_id,  test_broken_head};
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		head_open(0, 0);
		tests[i]();
		head_close();
	}
	loop_timer_destroy(step_timer);
	loop_destroy(loop);
	munged_stop(&munged);
	return done_testing();
}
