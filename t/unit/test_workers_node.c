/* SPDX-License-Identifier: MIT */
/*
 * Tests of the workers of a node (launcher/workers/node.h) whose recipes are commands: what
 * they get, how they are kept up, told to retire, told about, ended.  Run by `make check`, as
 * anybody.
 */
#include <sched.h>
#include <sys/resource.h>

#include "workers_world.h"

/* $$ is a dollar sign for the shell, ${name} a variable of the recipe. */
static const char kinds[] =
	"[workers sleeper]\n"
	"worker = sh -c 'echo started ${id}; exec sleep 1000'\n"
	"[workers talker]\n"
	"worker = sh -c 'echo started ${id}; echo ready >&3; exec sleep 1000'\n"
	"[workers show]\n"
	"worker = sh ${recipes_dir}/show ${kind} ${kinds} ${share} ${runtime_dir} ${job_id}\n"
	"	${ip} ${host} ${port} ${node} ${node_rank} ${nodes} ${count} ${index} ${id}\n"
	"	${recipes_dir}\n"
	"env.MINE = ${kind}/${count}/${node_rank}\n"
	"prepend.PATH = /prepended\n"
	"[workers once]\n"
	"worker = sh -c 'echo last words of $$0; exit 3' ${id}\n"
	"restarts = 1\n"
	"[workers killed]\n"
	"worker = sh -c 'echo $$PPID; kill -9 $$$$'\n"
	"restarts = 0\n"
	"[workers missing]\n"
	"worker = no-such-program ${id}\n"
	"restarts = 1\n"
	"hint = nothing helps\n"
	"[workers stubborn]\n"
	"worker = sh ${recipes_dir}/stubborn\n"
	"stop_timeout = 1\n"
	"[workers family]\n"
	"worker = sh -c 'sleep 1000 & echo $$! >$$OUT.child; echo ready >&3; wait'\n"
	"[workers prepared]\n"
	"worker = sh -c 'cat $$SPANK_JUPYTER_SHARE/note; echo ready >&3; exec sleep 1000'\n"
	"prepare_node = sh -c 'echo prepared ${node} >${share}/note; echo x >>$$OUT.prepared'\n"
	"[workers unprepared]\n"
	"worker = sleep 1000\n"
	"prepare_node = sh -c 'echo cannot; exit 4'\n"
	"[workers hanging]\n"
	"worker = sleep 1000\n"
	"prepare_node = sh -c 'echo $$$$ >$$OUT.hanging; echo waiting; exec sleep 1000'\n"
	"[workers step]\n"
	"worker = touch ${runtime_dir}/never\n"
	"start = srun\n"
	"prepare_node = sh -c 'sleep 0.1; echo x >$$OUT.step'\n"
	"[workers python]\n"
	"worker = ${python} -c 'print(1)'\n"
	"[workers two]\n"
	"worker = sleep 1000\n"
	"count = 2\n"
	"[workers loud]\n"
	"worker = sh ${recipes_dir}/loud\n";

static void write_scripts(void)
{
	world_write("recipes/show", "index=${13}\n"
				    "{\n"
				    "	printf '%s\\n' \"$@\"; env; readlink /proc/self/fd/3\n"
				    "	echo the end\n"
				    "} >$OUT.$index.part\n"
				    "mv $OUT.$index.part $OUT.$index\n"
				    "echo what >&3; echo ready >&3\n"
				    "exec sleep 1000\n");
	world_write("recipes/stubborn", "trap 'echo told >>$OUT.told' TERM\n"
					"trap 'exit 0' USR1\n"
					"echo ready >&3\n"
					"while :; do sleep 0.02; done\n");
	world_write("recipes/loud", "yes 0123456789abcdef | head -c 100000000\n"
				    "echo the end\n"
				    "echo ready >&3\n"
				    "exec sleep 1000\n");
}

static char *environment[16];

static void set_environment(void)
{
	static char out[400];
	static char home[400];

	snprintf(out, sizeof(out), "OUT=%s", world_path("out"));
	snprintf(home, sizeof(home), "HOME=%s", scratch_path);
	char *const all[] = {"PATH=/usr/bin:/bin",
			     out,
			     home,
			     "CUDA_VISIBLE_DEVICES=4,5,6",
			     "SLURM_JOB_CPUS_PER_NODE=1,2(x2),5",
			     NULL};
	memcpy(environment, all, sizeof(all));
}

