/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/kernel/kernel.h: with a small kernel of its own that has every fault,
 * and with ipykernel where there is one.  Run by `make check` as whoever calls it.
 */
#include "launcher/kernel/kernel.h"

#include <limits.h>

#include "common/fd.h"
#include "fake_kernel.h"
#include "scratch.h"

/* Longer than anything takes, shorter than the test's bound. */
enum { LONG_MS = 60000, BEAT_MS = 100 };

static struct loop *loop;
static struct kernel *kernel;
static struct kernelspec spec;
static struct env *environment;
static struct kernel_options options;
static struct reason reason;
static char program[PATH_MAX];
static int dir;

/* What has happened, a letter for each: Spawned, Ready, Hung, Crashed or restarted, Ended. */
static struct {
	char letters[32];
	char reason[REASON_MAX];
	bool in_order;
} seen;

/* What loop_run() is to end for: this letter's N-th time; 0: the timer alone. */
static char wanted;
static unsigned wanted_count;

static void happened(char letter, const char *why)
{
	unsigned count = 0;
	size_t length = strlen(seen.letters);

	if (length + 1 < sizeof(seen.letters)) {
		seen.letters[length] = letter;
		seen.letters[length + 1] = '\0';
	}
	if (why != NULL)
		snprintf(seen.reason, sizeof(seen.reason), "%s", why);
	for (const char *at = seen.letters; *at != '\0'; at++)
		count += *at == wanted;
	if (letter == wanted && count >= wanted_count)
		loop_stop(loop);
}

static void on_spawned(void *arg)
{
	(void) arg;
	happened('S', NULL);
}

static void on_ready(void *arg)
{
	(void) arg;
	happened('R', NULL);
}

static void on_hung(const char *why, void *arg)
{
	(void) arg;
	happened('H', why);
}

static void on_restarting(const char *why, void *arg)
{
	(void) arg;
	happened('C', why);
}

static void on_ended(bool in_order, const char *why, void *arg)
{
	(void) arg;
	seen.in_order = in_order;
	happened('E', why);
}

static void on_late(void *arg)
{
	*(bool *) arg = true;
	loop_stop(loop);
}

/* Whether it has come, for the count-th time since begin(). */
static bool wait_for(char letter, unsigned count)
{
	bool late = false;
	struct loop_timer *timer;
	unsigned have = 0;

	for (const char *at = seen.letters; *at != '\0'; at++)
		have += *at == letter;
	if (have >= count)
		return true;
	wanted = letter;
	wanted_count = count;
	timer = loop_timer_create(loop, on_late, &late);
	if (timer == NULL)
		bail_out("timer");
	loop_timer_set(timer, LONG_MS);
	loop_run(loop);
	loop_timer_destroy(timer);
	wanted = '\0';
	if (late)
		tap_note("waited for %c, seen %s (%s)", letter, seen.letters, seen.reason);
	return !late;
}

static char *words[8];

/* A kernel of this mode is started; true when it could be. */
static bool begin(const char *mode)
{
	static const struct kernel_callbacks callbacks = {on_spawned,	 on_ready, on_hung,
							  on_restarting, on_ended, NULL};
	static char flag[] = "--kernel", name[32], file[] = "{connection_file}";

	snprintf(name, sizeof(name), "%s", mode);
	words[0] = program;
	words[1] = flag;
	words[2] = name;
	words[3] = file;
	words[4] = NULL;
	memset(&seen, 0, sizeof(seen));
	unlinkat(dir, "kernel.json.told", 0);
	spec.argv = words;
	kernel = kernel_create(loop, &options, &callbacks);
	if (kernel == NULL)
		bail_out("kernel_create");
	reason.text[0] = '\0';
	return kernel_start(kernel, &reason) == 0;
}

static void end(void)
{
	kernel_destroy(kernel);
	kernel = NULL;
	options.ready_ms = LONG_MS;
	options.linger_ms = 0;
	options.heartbeat_ms = LONG_MS;
	spec.tcp = false;
	spec.interrupt_by_message = false;
}

/* What the kernel has told in its file, once there is something; bounded. */
static const char *told(void)
{
	static char text[64];

	for (int i = 0; i < 1000; i++) {
		char *data = NULL;
		if (file_read(dir, "kernel.json.told", sizeof(text) - 1, &data, NULL) == 0) {
			snprintf(text, sizeof(text), "%s", data);
			free(data);
			if (text[0] != '\0')
				return text;
		}
		usleep(10000);
	}
	return "";
}

static bool says(const char *words_of_it)
{
	return strstr(seen.reason, words_of_it) != NULL || tap_note("it says: %s", seen.reason);
}

