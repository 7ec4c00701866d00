/* SPDX-License-Identifier: MIT */
/*
 * Tests of the request to save what is open (launcher/head/save.h) against servers that are
 * late, silent, talkative or wrong, which run in its own event loop.  Run by `make check`, as
 * anybody.
 */
#include "launcher/head/save.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "scratch.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

enum { DEADLINE_MS = 300, LATE_MS = 100, LONG_MS = 60000, MARGIN_MS = 20000 };

static struct loop *loop;
static char socket_path[sizeof(scratch_path) + 8], token_path[sizeof(scratch_path) + 8];

/* The server: says its answer to each request, at once or after a while, once or without end.
 */
static struct {
	int fd, client;
	struct loop_fd *watch, *client_watch;
	struct loop_timer *late;
	const char *answer; /* NULL: none */
	bool is_late, endless;
	char request[1024];
	size_t size;
	unsigned long said;
} server = {.client = -1};

/* What came of the save that was asked for last. */
static struct {
	int calls;
	bool given;
	long pages, saved;
	size_t failed_count;
	struct save *save;
} answer;

static void hang_up(void)
{
	loop_timer_set(server.late, -1);
	loop_fd_remove(server.client_watch);
	server.client_watch = NULL;
	if (server.client >= 0)
		close(server.client);
	server.client = -1;
}

static void talk(void *arg)
{
	(void) arg;
	loop_fd_events(server.client_watch, EPOLLOUT);
}

static void listen_or_talk(uint32_t events, void *arg)
{
	const char *text = server.answer;
	ssize_t n;

	(void) arg;
	if (events & EPOLLIN) {
		n = recv(server.client, server.request + server.size,
			 sizeof(server.request) - 1 - server.size, MSG_DONTWAIT);
		if (n <= 0) {
			hang_up();
			return;
		}
		server.request[server.size += (size_t) n] = '\0';
		if (server.request[server.size - 1] == '}' && text)
			loop_timer_set(server.late, server.is_late ? LATE_MS : 0);
		return;
	}
	n = send(server.client, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n <= 0 || !server.endless)
		hang_up();
	else
		server.said += (unsigned long) n;
}

static void on_client(uint32_t events, void *arg)
{
	(void) events;
	(void) arg;
	hang_up();
	server.size = 0;
	server.client = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC);
	if (server.client < 0 || !(server.client_watch = loop_fd_add(
					   loop, server.client, EPOLLIN, listen_or_talk, NULL)))
		bail_out("accept4");
}

static void server_create(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(socket_path) >= sizeof(address.sun_path))
		bail_out("TMPDIR is too long for a socket");
	strcpy(address.sun_path, socket_path);
	server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    listen(server.fd, 8) < 0 ||
	    !(server.watch = loop_fd_add(loop, server.fd, EPOLLIN, on_client, NULL)) ||
	    !(server.late = loop_timer_create(loop, talk, NULL)))
		bail_out("server");
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void on_saved(const struct save_result *result, void *arg)
{
	ok(arg == &answer, "told with its own argument");
	answer.calls++;
	answer.given = result != NULL;
	if (result) {
		answer.pages = result->pages;
		answer.saved = result->saved;
		answer.failed_count = result->failed_count;
	}
	save_destroy(answer.save);
	answer.save = NULL;
	loop_stop(loop);
}

/* Asks, and returns how many milliseconds it took; -1 when it cannot be asked. */
static int64_t ask(const char *socket, const char *token)
{
	const struct save_options options = {
		.socket_path = socket,
		.token_file = token,
		.path = "/base/save",
		.why = "end",
		.end = 1234567890,
		.deadline_ms = DEADLINE_MS,
	};
	struct loop_timer *timer = loop_timer_create(loop, too_late, NULL);
	int64_t begun = loop_now();

	hang_up();
	answer.calls = 0;
	answer.given = false;
	server.said = 0;
	*server.request = '\0';
	answer.save = save_start(loop, &options, on_saved, &answer);
	loop_timer_set(timer, LONG_MS);
	if (answer.save && loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(timer);
	return answer.calls ? loop_now() - begun : -1;
}

static void test_answer(void)
{
	server.answer = OK "{\"pages\": 2, \"saved\": 3, \"failed\": [\"a.ipynb\", \"b.txt\"]}";
	ok(ask(socket_path, token_path) >= 0 && answer.calls == 1, "the server answers");
	ok(answer.given && answer.pages == 2 && answer.saved == 3 && answer.failed_count == 2,
	   "with what was saved and what was not");
	is_str(server.request,
	       "POST /base/save HTTP/1.0\r\nHost: localhost\r\nAuthorization: token secret\r\n"
	       "Content-Type: application/json\r\nContent-Length: 33\r\n\r\n"
	       "{\"why\": \"end\", \"end\": 1234567890}",
	       "it was asked in these words");
	server.is_late = true;
	ok(ask(socket_path, token_path) >= LATE_MS && answer.given, "a late answer is one");
	server.is_late = false;
}

static void test_no_answer(void)
{
	const struct {
		const char *what, *answer;
		bool endless, in_time;
	} servers[] = {
		{"that does not know it", "HTTP/1.1 404 Not Found\r\n\r\n{}", false, true},
		{"that refuses", "HTTP/1.1 403 Forbidden\r\n\r\n{}", false, true},
		{"that talks nonsense", "\x01\x02 nonsense", false, true},
		{"that answers with no JSON", OK "<html>", false, true},
		{"that closes", "", false, true},
		{"that answers in gigabytes", OK "[1234567890, 1234567890, 1234567890,", true,
		 true},
		{"that says nothing", NULL, false, false},
	};

	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
		server.answer = servers[i].answer;
		server.endless = servers[i].endless;
		int64_t took = ask(socket_path, token_path);
		ok(answer.calls == 1 && !answer.given, "a server %s has saved nothing",
		   servers[i].what);
		ok(servers[i].in_time ? took < MARGIN_MS
				      : took >= DEADLINE_MS && took < MARGIN_MS,
		   "which is known in time");
		/* What its socket holds, and twice what is taken at most. */
		ok(server.said < 4UL << 20, "it was not listened to for long");
	}
	server.endless = false;
	server.answer = NULL;
	is_int(ask("/nonexistent", token_path), -1, "no server");
	is_int(ask(socket_path, "/nonexistent"), -1, "no token");
}

