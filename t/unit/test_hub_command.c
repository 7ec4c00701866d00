/* SPDX-License-Identifier: MIT */
/*
 * Tests of jupyter-hub-callback as the head and scripts start it: the program that was built,
 * with a hub and a munged of the test's own.  Run by `make check`, as anybody.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "hub_world.h"
#include "munged.h"

enum {
	PATIENCE_MS = 60000, /* for what is to come */
	GONE_MS = 5000,	     /* for the end, once standard input has ended */
	ARGS_MAX = 32
};

static struct hub hub;
static struct munged munged;

/* The program. */

static struct {
	pid_t pid;
	int in, out, err;
	char buffer[1 << 19];
	size_t used;
} program = {.in = -1, .out = -1, .err = -1};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void program_exec(const int in[2], const int out[2], const int err[2],
			 const char *const args[])
{
	const char *argv[ARGS_MAX + 2] = {"jupyter-hub-callback"};

	for (int i = 0; args[i]; i++)
		argv[1 + i] = args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
		_exit(126);
	execv("../hub-callback/jupyter-hub-callback", (char *const *) argv);
	_exit(127);
}

static void program_start(const char *const args[])
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		bail_out("pipe2");
	program.pid = fork();
	if (program.pid < 0)
		bail_out("fork");
	if (program.pid == 0)
		program_exec(in, out, err, args);
	close(in[0]);
	close(out[1]);
	close(err[1]);
	program.in = in[1];
	program.out = out[0];
	program.err = err[0];
	program.used = 0;
}

static char api[128];

/* `run` in the mode of a spawn, with the behaviour of the hub. */
static void run_start(const char *behaviour)
{
	char hub_option[160], uid_option[32];

	snprintf(api, sizeof(api), "http://127.0.0.1:%s/%s/hub/api", hub.port, behaviour);
	snprintf(hub_option, sizeof(hub_option), "--hub=%s", api);
	snprintf(uid_option, sizeof(uid_option), "--hub-uid=%lu", (unsigned long) geteuid());
	program_start((const char *const[]){"run", "--mode=spawn", hub_option, uid_option,
					    "--user=alice", "--job=123", "--restart=1",
					    "--cluster=c1", "--deadline=60", NULL});
}

static void say(const char *line)
{
	if (fd_write_all(program.in, line, strlen(line)) < 0)
		bail_out("the program does not read");
}

/* The next line that it says, or NULL within the time; valid until the next call. */
static const char *hear_within(int64_t ms)
{
	static char line[sizeof(program.buffer)];
	int64_t end = now_ms() + ms;

	for (;;) {
		char *newline = memchr(program.buffer, '\n', program.used);
		struct pollfd ready = {.fd = program.out, .events = POLLIN};
		int64_t left = end - now_ms();
		ssize_t got;

		if (newline) {
			size_t length = (size_t) (newline - program.buffer);

			memcpy(line, program.buffer, length);
			line[length] = '\0';
			program.used -= length + 1;
			memmove(program.buffer, newline + 1, program.used);
			return line;
		}
		if (poll(&ready, 1, left > 0 ? (int) left : 0) != 1)
			return NULL;
		got = read(program.out, program.buffer + program.used,
			   sizeof(program.buffer) - program.used);
		if (got <= 0)
			return NULL;
		program.used += (size_t) got;
	}
}

static const char *hear(void)
{
	return hear_within(PATIENCE_MS);
}

/* Passes over problems. */
static const char *hear_result(void)
{
	const char *line;

	do
		line = hear();
	while (line && strstr(line, "{\"problem\":") == line);
	return line;
}

static bool contains(const char *line, const char *part)
{
	return line && strstr(line, part);
}

/* Its exit status, or -1 when it is not gone within the time: then it is killed. */
static int gone_within(int64_t ms)
{
	int64_t end = now_ms() + ms;
	const struct timespec pause = {.tv_nsec = 5000000};
	int status, result = -1;

	for (;;) {
		if (waitpid(program.pid, &status, WNOHANG) == program.pid) {
			result = WIFEXITED(status) ? WEXITSTATUS(status)
						   : 128 + WTERMSIG(status);
			break;
		}
		if (now_ms() > end) {
			kill(program.pid, SIGKILL);
			waitpid(program.pid, &status, 0);
			break;
		}
		nanosleep(&pause, NULL);
	}
	fd_close(&program.in);
	fd_close(&program.out);
	fd_close(&program.err);
	return result;
}

/* Ends its input. */
static int leave(void)
{
	fd_close(&program.in);
	return gone_within(GONE_MS);
}

