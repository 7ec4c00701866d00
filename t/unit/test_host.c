/* SPDX-License-Identifier: MIT */
/*
 * Tests of the host of forked workers (launcher/workers/host.h) with small programs in its
 * place that fail to import, die, lie, hang or fork as they should.  Run by `make check`, as
 * anybody.
 */
#include "launcher/workers/host.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "scratch.h"

/* Its argument says what it does.  What it has done before is in files of that name. */
static const char program[] =
	"#!/usr/bin/python3 -IS\n"
	"import array, json, os, signal, socket, sys, time\n"
	"mode = os.path.basename(sys.argv[1])\n"
	"host = socket.socket(fileno=3)\n"
	"def say(**words):\n"
	"    host.send(json.dumps(words).encode())\n"
	"def once(name):\n"
	"    try:\n"
	"        open(sys.argv[1] + '.' + name, 'x').close()\n"
	"        return True\n"
	"    except FileExistsError:\n"
	"        return False\n"
	"def die():\n"
	"    os.kill(os.getpid(), signal.SIGKILL)\n"
	"def wait():\n"
	"    while True:\n"
	"        time.sleep(1000)\n"
	"print('begin', mode, flush=True)\n"
	"if mode == 'fails':\n"
	"    print('a traceback', flush=True)\n"
	"    say(failed='ImportError: no module \\x1b[31m')\n"
	"    sys.exit(1)\n"
	"if mode == 'hangs-failed':\n"
	"    say(failed='ImportError')\n"
	"    wait()\n"
	"if mode == 'exits':\n"
	"    sys.exit(5)\n"
	"if mode == 'silent':\n"
	"    wait()\n"
	"if mode == 'nonsense':\n"
	"    host.send(b'hello')\n"
	"    wait()\n"
	"if mode == 'huge':\n"
	"    host.send(b'x' * 100000)\n"
	"    wait()\n"
	"if mode == 'killed-loading' and once('load') or mode == 'always-killed':\n"
	"    die()\n"
	"say(loaded=0.25)\n"
	"if mode == 'twice':\n"
	"    say(loaded=0.25)\n"
	"    wait()\n"
	"if mode == 'closes':\n"
	"    host.close()\n"
	"    wait()\n"
	"children = []\n"
	"while True:\n"
	"    data, control, flags, _ = host.recvmsg(65536, 1024)\n"
	"    if not data:\n"
	"        sys.exit(0)\n"
	"    fds = array.array('i')\n"
	"    for level, kind, payload in control:\n"
	"        fds.frombytes(payload)\n"
	"    request = json.loads(data.decode())\n"
	"    if mode == 'mute':\n"
	"        continue\n"
	"    if mode == 'dies-always' or mode == 'dies' and once('fork'):\n"
	"        die()\n"
	"    if mode == 'liar':\n"
	"        say(forked=1, id=request['id'])\n"
	"        continue\n"
	"    if mode == 'refuses':\n"
	"        say(fork_failed='no memory', id=request['id'])\n"
	"        continue\n"
	"    if mode == 'strangers':\n"
	"        say(forked=os.getpid(), id='nobody')\n"
	"    child = os.fork()\n"
	"    if child == 0:\n"
	"        os.setsid()\n"
	"        os.write(fds[0], (data.decode() + '\\n').encode())\n"
	"        os.write(fds[1], b'%d\\n' % len(fds))\n"
	"        os.read(fds[1], 100)\n"
	"        os._exit(7)\n"
	"    for fd in fds:\n"
	"        os.close(fd)\n"
	"    say(forked=child, id=request['id'])\n"
	"    if mode == 'dies-after':\n"
	"        die()\n";

static struct loop *loop;
static struct host *host;
static int dir;
static char program_path[300], module_path[300];
static struct reason reason;

static struct {
	int failed, gone, answers;
	char why[REASON_MAX], tail[4096];
	struct {
		pid_t pid;
		char why[REASON_MAX];
	} answer[16];
	int wanted; /* what has to happen before the loop stops, of all together */
} seen;

static void happened(void)
{
	if (seen.failed + seen.gone + seen.answers >= seen.wanted)
		loop_stop(loop);
}

static void on_failed(const char *why, const char *tail, void *arg)
{
	(void) arg;
	seen.failed++;
	snprintf(seen.why, sizeof(seen.why), "%s", why);
	snprintf(seen.tail, sizeof(seen.tail), "%s", tail);
	happened();
}