static void start(const char *kind, unsigned count)
{
	world_say(WORKERS_BEGIN, kind, count);
	world_say(WORKERS_START, kind, 0);
}

static void test_life(void)
{
	const struct workers_message *message;
	pid_t pids[3];

	world_begin(environment);
	world_say(WORKERS_BEGIN, "sleeper", 3);
	is_int(told_count, 0, "nothing is told from within");
	message = world_next("*");
	ok(!strcmp(told[0]->type, WORKERS_HERE) && message->count == 3, "a kind is here");
	is_str(message->kind, "sleeper", "by its name");
	world_run_for(100);
	is_int(told_count, 1, "no worker starts before it is told to");
	world_say(WORKERS_START, "sleeper", 0);
	for (int i = 0; i < 3; i++) {
		message = world_next("*");
		ok(!strcmp(told[1 + i]->type, WORKERS_STARTED) && (int) message->index == i &&
			   world_lives(message->pid),
		   "worker %d starts", i);
		pids[i] = message->pid;
	}
	ok(getsid(pids[0]) == pids[0], "in a session of its own");
	/* What is said again changes nothing. */
	world_say(WORKERS_BEGIN, "sleeper", 3);
	world_say(WORKERS_START, "sleeper", 0);
	world_run_for(100);
	ok(told_count == 5 && !strcmp(told[4]->type, WORKERS_HERE), "being told twice is here");

	told_seen = told_count;
	workers_node_repeat(node);
	is_int(told_count, 5, "a repetition is not told from within");
	world_wait(WORKERS_STARTED, -1, 6);
	ok(!strcmp(told[5]->type, WORKERS_HERE) && told[8]->message.index == 2 &&
		   told[8]->message.pid == pids[2],
	   "and is all there is");

	start("talker", 2);
	world_wait(WORKERS_READY, 1, 1);
	world_say(WORKERS_TAIL, "talker", 1);
	message = world_next(WORKERS_TAIL);
	is_str(message->tail, "started 2.1\n", "a log's end can be had");
	is_int(message->index, 1, "of one worker");
	world_say(WORKERS_TAIL, "talker", 99);
	is_str(world_next(WORKERS_TAIL)->tail, "", "also of none");

	world_stop(60000);
	ok(!world_lives(pids[0]) && !world_lives(pids[1]) && !world_lives(pids[2]),
	   "all end when the node stops");
	is_int(world_count(WORKERS_EXITED, -1) + world_count(WORKERS_RETIRED, -1), 0,
	       "which is nothing to tell");
	is_int(access(world_path("tmp"), F_OK), 0, "the directory of all is there");
}

/* What a worker finds: its lines by name. */
static bool has_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return true;
	tap_note("no line %s", line);
	return false;
}

static void test_worker(void)
{
	char line[600];

	world_begin(environment);
	start("show", 2);
	world_wait(WORKERS_READY, -1, 2);
	is_int(world_count(WORKERS_READY, 1), 1, "a worker says that it is ready");
	char *text = world_read("out.1");
	snprintf(line, sizeof(line),
		 "show\none,two\n%s/workers/show\n%s\n17\n::1\n[::1]\n4711\nn3\n2\n4\n2\n1\n"
		 "2.1\n%s\n",
		 runtime.path, runtime.path, recipes_path);
	if (!ok(!strncmp(text, line, strlen(line)), "its command has all variables"))
		tap_note("%s", text);
	snprintf(line, sizeof(line), "SPANK_JUPYTER_SHARE=%s/workers/show", runtime.path);
	ok(has_line(text, line), "its environment says where files are shared");
	ok(has_line(text, "SPANK_JUPYTER_WORKER=2.1"), "who it is");
	ok(has_line(text, "SPANK_JUPYTER_KIND=show"), "of which kind");
	ok(has_line(text, "SPANK_JUPYTER_FD=3") && strstr(text, "\nsocket:["),
	   "and has the channel");
	ok(has_line(text, "MINE=show/2/2") && has_line(text, "PATH=/prepended:/usr/bin:/bin"),
	   "with the recipe's lines");
	ok(has_line(text, "CUDA_VISIBLE_DEVICES=5,6"), "and its share of the GPUs");
	free(text);
	text = world_read("out.0");
	ok(has_line(text, "CUDA_VISIBLE_DEVICES=4"), "which is not the other's");
	free(text);

	told_seen = told_count;
	world_say(WORKERS_TAIL, "show", 0);
	is_str(world_next(WORKERS_TAIL)->tail,
	       "jupyter-agent: on its channel: not known: what\n",
	       "an unknown line is in its log");
	workers_node_repeat(node);
	world_wait(WORKERS_READY, -1, 4);
	ok(true, "a repetition has that it is ready");
	world_stop(60000);
	unlink(world_path("out.0"));
	unlink(world_path("out.1"));
}