/* By its pid, since the test is not to know how the kernel keeps it.  exec: the shell would be
 * found too, and before it when the pids have begun anew. */
static pid_t kernel_pid(void)
{
	char command[128], line[32] = "";
	FILE *pipe;

	snprintf(command, sizeof(command), "exec pgrep -P %d -f -- --kernel", (int) getpid());
	pipe = popen(command, "r");
	if (pipe == NULL || fgets(line, sizeof(line), pipe) == NULL)
		bail_out("pgrep");
	pclose(pipe);
	return atoi(line);
}

static char *answer(const char *line)
{
	static char text[512];
	char *got = kernel_answer(kernel, line, strlen(line));

	snprintf(text, sizeof(text), "%s", got != NULL ? got : "NULL");
	free(got);
	return text;
}

static void test_good(void)
{
	struct stat status;

	ok(begin("good") && wait_for('R', 1), "a good kernel gets ready");
	is_str(seen.letters, "SR", "spawned, then ready");
	is_int(kernel_state(kernel), KERNEL_READY, "its state");
	ok(fstatat(dir, "kernel.json", &status, 0) == 0 && (status.st_mode & 07777) == 0600,
	   "its connection file is 0600");
	is_str(answer("{\"status\": {}}"),
	       "{\"state\":\"ready\",\"restarts\":0,\"reason\":\"\"}\n", "status");
	ok(strstr(answer("{\"connection\": {}}"), connection_key(kernel_connection(kernel))) !=
		   NULL,
	   "connection has the key");
	ok(strstr(answer("{\"connection\": {}}"), "\"kernel_name\":\"fake\"") != NULL,
	   "and the kernel's name");
	is_str(answer("{\"interrupt\": {}}"), "{\"ok\":true}\n", "interrupt");
	is_str(told(), "I", "a signal has come");
	is_str(answer("{\"shutdown\": {}}"), "{\"ok\":true}\n", "shutdown");
	ok(wait_for('E', 1) && seen.in_order, "it ends in order");
	is_str(told(), "IS", "by a message");
	ok(strstr(answer("{\"restart\": {}}"), "cannot be restarted") != NULL,
	   "an ended one is not restarted");
	end();
}

static void test_answers(void)
{
	static const char *const wrong[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"{\"status\": {}, \"restart\": {}}",
		"{\"status\": 1}",
		"{\"status\": {\"a\": 1}}",
		"{\"status\": {\"number\": \"1\"}}",
		"{\"status\": {\"number\": 1, \"a\": 1}}",
		"{\"key\": {}}",
		"{\"status\": {}, \"status\": {}}",
	};

	begin("good");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ok(strncmp(answer(wrong[i]), "{\"error\":", 9) == 0, "refused: %s", wrong[i]);
	ok(strstr(answer("{\"interrupt\": {}}"), "the kernel is starting") != NULL,
	   "one that starts is not interrupted");
	end();
}

static void test_message_mode(void)
{
	spec.interrupt_by_message = true;
	ok(begin("good") && wait_for('R', 1), "ready, of interrupt_mode message");
	is_int(kernel_interrupt(kernel, &reason), 0, "interrupted");
	is_str(told(), "M", "by a message");
	end();
}

static void test_restart(void)
{
	char key[CONNECTION_KEY_MAX];

	ok(begin("good") && wait_for('R', 1), "ready");
	strcpy(key, connection_key(kernel_connection(kernel)));
	is_int(kernel_restart(kernel, &reason), 0, "it is told to restart");
	is_int(kernel_state(kernel), KERNEL_RESTARTING, "its state");
	ok(wait_for('R', 2), "ready again");
	is_str(seen.letters, "SRCSR", "what has happened");
	is_str(told(), "R", "it was asked to, with restart");
	is_str(connection_key(kernel_connection(kernel)), key, "the same key");
	is_int(kernel_restarts(kernel), 0, "that is no crash");
	end();
	ok(begin("deaf") && wait_for('R', 1), "one that does not listen");
	kernel_restart(kernel, &reason);
	ok(wait_for('R', 2), "is killed and restarted");
	end();
}