/* How often the hub has seen a request with these words, once it was at least so often. */
static int seen(const char *words, int least)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int64_t end = now_ms() + PATIENCE_MS;
	int count;

	do {
		char *log;

		nanosleep(&pause, NULL);
		count = 0;
		hub_log(&hub, &log);
		for (const char *at = log; (at = strstr(at, words)); at++)
			count++;
		free(log);
	} while (count < least && now_ms() < end);
	return count;
}

#define ENVIRONMENT "{\"event\": \"environment\"}\n"
#define SERVING                                                                                \
	"{\"event\": \"serving\", \"ip\": \"10.0.0.1\", \"port\": 40001, \"scheme\": "         \
	"\"http\", \"nodes\": [\"n1\"], \"head\": \"n1\", \"app\": \"lab\"}\n"
#define STATUS	 "{\"event\": \"status\", \"state\": \"ready\"}\n"
#define ACTIVITY "{\"event\": \"activity\", \"last_activity\": 1, \"busy\": true}\n"
#define ENDED	 "{\"event\": \"ended\", \"state\": \"ended\", \"reason\": \"as asked\"}\n"

/* run */

static void test_straight(void)
{
	run_start("good");
	say(ENVIRONMENT);
	ok(contains(hear(), "LD_PRELOAD"), "what is left out is told");
	ok(contains(hear(), "{\"environment\":{"), "the environment");
	say(SERVING STATUS ACTIVITY);
	is_str(hear(), "{\"registered\":true}", "registered");
	ok(seen("\"action\": \"activity\"", 1) == 1, "the activity is posted");
	say(ENDED);
	is_str(hear(), "{\"done\":true}", "done");
	is_int(gone_within(GONE_MS), 0, "and gone");
	is_int(seen("\"action\": \"status\"", 1), 1, "the status was posted");
	is_int(seen("\"reason\": \"as asked\"", 1), 1, "and the end, with its reason");
}

static void test_wrong_lines(void)
{
	char *huge = malloc(300001);

	memset(huge, 'x', 300000);
	huge[300000] = '\0';
	run_start("good");
	say("nonsense\n");
	ok(contains(hear(), "not a line of JSON"), "what is no JSON is a problem");
	say("{\"event\": \"environment\", \"more\": 1}\n");
	ok(contains(hear(), "is not a field"), "and what is too much");
	say(huge);
	say("\n");
	ok(contains(hear(), "longer than 256 KiB"), "and a line that is too long");
	say(ENVIRONMENT);
	ok(contains(hear_result(), "{\"environment\":"), "and it goes on");
	say("{\"event\": \"serving\"");
	is_int(leave(), 0, "a line that is cut by the end is none");
	free(huge);
}

static void test_end_of_input(void)
{
	static const char *const behaviours[] = {"silent-eof", "s-500", "slow", "busy-60"};
	char path[64];

	run_start("good");
	is_int(leave(), 0, "it ends with its input, having said nothing");
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		run_start(behaviours[i]);
		say(ENVIRONMENT);
		snprintf(path, sizeof(path), "/%s/hub", behaviours[i]);
		seen(path, 1);
		is_int(leave(), 0, "and with a hub that does %s", behaviours[i]);
	}
	kill(munged.pid, SIGSTOP);
	run_start("good");
	say(ENVIRONMENT);
	is_int(leave(), 0, "and with a munged that hangs");
	kill(munged.pid, SIGCONT);
	run_start("good");
	say(ENVIRONMENT);
	ok(contains(hear_result(), "{\"environment\":"), "it runs");
	kill(program.pid, SIGTERM);
	kill(program.pid, SIGINT);
	kill(program.pid, SIGUSR1);
	say(SERVING);
	is_str(hear(), "{\"registered\":true}", "and is not ended by signals to the whole job");
	fd_close(&program.out);
	say(SERVING);
	is_int(gone_within(GONE_MS), 1, "it ends when nobody listens");
}

static void test_end_overtakes(void)
{
	run_start("silent-end");
	say(STATUS);
	seen("/silent-end/hub/api/spank-jupyter", 1);
	say(ENDED);
	ok(seen("/silent-end/hub/api/spank-jupyter", 2) == 2,
	   "the end does not wait for a status that the hub does not answer");
	is_int(leave(), 0, "nor does anything for the end");
}

static void test_refusals(void)
{
	static const struct {
		const char *behaviour, *words;
	} cases[] = {{"s-401", "same munge key"},   {"s-403", "not yours"},
		     {"s-404", "does not know"},    {"s-409", "another job"},
		     {"redirect", "never goes"},    {"s-405", "/hub/api"},
		     {"bad-version", "another ver"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line;

		run_start(cases[i].behaviour);
		say(ENVIRONMENT);
		line = hear();
		ok(contains(line, "{\"failed\":") && contains(line, cases[i].words), "%s: %s",
		   cases[i].behaviour, line);
		is_int(leave(), 0, "and gone");
	}
}

static void test_recoveries(void)
{
	static const char *const behaviours[] = {"flaky-2-run", "busy-1-run"};
	int64_t begun;

	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		begun = now_ms();
		run_start(behaviours[i]);
		say(ENVIRONMENT);
		ok(contains(hear(), "{\"problem\":"), "%s is a problem", behaviours[i]);
		ok(contains(hear_result(), "{\"environment\":"), "and then good");
		is_int(leave(), 0, "and gone");
	}
	ok(now_ms() - begun >= 1000, "Retry-After was kept to");
}