static int cpus_of(pid_t pid, cpu_set_t *set)
{
	CPU_ZERO(set);
	return sched_getaffinity(pid, sizeof(*set), set) < 0 ? -1 : CPU_COUNT(set);
}

/* With as many CPUs as the machine has, told by Slurm or not. */
static void test_bound(void)
{
	cpu_set_t ours, first, second;
	char *few[] = {"PATH=/usr/bin:/bin", NULL, NULL};
	int count = cpus_of(0, &ours);
	char slurm[64];

	if (count < 2) {
		skip("one CPU cannot be divided");
		return;
	}
	world_begin(few);
	start("sleeper", 2);
	world_wait(WORKERS_STARTED, -1, 2);
	cpus_of(told[1]->message.pid, &first);
	cpus_of(told[2]->message.pid, &second);
	cpu_set_t both, none;
	CPU_OR(&both, &first, &second);
	CPU_AND(&none, &first, &second);
	ok(CPU_EQUAL(&both, &ours) && CPU_COUNT(&none) == 0,
	   "two workers have the node's CPUs between them");
	world_stop(60000);

	snprintf(slurm, sizeof(slurm), "SLURM_JOB_CPUS_PER_NODE=%d(x3)", count);
	few[1] = slurm;
	world_begin(few);
	start("sleeper", 0);
	is_int(world_next(WORKERS_HERE)->count, count, "one for each CPU where none is said");
	world_stop(60000);
	if (count == 2) {
		/* Half of them: nobody knows which. */
		few[1] = "SLURM_JOB_CPUS_PER_NODE=1(x3)";
		world_begin(few);
		start("sleeper", 2);
		world_wait(WORKERS_STARTED, -1, 2);
		cpus_of(told[1]->message.pid, &first);
		ok(CPU_EQUAL(&first, &ours), "not bound where Slurm's count is another");
		world_stop(60000);
	}
	world_begin(environment);
	world_say(WORKERS_BEGIN, "two", 0);
	is_int(world_next(WORKERS_HERE)->count, 2, "or as many as the recipe says");
	world_say(WORKERS_BEGIN, "once", 0);
	is_int(world_next(WORKERS_HERE)->count, 2, "or Slurm: 1,2(x2),5");
	world_stop(60000);
}

static void test_exits(void)
{
	const struct workers_message *message;

	world_begin(environment);
	start("once", 1);
	message = world_next(WORKERS_EXITED);
	is_str(message->text, "ended with exit status 3", "an exit is told");
	is_str(message->tail, "last words of 2.0\n", "with the last words");
	ok(message->again, "and that it is started again");
	int64_t exit_time = told[told_seen - 1]->when;
	message = world_next(WORKERS_STARTED);
	ok(told[told_seen - 1]->when - exit_time >= 450, "after a while");
	message = world_next(WORKERS_EXITED);
	ok(!message->again, "as often as the recipe says");
	world_run_for(1500);
	is_int(world_count(WORKERS_STARTED, -1), 2, "and no more");
	int before = told_count;
	told_seen = before;
	workers_node_repeat(node);
	message = world_next(WORKERS_EXITED);
	ok(!message->again && !strcmp(message->text, "ended with exit status 3"),
	   "a repetition has that it is given up");
	/* It may be asked for anew. */
	world_say(WORKERS_COUNT, "once", 0);
	world_wait(WORKERS_RETIRED, 0, 1);
	world_say(WORKERS_COUNT, "once", 1);
	world_wait(WORKERS_STARTED, 0, 3);
	ok(true, "one that is given up can be asked for anew");
	world_stop(60000);

	world_begin(environment);
	start("killed", 1);
	message = world_next(WORKERS_EXITED);
	is_str(message->text, "was ended by signal 9", "a kill -9 is told as that");
	char parent[32];
	snprintf(parent, sizeof(parent), "%d\n", (int) getpid());
	is_str(message->tail, parent, "of a child of ours");
	ok(!message->again, "and final where there is no restart");

	start("missing", 2);
	message = world_next(WORKERS_EXITED);
	ok(strstr(message->text, "could not be started: no-such-program") && message->again,
	   "%s", message->text);
	world_wait(WORKERS_EXITED, 1, 2);
	ok(!world_next("*")->pid, "a missing program never starts");
	world_stop(60000);
}

