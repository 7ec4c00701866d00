/* SPDX-License-Identifier: MIT */
/*
 * Tests of how a kind's controller is kept (launcher/workers/controller.h), with shell scripts
 * in its place that speak, die, hang up, or do not want to end.  Run by `make check`, as
 * anybody.
 */
#include "launcher/workers/controller.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/fd.h"
#include "scratch.h"

enum { LONG_MS = 60000 };

static struct loop *loop;
static struct controller *controller;
static int dir;

/* What has happened, a letter for each: Listening, Joined, leFt, Again, faileD, Stopped,
 * Remark. */
static struct {
	char letters[64];
	size_t rank;
	unsigned index;
	bool busy; /* as it joined, or was to be started again */
	int64_t last_busy;
	char reason[REASON_MAX], tail[WORKERS_TAIL_MAX], remark[REASON_MAX];
} seen;

/* What the test does when it has seen so many. */
static struct {
	size_t at;
	int64_t grace; /* stops it; -1: ends the loop */
	unsigned expect, gone;
} script;

static void note(char letter)
{
	size_t length = strlen(seen.letters);

	if (length < sizeof(seen.letters) - 1)
		seen.letters[length] = letter;
	if (letter == 'S' || letter == 'D')
		loop_stop(loop);
	if (length + 1 != script.at)
		return;
	if (script.expect)
		controller_expect(controller, script.expect);
	if (script.gone)
		controller_gone(controller, 70000, 0, script.gone);
	if (script.grace >= 0)
		controller_stop(controller, script.grace);
	else if (!script.expect)
		loop_stop(loop);
}

static void on_listening(void *arg)
{
	(void) arg;
	note('L');
}

static void on_joined(size_t rank, unsigned index, void *arg)
{
	(void) arg;
	seen.rank = rank;
	seen.index = index;
	seen.busy = controller_is_busy(controller, &seen.last_busy);
	note('J');
}

static void on_left(size_t rank, unsigned index, void *arg)
{
	(void) arg;
	seen.rank = rank;
	seen.index = index;
	note('F');
}

static void keep(const char *reason, const char *tail)
{
	snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
	snprintf(seen.tail, sizeof(seen.tail), "%s", tail);
}

static void on_again(const char *reason, const char *tail, void *arg)
{
	(void) arg;
	keep(reason, tail);
	seen.busy = controller_is_busy(controller, &seen.last_busy);
	note('A');
}

static void on_failed(const char *reason, const char *tail, void *arg)
{
	(void) arg;
	keep(reason, tail);
	note('D');
}

static void on_stopped(void *arg)
{
	(void) arg;
	note('S');
}

static void on_remark(const char *text, void *arg)
{
	(void) arg;
	snprintf(seen.remark, sizeof(seen.remark), "%s", text);
	note('R');
}

static void too_late(void *arg)
{
	(void) arg;
	tap_note("seen so far: %s, %s", seen.letters, seen.reason);
	bail_out("nothing happens");
}

static const char *const variables[] = {NULL};

static void set(struct recipe *recipe, const char *key, const char *value)
{
	struct reason reason;

	if (recipe_set(recipe, key, value, &reason) < 0)
		bail_out(reason.text);
}

/* Runs the shell's words as a controller until it has stopped or failed, or the script says so.
 * Whether it could be started. */
static bool run(const char *command, const char *restarts, const int *listeners, size_t count,
		struct reason *reason)
{
	struct recipe recipe;
	char *environment[] = {"PATH=/usr/bin:/bin", NULL};
	struct env *env = env_create(environment);
	struct controller_callbacks callbacks = {
		.listening = on_listening,
		.joined = on_joined,
		.left = on_left,
		.again = on_again,
		.failed = on_failed,
		.stopped = on_stopped,
		.remark = on_remark,
	};
	bool started;

