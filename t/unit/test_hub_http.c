/* SPDX-License-Identifier: MIT */
/*
 * Tests of one HTTP exchange (hub-callback/http.h) with servers that answer too much, too
 * slowly, or wrongly, and of who is talked to at all.  Run by `make check`, as anybody; as root
 * also what another user's server gets.
 */
#include "hub-callback/http.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "hub_world.h"

enum {
	REPLY_MAX_HERE = 100000,
	PATIENCE_MS = 30000,	 /* for any exchange to end */
	SLOW_MS = 600,		 /* the whole exchange, where the server is slow */
	OVERHEAD_KIB = 64 * 1024 /* far below the gigabyte that a server offers */
};

static struct loop *loop;
static struct hub hub;

static struct {
	int calls;
	enum http_error error;
	long status;
	char *body;
	size_t size;
	int64_t retry_after_ms;
	char location[HTTP_LOCATION_MAX], words[1024];
} answer;

static void on_answer(enum http_error error, const struct http_reply *reply, const char *words,
		      void *arg)
{
	(void) arg;
	answer.calls++;
	answer.error = error;
	snprintf(answer.words, sizeof(answer.words), "%s", words);
	free(answer.body);
	answer.body = NULL;
	if (reply) {
		answer.status = reply->status;
		answer.size = reply->size;
		answer.body = strdup(reply->body);
		answer.retry_after_ms = reply->retry_after_ms;
		memcpy(answer.location, reply->location, sizeof(answer.location));
	}
	loop_stop(loop);
}

static void on_impatience(void *arg)
{
	(void) arg;
	bail_out("the exchange does not end");
}

static struct http_options options_default(void)
{
	return (struct http_options){.reply_max = REPLY_MAX_HERE, .hub_uid = geteuid()};
}

/* One exchange from end to end. */
static enum http_error ask(const struct http_options *options,
			   const struct http_request *request)
{
	struct loop_timer *timer = loop_timer_create(loop, on_impatience, NULL);
	struct reason reason;
	struct http *http = http_create(loop, options, &reason);

	memset(answer.location, 0, sizeof(answer.location));
	answer.calls = 0;
	if (!http || http_begin(http, request, on_answer, NULL, &reason) < 0)
		bail_out(reason.text);
	loop_timer_set(timer, PATIENCE_MS);
	loop_run(loop);
	loop_timer_destroy(timer);
	http_destroy(http);
	is_int(answer.calls, 1, "one answer: %s", answer.words);
	return answer.error;
}

static enum http_error ask_hub(const char *scheme, const char *host, const char *behaviour,
			       const struct http_options *options)
{
	char url[128];
	struct http_request request = {.url = url, .body = "{}"};

	snprintf(url, sizeof(url), "%s://%s:%s/%s/hub/api/x", scheme, host, hub.port,
		 behaviour);
	return ask(options, &request);
}

static enum http_error ask_for(const char *behaviour)
{
	struct http_options options = options_default();

	return ask_hub("http", "127.0.0.1", behaviour, &options);
}

static long memory_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void test_statuses(void)
{
	static const int statuses[] = {401, 403, 404, 409, 410, 500, 503};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		char behaviour[16];

		snprintf(behaviour, sizeof(behaviour), "s-%d", statuses[i]);
		is_int(ask_for(behaviour), HTTP_ANSWERED, "status %d is an answer",
		       statuses[i]);
		is_int(answer.status, statuses[i], "of that status");
		ok(strstr(answer.body, "\"message\""), "with its body");
		is_int(answer.retry_after_ms, -1, "that does not ask to wait");
	}
	is_int(ask_for("busy-7"), HTTP_ANSWERED, "429");
	is_int(answer.status, 429, "is a status");
	is_int(answer.retry_after_ms, 7000, "that asks to wait");
	is_int(ask_for("busy-soon"), HTTP_ANSWERED, "429");
	is_int(answer.retry_after_ms, -1, "that asks nothing that can be read");
	is_int(ask_for("redirect"), HTTP_ANSWERED, "a redirect is an answer");
	is_int(answer.status, 302, "and not followed");
	is_str(answer.location, "http://127.0.0.1:1/elsewhere", "it would have gone there");
}