static void test_killed_while_running(void)
{
	world_begin(environment);
	start("talker", 2);
	world_wait(WORKERS_READY, -1, 2);
	told_seen = told_count;
	pid_t other = 0, pid = 0;
	for (int i = 0; i < told_count; i++)
		if (told[i]->message.pid)
			*(told[i]->message.index ? &pid : &other) = told[i]->message.pid;
	kill(pid, SIGKILL);
	const struct workers_message *message = world_next("*");
	ok(message->index == 1 && message->again, "a worker that is killed is started again");
	is_str(message->tail, "started 2.1\n", "with what it had said");
	message = world_next("*");
	ok(message->index == 1 && message->pid != pid && world_lives(other),
	   "and the other is as it was");
	world_stop(60000);
}

static void test_resize(void)
{
	world_begin(environment);
	start("stubborn", 3);
	world_wait(WORKERS_READY, -1, 3);
	pid_t first = told[1]->message.pid, last = 0;
	for (int i = 0; i < told_count; i++)
		if (told[i]->message.pid && told[i]->message.index == 2)
			last = told[i]->message.pid;
	told_seen = told_count;
	world_say(WORKERS_COUNT, "stubborn", 1);
	ok(world_next("*")->count == 1, "a smaller number is here");
	free(world_read("out.told"));
	world_run_for(2000);
	is_int(told_count, told_seen, "those too many take their time");
	ok(world_lives(last), "also more than the end of all would give them");
	world_say(WORKERS_COUNT, "stubborn", 4);
	ok(world_next("*")->count == 4, "growing meanwhile");
	const struct workers_message *message = world_next(WORKERS_STARTED);
	is_int(message->index, 3, "starts whose place is free");
	kill(last, SIGUSR1);
	message = world_next(WORKERS_RETIRED);
	is_int(message->index, 2, "one retires");
	is_str(message->text, "ended with exit status 0", "as it wants to");
	message = world_next(WORKERS_STARTED);
	ok(message->index == 2 && message->pid != last, "and then another takes its place");
	is_int(world_count(WORKERS_EXITED, -1), 0, "which is no exit");
	is_int(world_count(WORKERS_STARTED, 1), 1, "the other has not ended yet");

	told_seen = told_count;
	world_say(WORKERS_COUNT, "stubborn", 0);
	is_int(world_next("*")->count, 0, "none at all is possible");
	workers_node_stop(node, 60000);
	while (!stopped)
		world_step("stopped");
	ok(!world_lives(first), "the end of all does not wait for who retires");
	world_end();
}

/* Started, one given up, and one that waits for its next start, all at once too many. */
static void test_resize_not_running(void)
{
	world_begin(environment);
	start("once", 2);
	world_wait(WORKERS_EXITED, -1, 2);
	told_seen = told_count;
	world_say(WORKERS_COUNT, "once", 0);
	world_wait(WORKERS_RETIRED, -1, 2);
	ok(world_count(WORKERS_RETIRED, 0) && world_count(WORKERS_RETIRED, 1),
	   "one that waits retires at once");
	world_run_for(1000);
	is_int(world_count(WORKERS_STARTED, -1), 2, "and is not started again");
	world_stop(60000);
}