static void hub_restart(const char *port)
{
	char option[32];

	snprintf(option, sizeof(option), "--port=%s", port);
	hub_start(&hub, (const char *const[]){option, NULL});
}

static void test_hub_restarted(void)
{
	char port[8];
	int before;

	memcpy(port, hub.port, sizeof(port));
	hub_stop(&hub);
	run_start("good");
	say(ENVIRONMENT);
	ok(contains(hear(), "no answer"), "a hub that is down at the start is a problem");
	hub_restart(port);
	ok(contains(hear_result(), "{\"environment\":"), "and then there");
	say(SERVING);
	is_str(hear_result(), "{\"registered\":true}", "registered");
	hub_stop(&hub);
	say(ACTIVITY);
	ok(contains(hear(), "no answer"), "a hub that is down later is a problem");
	before = seen("\"action\": \"serving\"", 0);
	hub_restart(port);
	is_str(hear(), "{\"registered\":true}", "and is told again where the server is");
	ok(seen("\"action\": \"serving\"", before + 1) > before, "as its log says");
	is_int(leave(), 0, "and gone");
}

static void test_munged_restarted(void)
{
	munged_stop(&munged);
	setenv("MUNGE_SOCKET", munged.socket, 1);
	run_start("good");
	say(ENVIRONMENT);
	ok(contains(hear(), "munge on this node does not answer"),
	   "a munged that is down is a problem");
	is_int(leave(), 0, "that does not keep it");
	munged_start(&munged);
}

static void test_loopback(void)
{
	const char *line;

	/* The test's hub is on this node: one that nobody has started. */
	setenv("SLURM_SUBMIT_HOST", "elsewhere.example", 1);
	program_start((const char *const[]){"run", "--mode=spawn",
					    "--hub=http://127.0.0.1:1/hub/api", "--hub-uid=0",
					    "--job=1", "--cluster=c", NULL});
	say(ENVIRONMENT);
	line = hear();
	ok(contains(line, "{\"failed\":") && contains(line, "hub_connect_url"),
	   "the loopback of another node: %s", line);
	is_int(leave(), 0, "and gone");
	unsetenv("SLURM_SUBMIT_HOST");
}

/* post */

