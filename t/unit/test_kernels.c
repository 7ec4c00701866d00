/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/kernel/kernels.h and orders.h: several kernels of one session, by the
 * lines that clients send.  Run by `make check` as whoever calls it.
 */
#include "launcher/kernel/kernels.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "fake_kernel.h"
#include "launcher/kernel/orders.h"
#include "scratch.h"

enum { LONG_MS = 60000, TEXT_MAX = 4096 };

static struct loop *loop;
static struct kernels *kernels;
static struct env *environment;
static struct kernel_options options;
static char program[PATH_MAX];
static int dir;

/* Of each number: whether its sockets are known, and how often they have become known. */
static bool has_sockets[KERNELS_MAX + 4];
static bool own_ended;

/* Each kernelspec is a mode of the small kernel, but "none". */
static int choose(const char *name, struct kernel_choice *choice, struct reason *reason,
		  void *arg)
{
	char file[sizeof(scratch_path) + 16], text[PATH_MAX + 256];
	int size;

	(void) arg;
	if (strcmp(name, "none") == 0)
		return reason_set(reason, "%s: there is no such kernelspec", name);
	size = snprintf(text, sizeof(text),
			"{\"argv\": [\"%s\", \"--kernel\", \"%s\", \"{connection_file}\"], "
			"\"display_name\": \"t\", \"language\": \"none\"}",
			program, name);
	if (file_replace(dir, "spec.json", 0600, text, (size_t) size) < 0)
		bail_out("spec.json");
	snprintf(file, sizeof(file), "%s/spec.json", scratch_path);
	choice->spec = kernelspec_load(name, file, reason);
	return choice->spec != NULL ? 0 : -1;
}

static void on_sockets(unsigned number, const struct connection *connection, void *arg)
{
	(void) arg;
	if (number < sizeof(has_sockets))
		has_sockets[number] = connection != NULL;
}