static void test_stop(void)
{
	world_begin(environment);
	start("stubborn", 2);
	start("family", 1);
	start("two", 2);
	world_wait(WORKERS_READY, -1, 3);
	pid_t pids[5];
	int found = 0;
	for (int i = 0; i < told_count; i++)
		if (!strcmp(told[i]->type, WORKERS_STARTED) && found < 5)
			pids[found++] = told[i]->message.pid;
	char *child = world_read("out.child");
	int64_t begin = loop_now();
	workers_node_stop(node, 60000);
	workers_node_stop(node, 60000);
	ok(!stopped, "stopped is not told from within");
	while (!stopped)
		world_step("stopped");
	ok(loop_now() - begin >= 950, "who does not end has the recipe's time");
	int lives = 0;
	for (int i = 0; i < found; i++)
		lives += world_lives(pids[i]);
	ok(found == 5 && lives == 0, "then nobody is left, of three kinds");
	world_wait_dead((pid_t) atoi(child));
	ok(true, "nor are their children");
	free(child);
	unlink(world_path("out.child"));
	world_end();

	world_begin(environment);
	start("stubborn", 1);
	world_wait(WORKERS_READY, -1, 1);
	world_recipe("stubborn")->stop_timeout_s = 3600;
	world_stop(100);
	world_recipe("stubborn")->stop_timeout_s = 1;
	ok(true, "but never more than the agent has");

	world_begin(environment);
	world_stop(1000);
	ok(stopped, "a node without workers stops");

	world_begin(environment);
	start("sleeper", 2);
	world_wait(WORKERS_STARTED, -1, 2);
	pids[0] = told[1]->message.pid;
	pids[1] = told[2]->message.pid;
	world_end();
	world_wait_dead(pids[0]);
	world_wait_dead(pids[1]);
	ok(true, "a node that is destroyed leaves nobody");
	workers_node_destroy(NULL);
}

/* One that ends takes with it what it has started. */
static void test_group(void)
{
	world_begin(environment);
	start("family", 1);
	world_wait(WORKERS_READY, 0, 1);
	char *child = world_read("out.child");
	ok(world_lives((pid_t) atoi(child)), "a worker has a child");
	unlink(world_path("out.child"));
	kill(told[1]->message.pid, SIGKILL);
	world_wait(WORKERS_EXITED, 0, 1);
	world_wait_dead((pid_t) atoi(child));
	ok(true, "which goes with it");
	free(child);
	world_stop(60000);
	unlink(world_path("out.child"));
}

static void test_prepare(void)
{
	const struct workers_message *message;
	char *text;

	world_begin(environment);
	start("prepared", 2);
	world_wait(WORKERS_READY, -1, 2);
	told_seen = told_count;
	world_say(WORKERS_TAIL, "prepared", 1);
	is_str(world_next(WORKERS_TAIL)->tail, "prepared n3\n",
	       "a node is prepared before its workers start");
	text = world_read("out.prepared");
	is_str(text, "x\n", "once");
	free(text);
	unlink(world_path("out.prepared"));

	start("unprepared", 2);
	message = world_next(WORKERS_FAILED);
	is_str(message->text, "prepare_node of [workers unprepared] ended with exit status 4",
	       "one that cannot be prepared has failed");
	is_str(message->tail, "cannot\n", "with what that has said");
	workers_node_repeat(node);
	is_str(world_next(WORKERS_FAILED)->tail, "cannot\n", "also when repeated");

	world_recipe("hanging")->ready_timeout_s = 1;
	start("hanging", 2);
	message = world_next(WORKERS_FAILED);
	is_str(message->text, "prepare_node of [workers hanging] was not done within 1 s",
	       "one that hangs too");
	is_str(message->tail, "waiting\n", "with what it said last");
	text = world_read("out.hanging");
	world_wait_dead((pid_t) atoi(text));
	free(text);
	unlink(world_path("out.hanging"));
	int unprepared = 0;
	for (int i = 0; i < told_count; i++)
		unprepared += told[i]->message.pid && strcmp(told[i]->message.kind, "prepared");
	is_int(unprepared, 0, "and no worker starts unprepared");
	world_recipe("hanging")->ready_timeout_s = 100;
	world_stop(60000);

	world_begin(environment);
	start("hanging", 1);
	text = world_read("out.hanging");
	world_stop(60000);
	world_wait_dead((pid_t) atoi(text));
	ok(true, "the end of all ends the preparation");
	free(text);
}