static void on_gone(void *arg)
{
	(void) arg;
	seen.gone++;
	happened();
}

static void on_forked(pid_t pid, const char *why, void *arg)
{
	int i = seen.answers++ % 16;

	(void) arg;
	seen.answer[i].pid = pid;
	snprintf(seen.answer[i].why, sizeof(seen.answer[i].why), "%s", why ? why : "");
	happened();
}

static void too_late(void *arg)
{
	(void) arg;
	tap_note("failed %d, gone %d, answers %d of %d: %s", seen.failed, seen.gone,
		 seen.answers, seen.wanted, seen.why);
	bail_out("nothing happens");
}

static void stop_now(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

/* Until so much has happened in all. */
static void run(int wanted)
{
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);

	seen.wanted = wanted;
	loop_timer_set(guard, 100000);
	if (seen.failed + seen.gone + seen.answers < wanted)
		loop_run(loop);
	loop_timer_destroy(guard);
}

static void run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_create(loop, stop_now, NULL);

	seen.wanted = 1000;
	loop_timer_set(timer, ms);
	loop_run(loop);
	loop_timer_destroy(timer);
}

static void make(const char *mode, int64_t load_ms, int64_t answer_ms)
{
	static char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
	static char *argv[3];
	struct host_callbacks callbacks = {on_failed, on_gone, NULL};

	memset(&seen, 0, sizeof(seen));
	snprintf(module_path, sizeof(module_path), "%s/%s", scratch_path, mode);
	argv[0] = program_path;
	argv[1] = module_path;
	struct host_options options = {
		.program = program_path,
		.argv = argv,
		.environment = environment,
		.module = "MODULE",
		.log_dirfd = dir,
		.load_ms = load_ms,
		.answer_ms = answer_ms,
		.restarts = 2,
	};
	host = host_create(loop, &options, &callbacks);
	if (!host)
		bail_out("host_create");
}

static void start(const char *mode, int64_t load_ms, int64_t answer_ms)
{
	make(mode, load_ms, answer_ms);
	if (host_start(host, &reason) < 0)
		bail_out(reason.text);
}

static void end(void)
{
	host_destroy(host);
	host = NULL;
}

/* A fork with output and channel; our ends of both. */
static struct host_request *ask(const char *id, int ours[2])
{
	static const unsigned cpus[] = {1, 5};
	static const char *const env[] = {"A", "one \"two\"", "B", "", NULL};
	struct host_fork fork = {
		.id = id, .cpus = cpus, .cpu_count = 2, .env = env, .fd_count = 2};
	int out[2], channel[2];

