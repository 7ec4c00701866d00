/* SPDX-License-Identifier: MIT */
/*
 * Tests of the head's command socket (launcher/head/commands.h): what it answers, and clients
 * that are slow, silent, too many, or say too much.  Run by `make check`, as anybody; as root
 * another user is turned away too.
 */
#include "launcher/head/commands.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "scratch.h"

static struct loop *loop;
static struct commands *commands;
static char path[sizeof(scratch_path) + 16];

/* The last resize that was asked for. */
static struct {
	unsigned calls, count;
	char kind[64];
} asked;

static int on_resize(const char *kind, unsigned count, unsigned *expected,
		     struct reason *reason, void *arg)
{
	(void) arg;
	asked.calls++;
	asked.count = count;
	snprintf(asked.kind, sizeof(asked.kind), "%s", kind);
	if (!strcmp(kind, "mpi")) {
		errno = EINVAL;
		return reason_set(reason, "mpi cannot change");
	}
	*expected = 4 * count;
	return 0;
}

static bool no_kernels;

static int on_kernels(unsigned *port, struct reason *reason, void *arg)
{
	(void) arg;
	*port = 4711;
	return no_kernels ? reason_set(reason, "the session ends") : 0;
}

static const struct commands_callbacks callbacks = {.resize = on_resize, .kernels = on_kernels};

static void answers(const char *line, const char *expected)
{
	char *answer = commands_answer(&callbacks, line, strlen(line));

	is_str(answer, expected, "%s", line);
	free(answer);
}

static void is_error(const char *line, size_t size)
{
	unsigned before = asked.calls;
	char *answer = commands_answer(&callbacks, line, size);

	ok(answer && !strncmp(answer, "{\"error\":\"", 10) && asked.calls == before,
	   "refused: %.60s: %.*s", line, (int) strcspn(answer, "\n"), answer);
	free(answer);
}

static void test_answers(void)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"workers\": null}",
		"{\"workers\": []}",
		"{\"workers\": {}}",
		"{\"workers\": {\"kind\": \"dask\"}}",
		"{\"workers\": {\"count\": 1}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": \"1\"}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1.5}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": -1}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1025}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 99999999999}}",
		"{\"workers\": {\"kind\": \"\", \"count\": 1}}",
		"{\"workers\": {\"kind\": \"a/b\", \"count\": 1}}",
		"{\"workers\": {\"kind\": 1, \"count\": 1}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1, \"more\": 1}}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1}, \"more\": 1}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1, \"count\": 2}}",
		"{\"stop\": {}}",
		"{\"kernels\": null}",
		"{\"kernels\": {\"port\": 1}}",
		"{\"kernels\": {}, \"more\": 1}",
		"{\"workers\": {\"kind\": \"dask\", \"count\": 1}} {}",
	};

	answers("{\"workers\": {\"kind\": \"dask\", \"count\": 3}}",
		"{\"ok\":true,\"expected\":12}\n");
	is_str(asked.kind, "dask", "the kind");
	is_int(asked.count, 3, "the count");
	answers("{\"workers\":{\"count\":0,\"kind\":\"dask\"}}",
		"{\"ok\":true,\"expected\":0}\n");
	answers("{\"workers\": {\"kind\": \"mpi\", \"count\": 3}}",
		"{\"error\":\"mpi cannot change\"}\n");
	answers("{\"kernels\": {}}", "{\"ok\":true,\"port\":4711}\n");
	no_kernels = true;
	answers("{\"kernels\": {}}", "{\"error\":\"the session ends\"}\n");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_error(wrong[i], strlen(wrong[i]));
	is_error("{\"workers\"\0: 1}", 14);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void stop(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

static int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		bail_out("connect");
	return fd;
}

static void say(int fd, const char *words)
{
	if (send(fd, words, strlen(words), MSG_NOSIGNAL) != (ssize_t) strlen(words))
		bail_out("send");
}