static void test_step(void)
{
	world_begin(environment);
	start("step", 3);
	is_int(world_next("*")->count, 3, "a step's node is here");
	world_next("*");
	ok(!strcmp(told[1]->type, WORKERS_SHARED) && access(world_path("out.step"), F_OK) == 0,
	   "and may have tasks when it is prepared");
	world_run_for(300);
	is_int(told_count, 2, "but starts nothing itself");
	char never[400];
	snprintf(never, sizeof(never), "%s/never", runtime.path);
	ok(access(never, F_OK) < 0, "not at all");
	world_say(WORKERS_COUNT, "step", 2);
	is_int(world_next("*")->count, 2, "its number can change");
	world_say(WORKERS_START, "step", 0);
	world_wait(WORKERS_SHARED, -1, 2);
	ok(true, "and the head may ask again");
	world_stop(60000);
}

static void test_files(void)
{
	struct workers_file file = {.kind = "sleeper", .name = "key.json", .data = "secret\n"};
	struct stat status;
	char path[400], *text;
	size_t size;

	file.size = 7;
	world_begin(environment);
	char *payload = workers_file_encode(&file, &size);
	workers_node_message(node, WORKERS_FILE, payload, size);
	const struct workers_message *message = world_next("*");
	ok(!strcmp(told[0]->type, WORKERS_FAILED) &&
		   strstr(message->text, "before it has begun"),
	   "a file before its kind: %s", message->text);
	world_say(WORKERS_BEGIN, "sleeper", 1);
	workers_node_message(node, WORKERS_FILE, payload, size);
	workers_node_message(node, WORKERS_FILE, payload, size - 3);
	workers_node_message(node, WORKERS_FILE, payload, 3);
	free(payload);
	snprintf(path, sizeof(path), "%s/workers/sleeper/key.json", runtime.path);
	ok(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600,
	   "a file of the controller is here, private");
	int at = open(runtime.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file_read(at, "workers/sleeper/key.json", 100, &text, NULL) < 0)
		bail_out(path);
	is_str(text, "secr", "the latest, as it was sent");
	free(text);
	close(at);
	snprintf(path, sizeof(path), "%s/workers/sleeper/log", runtime.path);
	ok(stat(path, &status) == 0 && (status.st_mode & 07777) == 0700, "beside the logs");
	char *found = runtime_dir_find(agent.settings->tmpdir, "17", "n3");
	is_str(found, runtime.path, "and others of the job find the directory");
	free(found);
	world_stop(60000);
}

