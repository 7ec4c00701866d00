/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/ready.h and of the commands that wait for workers (wait
 * --ready, workers), with the head, srun and squeue played by the test; run by `make check` as
 * whoever calls it. */
#include "launcher/sjupyter/ready.h"
#include "common/fd.h"
#include "common/lock.h"
#include "common/statedir.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "scratch.h"

static struct reason reason;

/* A record of two nodes as the head may write it. */
struct record {
	enum session_state state;
	const char *node;	/* the second one's state */
	const char *dask, *own; /* states of kinds, NULL: none of it */
	unsigned expected, ready;
};

/* The state of a kind that is degraded, while some of those that are missing are on their
 * way. */
#define MENDING "mending"

static struct session *make(const struct record *record)
{
	struct session *session = session_create();

	if (session == NULL || (session->nodes = calloc(2, sizeof(*session->nodes))) == NULL)
		bail_out("session");
	session->node_count = 2;
	session->state = record->state;
	session->phases[PHASE_TRIGGERED] = 1000;
	session_set(&session->job_id, "20");
	session_set(&session->reason,
		    record->state == SESSION_DEGRADED ? "n2.1 is missing" : NULL);
	session_set(&session->nodes[0].name, "n1");
	session_set(&session->nodes[1].name, "n2");
	session_set(&session->head_node, "n1");
	session_set(&session->runtime_dir, "/tmp/x");
	strcpy(session->nodes[0].state, "up");
	strcpy(session->nodes[1].state, record->node);
	if (record->dask != NULL) {
		struct session_workers *workers = session_workers_add(session, "dask");
		bool coming = strcmp(record->dask, MENDING) == 0;
		strcpy(workers->state, coming ? "degraded" : record->dask);
		session_set(&workers->reason,
			    strcmp(workers->state, "degraded") == 0 ? "one is missing" : NULL);
		workers->expected = record->expected;
		workers->ready = record->ready;
		workers->settled = strcmp(record->dask, "starting") != 0 && !coming;
	}
	if (record->own != NULL) {
		struct session_workers *workers = session_workers_add(session, "own");
		strcpy(workers->state, record->own);
		workers->settled = strcmp(record->own, "starting") != 0;
	}
	return session;
}

static void put(const struct record *record)
{
	struct session *session = make(record);
	int fd = statedir_open("20", 1, &reason);

	if (fd < 0 || session_write(session, fd) < 0)
		bail_out("session.json");
	session_destroy(session);
	close(fd);
}