static void test_cancel(void)
{
	const struct save_options options = {
		.socket_path = socket_path,
		.token_file = token_path,
		.path = "/",
		.why = "warn",
		.deadline_ms = DEADLINE_MS,
	};

	answer.calls = 0;
	struct save *save = save_start(loop, &options, on_saved, &answer);
	ok(save != NULL, "one that is given up");
	save_destroy(save);
	server.answer = OK "{\"pages\": 1, \"saved\": 1, \"failed\": []}";
	ask(socket_path, token_path);
	is_int(answer.calls, 1, "is not heard of again");
	save_destroy(NULL);
}

static void test_parse(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"pages\": 1, \"saved\": 1}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": null}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": [1]}",
		"{\"pages\": 1, \"saved\": -1, \"failed\": []}",
		"{\"pages\": 1.5, \"saved\": 1, \"failed\": []}",
		"{\"pages\": 1, \"saved\": true, \"failed\": []}",
		"{\"pages\": 1, \"saved\": 1000001, \"failed\": []}",
		"{\"pages\": 1, \"saved\": 99999999999999999999, \"failed\": []}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": [], \"more\": 1}",
		"{\"pages\": 1, \"pages\": 1, \"saved\": 1, \"failed\": []}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": [\"\\u0000\"]}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": [\"\xff\"]}",
		"{\"pages\": 1, \"saved\": 1, \"failed\": []} x",
	};
	struct save_result result;
	char text[4096] = "{\"pages\": 1, \"saved\": 1, \"failed\": [\"x\"";

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		errno = 0;
		ok(save_parse(bad[i], strlen(bad[i]), &result) == -1 && errno == EPROTO,
		   "no answer: %zu", i);
		ok(!result.failed_list && !result.failed_count, "nothing to clear");
	}
	for (int i = 1; i < SAVE_FAILED_MAX; i++)
		strcat(text, ", \"x\"");
	size_t size = strlen(text);
	strcpy(text + size, "]}");
	is_int(save_parse(text, strlen(text), &result), 0, "as many paths as there may be");
	save_result_clear(&result);
	strcpy(text + size, ", \"x\"]}");
	is_int(save_parse(text, strlen(text), &result), -1, "and one more");
}

static void says(const char *body, const char *words)
{
	struct save_result result;
	char text[256];

	if (save_parse(body, strlen(body), &result) < 0)
		bail_out(body);
	is_str(save_words(&result, text, sizeof(text)), words, "told: %s", words);
	save_result_clear(&result);
}

static void test_words(void)
{
	says("{\"pages\": 0, \"saved\": 0, \"failed\": []}", "");
	says("{\"pages\": 1, \"saved\": 0, \"failed\": []}",
	     "nothing was unsaved in a browser");
	says("{\"pages\": 1, \"saved\": 1, \"failed\": []}",
	     "saved 1 document that was unsaved in a browser");
	says("{\"pages\": 1, \"saved\": 2, \"failed\": [\"a\"]}",
	     "saved 2 documents that were unsaved in a browser, but not a");
	says("{\"pages\": 1, \"saved\": 0, \"failed\": [\"a\", \"b\", \"c\", \"d\", \"e\", "
	     "\"f\"]}",
	     "could not save what was unsaved in a browser: a, b, c, d and 2 more");
	says("{\"pages\": 1, \"saved\": 0, \"failed\": [\"\\u001b[2J\\n\"]}",
	     "could not save what was unsaved in a browser: \\x1b[2J\\x0a");
}

int main(void)
{
	int dir = scratch_open();

	snprintf(socket_path, sizeof(socket_path), "%s/socket", scratch_path);
	snprintf(token_path, sizeof(token_path), "%s/token", scratch_path);
	if (!(loop = loop_create()) || file_replace(dir, "token", 0600, "secret", 6) < 0)
		bail_out("set-up");
	server_create();
	test_answer();
	test_no_answer();
	test_cancel();
	test_parse();
	test_words();
	hang_up();
	loop_fd_remove(server.watch);
	close(server.fd);
	loop_timer_destroy(server.late);
	loop_destroy(loop);
	unlinkat(dir, "socket", 0);
	unlinkat(dir, "token", 0);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