static void test_wrong(void)
{
	const struct workers_message *message;
	static const char *const nonsense[] = {"",
					       "{",
					       "{}",
					       "[]",
					       "\"x\"",
					       "{\"kind\":1}",
					       "{\"kind\":\"../x\"}",
					       "{\"kind\":\"a\",\"b\":1}"};

	world_begin(environment);
	world_say(WORKERS_BEGIN, "none-such", 1);
	message = world_next("*");
	ok(!strcmp(told[0]->type, WORKERS_FAILED) && strstr(message->text, "none-such"),
	   "an unknown kind: %s", message->text);
	static const char *const types[] = {WORKERS_START, WORKERS_COUNT, WORKERS_TAIL};
	for (size_t i = 0; i < 3; i++) {
		world_say(types[i], "sleeper", 1);
		message = world_next("*");
		ok(!strcmp(told[told_seen - 1]->type, WORKERS_FAILED), "%s too early: %s",
		   types[i], message->text);
	}
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		workers_node_message(node, WORKERS_BEGIN, nonsense[i], strlen(nonsense[i]));
	workers_node_message(node, WORKERS_BEGIN, NULL, 0);
	world_say("workers.unknown", "sleeper", 1);
	world_run_for(50);
	is_int(world_count(WORKERS_HERE, -1), 0, "nonsense begins nothing");
	world_stop(60000);

	/* Python is looked for where a recipe wants it. */
	char *bare[] = {"PATH=/nowhere", "HOME=/nowhere", NULL};
	world_begin(bare);
	world_say(WORKERS_BEGIN, "python", 1);
	message = world_next("*");
	bool found = !strcmp(told[0]->type, WORKERS_HERE);
	ok(found || (!strcmp(told[0]->type, WORKERS_FAILED) && strstr(message->text, "ython")),
	   "without Python a kind that needs it fails: %s",
	   found ? "there is one" : message->text);
	world_stop(60000);

	/* Its directory cannot be made. */
	world_begin(environment);
	char path[400];
	snprintf(path, sizeof(path), "%s/workers", runtime.path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	start("sleeper", 1);
	message = world_next("*");
	ok(!strcmp(told[0]->type, WORKERS_FAILED), "a node that cannot: %s", message->text);
	world_say(WORKERS_COUNT, "sleeper", 2);
	world_wait(WORKERS_FAILED, -1, 2);
	world_run_for(50);
	is_int(world_count(WORKERS_STARTED, -1), 0, "starts nothing");
	world_stop(60000);
}

/* Commands that do not speak: no more at a time than a few, or than there are CPUs. */
static void test_fan_out(void)
{
	char *few[] = {"PATH=/usr/bin:/bin", "SLURM_JOB_CPUS_PER_NODE=3(x3)", NULL};

	world_begin(few);
	start("two", 6);
	world_wait(WORKERS_STARTED, -1, 4);
	world_run_for(500);
	is_int(world_count(WORKERS_STARTED, -1), 4, "a few at a time");
	world_wait(WORKERS_STARTED, -1, 6);
	int64_t waited = told[6]->when - told[1]->when;
	ok(waited >= 1500 && waited < 60000, "then the others, when they had their time");
	is_int(world_count(WORKERS_EXITED, -1), 0, "and all of them");
	world_stop(60000);

	/* They speak: no time is lost.  Many, as they are cheap. */
	world_begin(environment);
	start("show", 40);
	int64_t begin = loop_now();
	world_wait(WORKERS_READY, -1, 40);
	ok(true, "40 that speak take %lld ms", (long long) (loop_now() - begin));
	bool once = true;
	for (int i = 0; i < 40; i++)
		once = once && world_count(WORKERS_STARTED, i) == 1;
	ok(once, "each is started once");
	world_stop(60000);
}

static void test_loud(void)
{
	struct stat status;
	struct rusage before, after;
	char path[400];

	getrusage(RUSAGE_SELF, &before);
	world_begin(environment);
	start("loud", 1);
	world_wait(WORKERS_READY, 0, 1);
	getrusage(RUSAGE_SELF, &after);
	told_seen = told_count;
	world_say(WORKERS_TAIL, "loud", 0);
	const char *tail = world_next(WORKERS_TAIL)->tail;
	ok(strlen(tail) > 4000 && !strcmp(tail + strlen(tail) - 8, "the end\n"),
	   "100 MB are printed");
	snprintf(path, sizeof(path), "%s/workers/loud/log/0.log", runtime.path);
	ok(stat(path, &status) == 0 && status.st_size <= 1 << 20, "1 MiB is kept");
	snprintf(path, sizeof(path), "%s/workers/loud/log/0.log.1", runtime.path);
	ok(stat(path, &status) == 0 && status.st_size <= 1 << 20, "and one more");
	ok(after.ru_maxrss - before.ru_maxrss < 8192, "with no memory");
	world_stop(60000);
}

/* As many files as half of them need. */
static int few_files(int dir)
{
	struct rlimit limit;

	(void) dir;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return CANNOT;
	limit.rlim_cur = 60;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return CANNOT;
	world_begin(environment);
	start("once", 0);
	start("sleeper", 40);
	world_wait(WORKERS_STARTED, -1, 8);
	while (!world_count(WORKERS_EXITED, 39))
		world_step("the last");
	int files = 0, started = 0;
	for (int i = 0; i < told_count; i++) {
		files += strstr(told[i]->message.text, "Too many open files") != NULL;
		started += !strcmp(told[i]->type, WORKERS_STARTED);
	}
	world_stop(60000);
	return files > 0 && started >= 8 ? 0 : 1;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	world_load(kinds);
	set_environment();
	write_scripts();
	test_life();
	test_worker();
	test_bound();
	test_exits();
	test_killed_while_running();
	test_resize();
	test_resize_not_running();
	test_stop();
	test_group();
	test_prepare();
	test_step();
	test_files();
	test_wrong();
	test_fan_out();
	test_loud();
	is_child(in_child(few_files, -1), "without descriptors for all, some run");
	world_clear();
	return done_testing();
}