static void test_verdict(void)
{
	static const struct {
		struct record record;
		int verdict;
		const char *what;
	} cases[] = {
		{{SESSION_STARTING, "up", "ready", NULL, 4, 4}, 0, "before the server answers"},
		{{SESSION_SERVING, "up", "starting", NULL, 4, 0}, 0, "while workers come up"},
		{{SESSION_DEGRADED, "up", MENDING, NULL, 4, 2},
		 0,
		 "while others come up than the one that has ended for good"},
		{{SESSION_SERVING, "expected", NULL, NULL, 0, 0}, 0, "while nodes do"},
		{{SESSION_READY, "up", "ready", "ready", 4, 4}, 1, "all there"},
		{{SESSION_READY, "up", NULL, NULL, 0, 0}, 1, "all there without workers"},
		{{SESSION_DEGRADED, "up", "degraded", "starting", 4, 3},
		 0,
		 "a kind is degraded while another comes up"},
		{{SESSION_DEGRADED, "expected", "degraded", NULL, 4, 3}, 0, "or a node does"},
		{{SESSION_DEGRADED, "up", "degraded", "ready", 4, 3},
		 -1,
		 "nothing comes any more"},
		{{SESSION_DEGRADED, "lost", NULL, NULL, 0, 0}, -1, "a node is lost"},
		{{SESSION_DEGRADED, "up", "failed", NULL, 4, 0}, -1, "a kind has failed"},
		{{SESSION_DRAINING, "up", "ready", NULL, 4, 4}, 0, "at the end"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session *session = make(&cases[i].record);
		is_int(ready_verdict(session, NULL), cases[i].verdict, "%s", cases[i].what);
		session_destroy(session);
	}
}

/* Runs the command in a child; its exit code, its output in the file "out". */
static int command_run_in_child(const struct command *command, const char *const argv[])
{
	char name[] = "sjupyter test", *words[8] = {name};
	int argc = 1, status, fd;
	pid_t child;

	for (; argv[argc - 1] != NULL; argc++)
		words[argc] = (char *) argv[argc - 1];
	child = fork();
	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		alarm(60); /* a hang is a failure, not a wait */
		fd = open("out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(99);
		int code = command->run(argc, words, NULL);
		fflush(stdout);
		_exit(code);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define run_command(command, ...)                                                              \
	command_run_in_child((command), (const char *const[]){__VA_ARGS__, NULL})

static bool said(const char *text)
{
	static char *out;
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(out);
	out = NULL;
	if (file_read(dir, "out", 65536, &out, NULL) != 0)
		bail_out("out");
	close(dir);
	return strstr(out, text) != NULL || tap_note("it said: %s", out);
}

/* Whether the text is in the file "out" by now. */
static bool is_out(const char *text)
{
	char data[4096];
	int fd = open("out", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, data, sizeof(data) - 1);

	if (fd >= 0)
		close(fd);
	data[got > 0 ? got : 0] = '\0';
	return strstr(data, text) != NULL;
}

/* Writes these records, one after the other; the last one not before the text, if not NULL, has
 * been said of those before it. */
static pid_t play_head(const struct record *records, size_t count, const char *text)
{
	pid_t child;

	(void) unlink("out");
	child = fork();
	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		alarm(60);
		for (size_t i = 0; i < count; i++) {
			usleep(150000);
			while (text && i == count - 1 && !is_out(text))
				usleep(10000);
			put(&records[i]);
		}
		_exit(0);
	}
	return child;
}

static void test_wait(void)
{
	static const struct record coming[] = {
		{SESSION_SERVING, "up", "starting", "starting", 4, 1},
		{SESSION_DEGRADED, "up", MENDING, "ready", 4, 2},
		{SESSION_DEGRADED, "up", "degraded", "starting", 4, 3},
		{SESSION_DEGRADED, "up", "degraded", "ready", 4, 3},
	};
	static const struct record ready[] = {
		{SESSION_SERVING, "up", "starting", NULL, 4, 1},
		{SESSION_READY, "up", "ready", NULL, 4, 4},
	};
	static const struct record ended = {SESSION_ENDED, "up", "ready", NULL, 4, 4};
	static const struct record failed = {SESSION_FAILED, "up", "failed", NULL, 4, 0};
	pid_t child;

	put(&ready[0]);
	is_int(run_command(&command_wait, "--ready", "--timeout=0:1", "20"), 1,
	       "serving is not ready");
	ok(said("is serving after 1.00 s"), "when the time is over that is said");
	child = play_head(ready, 2, NULL);
	is_int(run_command(&command_wait, "--ready", "20"), 0, "until all workers are there");
	waitpid(child, NULL, 0);
	put(&ready[0]);
	child = play_head(coming, sizeof(coming) / sizeof(coming[0]), NULL);
	is_int(run_command(&command_wait, "--ready", "20"), 1, "until no more come");
	waitpid(child, NULL, 0);
	ok(said("is degraded: n2.1 is missing"), "and why is said");
	put(&coming[1]);
	is_int(run_command(&command_wait, "--ready", "--timeout=0:1", "20"), 1,
	       "a degraded session of which more may come");
	ok(said("is degraded after 1.00 s: n2.1 is missing\n"), "is waited for");
	put(&ended);
	is_int(run_command(&command_wait, "--ready", "20"), 1, "what has ended is not ready");
	is_int(run_command(&command_wait, "20"), 0, "but it has ended");
	put(&failed);
	is_int(run_command(&command_wait, "--ready", "20"), 1, "nor is what has failed");
}

static void play(const char *name, const char *lines)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0 || dprintf(fd, "#!/bin/sh\n%s\n", lines) < 0 || close(fd) < 0)
		bail_out(name);
}

static void test_workers_usage(void)
{
	static const char *const bad[] = {
		"dask=-1", "dask=+1", "dask=1025",    "dask=", "dask=x",
		"=3",	   "a b=3",   "dask=3,mpi=2", "dask",  "20_x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(run_command(&command_workers, "20", bad[i]), 2, "workers 20 %s is wrong",
		       bad[i]);
	is_int(run_command(&command_workers, "dask=1025"), 2, "too many");
	ok(said("give 0 to 1024 for each node"), "is told with what is allowed");
	is_int(run_command(&command_workers, "20", "dask=1", "dask=2"), 2, "a kind twice");
	is_int(run_command(&command_workers, "20", "--wait"), 2, "waiting for nothing");
	is_int(run_command(&command_workers, "21", "dask=1"), 3, "no such session");
	is_int(run_command(&command_workers, "21"), 3, "also to be shown");
}

