/* SPDX-License-Identifier: MIT */
/*
 * Tests of how the server is kept up (launcher/head/server.h), with a small program in its
 * place that serves, crashes, hangs, lets everybody in, or does not want to end.  Run by `make
 * check`, as anybody.
 */
#include "launcher/head/server.h"

#include "common/fd.h"
#include "scratch.h"

/* Its second argument says what it does; SIGUSR1 makes it crash, SIGUSR2 end in order.  It
 * waits for these: a handler of Python's that is due when accept() begins runs when that ends.
 */
static const char program[] =
	"#!/usr/bin/python3 -IS\n"
	"import os, signal, socket, sys, threading\n"
	"path, mode = sys.argv[1:]\n"
	"ends = {signal.SIGUSR1, signal.SIGUSR2}\n"
	"signal.pthread_sigmask(signal.SIG_BLOCK, ends)\n"
	"if mode == 'deaf':\n"
	"    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
	"with open(path + '.pid', 'w') as file:\n"
	"    file.write(str(os.getpid()))\n"
	"listener = socket.socket(socket.AF_UNIX)\n"
	"listener.bind(path)\n"
	"listener.listen(8)\n"
	"def serve():\n"
	"    while mode != 'silent':\n"
	"        client = listener.accept()[0]\n"
	"        request = client.recv(4096)\n"
	"        if mode == 'based' and b' /user/a/' not in request:\n"
	"            os._exit(9)\n"
	"        status = 403 if b'/guarded' in request and mode != 'open' else 200\n"
	"        client.sendall(b'HTTP/1.1 %d X\\r\\n\\r\\n' % status)\n"
	"        client.close()\n"
	"        while mode == 'open' and b'/guarded' in request:\n"
	"            print('200 GET /guarded', flush=True)\n"
	"threading.Thread(target=serve, daemon=True).start()\n"
	"if signal.sigwait(ends) == signal.SIGUSR2:\n"
	"    os._exit(0)\n"
	"print('last words', flush=True)\n"
	"os._exit(3)\n";

static struct loop *loop;
static struct server *server;
static char socket_path[sizeof(scratch_path) + 16], program_path[sizeof(scratch_path) + 16];
static int dir;

/* What has happened, a letter for each: Spawned, serVing, Restarting, Ended. */
static struct {
	char letters[32];
	int64_t spawned[8];
	int spawns;
	bool in_order;
	char reason[REASON_MAX];
	unsigned restarts;
} seen;

/* What the test does then. */
static struct {
	int signo;	      /* sent once it serves */
	int64_t stop;	      /* the grace with which it is stopped once it serves */
	bool stops, destroys; /* once it serves */
	const char *base;     /* of its paths */
	bool patient;
	bool stops_in_restart; /* while it waits for its next start */
} script;

static void note(char letter)
{
	size_t length = strlen(seen.letters);

	if (length < sizeof(seen.letters) - 1)
		seen.letters[length] = letter;
}

static pid_t server_pid(void)
{
	char *text;

	if (file_read(dir, "socket.pid", 100, &text, NULL) < 0)
		bail_out("socket.pid");
	pid_t pid = atoi(text);
	free(text);
	return pid > 1 ? pid : 0;
}

static void on_spawned(void *arg)
{
	(void) arg;
	note('S');
	if (seen.spawns < 8)
		seen.spawned[seen.spawns++] = loop_now();
}

static void on_serving(void *arg)
{
	(void) arg;
	note('V');
	if (script.signo)
		kill(server_pid(), script.signo);
	if (script.stops)
		server_stop(server, script.stop);
	if (script.destroys)
		loop_stop(loop);
}

static void on_restarting(const char *reason, void *arg)
{
	(void) arg;
	note('R');
	snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
	if (script.stops_in_restart)
		server_stop(server, 1000);
}

static void on_ended(bool in_order, const char *reason, void *arg)
{
	(void) arg;
	note('E');
	seen.in_order = in_order;
	snprintf(seen.reason, sizeof(seen.reason), "%s", reason);
	loop_stop(loop);
}