	memset(&seen, 0, sizeof(seen));
	if (recipe_init_workers(&recipe, "dask", "test.conf", "/recipes") < 0 || !env)
		bail_out("recipe");
	set(&recipe, "controller", command);
	set(&recipe, "restarts", restarts);
	set(&recipe, "stop_timeout", "5");
	struct controller_options options = {
		.recipe = &recipe,
		.environment = env,
		.variables = variables,
		.listeners = listeners,
		.listener_count = count,
		.log_dirfd = dir,
	};
	controller = controller_create(loop, &options, &callbacks);
	struct loop_timer *timer = loop_timer_create(loop, too_late, NULL);
	if (!controller || !timer)
		bail_out("controller_create");
	loop_timer_set(timer, LONG_MS);
	started = controller_start(controller, reason) == 0;
	if (started && loop_run(loop) < 0)
		bail_out("loop_run");
	controller_destroy(controller);
	loop_timer_destroy(timer);
	recipe_clear(&recipe);
	env_destroy(env);
	return started;
}

/* The same with one line of shell. */
static bool run_shell(const char *shell, const char *restarts)
{
	char command[1024];
	struct reason reason = {""};

	snprintf(command, sizeof(command), "/bin/sh -c '%s'", shell);
	bool started = run(command, restarts, NULL, 0, &reason);
	if (!started)
		tap_note("%s", reason.text);
	return started;
}

static void plan(size_t at, int64_t grace, unsigned expect)
{
	script.at = at;
	script.grace = grace;
	script.expect = expect;
}

static void test_lines(void)
{
	plan(5, 1000, 0);
	ok(run_shell("echo listening >&3; echo joined 2.1 >&3; echo joined 0.1023 >&3; "
		     "echo left 2.1 >&3; echo listening >&3; echo left 70000.0 >&3; sleep 60",
		     "0"),
	   "a controller that speaks");
	is_str(seen.letters, "LJJFFS", "is heard in order, and stopped");
	is_int(seen.rank, 70000, "the rank of a node");
	is_int(seen.index, 0, "the index of a worker");

	plan(8, 1000, 0);
	ok(run_shell(
		   "echo hello >&3; echo joined >&3; echo joined 1 >&3; echo joined -1.0 >&3; "
		   "echo joined 1.1024 >&3; echo joined 1.2.3 >&3; "
		   "echo left 99999999999999999999.1 >&3; printf \"left 1.1\\\\t\\\\n\" >&3; "
		   "sleep 60",
		   "0"),
	   "one that says what is not known");
	is_str(seen.letters, "RRRRRRRRS", "is told of, and goes on");
	is_str(seen.remark,
	       "the controller says what is no line: a line is empty or not printable ASCII",
	       "with why");
}

static void test_busy(void)
{
	int64_t begun = loop_now();

	plan(1, -1, 0);
	ok(run_shell("echo joined 0.0 >&3; sleep 60", "0"), "one that never says busy");
	ok(!seen.busy && seen.last_busy == 0, "never was");
	plan(1, -1, 0);
	ok(run_shell("echo busy >&3; echo joined 0.0 >&3; sleep 60", "0"), "one that says it");
	ok(seen.busy && seen.last_busy >= begun, "is, now");
	plan(1, -1, 0);
	ok(run_shell("echo busy >&3; echo busy >&3; echo idle >&3; echo joined 0.0 >&3; "
		     "sleep 60",
		     "0"),
	   "one that says idle after it");
	ok(!seen.busy && seen.last_busy >= begun, "was");
	is_str(seen.letters, "J", "neither is a remark");
	plan(1, 1000, 0);
	ok(run_shell("echo busy >&3; exit 1", "1"), "one that dies busy");
	is_str(seen.letters, "AS", "is to be started again");
	ok(!seen.busy && seen.last_busy >= begun, "and is not busy meanwhile");
}

static void test_expect(void)
{
	plan(1, -1, 8);
	ok(run_shell("echo listening >&3; read line <&3; echo \"head: $$line\"; exit 3", "0"),
	   "one that listens to the head");
	is_str(seen.letters, "LD", "and ends");
	is_str(seen.reason, "the controller ended with exit status 3: head: expect 8",
	       "has heard how many are to come");
	is_str(seen.tail, "head: expect 8\n", "which its log has");
}

