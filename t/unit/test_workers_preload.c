/* SPDX-License-Identifier: MIT */
/*
 * Tests of forked workers on a node (launcher/workers/node.h) by the package's own preload.py:
 * what they get, how they retire, what the death of the process that they are forked from does,
 * and the controller that is forked from it.  Run by `make check`, as anybody.
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "launcher/workers/channel.h"
#include "workers_world.h"

static const char kinds[] = "[workers one]\n"
			    "preload = ${recipes_dir}/one.py\n"
			    "controller = preload\n"
			    "ports = 1\n"
			    "env.MINE = ${kind}\n"
			    "env.MANY = of ${count}\n"
			    "resize = yes\n"
			    "[workers broken]\n"
			    "preload = ${recipes_dir}/broken.py\n"
			    "[workers gone]\n"
			    "preload = ${recipes_dir}/gone.py\n"
			    "[workers late]\n"
			    "preload = ${recipes_dir}/one.py\n"
			    "prepare_node = sh -c 'sleep 0.5; echo prepared >$$OUT.late'\n"
			    "[workers command]\n"
			    "worker = sleep 1000\n";

/* A worker that says what it has and retires when told; the host's pid by its environment. */
static const char module[] =
	"import os, signal, threading\n"
	"print('imported by', os.getpid(), flush=True)\n"
	"open(os.environ['OUT'] + '.host', 'w').write('%d\\n' % os.getpid())\n"
	"os.environ['HOST'] = str(os.getpid())\n"
	"def worker(channel):\n"
	"    retired = threading.Event()\n"
	"    def hear(line):\n"
	"        print('hears', line, flush=True)\n"
	"        if line == 'retire':\n"
	"            retired.set()\n"
	"    channel.on_line(hear)\n"
	"    names = ['MINE', 'SPANK_JUPYTER_WORKER', 'SPANK_JUPYTER_KIND',\n"
	"             'SPANK_JUPYTER_SHARE', 'CUDA_VISIBLE_DEVICES', 'HOST', 'MANY']\n"
	"    for name in names:\n"
	"        print(name, os.environ.get(name))\n"
	"    print('cpus', sorted(os.sched_getaffinity(0)))\n"
	"    print('ids', os.getpid() == os.getsid(0), os.getppid(), flush=True)\n"
	"    channel.say('ready')\n"
	"    retired.wait()\n"
	"    print('retired', flush=True)\n"
	"def controller(channel, sockets):\n"
	"    print('controller', channel.id, os.environ.get('SPANK_JUPYTER_WORKER'),\n"
	"          sockets[0].getsockname()[1], flush=True)\n"
	"    channel.say('listening')\n"
	"    while channel.read_line() != 'end':\n"
	"        pass\n"
	"    return 3\n";

static char *environment[8];

static void start(const char *kind, unsigned count)
{
	world_say(WORKERS_BEGIN, kind, count);
	world_say(WORKERS_START, kind, 0);
}

/* The host's pid, of the kind with the module above. */
static pid_t read_host(void)
{
	char *text = world_read("out.host");
	pid_t pid = (pid_t) atoi(text);

	free(text);
	return pid;
}

static pid_t pid_of(unsigned index)
{
	pid_t pid = 0;

	for (int i = 0; i < told_count; i++)
		if (!strcmp(told[i]->type, WORKERS_STARTED) && told[i]->message.index == index)
			pid = told[i]->message.pid;
	return pid;
}

static void test_workers(void)
{
	char wanted[1024], cpus[64];
	cpu_set_t ours;

	world_begin(environment);
	start("one", 3);
	world_wait(WORKERS_READY, -1, 3);
	pid_t host = read_host();
	told_seen = told_count;
	world_say(WORKERS_TAIL, "one", 2);
	const char *tail = world_next(WORKERS_TAIL)->tail;
	snprintf(wanted, sizeof(wanted),
		 "MINE one\nSPANK_JUPYTER_WORKER 2.2\nSPANK_JUPYTER_KIND one\n"
		 "SPANK_JUPYTER_SHARE %s/workers/one\nCUDA_VISIBLE_DEVICES 6\nHOST %d\n",
		 runtime.path, (int) host);
	if (!ok(!strncmp(tail, wanted, strlen(wanted)), "a forked worker has its environment"))
		tap_note("%s", tail);
	snprintf(wanted, sizeof(wanted), "\nids True %d\n", (int) getpid());
	ok(strstr(tail, wanted) != NULL, "is our child, in a session of its own");
	sched_getaffinity(0, sizeof(ours), &ours);
	if (CPU_COUNT(&ours) == 2 && CPU_ISSET(0, &ours) && CPU_ISSET(1, &ours)) {
		snprintf(cpus, sizeof(cpus), "\ncpus [0]\n");
		ok(strstr(tail, cpus) != NULL, "and is bound");
	} else {
		skip("not the CPUs that are expected");
	}
	int distinct = pid_of(0) != pid_of(1) && pid_of(1) != pid_of(2) && pid_of(0) != host;
	ok(distinct, "each is a process");

	/* Its exit is as any child's. */
	pid_t before = pid_of(1);
	kill(before, SIGTERM);
	const struct workers_message *message = world_next(WORKERS_EXITED);
	is_str(message->text, "was ended by signal 15 (SIGTERM)", "it dies like any worker");
	world_wait(WORKERS_READY, 1, 2);
	ok(pid_of(1) != before && world_lives(pid_of(1)), "and is forked again");
	is_int(read_host(), host, "by the same process");
	world_stop(60000);
	ok(!world_lives(pid_of(0)) && !world_lives(pid_of(1)) && !world_lives(host),
	   "the end of all ends it too");
}