static void on_changed(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

static void on_nothing(void *arg)
{
	(void) arg;
}

static void on_words(const char *words, void *arg)
{
	(void) words;
	(void) arg;
}

static void on_own_ended(bool in_order, const char *reason, void *arg)
{
	(void) reason;
	(void) arg;
	own_ended = in_order;
}

static void on_late(void *arg)
{
	*(bool *) arg = true;
	loop_stop(loop);
}

static const char *answer(const char *line)
{
	static char text[TEXT_MAX];
	char *got = kernels_answer(kernels, NULL, line, strlen(line));

	snprintf(text, sizeof(text), "%s", got != NULL ? got : "NULL");
	free(got);
	return text;
}

/* Whether that becomes a part of the answer in time. */
static bool becomes(const char *line, const char *part)
{
	bool late = false;
	struct loop_timer *timer = loop_timer_create(loop, on_late, &late);

	loop_timer_set(timer, LONG_MS);
	while (!late && strstr(answer(line), part) == NULL)
		loop_run(loop);
	loop_timer_destroy(timer);
	if (late)
		tap_note("%s", answer(line));
	return !late;
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* What kernel 2's has been told, once there is something. */
static bool was_told(const char *file, const char *letters)
{
	for (int i = 0; i < 1000; i++) {
		char *data = NULL;
		bool right = file_read(dir, file, 63, &data, NULL) == 0 &&
			     strcmp(data, letters) == 0;

		free(data);
		if (right)
			return true;
		usleep(10000);
	}
	return false;
}

static void test_several(void)
{
	static const struct kernel_callbacks own = {on_nothing, on_nothing,   on_words,
						    on_words,	on_own_ended, NULL};
	struct reason reason;
	char first_key[TEXT_MAX];

	is_str(answer("{\"status\": {}}"),
	       "{\"state\":\"starting\",\"restarts\":0,\"reason\":\"\"}\n",
	       "before there is one");
	is_str(answer("{\"kernels\": {}}"), "{\"kernels\":[]}\n", "there is none");
	is_int(kernels_start(kernels, "good", &own, &reason), 1, "the session's own is 1");
	ok(becomes("{\"status\": {}}", "\"ready\""), "and gets ready");
	is_str(answer("{\"start\": {\"kernel\": \"good\"}}"), "{\"ok\":true,\"number\":2}\n",
	       "another is 2");
	ok(becomes("{\"status\": {\"number\": 2}}", "\"ready\""), "and gets ready");
	ok(has_sockets[1] && has_sockets[2], "both have sockets");
	ok(is_there("kernel-1") && is_there("k2/kernel-1"), "in a directory for each");
	is_str(answer("{\"kernels\": {}}"),
	       "{\"kernels\":[{\"number\":1,\"kernel\":\"good\",\"state\":\"ready\"},"
	       "{\"number\":2,\"kernel\":\"good\",\"state\":\"ready\"}]}\n",
	       "both are listed");
	snprintf(first_key, sizeof(first_key), "%s", answer("{\"connection\": {}}"));
	is_str(answer("{\"connection\": {\"number\": 1}}"), first_key, "without a number: 1");
	ok(strcmp(answer("{\"connection\": {\"number\": 2}}"), first_key) != 0,
	   "each has a key of its own");

	is_str(answer("{\"interrupt\": {\"number\": 2}}"), "{\"ok\":true}\n",
	       "one interrupted");
	ok(was_told("k2/kernel.json.told", "I"), "by a signal");
	ok(!is_there("kernel.json.told"), "which the other does not get");
	is_str(answer("{\"restart\": {\"number\": 2}}"), "{\"ok\":true}\n", "one restarted");
	ok(becomes("{\"status\": {\"number\": 2}}", "\"ready\""), "and ready again");
	ok(strstr(answer("{\"status\": {}}"), "\"reason\":\"\"") != NULL, "not the other");

	unlinkat(dir, "k2/kernel.json.told", 0);
	is_str(answer("{\"shutdown\": {\"number\": 2}}"), "{\"ok\":true}\n", "one shut down");
	ok(becomes("{\"status\": {\"number\": 2}}", "\"ended\""), "and ended");
	ok(strstr(answer("{\"status\": {}}"), "\"ready\"") != NULL, "the other goes on");
	ok(!has_sockets[2] && has_sockets[1], "with its sockets");
	ok(strstr(answer("{\"interrupt\": {\"number\": 2}}"),
		  "kernel 2 of this session has ended") != NULL,
	   "an ended one is told as such");
	is_int(kernels_alive(kernels), 1, "one lives");
	is_str(answer("{\"start\": {\"kernel\": \"good\"}}"), "{\"ok\":true,\"number\":3}\n",
	       "no number comes twice");
	is_str(answer("{\"shutdown\": {}}"), "{\"ok\":true}\n", "the session's own shut down");
	ok(becomes("{\"status\": {}}", "\"ended\"") && own_ended, "and told");
	ok(becomes("{\"status\": {\"number\": 3}}", "\"ready\""), "leaves the other");
	kernels_end(kernels);
	is_int(kernels_alive(kernels), 0, "the end of all");
	ok(!is_there("k3/kernel.json"), "leaves no key");
}

static void test_refused(void)
{
	static const char *const wrong[] = {
		"{\"start\": {}}",
		"{\"start\": {\"kernel\": 1}}",
		"{\"start\": {\"kernel\": \"../good\"}}",
		"{\"start\": {\"kernel\": \"good\", \"env\": {}}}",
		"{\"start\": {\"kernel\": \"good\"}, \"kernels\": {}}",
		"{\"kernels\": {\"a\": 1}}",
		"{\"status\": {\"number\": -1}}",
		"{\"status\": {\"number\": 4294967297}}",
		"{\"status\": {\"number\": \"1\"}}",
		"{\"status\": {\"number\": 1.5}}",
		"[\"start\"]",
		"{",
	};
	size_t alive = kernels_alive(kernels);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(strncmp(answer(wrong[i]), "{\"error\":", 9) == 0, "refused: %s", wrong[i]);
	ok(strstr(answer("{\"start\": {\"kernel\": \"none\"}}"), "no such kernelspec") != NULL,
	   "a kernelspec that there is not");
	ok(strstr(answer("{\"status\": {\"number\": 77}}"),
		  "no kernel 77: it has 1 good (ended)") != NULL,
	   "a number that there is not, with those that there are");
	is_int(kernels_alive(kernels), alive, "nothing was started");
}

/* As many as may be; the place of one that has ended is taken again. */
static void test_bound(void)
{
	char line[64];
	unsigned first = 0, started = 0;

	for (int i = 0; i < KERNELS_MAX; i++) {
		const char *got = answer("{\"start\": {\"kernel\": \"good\"}}");
		unsigned number = 0;

		if (sscanf(got, "{\"ok\":true,\"number\":%u}", &number) == 1)
			started++;
		if (i == 0)
			first = number;
	}
	is_int(started, KERNELS_MAX, "as many as may live");
	ok(strstr(answer("{\"start\": {\"kernel\": \"good\"}}"), "shut one down first") != NULL,
	   "one more is refused");
	snprintf(line, sizeof(line), "{\"shutdown\": {\"number\": %u}}", first);
	is_str(answer(line), "{\"ok\":true}\n", "one is shut down");
	snprintf(line, sizeof(line), "{\"status\": {\"number\": %u}}", first);
	ok(becomes(line, "\"ended\""), "and has ended");
	ok(strncmp(answer("{\"start\": {\"kernel\": \"good\"}}"), "{\"ok\"", 5) == 0,
	   "now there is room");
	kernels_stop(kernels, 0);
	ok(becomes("{\"kernels\": {}}", "\"ended\"}]"), "the last one ends");
	while (kernels_alive(kernels) > 0)
		loop_run(loop);
	ok(!is_there("k40"), "and nothing is left");
}

static void test_dies(void)
{
	const char *got = answer("{\"start\": {\"kernel\": \"dies\"}}");
	unsigned number = 0;
	char line[64];

	ok(sscanf(got, "{\"ok\":true,\"number\":%u}", &number) == 1, "one that dies at once");
	snprintf(line, sizeof(line), "{\"status\": {\"number\": %u}}", number);
	ok(becomes(line, "\"ended\""), "is told");
	ok(strstr(answer(line), "the kernel dies ended with exit status") != NULL, "with how");
}

/* Streams. */

static void on_answer(uint32_t events, void *arg)
{
	(void) events;
	*(bool *) arg = true;
	loop_stop(loop);
}

/* Sends these bytes; what is answered first: "" for the end, NULL for nothing in time. */
static const char *order(struct orders *orders, int *fd, const char *bytes, size_t size)
{
	static char text[512];
	int ends[2];
	bool late = false, came = false;
	struct loop_timer *timer = loop_timer_create(loop, on_late, &late);
	struct loop_fd *watch;
	ssize_t got;

	if (*fd < 0) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) <
			    0 ||
		    orders_take(orders, ends[1]) < 0)
			bail_out("orders_take");
		*fd = ends[0];
	}
	if (send(*fd, bytes, size, MSG_NOSIGNAL) != (ssize_t) size)
		bail_out("send");
	watch = loop_fd_add(loop, *fd, EPOLLIN, on_answer, &came);
	loop_timer_set(timer, LONG_MS);
	while (!came && !late)
		loop_run(loop);
	loop_timer_destroy(timer);
	loop_fd_remove(watch);
	got = recv(*fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	return late ? NULL : text;
}