static void test_gone(void)
{
	plan(1, -1, 8);
	script.gone = 2;
	ok(run_shell("echo listening >&3; read line <&3; read line <&3; echo \"$$line\"", "0"),
	   "one that is told who has ended");
	is_str(seen.tail, "gone 70000.0 70000.1\n", "by their names");
	script.gone = WORKERS_COUNT_MAX;
	ok(run_shell("echo listening >&3; read line <&3; all=0; last=; "
		     "while [ \"$$last\" != 70000.1023 ]; do read gone ids <&3; "
		     "for last in $$ids; do all=$$((all + 1)); done; done; echo $$gone $$all",
		     "0"),
	   "of a whole node");
	is_str(seen.tail, "gone 1024\n", "each once");
	script.gone = 0;
}

static void test_deaths(void)
{
	plan(0, -1, 0);
	ok(run_shell("echo said; echo last words >&2; kill -SEGV $$$$", "1"), "one that dies");
	is_str(seen.letters, "AD", "is started again while it may be");
	is_str(seen.reason, "the controller was ended by signal 11 (SIGSEGV)", "with why");
	is_str(seen.tail, "said\nlast words\n", "and its last lines");

	ok(run_shell("echo joined 0.0 >&3; exit 0", "3"),
	   "one that dies when workers have joined");
	is_str(seen.letters, "JD", "has lost them, and is not started again");
	is_str(seen.reason, "the controller ended with exit status 0", "whatever its status");

	ok(run_shell("echo hung up; exec 3>&-; exec sleep 60", "0"),
	   "one that closes its channel");
	is_str(seen.letters, "RD", "is ended");
	is_str(seen.reason, "the controller was ended by signal 15 (SIGTERM)", "with SIGTERM");
}

static void test_stop(void)
{
	int64_t before = loop_now();

	plan(1, LONG_MS, 0);
	ok(run_shell("trap \"\" TERM; echo listening >&3; read line <&3; echo \"$$line\"", "0"),
	   "one that waits for the word");
	is_str(seen.letters, "LS", "hears \"end\"");
	ok(loop_now() - before < 4000, "and ends in its own time");

	before = loop_now();
	plan(1, 300, 0);
	ok(run_shell("trap \"\" TERM; echo listening >&3; while :; do sleep 1; done", "0"),
	   "one that is deaf");
	is_str(seen.letters, "LS", "is killed");
	ok(loop_now() - before >= 300 && loop_now() - before < 4000, "after the grace");

	plan(1, 1000, 0);
	ok(run_shell("exit 1", "5"), "one that waits for its next start");
	is_str(seen.letters, "AS", "is stopped at once");
}

static void test_inherits(void)
{
	int listeners[2] = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct reason reason = {""};

	plan(0, -1, 0);
	ok(run("/bin/sh -c 'echo $$SPANK_JUPYTER_FD $$SPANK_JUPYTER_LISTEN_FDS; "
	       "test -S /proc/self/fd/3 -a -S /proc/self/fd/4 -a -S /proc/self/fd/5 -a ! -e "
	       "/proc/self/fd/6 && echo right; exit 1'",
	       "0", listeners, 2, &reason),
	   "one with two ports");
	is_str(seen.tail, "3 4,5\nright\n", "has channel and ports, and nothing else");
	fd_close(&listeners[0]);
	fd_close(&listeners[1]);

	ok(!run("/nonexistent/controller", "3", NULL, 0, &reason), "one that is not there");
	ok(strstr(reason.text, "the controller") && strstr(reason.text, "/nonexistent"),
	   "is told at once: %s", reason.text);
	is_str(seen.letters, "", "and nothing else");
	ok(!run("/bin/sh -c ${unknown}", "3", NULL, 0, &reason),
	   "a variable that is not known");
	ok(strstr(reason.text, "unknown") != NULL, "is told at once: %s", reason.text);
}

int main(void)
{
	dir = scratch_open();
	if (!(loop = loop_create()))
		bail_out("loop_create");
	test_lines();
	test_busy();
	test_expect();
	test_gone();
	test_deaths();
	test_stop();
	test_inherits();
	controller_destroy(NULL);
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