/* Whether the worker's log has the line, within the time for anything. */
static bool comes_to_say(unsigned index, const char *line)
{
	int64_t end = loop_now() + WORLD_DEADLINE_MS;
	const char *tail;

	do {
		told_seen = told_count;
		world_say(WORKERS_TAIL, "one", index);
		tail = world_next(WORKERS_TAIL)->tail;
		if (strstr(tail, line))
			return true;
		world_run_for(20);
	} while (loop_now() < end && told_count < WORLD_TOLD_MAX - 8);
	tap_note("%s", tail);
	return false;
}

static void test_retire(void)
{
	world_begin(environment);
	start("one", 3);
	world_wait(WORKERS_READY, -1, 3);
	told_seen = told_count;
	world_say(WORKERS_COUNT, "one", 1);
	world_wait(WORKERS_RETIRED, -1, 2);
	ok(world_count(WORKERS_RETIRED, 1) && world_count(WORKERS_RETIRED, 2),
	   "those too many retire");
	is_str(world_next(WORKERS_RETIRED)->text, "ended with exit status 0", "in order");
	world_say(WORKERS_COUNT, "one", 5);
	world_wait(WORKERS_READY, -1, 7);
	int twice = 0;
	for (int i = 0; i < 5; i++)
		twice += world_count(WORKERS_READY, i);
	is_int(twice, 7, "more come when they are wanted");
	is_int(world_count(WORKERS_EXITED, -1), 0, "and nobody has died");
	ok(comes_to_say(4, "\nMANY of 5\n"), "those that come know how many they are");
	ok(comes_to_say(0, "\nhears count 5\n"), "those that are there are told");
	world_stop(60000);
}

static void test_host_dies(void)
{
	world_begin(environment);
	start("one", 2);
	world_wait(WORKERS_READY, -1, 2);
	pid_t host = read_host(), first = pid_of(0), second = pid_of(1);
	kill(host, SIGKILL);
	world_wait_dead(host);
	world_run_for(200);
	ok(world_lives(first) && world_lives(second), "its death leaves the workers");
	is_int(world_count(WORKERS_FAILED, -1) + world_count(WORKERS_EXITED, -1), 0,
	       "and is nobody's matter");
	kill(second, SIGKILL);
	world_wait(WORKERS_EXITED, 1, 1);
	world_wait(WORKERS_READY, 1, 2);
	ok(read_host() != host && world_lives(first),
	   "when a fork is needed it is there again");
	/* More are wanted just when it dies. */
	kill(read_host(), SIGKILL);
	world_say(WORKERS_COUNT, "one", 6);
	for (int i = 2; i < 6; i++)
		world_wait(WORKERS_READY, i, 1);
	ok(world_lives(first), "also for many");
	world_stop(60000);
}

static void test_import(void)
{
	const struct workers_message *message;

	world_begin(environment);
	start("broken", 3);
	message = world_next(WORKERS_FAILED);
	ok(strstr(message->text, "no module none_such") != NULL, "%s", message->text);
	is_int(world_count(WORKERS_EXITED, -1) + world_count(WORKERS_STARTED, -1), 0,
	       "an import that fails is told once, not for each worker");
	told_seen = told_count;
	world_say(WORKERS_COUNT, "broken", 2);
	is_str(world_next("*")->kind, "broken", "it is here");
	message = world_next("*");
	ok(!strcmp(told[told_seen - 1]->type, WORKERS_FAILED), "and fails also when resized");
	start("gone", 1);
	message = world_next(WORKERS_FAILED);
	ok(strstr(message->text, "gone.py") != NULL, "%s", message->text);
	world_run_for(300);
	is_int(world_count(WORKERS_STARTED, -1), 0, "and none is started");
	world_stop(60000);
}

static int forks;
static pid_t forked_pid;
static char forked_why[REASON_MAX], said[256];

static void on_forked(pid_t pid, const char *why, void *arg)
{
	(void) arg;
	forks++;
	forked_pid = pid;
	snprintf(forked_why, sizeof(forked_why), "%s", why ? why : "");
	loop_stop(agent.loop);
}

static void on_line(char *line, void *arg)
{
	(void) arg;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s|", line);
	loop_stop(agent.loop);
}

static void on_closed(void *arg)
{
	(void) arg;
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "closed|");
	loop_stop(agent.loop);
}

static int child_status;

static void on_exit_of_controller(pid_t pid, int status, void *arg)
{
	(void) pid;
	(void) arg;
	child_status = status;
	loop_stop(agent.loop);
}