/* Lets the head run until the client has something to read; what, or -1 at the end of file. */
static ssize_t hear(int fd, char *text, size_t size)
{
	struct loop_timer *timer = loop_timer_create(loop, stop, NULL);
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	for (int turns = 0; turns < 3000 && poll(&poller, 1, 0) == 0; turns++) {
		loop_timer_set(timer, 10);
		loop_run(loop);
	}
	loop_timer_destroy(timer);
	if (!(poller.revents & POLLIN))
		bail_out("no answer");
	ssize_t got = recv(fd, text, size - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? got : -1;
}

static void is_answered(int fd, const char *expected, const char *what)
{
	char text[256];

	ok(hear(fd, text, sizeof(text)) > 0, "%s", what);
	is_str(text, expected, "with what was asked for");
	is_int(hear(fd, text, sizeof(text)), -1, "and the connection is closed");
	fd_close(&fd);
}

static void is_dropped(int fd, const char *what)
{
	char text[256];

	is_int(hear(fd, text, sizeof(text)), -1, "%s", what);
	fd_close(&fd);
}

static void test_clients(void)
{
	static char large[COMMANDS_LINE_MAX + 1];
	int fds[COMMANDS_CLIENTS_MAX + 1];
	char text[256];

	int fd = client();
	say(fd, "{\"workers\": {\"kind\": \"dask\", \"count\": 2}}\n");
	is_answered(fd, "{\"ok\":true,\"expected\":8}\n", "a client is answered");

	fd = client();
	say(fd, "{\"workers\": {\"kind\": \"da");
	int other = client();
	say(other, "{\"workers\": {\"kind\": \"mpi\", \"count\": 2}}\nmore\n");
	is_answered(other, "{\"error\":\"mpi cannot change\"}\n",
		    "while another is slow; what follows a line is nothing");
	say(fd, "sk\", \"count\": 1}}\n");
	is_answered(fd, "{\"ok\":true,\"expected\":4}\n", "and the slow one is, too");

	fd = client();
	shutdown(fd, SHUT_WR);
	is_dropped(fd, "one that says nothing is dropped");
	fd = client();
	say(fd, "{}");
	shutdown(fd, SHUT_WR);
	is_dropped(fd, "so is one that does not end its line");
	fd = client();
	memset(large, 'x', COMMANDS_LINE_MAX);
	say(fd, large);
	/* Its bytes are not all read: that is a reset, or an end. */
	ok(hear(fd, text, sizeof(text)) < 0, "and one whose line is too long");
	fd_close(&fd);

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = client();
		if (i < COMMANDS_CLIENTS_MAX)
			say(fds[i], "{");
	}
	say(fds[COMMANDS_CLIENTS_MAX], "{}\n");
	struct loop_timer *timer = loop_timer_create(loop, stop, NULL);
	loop_timer_set(timer, 200);
	loop_run(loop);
	loop_timer_destroy(timer);
	is_int(recv(fds[COMMANDS_CLIENTS_MAX], text, sizeof(text), MSG_DONTWAIT), -1,
	       "one too many waits");
	fd_close(&fds[0]);
	ok(hear(fds[COMMANDS_CLIENTS_MAX], text, sizeof(text)) > 0,
	   "until another has gone: %.*s", (int) strcspn(text, "\n"), text);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fd_close(&fds[i]);
}

/* The silent are dropped after COMMANDS_CLIENT_MS. */
static void test_silent(void)
{
	int64_t before = loop_now();
	int fd = client();

	is_dropped(fd, "a client that stays silent is dropped");
	ok(loop_now() - before >= COMMANDS_CLIENT_MS, "but not before its time");
}

static int connect_as_nobody(int dir)
{
	char byte;

	(void) dir;
	int rc = become_nobody();
	if (rc)
		return rc;
	int fd = client();
	(void) !send(fd, "{}\n", 3, MSG_NOSIGNAL);
	/* Turned away without an answer. */
	return recv(fd, &byte, 1, 0) <= 0 ? 0 : 1;
}

static void test_others(void)
{
	if (geteuid() != 0) {
		skip("needs root");
		return;
	}
	/* As if somebody had opened the directory. */
	if (chmod(path, 0666) < 0)
		bail_out("chmod");
	pid_t pid = fork();
	int status = -1;
	if (pid == 0) {
		alarm(20);
		_exit(connect_as_nobody(-1));
	}
	struct loop_timer *timer = loop_timer_create(loop, stop, NULL);
	for (int turns = 0; turns < 1000 && waitpid(pid, &status, WNOHANG) == 0; turns++) {
		loop_timer_set(timer, 10);
		loop_run(loop);
	}
	loop_timer_destroy(timer);
	is_child(WIFEXITED(status) ? WEXITSTATUS(status) : 1,
		 "another user is turned away without an answer");
}

int main(void)
{
	struct reason reason = {""};
	struct stat status;
	int dir = scratch_open();
	struct runtime_dir runtime = {.path = scratch_path, .fd = dir};

	snprintf(path, sizeof(path), "%s/" COMMANDS_SOCKET, scratch_path);
	test_answers();
	if (!(loop = loop_create()))
		bail_out("loop_create");
	struct loop_timer *timer = loop_timer_create(loop, too_late, NULL);
	loop_timer_set(timer, 120000);
	umask(0);
	commands = commands_create(loop, &runtime, &callbacks, &reason);
	ok(commands != NULL, "the socket: %s", reason.text);
	ok(stat(path, &status) == 0 && S_ISSOCK(status.st_mode) && !(status.st_mode & 077),
	   "is closed to others whatever the umask");
	is_int(umask(0), 0, "which stays as it was");
	ok(!commands_create(loop, &runtime, &callbacks, &reason) &&
		   strstr(reason.text, COMMANDS_SOCKET),
	   "a second cannot be there: %s", reason.text);
	test_clients();
	test_others();
	test_silent();
	commands_destroy(commands);
	commands_destroy(NULL);
	loop_timer_destroy(timer);
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