static void test_orders(void)
{
	static char large[ORDERS_LINE_MAX];
	struct orders *orders = orders_create(loop, kernels);
	static const char two[] = "{\"kernels\": {}}\n{}\n";
	int fd = -1;

	if (orders == NULL)
		bail_out("orders");
	is_str(order(orders, &fd, two, strlen(two)),
	       "{\"kernels\":[]}\n"
	       "{\"error\":\"not one of {\\\"connection\\\": {}}, \\\"status\\\", "
	       "\\\"interrupt\\\", \\\"restart\\\", \\\"shutdown\\\", \\\"start\\\", "
	       "\\\"kernels\\\"\"}\n",
	       "two lines at once, before there is a kernel");
	ok(strstr(order(orders, &fd, "{\"connection\": {}}\n", 19), "not started yet") != NULL,
	   "no key then");
	memset(large, 'x', sizeof(large));
	is_str(order(orders, &fd, large, sizeof(large)), "", "a line too long ends it");
	close(fd);
	fd = -1;
	ok(strncmp(order(orders, &fd, "\0\n", 2), "{\"error\"", 8) == 0, "a NUL is no order");
	close(fd);
	for (int i = 0; i < ORDERS_STREAMS_MAX + 1; i++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) <
		    0)
			bail_out("socketpair");
		int rc = orders_take(orders, ends[1]);
		if (i == ORDERS_STREAMS_MAX)
			is_int(rc, -1, "not more than so many streams");
		close(ends[0]);
	}
	orders_destroy(orders);
}