static void too_late(void *arg)
{
	(void) arg;
	tap_note("seen: %s", seen.letters);
	bail_out("nothing happens");
}

/* Runs one server until it has ended; whether it could be started. */
static bool run(const char *command, bool guarded, const char *ready, unsigned restarts_max)
{
	const char *const variables[] = {"socket", socket_path, NULL};
	struct server_callbacks callbacks = {on_spawned, on_serving, on_restarting, on_ended,
					     NULL};
	struct recipe recipe;
	struct reason reason;

	memset(&seen, 0, sizeof(seen));
	if (recipe_init(&recipe, "app", "test", "/") < 0 ||
	    recipe_set(&recipe, "command", command, &reason) < 0 ||
	    recipe_set(&recipe, "ready", "/api", &reason) < 0 ||
	    recipe_set(&recipe, "ready_timeout", ready, &reason) < 0 ||
	    (guarded && recipe_set(&recipe, "guarded", "/guarded", &reason) < 0)) {
		tap_note("%s", reason.text);
		bail_out("recipe");
	}
	char *const vector[] = {"PATH=/usr/bin:/bin", NULL};
	struct env *environment = env_create(vector);
	struct server_options options = {.recipe = &recipe,
					 .environment = environment,
					 .variables = variables,
					 .socket_path = socket_path,
					 .base = script.base,
					 .patient = script.patient,
					 .directory = scratch_path,
					 .restarts_max = restarts_max};
	server = server_create(loop, &options, &callbacks);
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);
	if (!environment || !server || !guard)
		bail_out("server_create");
	loop_timer_set(guard, 90000);
	bool started = server_start(server, &reason) == 0;
	if (started && loop_run(loop) < 0)
		bail_out("loop_run");
	if (!started)
		snprintf(seen.reason, sizeof(seen.reason), "%s", reason.text);
	seen.restarts = server_restarts(server);
	loop_timer_destroy(guard);
	server_destroy(server);
	env_destroy(environment);
	recipe_clear(&recipe);
	memset(&script, 0, sizeof(script));
	return started;
}

/* The program in this mode. */
static bool run_mode(const char *mode, bool guarded, unsigned restarts_max)
{
	char command[600];

	snprintf(command, sizeof(command), "%s ${socket} %s", program_path, mode);
	return run(command, guarded, strcmp(mode, "silent") ? "1:00" : "0:01", restarts_max);
}

static void is_seen(const char *letters, bool in_order, const char *words)
{
	is_str(seen.letters, letters, "%s", words[0] ? words : "it ends");
	ok(seen.in_order == in_order, in_order ? "in order" : "not in order");
	ok(strstr(seen.reason, words) != NULL, "which is told");
	tap_note("%.200s", seen.reason);
}

static void test_order(void)
{
	script.stops = true;
	script.stop = 60000;
	run_mode("serve", false, 3);
	is_seen("SVE", true, "ended by signal 15");
	script.stops = true;
	script.stop = 60000;
	run_mode("serve", true, 3);
	is_seen("SVE", true, "ended by signal 15");
	script.stops = true;
	script.stop = 100;
	run_mode("deaf", false, 3);
	is_seen("SVE", true, "ended by signal 9");
	ok(!strstr(seen.reason, "out of memory"), "and not as a lack of memory");
	script.signo = SIGUSR2;
	run_mode("serve", false, 3);
	is_seen("SVE", true, "shut");
	is_int(seen.restarts, 0, "without another start");
}