/* What comes until the end, its newlines but the last as spaces. */
static void read_whole(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;

	while ((got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t) got;
	if (used > 0 && text[used - 1] == '\n')
		used--;
	text[used] = '\0';
	for (char *newline = text; (newline = strchr(newline, '\n'));)
		*newline = ' ';
}

static int post(const char *const args[], char *out, size_t out_size, char *err,
		size_t err_size)
{
	const char *all[ARGS_MAX] = {"post"};

	for (int i = 0; args[i]; i++)
		all[1 + i] = args[i];
	program_start(all);
	read_whole(program.out, out, out_size);
	read_whole(program.err, err, err_size);
	return gone_within(PATIENCE_MS);
}

static void test_post(void)
{
	struct post_case {
		const char *behaviour;
		const char *args[8];
		int status;
		const char *out, *err;
	};
	static const struct post_case cases[] = {
		{"good", {"environment"}, 0, "{\"environment\":{", "LD_PRELOAD"},
		{"good",
		 {"serving", "--ip=10.0.0.1", "--port=40001", "--app=lab", "--head=n1"},
		 0,
		 "{\"registered\":true}",
		 ""},
		{"good", {"status", "--state=ready"}, 0, "{\"done\":true}", ""},
		{"good", {"activity", "--busy"}, 0, "{\"done\":true}", ""},
		{"good", {"ended", "--state=failed", "--reason=x"}, 0, "{\"done\":true}", ""},
		{"s-500", {"environment"}, 1, "", "status 500"},
		{"flaky-1-post", {"environment", "--deadline=60"}, 0, "{\"environment\":{", ""},
		{"s-403", {"environment", "--deadline=60"}, 4, "", "status 403"},
		{"s-404", {"environment"}, 4, "", "status 404"},
		{"redirect", {"environment"}, 4, "", "elsewhere"},
		{"good", {"serving"}, 2, "", "\"ip\" is missing"},
		{"good", {"serving", "--port=0"}, 2, "", "\"port\" is wrong"},
		{"good", {"serving", "--port=x"}, 2, "", "\"port\" is wrong"},
		{"good", {"dance"}, 2, "", "what to post"},
		{"good", {"adopt", "--app=lab"}, 2, "", "no adopt"},
		{"good", {"environment", "--app=lab"}, 2, "", "--app is not of environment"},
		{"good", {"environment", "--what"}, 2, "", "--what"},
		{"good", {"environment", "more"}, 2, "", "one argument too many"},
		{"good", {"environment", "--job=x"}, 2, "", "--job"},
		{"good", {"environment", "--hub-uid=root"}, 2, "", "--hub-uid=root"},
		{"good", {"environment", "--deadline=-1"}, 2, "", "--deadline"}};
	char out[4096], err[4096], uid[16];

	/* All that is not given is the job's environment. */
	snprintf(uid, sizeof(uid), "%lu", (unsigned long) geteuid());
	setenv("SPANK_JUPYTER_HUB_UID", uid, 1);
	setenv("SLURM_JOB_ID", "7", 1);
	setenv("SLURM_CLUSTER_NAME", "c", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(api, sizeof(api), "http://127.0.0.1:%s/%s/hub/api", hub.port,
			 cases[i].behaviour);
		setenv("JUPYTERHUB_API_URL", api, 1);
		is_int(post(cases[i].args, out, sizeof(out), err, sizeof(err)), cases[i].status,
		       "%s of %s: %d", cases[i].args[0], cases[i].behaviour, cases[i].status);
		ok(!strncmp(out, cases[i].out, strlen(cases[i].out)), "prints %s", out);
		ok(strstr(err, cases[i].err), "complains %s", err);
	}
	unsetenv("SPANK_JUPYTER_HUB_UID");
	is_int(post((const char *const[]){"environment", NULL}, out, sizeof(out), err,
		    sizeof(err)),
	       2, "without the hub's uid");
	ok(strstr(err, "hub_user"), "the setting is named");
	unsetenv("JUPYTERHUB_API_URL");
	is_int(post((const char *const[]){"environment", NULL}, out, sizeof(out), err,
		    sizeof(err)),
	       2, "without a hub");
}

/* A job that was submitted from a server of one hub tells another one nothing of the first. */
static void test_token(void)
{
	char out[4096], err[4096], option[160], uid[32];

	snprintf(option, sizeof(option), "--hub=http://127.0.0.1:%s/good-token/", hub.port);
	snprintf(uid, sizeof(uid), "--hub-uid=%lu", (unsigned long) geteuid());
	setenv("JUPYTERHUB_API_URL", "http://10.0.0.1:8081/hub/api", 1);
	setenv("JUPYTERHUB_API_TOKEN", "secret-of-another", 1);
	is_int(post((const char *const[]){"adopt", "--mode=adopt", "--app=lab", option, uid,
					  NULL},
		    out, sizeof(out), err, sizeof(err)),
	       0, "another hub is asked: %s", err);
	is_int(seen("/good-token/hub/api/spank-jupyter", 1), 1, "by its own URL");
	is_int(seen("secret-of-another", 0), 0, "and gets no token that is not its own");
	is_int(post((const char *const[]){"serving", "--mode=stock", "--port=1", option, NULL},
		    out, sizeof(out), err, sizeof(err)),
	       2, "batchspawner's hub is that of the token");
	unsetenv("JUPYTERHUB_API_URL");
	is_int(post((const char *const[]){"serving", "--mode=stock", "--port=1", option, NULL},
		    out, sizeof(out), err, sizeof(err)),
	       0, "or nobody knows better: %s", err);
	is_int(seen("secret-of-another", 1), 1, "then the token is its");
	unsetenv("JUPYTERHUB_API_TOKEN");
}

int main(void)
{
	int dir = scratch_open();

	if (access("../hub-callback/jupyter-hub-callback", X_OK) < 0) {
		printf("1..0 # SKIP jupyter-hub-callback is not built\n");
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	munged_start(&munged);
	hub_start(&hub, NULL);
	setenv("SPANK_JUPYTER_SPAWN_ID", "0123456789abcdef", 1);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	unsetenv("SLURM_SUBMIT_HOST");
	unsetenv("JUPYTERHUB_API_TOKEN");
	test_straight();
	test_wrong_lines();
	test_end_of_input();
	test_end_overtakes();
	test_refusals();
	test_recoveries();
	test_loopback();
	test_post();
	test_token();
	test_hub_restarted();
	/* The hub keeps to the munged that it has begun with. */
	test_munged_restarted();
	hub_stop(&hub);
	munged_stop(&munged);
	close(dir);
	hub_shell("rm -rf %s", scratch_path);
	return done_testing();
}