static void test_too_much(void)
{
	static const char *const behaviours[] = {"huge", "chunked", "headers", "continue"};
	long before;

	ask_for("s-404"); /* libcurl's own */
	before = memory_kib();
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		int64_t begun = loop_now();

		is_int(ask_for(behaviours[i]), HTTP_BAD_ANSWER, "%s is refused", behaviours[i]);
		ok(strstr(answer.words, "too large"), "in words: %s", answer.words);
		tap_note("after %lld ms", (long long) (loop_now() - begun));
	}
	ok(memory_kib() - before < OVERHEAD_KIB, "without much memory");
}

static void test_too_slow(void)
{
	static const char *const behaviours[] = {"endless", "slow", "silent"};
	struct http_options options = options_default();

	options.total_ms = SLOW_MS;
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		int64_t begun = loop_now();

		is_int(ask_hub("http", "127.0.0.1", behaviours[i], &options), HTTP_UNREACHABLE,
		       "%s is given up", behaviours[i]);
		ok(loop_now() - begun >= SLOW_MS - 1, "after its time");
	}
}

static void test_wrong(void)
{
	is_int(ask_for("old"), HTTP_BAD_ANSWER, "HTTP/0.9 is refused");
	is_int(ask_for("cut"), HTTP_UNREACHABLE, "an answer that is cut is none");
	is_int(ask_for("text"), HTTP_ANSWERED, "what is no JSON is for others");
	is_int(answer.size, strlen("<html>Welcome</html>"), "to read");
}

/* What is sent, as the hub has seen it. */
static void test_request(void)
{
	struct http_options options = options_default();
	char url[128], *log, *line;
	struct http_request request = {.url = url, .body = "{\"port\": 1}", .token = "abc"};

	snprintf(url, sizeof(url), "http://127.0.0.1:%s/s-404-request/hub/api", hub.port);
	/* Nothing of the environment decides who gets the token. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	is_int(ask(&options, &request), HTTP_ANSWERED,
	       "a POST, with proxies in the environment");
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("ALL_PROXY");
	request = (struct http_request){.url = url};
	is_int(ask(&options, &request), HTTP_ANSWERED, "a GET");
	hub_log(&hub, &log);
	line = strstr(log, "{\"method\": \"POST\", \"path\": \"/s-404-request/");
	ok(line, "the hub has seen the POST");
	if (line) {
		*strchr(line, '\n') = '\0';
		ok(strstr(line, "\"authorization\": \"token abc\""), "with the token");
		ok(strstr(line, "\"content-type\": \"application/json\""), "as JSON");
		ok(strstr(line, "{\\\"port\\\": 1}"), "with the body");
		ok(!strstr(line, "cookie") && !strstr(line, "expect"), "and nothing else");
		line = strstr(line + strlen(line) + 1, "{\"method\": \"GET\"");
		ok(line && !strstr(line, "authorization"), "and the GET without a token");
	}
	free(log);
}

static void test_nobody(void)
{
	struct http_options options = options_default();
	struct http_request request = {.url = "http://127.0.0.1:1/hub/api", .body = "{}"};

	options.hub_may_be_here = true;
	is_int(ask(&options, &request), HTTP_UNREACHABLE, "a connection that is refused");
	request.url = "http://does-not-exist.invalid/hub/api";
	options.total_ms = 5000;
	is_int(ask(&options, &request), HTTP_UNREACHABLE, "a name that does not exist");
}

/* A hub on the loopback of the node. */
static void test_loopback(void)
{
	static const char *const urls[] = {
		"http://127.0.0.1:1/", "http://127.1.2.3:1/", "http://localhost:1/",
		"http://[::1]:1/",     "http://0.0.0.0:1/",   "http://[::ffff:127.0.0.1]:1/"};
	struct http_options options = options_default();

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct http_request request = {.url = urls[i], .body = "{}"};

		is_int(ask(&options, &request), HTTP_LOOPBACK, "%s, where nobody listens",
		       urls[i]);
		ok(strstr(answer.words, "nothing listens"), "in words");
	}
	is_int(ask_for("s-404"), HTTP_ANSWERED, "who is ourselves or root is believed");
}