static const char start_good[] = "{\"start\": {\"kernel\": \"good\"}}\n";

static const char *order_line(struct orders *orders, int *fd, const char *line)
{
	return order(orders, fd, line, strlen(line));
}

/* The number of a kernel that was started by that stream. */
static unsigned start_by(struct orders *orders, int *fd)
{
	unsigned number = 0;

	if (sscanf(order_line(orders, fd, start_good), "{\"ok\":true,\"number\":%u}",
		   &number) != 1)
		bail_out("start");
	return number;
}

static const char *about(const char *what, unsigned number)
{
	static char line[64];

	snprintf(line, sizeof(line), "{\"%s\": {\"number\": %u}}\n", what, number);
	return line;
}

/* Who has a kernel started and leaves before he was led to it takes it with him. */
static void test_left(void)
{
	struct orders *orders = orders_create(loop, kernels);
	int owner = -1, other = -1, leaver = -1, silent = -1;
	unsigned his, led, left, last;

	if (orders == NULL)
		bail_out("orders");
	his = start_by(orders, &owner);
	ok(becomes(about("status", his), "\"ready\""), "one is started and ready");
	ok(strstr(order_line(orders, &owner, about("connection", his)), "\"key\"") != NULL,
	   "and he is led to it");
	led = start_by(orders, &owner);
	ok(strstr(order_line(orders, &other, about("connection", led)), "\"key\"") != NULL,
	   "another one is led to his second");
	left = start_by(orders, &leaver);
	close(owner);
	close(leaver);
	ok(becomes(about("status", left), "\"ended\""), "one whose client leaves ends");
	ok(strstr(answer(about("status", left)),
		  "who had it started has left before he was led to it: the kernel good ") !=
		   NULL,
	   "with why");
	ok(becomes(about("status", his), "\"ready\""), "not the one that a client has got");
	ok(becomes(about("status", led), "\"ready\""), "nor that of another client");

	last = start_by(orders, &silent) + 1;
	if (send(silent, start_good, strlen(start_good), MSG_NOSIGNAL) !=
	    (ssize_t) strlen(start_good))
		bail_out("send");
	close(silent);
	ok(becomes(about("status", last), "\"ended\""),
	   "who does not wait for the answer has started none");
	ok(becomes(about("status", last - 1), "\"ended\""), "with all that he has started");
	is_int(kernels_alive(kernels), 2, "the others live");
	orders_destroy(orders);
	is_int(kernels_alive(kernels), 2, "also when there are no more orders");
	close(other);
	kernels_end(kernels);
}

int main(int argc, char *argv[])
{
	static const struct kernels_callbacks callbacks = {choose, on_sockets, on_changed,
							   NULL};

	if (argc == 4 && strcmp(argv[1], "--kernel") == 0) {
		int status = fake_kernel(argv[2], argv[3]);
		fflush(stdout);
		_exit(status); /* it frees nothing, which is no leak of what is tested */
	}
	if (realpath(argv[0], program) == NULL)
		bail_out(argv[0]);
	alarm(300);
	dir = scratch_open();
	loop = loop_create();
	environment = env_create(environ);
	options = (struct kernel_options){
		.environment = environment,
		.runtime = scratch_path,
		.runtime_fd = dir,
		.directory = scratch_path,
		.ready_ms = LONG_MS,
		.heartbeat_ms = LONG_MS,
		.restarts_max = 2,
	};
	kernels = loop != NULL && environment != NULL
			  ? kernels_create(loop, &options, &callbacks)
			  : NULL;
	if (kernels == NULL)
		bail_out("kernels");
	test_orders();
	test_several();
	test_refused();
	test_bound();
	test_dies();
	test_left();
	kernels_destroy(kernels);
	loop_destroy(loop);
	env_destroy(environment);
	return done_testing();
}
