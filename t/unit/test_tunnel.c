/* SPDX-License-Identifier: MIT */
/*
 * Tests of the tunnel's two ends: what they carry, and what they do about peers who are not
 * what they say.  Run by `make check` as any user.
 */
#include <netinet/tcp.h>

#include "tunnel_world.h"

enum { MANY = 150, BULK = 24 << 20 };

static const struct tunnel_server_options plain_options;

/* What the client has said of a connection that failed. */
static const char *said(void)
{
	static char text[2048];
	ssize_t n = ready(client_child.control, WAIT_MS)
			    ? recv(client_child.control, text, sizeof(text) - 1, 0)
			    : 0;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

struct pair {
	int local, far;
};

static struct pair pair_open(void)
{
	struct pair pair = {.local = local_connect("shell")};

	pair.far = backend_accept();
	return pair;
}

static void pair_close(struct pair *pair)
{
	close(pair->local);
	close(pair->far);
}

static void test_carry(void)
{
	struct pair pair = pair_open();
	struct stat status;

	ok(carries(pair.local, pair.far, "question"), "carried there");
	ok(carries(pair.far, pair.local, "answer"), "and back");
	is_int(shutdown(pair.local, SHUT_WR), 0, "the local program has said all");
	ok(is_ended(pair.far), "the other side is told");
	ok(carries(pair.far, pair.local, "last words"), "and can still answer");
	close(pair.far);
	ok(is_ended(pair.local), "until it ends too");
	close(pair.local);
	ok(becomes(counts().open == 0), "nothing of it is left");

	pair = pair_open();
	close(pair.far);
	ok(is_ended(pair.local), "the end from the far side");
	close(pair.local);
	ok(becomes(counts().open == 0), "nothing of it is left");
	ok(stat(path_of("shell"), &status) == 0 && (status.st_mode & 0777) == 0600,
	   "the socket is the user's alone");
}

static void fill(uint8_t *bytes, size_t size, size_t at)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t) ((at + i) * 2654435761U >> 13);
}