/* Listens as nobody until killed, and says where. */
static int stranger(int out, int family)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *address =
		family == AF_INET ? (struct sockaddr *) &v4 : (struct sockaddr *) &v6;
	socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (become_nobody() != 0)
		return CANNOT;
	fd = socket(family, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, address, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, address, &size) < 0)
		return 1;
	/* The port is at the same place in both. */
	dprintf(out, "%d\n", ntohs(v4.sin_port ? v4.sin_port : v6.sin6_port));
	pause();
	return 0;
}

static void test_stranger(int family)
{
	struct http_options options = options_default();
	char url[64], port[16] = "";
	struct http_request request = {.url = url, .body = "{}", .token = "secret"};
	int out[2];
	pid_t child;

	if (geteuid() != 0) {
		skip("another user's server needs root");
		return;
	}
	if (pipe2(out, O_CLOEXEC) < 0 || (child = fork()) < 0)
		bail_out("fork");
	if (child == 0)
		_exit(stranger(out[1], family));
	if (read(out[0], port, sizeof(port) - 1) <= 0)
		bail_out("read");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/hub/api", atoi(port));
	options.hub_may_be_here = true;
	is_int(ask(&options, &request), HTTP_LOOPBACK, "another user's server on the loopback");
	ok(strstr(answer.words, "uid 65534"), "in words: %s", answer.words);
	options.hub_uid = NOBODY;
	options.total_ms = SLOW_MS;
	is_int(ask(&options, &request), HTTP_UNREACHABLE, "the same when it is the hub's user");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(out[0]);
	close(out[1]);
}

static void test_ipv6(void)
{
	struct hub other = hub;
	struct http_options options = options_default();

	hub_start(&hub, (const char *const[]){"--host=::1", NULL});
	is_int(ask_hub("http", "[::1]", "s-404", &options), HTTP_ANSWERED, "IPv6");
	is_int(ask_hub("http", "localhost", "s-404", &options), HTTP_ANSWERED,
	       "localhost, where one of its two addresses has nobody");
	hub_stop(&hub);
	hub = other;
}

/* TLS. */

/* scratch/NAME.pem and NAME.key, signed by scratch/AUTHORITY. */
static void certificate_make(const char *authority, const char *name, const char *subject)
{
	hub_shell("cd %s && exec 2>/dev/null && "
		  "openssl req -newkey rsa:2048 -nodes -subj /CN=%s -keyout %s.key -out %s.req "
		  "&& "
		  "printf 'subjectAltName=%s' >%s.ext && "
		  "openssl x509 -req -in %s.req -CA %s.pem -CAkey %s.key -CAcreateserial "
		  "-days 2 -extfile %s.ext -out %s.pem",
		  scratch_path, name, name, name, subject, name, name, authority, authority,
		  name, name);
}

static void authority_make(const char *name)
{
	hub_shell("cd %s && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=%s "
		  "-days 2 -keyout %s.key -out %s.pem 2>/dev/null",
		  scratch_path, name, name, name);
}

static char *path_of(const char *name)
{
	static char paths[4][sizeof(scratch_path) + 32];
	static int at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_path, name);
	return path;
}

static void tls_hub(const char *certificate, const char *authority)
{
	char option[1024];

	snprintf(option, sizeof(option), "--tls=%s/%s.pem,%s/%s.key%s%s", scratch_path,
		 certificate, scratch_path, certificate, authority ? "," : "",
		 authority ? path_of(authority) : "");
	hub_start(&hub, (const char *const[]){option, NULL});
}