/* Its client has told it to end, then restarts it. */
static void test_exit(void)
{
	options.linger_ms = LONG_MS;
	ok(begin("good") && wait_for('R', 1), "ready");
	kill(kernel_pid(), SIGUSR1);
	for (int i = 0; i < 500 && kernel_state(kernel) != KERNEL_EXITED; i++) {
		bool late = false;
		struct loop_timer *timer = loop_timer_create(loop, on_late, &late);
		loop_timer_set(timer, 10);
		loop_run(loop);
		loop_timer_destroy(timer);
	}
	is_int(kernel_state(kernel), KERNEL_EXITED, "ended by itself: waited for a restart");
	is_int(kernel_restart(kernel, &reason), 0, "which comes");
	ok(wait_for('R', 2), "ready again");
	end();
	ok(begin("good") && wait_for('R', 1), "ready");
	kill(kernel_pid(), SIGUSR1);
	ok(wait_for('E', 1) && seen.in_order && says("shut down by its user"),
	   "where no restart comes it ends in order");
	end();
}

static void test_crash(void)
{
	ok(begin("good") && wait_for('R', 1), "ready");
	kill(kernel_pid(), SIGUSR2);
	ok(wait_for('C', 1) && says("fake ended with exit status 3: these are last words"),
	   "a crash is told with last words");
	ok(wait_for('R', 2), "started again");
	is_int(kernel_restarts(kernel), 1, "counted");
	kill(kernel_pid(), SIGKILL);
	ok(wait_for('C', 2) && says("was ended by signal 9"), "killed");
	ok(wait_for('R', 3), "started again");
	kill(kernel_pid(), SIGKILL);
	ok(wait_for('E', 1) && !seen.in_order && says("was ended by signal 9"),
	   "not more than twice in a row");
	is_str(seen.letters, "SRCSRCSRE", "what has happened");
	end();
}

static void test_hung(void)
{
	options.heartbeat_ms = BEAT_MS;
	ok(begin("good") && wait_for('R', 1), "ready");
	pid_t pid = kernel_pid();
	kill(pid, SIGSTOP);
	ok(wait_for('H', 1) && says("hangs or is stopped") && says("the kernel runs"),
	   "stopped: told with its last output");
	is_int(kernel_state(kernel), KERNEL_HUNG, "its state");
	kill(pid, SIGCONT);
	ok(wait_for('R', 2), "continued: ready");
	kill(pid, SIGSTOP);
	ok(wait_for('H', 2), "stopped again");
	kernel_stop(kernel, 200);
	ok(wait_for('E', 1) && seen.in_order, "it can be ended");
	end();
	options.heartbeat_ms = BEAT_MS;
	ok(begin("good") && wait_for('R', 1), "ready");
	kill(kernel_pid(), SIGSTOP);
	ok(wait_for('H', 1), "stopped");
	is_int(kernel_restart(kernel, &reason), 0, "it is restarted");
	ok(wait_for('R', 2), "ready again");
	end();
}

static void test_deaf(void)
{
	ok(begin("deaf") && wait_for('R', 1), "one that ignores message and SIGTERM");
	kernel_stop(kernel, 200);
	ok(wait_for('E', 1) && seen.in_order && says("signal 9"), "is killed");
	end();
}

/* The counter of a cgroup of version 2 made of plain files. */
static void count_memory_kills(int kills)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "oom_kill %d\n", kills);

	if (file_replace(dir, "memory.events", 0600, text, (size_t) size) < 0)
		bail_out("memory.events");
}