static void test_workers(void)
{
	static const struct record before = {SESSION_READY, "up", "ready", NULL, 4, 4};
	static const struct record growing[] = {
		{SESSION_READY, "up", "ready", NULL, 4, 4}, /* older than the answer */
		{SESSION_SERVING, "up", "starting", NULL, 6, 5},
		{SESSION_READY, "up", "ready", NULL, 6, 6},
	};
	static const struct record shrinking[] = {
		{SESSION_READY, "up", "ready", NULL, 6, 8}, /* two have work to finish */
		{SESSION_READY, "up", "ready", NULL, 6, 6},
	};
	static const struct record missing[] = {
		{SESSION_SERVING, "up", "starting", NULL, 6, 5},
		{SESSION_DEGRADED, "up", "degraded", NULL, 6, 5},
	};
	static const struct record mended[] = {
		{SESSION_DEGRADED, "up", MENDING, NULL, 6, 5},
		{SESSION_READY, "up", "ready", NULL, 6, 6},
	};
	static const struct record none = {SESSION_READY, "up", NULL, NULL, 0, 0};
	static const struct record ended = {SESSION_ENDED, "up", "ready", NULL, 4, 4};
	pid_t child;

	put(&before);
	is_int(run_command(&command_workers, "20"), 0, "workers are shown");
	ok(said("\ndask             ready             4/4"), "in a table");
	play("srun", "touch ran; cat >in; echo '{\"ok\":true,\"expected\":6}'");
	is_int(run_command(&command_workers, "dask=3", "20"), 0, "their number is changed");
	ok(said("dask: 3 on each node, 6 in all\n"), "as the head says");
	is_int(unlink("ran"), 0, "by a step");
	is_int(run_command(&command_workers, "20", "desk=3"), 1, "an unknown kind");
	ok(said("no workers of the kind \"desk\": it has dask\n"), "is told");
	is_int(run_command(&command_workers, "20", "dask=3", "desk=3"), 1,
	       "also behind a known one");
	fails_with(unlink("ran"), ENOENT, "before any step");
	child = play_head(growing, 3, "workers: dask ");
	is_int(run_command(&command_workers, "20", "dask=3", "--wait"), 0, "until they are up");
	waitpid(child, NULL, 0);
	ok(said("workers: dask "), "and how they come up is shown");
	child = play_head(shrinking, 2, NULL);
	is_int(run_command(&command_workers, "20", "dask=3", "--wait"), 0, "or down");
	waitpid(child, NULL, 0);
	put(&before);
	child = play_head(missing, 2, NULL);
	is_int(run_command(&command_workers, "20", "dask=3", "--wait", "--json"), 1,
	       "or will not come");
	waitpid(child, NULL, 0);
	ok(said("dask is degraded: one is missing\n"), "with the reason");
	ok(said("\"changed\": [") && said("\"expected\": 6") && said("\"workers\": ["),
	   "and as JSON what was done and what is");
	put(&before);
	child = play_head(mended, 2, NULL);
	is_int(run_command(&command_workers, "20", "dask=3", "--wait"), 0,
	       "one that is started again is waited for");
	waitpid(child, NULL, 0);
	play("srun", "echo '{\"error\":\"mpi cannot change its number\"}'; exit 1");
	is_int(run_command(&command_workers, "20", "dask=3"), 1, "what the head refuses");
	ok(said("sjupyter: dask: mpi cannot change its number\n"), "is told in its words");
	play("srun", "echo '{\"ok\":true,\"expected\":-1}'");
	is_int(run_command(&command_workers, "20", "dask=3"), 1, "a number that is none");
	put(&none);
	is_int(run_command(&command_workers, "20", "dask=3"), 1, "a session without workers");
	ok(said("without --jupyter-workers"), "is told");
	put(&ended);
	is_int(run_command(&command_workers, "20", "dask=3"), 1, "one that has ended");
	ok(said("has ended"), "is told");
	is_int(run_command(&command_workers, "20"), 0, "and can be looked at");
}

int main(void)
{
	int dir = scratch_open(), state, lock;
	char text[600];

	snprintf(text, sizeof(text), "%s/state", scratch_path);
	setenv("XDG_STATE_HOME", text, 1);
	snprintf(text, sizeof(text), "%s:/usr/bin:/bin", scratch_path);
	setenv("PATH", text, 1);
	unsetenv("SLURM_JOB_ID");
	if (fchdir(dir) != 0)
		bail_out("fchdir");
	play("squeue", "echo '20|20|N/A|RUNNING|2|N/A|NONE|0|n1|None'");
	/* As long as the head lives. */
	state = statedir_open("20", 1, &reason);
	lock = lock_take(state, "head.lock");
	if (lock < 0)
		bail_out("head.lock");
	test_verdict();
	test_wait();
	test_workers_usage();
	test_workers();
	fd_close(&lock);
	close(state);
	close(dir);
	snprintf(text, sizeof(text), "rm -rf %s", scratch_path);
	is_int(chdir("/"), 0, "left");
	is_int(system(text), 0, "cleaned up");
	return done_testing();
}