static void test_before_serving(void)
{
	run("sh -c 'echo a traceback; echo \"ValueError: broken\"; echo; exit 1'", false,
	    "1:00", 3);
	is_seen("SE", false, "sh ended with exit status 1: ValueError: broken");
	run("sh -c 'exit 0'", false, "1:00", 3);
	is_seen("SE", false, "sh ended with exit status 0");
	run("sh -c 'kill -SEGV $$$$'", false, "1:00", 3);
	is_seen("SE", false, "sh was ended by signal 11");
	run("sh -c 'printf \"\\033[2J\\377\\n\"; exit 1'", false, "1:00", 3);
	is_seen("SE", false, "exit status 1: \\x1b[2J\\xff");
	run("sh -c 'head -c 10000000 /dev/zero | tr \"\\0\" x; exit 1'", false, "1:00", 3);
	is_seen("SE", false, "exit status 1: xxxxxxxx");
	run("sh -c 'head -c 100000 /dev/zero; exit 1'", false, "1:00", 3);
	is_seen("SE", false, "exit status 1");
	/* A child that stays holds the output, and goes on writing. */
	run("sh -c 'yes & sleep 100 & echo $$! >children; exit 5'", false, "1:00", 3);
	is_seen("SE", false, "exit status 5");
	char *child;
	if (file_read(dir, "children", 100, &child, NULL) == 0) {
		if (atoi(child) > 1)
			kill(atoi(child), SIGKILL);
		free(child);
	}
	run_mode("silent", false, 3);
	is_seen("SE", false, "no answer to GET /api");
	ok(!strstr(seen.reason, "out of memory"), "and not as a lack of memory");
}

static void test_guard(void)
{
	run_mode("open", true, 3);
	is_seen("SE", false, "it answers /guarded to everybody, without the token");
	ok(!strstr(seen.reason, "out of memory"), "and not as a lack of memory");
	script.stops = true;
	script.stop = 60000;
	run_mode("open", false, 3);
	is_seen("SVE", true, "ended by signal 15");
}

/* What a hub guards: below a path of the hub's, and tried again when it ends before it serves.
 */
static void test_of_hub(void)
{
	char base[1100];

	script.base = "/user/a";
	script.stops = true;
	script.stop = 60000;
	run_mode("based", true, 3);
	is_seen("SVE", true, "ended by signal 15");
	memset(base, 'a', sizeof(base) - 1);
	base[0] = '/';
	base[sizeof(base) - 1] = '\0';
	script.base = base;
	ok(!run_mode("serve", false, 3), "a path that is too long is told");
	script.patient = true;
	run("sh -c 'echo no hub; exit 1'", false, "1:00", 1);
	is_seen("SRSE", false, "no hub");
	script.patient = true;
	run_mode("silent", false, 3);
	is_seen("SE", false, "no answer to GET /api");
}

static void test_restarts(void)
{
	script.signo = SIGUSR1;
	run_mode("serve", true, 2);
	is_seen("SVRSVRSVE", false, "ended with exit status 3: last words");
	is_int(seen.restarts, 2, "started again as often as may be");
	ok(seen.spawned[1] - seen.spawned[0] >= 500 &&
		   seen.spawned[2] - seen.spawned[1] >= 1000,
	   "with growing pauses");
	script.signo = SIGKILL;
	run_mode("serve", false, 0);
	is_seen("SVE", false, "signal 9 (out of memory?)");
	is_int(seen.restarts, 0, "or never");
	script.signo = SIGUSR1;
	script.stops_in_restart = true;
	run_mode("serve", false, 3);
	is_seen("SVRE", true, "not running");
}

static void test_start(void)
{
	ok(!run("/missing/program ${socket}", false, "1:00", 3),
	   "a missing program is told at once");
	ok(strstr(seen.reason, "/missing/program") && !seen.letters[0], "%s", seen.reason);
	ok(!run("sh ${unknown}", false, "1:00", 3), "so is a variable that there is not");
	ok(strstr(seen.reason, "unknown") != NULL, "%s", seen.reason);
	script.destroys = true;
	run_mode("deaf", false, 3);
	is_str(seen.letters, "SV", "a server is given up");
	pid_t pid = server_pid();
	ok(waitpid(pid, NULL, 0) == pid, "which kills it");
	server_destroy(NULL);
}

int main(void)
{
	dir = scratch_open();
	snprintf(socket_path, sizeof(socket_path), "%s/socket", scratch_path);
	snprintf(program_path, sizeof(program_path), "%s/program", scratch_path);
	if (file_replace(dir, "program", 0755, program, strlen(program)) < 0 ||
	    !(loop = loop_create()))
		bail_out("program");
	test_order();
	test_before_serving();
	test_guard();
	test_of_hub();
	test_restarts();
	test_start();
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