	if (pipe2(out, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
		bail_out("pipe");
	fork.fds[0] = out[1];
	fork.fds[1] = channel[1];
	struct host_request *request = host_fork(host, &fork, on_forked, NULL, &reason);
	close(out[1]);
	close(channel[1]);
	ours[0] = out[0];
	ours[1] = channel[0];
	return request;
}

static void close_ends(const int ours[2])
{
	close(ours[0]);
	close(ours[1]);
}

/* Its end of file says that nobody has it any more. */
static bool nobody_has(int fd)
{
	char byte;
	ssize_t got;

	alarm(60);
	while ((got = read(fd, &byte, 1)) > 0)
		;
	alarm(0);
	return got == 0 || errno == ECONNRESET;
}

static void test_fork(void)
{
	int ours[2], other[2];
	char text[512];

	start("good", 100000, 100000);
	ok(ask("2.1", ours) != NULL, "a fork can be asked for while the host imports");
	run(1);
	ok(seen.answer[0].pid > 1, "and comes");
	ssize_t size = read(ours[0], text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	is_str(text,
	       "{\"fork\":\"worker\",\"id\":\"2.1\",\"cpus\":[1,5],"
	       "\"env\":{\"A\":\"one \\\"two\\\"\",\"B\":\"\"}}\n",
	       "with what was asked for");
	ok(read(ours[1], text, sizeof(text)) == 2 && text[0] == '2',
	   "and the descriptors, of which this is one");
	(void) !write(ours[1], "go\n", 3);
	ok(nobody_has(ours[0]) && nobody_has(ours[1]), "which nobody else has");
	close_ends(ours);

	for (int i = 0; i < 10; i++) {
		ask("2.2", ours);
		close_ends(ours);
	}
	run(11);
	int right = 0;
	for (int i = 1; i < 11; i++)
		right += seen.answer[i].pid > 1 && seen.answer[i].pid != seen.answer[i - 1].pid;
	is_int(right, 10, "many at once");

	struct host_request *request = ask("2.3", ours);
	host_cancel(request);
	ask("2.3", other);
	run(12);
	run_for(200);
	is_int(seen.answers, 12, "what is taken back is not answered");
	/* The first of them is not taken for the second. */
	size = read(other[1], text, sizeof(text));
	(void) !write(other[1], "go\n", 3);
	int status = 0;
	waitpid(seen.answer[11].pid, &status, 0);
	close_ends(ours);
	close_ends(other);
	ok(host_runs(host) && !seen.gone && !seen.failed, "all by one process");

	host_stop(host);
	run(13);
	is_int(seen.gone, 1, "it ends at the end of its socket");
	ok(!ask("2.4", ours), "after which it forks no more: %s", reason.text);
	close_ends(ours);
	end();
}

static void test_ports(void)
{
	struct host_fork fork = {.controller = true, .id = "controller"};
	int ends[2];
	char text[256];

	start("good", 100000, 100000);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		bail_out("socketpair");
	for (fork.fd_count = 0; fork.fd_count < HOST_FDS_MAX; fork.fd_count++)
		fork.fds[fork.fd_count] = ends[1];
	ok(host_fork(host, &fork, on_forked, NULL, &reason) != NULL, "a controller has ports");
	run(1);
	/* Output and channel are one here. */
	ssize_t size = 0;
	while (size >= 0 && !memchr(text, '0', (size_t) size) && size < 200) {
		ssize_t got = read(ends[0], text + size, sizeof(text) - 1 - (size_t) size);
		size = got > 0 ? size + got : -1;
	}
	text[size > 0 ? size : 0] = '\0';
	is_str(text,
	       "{\"fork\":\"controller\",\"id\":\"controller\",\"cpus\":null,\"env\":{}}\n10\n",
	       "as many as a recipe may have");
	fork.fd_count = HOST_FDS_MAX + 1;
	ok(!host_fork(host, &fork, on_forked, NULL, &reason) && errno == EINVAL,
	   "not one more");
	fork.fd_count = 2;
	fork.id = "an id that is longer than any that there could ever be";
	ok(!host_fork(host, &fork, on_forked, NULL, &reason) && errno == EINVAL,
	   "nor with a name that is too long");
	close(ends[0]);
	close(ends[1]);
	end();
}

static void test_held(void)
{
	int ours[2];

	make("good", 100000, 100000);
	ask("2.0", ours);
	run_for(100);
	ok(!host_runs(host) && !seen.answers, "nothing is started before it is said");
	if (host_start(host, &reason) < 0)
		bail_out(reason.text);
	run(1);
	ok(seen.answer[0].pid > 1, "then what waits is forked");
	close_ends(ours);
	end();

	start("good", 100000, 100000);
	ask("2.0", ours);
	host_stop(host);
	ok(!seen.answers, "who waits when it ends is not answered from within");
	run(2);
	ok(seen.answers == 1 && seen.answer[0].pid == -1 && seen.gone == 1, "but soon: %s",
	   seen.answer[0].why);
	close_ends(ours);
	end();

	make("good", 100000, 100000);
	ask("2.0", ours);
	host_stop(host);
	run(1);
	ok(seen.answer[0].pid == -1, "also where it has not started");
	close_ends(ours);
	end();
}

/* What makes it fail for good, with a fork that waits. */
static void fails(const char *mode, int64_t load_ms, const char *why)
{
	int ours[2];
	char wanted[128];

	start(mode, load_ms, 100000);
	ask("2.0", ours);
	run(3);
	is_str(seen.why, why, "%s", mode);
	snprintf(wanted, sizeof(wanted), "begin %s\n", mode);
	ok(seen.failed == 1 && strstr(seen.tail, wanted) && strlen(wanted) > 7,
	   "is told, with its last words");
	ok(seen.answers == 1 && seen.answer[0].pid == -1 && !strcmp(seen.answer[0].why, why),
	   "also to who waits");
	ok(!host_runs(host) && nobody_has(ours[1]), "and nobody is left");
	close_ends(ours);
	ok(!ask("2.0", ours) && !strcmp(reason.text, why), "nor is another started");
	close_ends(ours);
	end();
}

static void test_fails(void)
{
	fails("fails", 100000, "ImportError: no module \\x1b[31m");
	fails("exits", 100000, "the preload process of MODULE ended with exit status 5");
	fails("silent", 1000,
	      "the preload process of MODULE was ended: not imported within 1 s");
	fails("hangs-failed", 100000, "ImportError");
	fails("nonsense", 100000,
	      "the preload process of MODULE was ended: it says what is not understood");
	fails("huge", 100000,
	      "the preload process of MODULE was ended: it says what is not understood");

	char *argv[] = {"missing", NULL};
	struct host_options options = {
		.program = "/missing", .argv = argv, .environment = argv + 1, .module = "M"};
	struct host_callbacks callbacks = {on_failed, on_gone, NULL};
	options.log_dirfd = dir;
	memset(&seen, 0, sizeof(seen));
	host = host_create(loop, &options, &callbacks);
	fails_with(host_start(host, &reason), ENOENT, "a program that is missing");
	ok(strstr(reason.text, "/missing") && !seen.failed, "is told at once: %s", reason.text);
	end();
	host_destroy(NULL);
}

static void test_dies(void)
{
	int ours[2];

	/* By a signal while it imports: another try. */
	start("killed-loading", 100000, 100000);
	ask("2.0", ours);
	run(2);
	ok(seen.gone == 1 && seen.answer[0].pid > 1, "one that is killed is started again");
	close_ends(ours);
	end();

	/* Again and again: an end. */
	start("always-killed", 100000, 100000);
	ask("2.0", ours);
	run(5);
	ok(seen.gone == 3 && seen.failed == 1 && seen.answer[0].pid == -1,
	   "but not for ever: %s", seen.why);
	close_ends(ours);
	end();

	/* With a fork under way: that one has failed, the next is done. */
	start("dies", 100000, 100000);
	ask("2.0", ours);
	run(2);
	is_str(seen.answer[0].why, "the preload process of MODULE was ended by signal 9",
	       "a fork under way when it dies has failed");
	close_ends(ours);
	ok(!host_runs(host) && !seen.failed, "it is not needed now");
	ask("2.1", ours);
	run(3);
	ok(seen.answer[1].pid > 1, "and is started again when it is");
	close_ends(ours);
	end();

	start("dies-always", 100000, 100000);
	for (int i = 0; i < 3; i++) {
		ask("2.0", ours);
		run(2 * (i + 1));
		close_ends(ours);
	}
	run(7);
	ok(seen.failed == 1 && seen.gone == 3, "with a bound: %s", seen.why);
	ok(!ask("2.0", ours), "after which there are none");
	close_ends(ours);
	end();

	/* What it has said before it died counts, and deaths with work done are not in a row.
	 */
	start("dies-after", 100000, 100000);
	int forked = 0;
	for (int i = 0; i < 6; i++) {
		ask("2.0", ours);
		run(2 * (i + 1));
		forked += seen.answer[i].pid > 1;
		close_ends(ours);
	}
	is_int(forked, 6, "a host that dies after each fork is started for each");
	end();
}

static void test_wrong_answers(void)
{
	int ours[2];

	start("refuses", 100000, 100000);
	ask("2.0", ours);
	run(1);
	is_str(seen.answer[0].why, "no memory", "a fork that is not possible is told");
	ok(host_runs(host), "and the host goes on");
	close_ends(ours);
	end();

	start("liar", 100000, 100000);
	ask("2.0", ours);
	run(2);
	ok(seen.answer[0].pid == -1 && seen.gone == 1, "pid 1 is nobody's child: %s",
	   seen.answer[0].why);
	close_ends(ours);
	end();

	start("strangers", 100000, 100000);
	ask("2.0", ours);
	run(1);
	ok(seen.answer[0].pid > 1, "an answer for nobody is nobody's");
	close_ends(ours);
	end();

	start("mute", 100000, 500);
	ask("2.0", ours);
	run(2);
	is_str(seen.answer[0].why,
	       "the preload process of MODULE was ended: it does not answer",
	       "one that does not answer is ended");
	close_ends(ours);
	end();

	start("closes", 100000, 100000);
	run(1);
	ok(seen.gone == 1 && !seen.failed, "one that closes its socket too");
	end();

	start("twice", 100000, 100000);
	run(1);
	ok(seen.gone == 1, "and one that says everything twice");
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	dir = scratch_open();
	snprintf(program_path, sizeof(program_path), "%s/program", scratch_path);
	if (file_replace(dir, "program", 0755, program, strlen(program)) < 0)
		bail_out(program_path);
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	test_fork();
	test_ports();
	test_held();
	test_fails();
	test_dies();
	test_wrong_answers();
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