/* From one that is as fast as it may be to one that does not read at first. */
static void bulk(int from, int to, const char *what)
{
	static uint8_t bytes[65536], wanted[65536];
	size_t sent = 0, got = 0, stuck;
	bool right = true;
	int64_t quiet_since = loop_now();

	while (sent < BULK && loop_now() - quiet_since < 300) {
		size_t size = BULK - sent < sizeof(bytes) ? BULK - sent : sizeof(bytes);

		fill(bytes, size, sent);
		ssize_t n = send(from, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			sent += (size_t) n;
			quiet_since = loop_now();
		} else {
			poll(NULL, 0, 1);
		}
	}
	stuck = sent;
	ok(stuck < BULK, "%s: a writer whose reader does not read is stopped", what);
	while (right && got < BULK) {
		size_t size = BULK - sent < sizeof(bytes) ? BULK - sent : sizeof(bytes);

		fill(bytes, size, sent);
		ssize_t n =
			sent < BULK ? send(from, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
		if (n > 0)
			sent += (size_t) n;
		if (sent == BULK)
			shutdown(from, SHUT_WR);
		n = ready(to, n > 0 ? 0 : 10) ? recv(to, bytes, sizeof(bytes), 0) : 0;
		if (n > 0) {
			fill(wanted, (size_t) n, got);
			right = memcmp(bytes, wanted, (size_t) n) == 0;
			got += (size_t) n;
		}
		if (n < 0 || loop_now() - quiet_since > 2 * WAIT_MS)
			break;
	}
	ok(right && got == BULK, "%s: all of it arrives as it was: %zu", what, got);
	ok(is_ended(to), "%s: and then the end", what);
}

static void test_bulk(void)
{
	struct pair pair = pair_open();

	bulk(pair.local, pair.far, "there");
	bulk(pair.far, pair.local, "back");
	pair_close(&pair);
	ok(becomes(counts().open == 0), "nothing of it is left");
}

static void test_many(void)
{
	static struct pair pairs[MANY];
	int right = 0;

	for (size_t i = 0; i < MANY; i++)
		pairs[i] = pair_open();
	is_int(counts().open, MANY, "many connections at once");
	for (size_t i = 0; i < MANY; i++)
		right += carries(pairs[i].local, pairs[i].far, "to and") &&
			 carries(pairs[i].far, pairs[i].local, "fro");
	is_int(right, MANY, "each carries its own");
	for (size_t i = 0; i < MANY; i++)
		pair_close(&pairs[i]);
	ok(becomes(counts().open == 0), "nothing of them is left");
}

static void test_refusals(void)
{
	int fd = local_connect("nowhere");

	ok(is_ended(fd), "a socket that leads nowhere is closed");
	is_str(said(), "nowhere: nowhere: there is no such socket, or not yet", "with a word");
	close(fd);
	close(backend);
	fd = local_connect("shell");
	ok(is_ended(fd), "so is one that nobody listens at");
	is_str(said(), "shell: shell: Connection refused", "with a word");
	close(fd);
	backend_listen();
	struct pair pair = pair_open();
	ok(carries(pair.local, pair.far, "again"), "until somebody does");
	pair_close(&pair);
}

/* What jupyter_client does to a kernel's sockets before it starts it again. */
static void test_removed(void)
{
	struct pair before = pair_open(), after;

	send(client_child.control, "l", 1, MSG_NOSIGNAL);
	ok(strstr(said(), "shell: Address already in use") != NULL,
	   "a socket that is there is not taken");
	unlink(path_of("shell"));
	send(client_child.control, "l", 1, MSG_NOSIGNAL);
	is_str(said(), "listens", "one that was removed is made anew");
	after = pair_open();
	ok(carries(after.local, after.far, "new"), "and carries");
	ok(carries(before.local, before.far, "old"), "as does who had come before");
	pair_close(&before);
	pair_close(&after);
	ok(becomes(counts().open == 0), "nothing of them is left");
}

static void test_orders(void)
{
	int fd = local_connect(TUNNEL_ORDERS);

	ok(carries(fd, fd, "{\"status\": {}}\n"), "orders are handed to the head");
	shutdown(fd, SHUT_WR);
	ok(is_ended(fd), "and end");
	close(fd);
}

/* Strangers. */

static void test_garbage(void)
{
	static const char request[] = "GET /api HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
				      "Connection: close\r\nUser-Agent: a-scanner/1.0\r\n\r\n";
	struct tunnel_server_counts before = counts();
	struct handshake_token token;
	struct handshake handshake;
	int fd = raw_connect();

	write_all(fd, request, sizeof(request) - 1);
	ok(is_closed(fd), "who speaks something else is let go without a word");
	close(fd);

	handshake_token_set(&token, OTHER, strlen(OTHER));
	handshake_begin(&handshake, &token, cipher_suites(), handshake_random_true, NULL);
	fd = raw_connect();
	write_all(fd, handshake.hello, sizeof(handshake.hello));
	ok(is_closed(fd), "and so is who has another token");
	close(fd);
	is_int(counts().refused, before.refused + 2, "both are counted");

	handshake_token_set(&token, TOKEN, strlen(TOKEN));
	handshake_begin(&handshake, &token, cipher_suites(), handshake_random_true, NULL);
	for (size_t cut = 0; cut < sizeof(handshake.hello); cut++) {
		fd = raw_connect();
		write_all(fd, handshake.hello, cut);
		close(fd);
	}
	ok(becomes(counts().strangers == 0), "a hello cut at any byte leaves nothing");
	ok(!ready(backend, 0), "and comes nowhere");
}

static void test_replay(void)
{
	struct raw raw;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE], frame[512];
	uint64_t accepted;
	int fd, far;

	ok(raw_open(&raw, "shell"), "a user's connection, recorded");
	is_int(raw_word(&raw), 0, "the server says yes");
	far = backend_accept();
	raw_send(&raw, frame, raw_seal(&raw, "run this", false, frame));
	char got[9] = "";
	ok(read_all(far, got, 8) && !strcmp(got, "run this"), "and carries");
	close(raw.fd);
	ok(is_closed(far), "cut off without the last frame it is closed");
	close(far);

	accepted = counts().accepted;
	fd = raw_connect();
	write_all(fd, raw.sent, raw.sent_size);
	ok(read_all(fd, answer, sizeof(answer)), "played again, the hello is answered");
	ok(is_closed(fd), "and the rest is not taken");
	close(fd);
	is_int(counts().accepted, accepted, "it is nobody's");
	ok(!ready(backend, 0), "and comes nowhere");
}

/* A connection that was honest so far, and then sends this. */
static void tampered(const char *what, const void *bytes, size_t size)
{
	struct raw raw;
	uint8_t frame[512];
	char got[6] = "";
	int far;

	if (!raw_open(&raw, "shell") || raw_word(&raw) != 0)
		bail_out("an honest connection");
	far = backend_accept();
	raw_send(&raw, frame, raw_seal(&raw, "first", false, frame));
	size_t sealed = raw_seal(&raw, "second", false, frame);
	if (!bytes) {
		frame[sealed - 1] ^= 1;
		bytes = frame;
		size = sealed;
	}
	write_all(raw.fd, bytes, size);
	ok(read_all(far, got, 5) && !strcmp(got, "first"), "%s: what came before it arrives",
	   what);
	ok(is_closed(far), "%s: then it is closed", what);
	ok(is_closed(raw.fd), "%s: on both sides", what);
	close(far);
	close(raw.fd);
}

static void test_tampered(void)
{
	uint8_t zero[64] = {0};

	tampered("a flipped bit", NULL, 0);
	tampered("a frame without a tag", zero, 4);
	tampered("a frame beyond the limit", "\0\377\377\377", 4);
	tampered("garbage", "\0\0\0\21garbage garbage garbage", 26);
	ok(becomes(counts().open == 0), "nothing of them is left");
}

