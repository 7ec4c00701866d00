/* SPDX-License-Identifier: MIT */
/*
 * Tests of programs whose output is collected (launcher/capture.h): well-behaved, endless,
 * hanging, and with children that stay.  Run by `make check`, as anybody.
 */
#include "launcher/capture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { MAX = 65536, LONG_MS = 60000 };

static struct loop *loop;
static struct capture *capture;
static struct {
	int calls;
	bool failed;
	char failure[128];
	char *output;
	size_t size;
} result;

static void on_result(const char *failure, char *output, size_t size, void *arg)
{
	result.calls++;
	result.failed = failure != NULL;
	snprintf(result.failure, sizeof(result.failure), "%s", failure ? failure : "");
	result.size = size;
	result.output = malloc(size + 1);
	if (!result.output)
		bail_out("malloc");
	memcpy(result.output, output, size + 1);
	/* As its users do. */
	capture_destroy(capture);
	capture = NULL;
	loop_stop(arg);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void forget(void)
{
	free(result.output);
	memset(&result, 0, sizeof(result));
}

static bool start(const char *words, size_t max, int64_t deadline_ms)
{
	char *argv[] = {"sh", "-c", (char *) words, NULL}, *environment[] = {NULL};
	struct spawn_options options = {.program = "/bin/sh",
					.argv = argv,
					.environment = environment,
					.in = -1,
					.err = -1};
	struct reason reason;

	forget();
	capture = capture_start(loop, &options, max, deadline_ms, on_result, loop, &reason);
	return capture != NULL;
}

static void run(const char *words, size_t max, int64_t deadline_ms)
{
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);

	if (!start(words, max, deadline_ms))
		bail_out("capture_start");
	loop_timer_set(guard, 100000);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(guard);
}

static void test_output(void)
{
	run("echo hello; echo you", MAX, LONG_MS);
	ok(!result.failed && result.calls == 1, "a program's end is told");
	is_str(result.output, "hello\nyou\n", "with its output");
	run("printf 'a\\0b'", MAX, LONG_MS);
	ok(result.size == 3 && !memcmp(result.output, "a\0b", 4), "a NUL is output too");
	run("true", MAX, LONG_MS);
	ok(!result.failed && result.size == 0 && result.output[0] == '\0', "none is none");
	run("echo some; exit 33", MAX, LONG_MS);
	is_str(result.failure, "ended with exit status 33", "an exit status is a failure");
	is_str(result.output, "some\n", "and comes with the output");
	run("kill -9 $$", MAX, LONG_MS);
	is_str(result.failure, "was ended by signal 9", "as a signal is");
	run("exec >&-; exit 3", MAX, LONG_MS);
	is_str(result.failure, "ended with exit status 3", "output may end before the program");
	run("echo err >&2; readlink /proc/self/fd/0", MAX, LONG_MS);
	is_str(result.output, "/dev/null\n", "stderr is not output, and stdin empty");
}

static void test_size(void)
{
	run("head -c 4096 /dev/zero", 4096, LONG_MS);
	ok(!result.failed && result.size == 4096, "as much as may be");
	run("head -c 4097 /dev/zero", 4096, LONG_MS);
	is_str(result.failure, "it printed too much", "not one byte more");
	run("head -c 10000 /dev/zero", 10000, LONG_MS);
	ok(!result.failed && result.size == 10000, "whatever the bound");
	run("head -c 10001 /dev/zero", 10000, LONG_MS);
	is_str(result.failure, "it printed too much", "not one byte more there");
	run("echo ab", 3, LONG_MS);
	ok(!result.failed && result.size == 3, "a small one");
	run("echo abc", 3, LONG_MS);
	is_str(result.failure, "it printed too much", "as well");
	run("yes", MAX, LONG_MS);
	is_str(result.failure, "it printed too much", "an endless program is ended");
	ok(result.size <= MAX, "within the bound");
	run("trap '' TERM PIPE; while :; do echo x; done", MAX, LONG_MS);
	is_str(result.failure, "it printed too much", "also one that takes no signals");
}

static void test_deadline(void)
{
	run("sleep 1000", MAX, 100);
	is_str(result.failure, "not done in time", "a program that hangs is ended");
	run("echo x; exec >&-; sleep 1000", MAX, 1000);
	is_str(result.failure, "not done in time", "also one that closed its output");
	is_str(result.output, "x\n", "which is told");
	run("sleep 1000 & sleep 1000", MAX, 100);
	is_str(result.failure, "not done in time", "and its children");
}

/* What stays in the background is the program's affair and must not hold up the answer. */
static void test_background(void)
{
	run("echo hello; sleep 1000 & echo $!", MAX, LONG_MS);
	long child = 0;
	ok(!result.failed && sscanf(result.output, "hello\n%ld", &child) == 1,
	   "children that stay are not waited for");
	ok(child > 0 && kill((pid_t) child, 0) == 0, "and not ended");
	if (child > 0)
		kill((pid_t) child, SIGKILL);
	run("head -c 60000 /dev/zero; sleep 1000 & echo $!; exit 3", MAX, LONG_MS);
	is_str(result.failure, "ended with exit status 3", "nor where the program has failed");
	ok(result.size > 60000, "all its output is there");
	if (result.size > 60000 && sscanf(result.output + 60000, "%ld", &child) == 1)
		kill((pid_t) child, SIGKILL);
	run("yes & echo $! >&2; exit 0", 1 << 20, LONG_MS);
	ok(result.calls == 1 && result.size <= 1 << 20, "nor can they print without end");
}

static void test_start(void)
{
	char *argv[] = {"x", NULL}, *environment[] = {NULL};
	struct spawn_options options = {
		.program = "/missing", .argv = argv, .environment = environment};
	struct reason reason = {""};

	options.in = options.err = -1;
	errno = 0;
	ok(!capture_start(loop, &options, MAX, 1000, on_result, NULL, &reason) &&
		   errno == ENOENT,
	   "a missing program is told at once");
	ok(strstr(reason.text, "/missing") != NULL, "%s", reason.text);
	capture_destroy(NULL);

	/* The pipe of a watch that was given up: its program's end is the end of file. */
	int ends[2];
	char byte;
	if (pipe2(ends, 0) < 0)
		bail_out("pipe2");
	char *words[] = {"sh", "-c", "sleep 1000 & sleep 1000", NULL};
	options.program = "/bin/sh";
	options.argv = words;
	options.in = ends[1];
	capture = capture_start(loop, &options, MAX, LONG_MS, on_result, loop, &reason);
	close(ends[1]);
	forget();
	errno = EMFILE;
	capture_destroy(capture);
	is_int(errno, EMFILE, "a capture is given up");
	alarm(60);
	is_int(read(ends[0], &byte, 1), 0, "which ends the program and its children");
	alarm(0);
	close(ends[0]);
	is_int(result.calls, 0, "and tells nobody");
	waitpid(-1, NULL, 0);
	capture = NULL;
}

int main(void)
{
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	test_output();
	test_size();
	test_deadline();
	test_background();
	test_start();
	forget();
	loop_destroy(loop);
	return done_testing();
}