/* What the kernel kills of other processes is counted too, so not each SIGKILL is its. */
static void test_memory(void)
{
	static const char cgroup[] = "0::/\n";
	static const char mount[] = "30 23 0:26 / / rw - cgroup2 cgroup2 rw\n";
	int proc;

	if (mkdirat(dir, "proc", 0700) < 0 || mkdirat(dir, "proc/self", 0700) < 0 ||
	    (proc = openat(dir, "proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		bail_out("proc");
	if (file_replace(proc, "cgroup", 0600, cgroup, strlen(cgroup)) < 0 ||
	    file_replace(proc, "mountinfo", 0600, mount, strlen(mount)) < 0)
		bail_out("proc/self");
	close(proc);
	count_memory_kills(1);
	options.memory = memory_kill_create(scratch_path);
	if (options.memory == NULL)
		bail_out("memory");

	ok(begin("deaf") && wait_for('R', 1), "one is ready");
	count_memory_kills(2);
	kill(kernel_pid(), SIGKILL);
	ok(wait_for('C', 1) && says("signal 9 (out of memory)"), "killed by the kernel");
	count_memory_kills(3);
	ok(wait_for('R', 2), "it is started again");
	kill(kernel_pid(), SIGKILL);
	ok(wait_for('C', 2) && says("signal 9") && !says("out of memory"),
	   "what was counted before its start is not about it");
	ok(wait_for('R', 3), "it is started again");
	count_memory_kills(4);
	kernel_stop(kernel, 200);
	ok(wait_for('E', 1) && says("signal 9") && !says("out of memory"),
	   "nor is what was counted when it was told to end and killed");
	end();
	memory_kill_destroy(options.memory);
	options.memory = NULL;
}

/* A fault before it is ready is the end, with these words. */
static void fails(const char *mode, const char *what)
{
	ok(begin(mode) && wait_for('E', 1), "%s: ended", mode);
	ok(!seen.in_order && says(what), "%s: said so", mode);
	is_str(seen.letters, "SE", "%s: not tried again", mode);
	end();
}

static void test_faults(void)
{
	fails("dies", "ended with exit status 1: ModuleNotFoundError: No module named");
	fails("forged", "shell: a message of the kernel is not signed with the key");
	fails("forged-iopub", "iopub: a message of the kernel is not signed with the key");
	options.ready_ms = 300;
	fails("silent", "not ready after 0 s: no answer on its heartbeat");
	options.ready_ms = 1000;
	fails("mute", "not ready after 1 s: no answer to a kernel_info_request on shell");
}

static void test_tcp(void)
{
	spec.tcp = true;
	ok(begin("good") && wait_for('R', 1), "a kernel that chooses its TCP ports gets ready");
	kill(kernel_pid(), SIGUSR2);
	ok(wait_for('R', 2), "again, with other ports");
	end();
	spec.tcp = true;
	fails("garbage", "that is not JSON");
	spec.tcp = true;
	fails("rekeyed", "changed transport, ip or key");
	spec.tcp = true;
	options.ready_ms = 300;
	fails("silent", "has not written its ports");
}

static void test_not_started(void)
{
	char path[sizeof(program)];

	strcpy(path, program);
	strcpy(program, "/does/not/exist");
	ok(!begin("good") && strstr(reason.text, "/does/not/exist") != NULL,
	   "a program that is missing is named: %s", reason.text);
	end();
	strcpy(program, path);
}

/* The Python of t/lib/common.bash's virtual environment. */
static void test_ipykernel(void)
{
	const char *venv = getenv("VENV");
	static char python[512], module[] = "ipykernel_launcher", dash_m[] = "-m",
				 dash_f[] = "-f", file[] = "{connection_file}";
	static const struct kernel_callbacks callbacks = {on_spawned,	 on_ready, on_hung,
							  on_restarting, on_ended, NULL};

	snprintf(python, sizeof(python), "%s/bin/python",
		 venv != NULL ? venv : "/opt/spank-jupyter/venv");
	if (access(python, X_OK) != 0) {
		skip("no ipykernel here: VENV has none");
		return;
	}
	words[0] = python;
	words[1] = dash_m;
	words[2] = module;
	words[3] = dash_f;
	words[4] = file;
	words[5] = NULL;
	spec.argv = words;
	memset(&seen, 0, sizeof(seen));
	kernel = kernel_create(loop, &options, &callbacks);
	ok(kernel != NULL && kernel_start(kernel, &reason) == 0 && wait_for('R', 1),
	   "ipykernel gets ready");
	is_int(kernel_interrupt(kernel, &reason), 0, "it is interrupted");
	is_int(kernel_restart(kernel, &reason), 0, "and restarted");
	ok(wait_for('R', 2), "ready again");
	kernel_stop(kernel, LONG_MS);
	ok(wait_for('E', 1) && seen.in_order && says("ended with exit status 0"),
	   "it ends by the message alone");
	is_str(seen.letters, "SRCSRE", "what has happened");
	end();
}

int main(int argc, char *argv[])
{
	static char name[] = "fake";

	if (argc == 4 && strcmp(argv[1], "--kernel") == 0) {
		int status = fake_kernel(argv[2], argv[3]);
		fflush(stdout);
		_exit(status); /* it frees nothing, which is no leak of what is tested */
	}
	if (realpath(argv[0], program) == NULL)
		bail_out(argv[0]);
	dir = scratch_open();
	loop = loop_create();
	environment = env_create(environ);
	if (loop == NULL || environment == NULL)
		bail_out("loop");
	spec.name = spec.file = spec.resource_dir = name;
	options = (struct kernel_options){
		.spec = &spec,
		.environment = environment,
		.runtime = scratch_path,
		.runtime_fd = dir,
		.directory = scratch_path,
		.ready_ms = LONG_MS,
		.heartbeat_ms = LONG_MS,
		.restarts_max = 2,
	};
	test_good();
	test_answers();
	test_message_mode();
	test_restart();
	test_exit();
	test_crash();
	test_hung();
	test_deaf();
	test_memory();
	test_faults();
	test_tcp();
	test_not_started();
	test_ipykernel();
	loop_destroy(loop);
	env_destroy(environment);
	return done_testing();
}