/* Wishes of users that are none. */
static void test_wishes(void)
{
	static const char *const names[] = {
		"", "-shell", "../backend", "shell\n",
		"a-name-that-is-longer-than-the-longest-that-any-way-may-have"};
	struct raw raw;
	int closed = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ok(raw_open(&raw, names[i]), "wish %zu", i);
		closed += is_closed(raw.fd);
		close(raw.fd);
	}
	is_int(closed, sizeof(names) / sizeof(names[0]), "what is no name is not taken");
	ok(raw_open(&raw, "hb"), "a name that leads nowhere");
	ok(raw_word(&raw) > 0, "gets a word");
	ok(is_closed(raw.fd), "and is closed");
	close(raw.fd);
}

/* Byte by byte, slowly, but in time. */
static void test_slow(void)
{
	static const int on = 1;
	struct handshake_token token;
	struct handshake handshake;
	uint8_t answer[HANDSHAKE_ANSWER_SIZE];
	int fd = raw_connect();

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	handshake_token_set(&token, TOKEN, strlen(TOKEN));
	handshake_begin(&handshake, &token, cipher_suites(), handshake_random_true, NULL);
	for (size_t i = 0; i < sizeof(handshake.hello); i++)
		write_all(fd, handshake.hello + i, 1);
	ok(read_all(fd, answer, sizeof(answer)), "a slow peer is waited for");
	close(fd);
	ok(becomes(counts().strangers == 0), "and forgotten");
}

static void test_strangers(void)
{
	static const struct tunnel_server_options few = {.strangers_max = 4,
							 .handshake_ms = 60000};
	static const struct tunnel_server_options hasty = {.handshake_ms = 100};
	int fds[12];

	server_start(&few);
	client_start(server_port, TOKEN);
	for (size_t i = 0; i < 12; i++)
		fds[i] = raw_connect();
	ok(becomes(counts().refused == 8), "of many strangers those who came first must go");
	is_int(counts().strangers, 4, "as many as may be there");
	ok(is_closed(fds[0]), "the first of them");
	struct pair pair = pair_open();
	ok(carries(pair.local, pair.far, "hello"), "a user comes in all the same");
	pair_close(&pair);
	for (size_t i = 0; i < 12; i++)
		close(fds[i]);
	child_stop(&client_child, "the client");
	child_stop(&server_child, "the server");

	server_start(&hasty);
	fds[0] = raw_connect();
	ok(is_closed(fds[0]), "who says nothing is let go at the deadline");
	close(fds[0]);
	child_stop(&server_child, "the server");

	server_start(&plain_options);
	struct raw raw;
	ok(raw_open(&raw, "nowhere"), "who has said what he wants");
	ok(raw_word(&raw) > 0, "is not");
	close(raw.fd);
	child_stop(&server_child, "the server");
}

/* Whether a client that is led to somebody else notices. */
static void test_false_head(void)
{
	unsigned port;
	struct reason reason;
	uint8_t hello[HANDSHAKE_HELLO_SIZE], answer[HANDSHAKE_ANSWER_SIZE] = {9};
	int fd, listen_fd = relay_listen("127.0.0.1", 0, 0, &port, &reason);
	int local;

	client_start(port, TOKEN);
	local = local_connect("shell");
	fd = ready(listen_fd, WAIT_MS) ? accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC) : -1;
	bound_waits(fd);
	ok(read_all(fd, hello, sizeof(hello)), "somebody else gets a hello");
	write_all(local, "secret", 6);
	write_all(fd, answer, sizeof(answer));
	ok(is_closed(local), "whose answer ends it");
	ok(strstr(said(), "is not the session's head") != NULL, "with a word");
	ok(is_closed(fd), "and who gets nothing more");
	close(fd);
	close(local);
	close(listen_fd);
	child_stop(&client_child, "the client");
}

static void test_wrong_token(void)
{
	server_start(&plain_options);
	client_start(server_port, OTHER);
	int fd = local_connect("shell");
	ok(is_closed(fd), "a client with another token gets nothing");
	ok(strstr(said(), "the head has hung up: the token is not") != NULL, "and says why");
	close(fd);
	child_stop(&server_child, "the server");
	fd = local_connect("shell");
	ok(is_closed(fd), "nor when there is no head at all");
	is_str(said(), "shell: connecting to the head: Connection refused", "and says why");
	close(fd);
	child_stop(&client_child, "the client");
}

int main(void)
{
	char command[sizeof(scratch_path) + 16];
	int dir = scratch_open();

	alarm(300);
	backend_listen();
	server_start(&plain_options);
	client_start(server_port, TOKEN);
	test_carry();
	test_bulk();
	test_many();
	test_refusals();
	test_removed();
	test_orders();
	test_garbage();
	test_replay();
	test_tampered();
	test_wishes();
	test_slow();
	child_stop(&client_child, "the client");
	child_stop(&server_child, "the server");
	test_strangers();
	test_wrong_token();
	test_false_head();
	close(dir);
	snprintf(command, sizeof(command), "rm -rf '%s'", scratch_path);
	ok(system(command) == 0, "all is cleaned up");
	return done_testing();
}