static void test_tls(void)
{
	struct hub other = hub;
	struct http_options options = options_default();

	if (system("command -v openssl >/dev/null") != 0) {
		skip("openssl is not installed");
		return;
	}
	authority_make("ours");
	authority_make("theirs");
	certificate_make("ours", "good", "IP:127.0.0.1");
	certificate_make("ours", "other", "DNS:other.example");
	certificate_make("ours", "client", "DNS:client");

	tls_hub("good", NULL);
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_UNVERIFIED,
	       "an authority that the system does not know");
	options.authority_file = path_of("theirs.pem");
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_UNVERIFIED,
	       "another authority");
	options.authority_file = path_of("ours.pem");
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_ANSWERED, "ours");
	is_int(answer.status, 404, "answers");
	is_int(ask_hub("https", "localhost", "s-404", &options), HTTP_UNVERIFIED,
	       "by another name it is another");
	is_int(ask_hub("http", "127.0.0.1", "s-404", &options), HTTP_UNREACHABLE,
	       "without TLS there is no answer");
	options.authority_file = path_of("missing.pem");
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_UNVERIFIED,
	       "an authority's file that is missing");
	hub_stop(&hub);

	options.authority_file = path_of("ours.pem");
	tls_hub("other", NULL);
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_UNVERIFIED,
	       "a certificate of another host");
	hub_stop(&hub);

	tls_hub("good", "ours.pem");
	/* Sometimes the alert that says so is seen before the connection is closed. */
	ok(ask_hub("https", "127.0.0.1", "s-404", &options) != HTTP_ANSWERED,
	   "internal_ssl without a certificate of ours");
	options.key_file = path_of("client.key");
	options.certificate_file = path_of("client.pem");
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_ANSWERED, "and with one");
	options.key_file = path_of("good.key");
	is_int(ask_hub("https", "127.0.0.1", "s-404", &options), HTTP_UNVERIFIED,
	       "a key that is not the certificate's");
	hub_stop(&hub);
	hub = other;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		bail_out("/proc/self/fd");
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Cancelling, and one after the other. */
static void test_cancel(void)
{
	struct http_options options = options_default();
	int before = open_files();
	struct reason reason;
	struct http *http = http_create(loop, &options, &reason);
	char url[128];
	struct http_request request = {.url = url, .body = "{}"};

	snprintf(url, sizeof(url), "http://127.0.0.1:%s/silent/hub/api", hub.port);
	answer.calls = 0;
	http_cancel(http);
	for (int i = 0; i < 20; i++) {
		struct loop_timer *timer =
			loop_timer_create(loop, (loop_timer_callback *) loop_stop, loop);

		is_int(http_begin(http, &request, on_answer, NULL, &reason), 0, "begun");
		fails_with(http_begin(http, &request, on_answer, NULL, &reason), EBUSY,
			   "not twice");
		loop_timer_set(timer, i);
		loop_run(loop);
		loop_timer_destroy(timer);
		http_cancel(http);
	}
	is_int(answer.calls, 0, "what is cancelled does not answer");
	snprintf(url, sizeof(url), "http://127.0.0.1:%s/s-404/hub/api", hub.port);
	is_int(http_begin(http, &request, on_answer, NULL, &reason), 0, "another one");
	loop_run(loop);
	is_int(answer.calls, 1, "does");
	http_begin(http, &request, on_answer, NULL, &reason);
	http_destroy(http);
	is_int(open_files(), before, "no descriptor is left");
}

int main(void)
{
	int dir = scratch_open();

	loop = loop_create();
	hub_start(&hub, NULL);
	/* Before anything that a resolver of libcurl's may still be busy with. */
	test_cancel();
	test_statuses();
	test_too_much();
	test_too_slow();
	test_wrong();
	test_request();
	test_nobody();
	test_loopback();
	test_stranger(AF_INET);
	test_stranger(AF_INET6);
	test_ipv6();
	test_tls();
	hub_stop(&hub);
	free(answer.body);
	loop_destroy(loop);
	close(dir);
	hub_shell("rm -rf %s", scratch_path);
	return done_testing();
}