/* As the head does it. */
static void test_controller(void)
{
	struct channel_callbacks callbacks = {
		.line = on_line, .closed = on_closed, .arg = NULL};
	struct reason reason;
	int channel = -1, out[2], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	char text[128], wanted[128];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (pipe2(out, O_CLOEXEC) < 0 ||
	    bind(listener, (struct sockaddr *) &address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *) &address, &size) < 0)
		bail_out("listen");
	world_begin(environment);
	fails_with(workers_node_fork_controller(node, "one", &listener, 1, out[1], &channel,
						on_forked, NULL, &reason),
		   EINVAL, "no controller before its kind");
	world_say(WORKERS_BEGIN, "command", 1);
	fails_with(workers_node_fork_controller(node, "command", &listener, 1, out[1], &channel,
						on_forked, NULL, &reason),
		   EINVAL, "nor of a kind that has nothing to fork it from");
	world_say(WORKERS_BEGIN, "one", 1);
	is_int(workers_node_fork_controller(node, "one", &listener, 1, out[1], &channel,
					    on_forked, NULL, &reason),
	       0, "a controller is forked");
	close(out[1]);
	ok(forks == 0 && channel >= 0, "soon");
	struct channel *ours = channel_create(agent.loop, channel, &callbacks);
	while (!forks)
		world_step("the controller");
	ok(forked_pid > 1 && waitpid(forked_pid, NULL, WNOHANG) == 0, "it is our child");
	struct loop_child *child =
		loop_child_add(agent.loop, forked_pid, on_exit_of_controller, NULL);
	world_run_for(100);
	is_str(said, "", "and waits for its go");
	channel_say(ours, "go");
	while (!*said)
		world_step("listening");
	is_str(said, "listening|", "then it runs");
	ssize_t got = read(out[0], text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	snprintf(wanted, sizeof(wanted), "controller  None %d\n", ntohs(address.sin_port));
	is_str(text, wanted, "with the socket that listens");
	channel_say(ours, "end");
	child_status = -2;
	while (child_status == -2)
		world_step("the controller's end");
	ok(child && WIFEXITED(child_status) && WEXITSTATUS(child_status) == 3,
	   "and ends with its function");
	channel_destroy(ours);

	/* The session ends while it waits to be forked, or without a go. */
	forks = 0;
	said[0] = '\0';
	if (workers_node_fork_controller(node, "one", &listener, 1, listener, &channel,
					 on_forked, NULL, &reason) < 0)
		bail_out(reason.text);
	while (!forks)
		world_step("the second controller");
	pid_t second = forked_pid;
	close(channel);
	world_wait_dead(second);
	ok(true, "one whose channel closes before its go ends");
	kill(read_host(), SIGKILL);
	world_wait_dead(read_host());
	forks = 0;
	if (workers_node_fork_controller(node, "one", &listener, 1, listener, &channel,
					 on_forked, NULL, &reason) < 0)
		bail_out(reason.text);
	workers_node_stop(node, 60000);
	while (!forks || !stopped)
		world_step("the third controller");
	ok(forked_pid == -1, "the session's end is told who waits: %s", forked_why);
	close(channel);
	close(listener);
	close(out[0]);
	world_end();
}

static void test_late(void)
{
	world_begin(environment);
	unlink(world_path("out.host"));
	start("late", 1);
	world_wait(WORKERS_READY, 0, 1);
	ok(access(world_path("out.late"), F_OK) == 0,
	   "nothing is imported before it is prepared");
	world_stop(60000);

	/* Ended while everything begins. */
	static const int delays[] = {0, 30, 60, 100, 200, 400};
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		world_begin(environment);
		start("one", 8);
		world_run_for(delays[i]);
		world_stop(60000);
	}
	siginfo_t info = {.si_pid = 0};
	int left = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
	ok(left < 0 && errno == ECHILD, "whenever a node stops nobody is left");
}

int main(void)
{
	const char *source = getenv("srcdir");
	char path[512], *text;
	size_t size;

	signal(SIGPIPE, SIG_IGN);
	world_load(kinds);
	snprintf(path, sizeof(path), "%s/../contrib/recipes/workers/preload.py",
		 source ? source : ".");
	if (file_read(AT_FDCWD, path, 1 << 20, &text, &size) < 0)
		bail_out(path);
	world_write("recipes/workers/preload.py", text);
	free(text);
	world_write("recipes/one.py", module);
	world_write("recipes/broken.py", "import none_such\n");
	static char out[400], home[400];
	snprintf(out, sizeof(out), "OUT=%s", world_path("out"));
	snprintf(home, sizeof(home), "HOME=%s", scratch_path);
	char *const all[] = {"PATH=/usr/bin:/bin", out, home, "CUDA_VISIBLE_DEVICES=4,5,6",
			     NULL};
	memcpy(environment, all, sizeof(all));

	test_workers();
	test_retire();
	test_host_dies();
	test_import();
	test_controller();
	test_late();
	world_clear();
	return done_testing();
}
