/* SPDX-License-Identifier: MIT */
/*
 * Tests of --jupyter-init (launcher/agent/init_file.h): files that do what they should, and
 * files that hang, exit, print megabytes or leave something behind.  Run by `make check`, as
 * anybody; as root also as nobody.
 */
#include "launcher/agent/init_file.h"

#include "common/fd.h"
#include "scratch.h"

static struct loop *loop;
static struct init_file *init;
static int dir;
static char path[sizeof(scratch_path) + 16];
static struct {
	int calls;
	struct env *environment;
	char reason[REASON_MAX];
} got;

static void on_end(struct env *environment, const char *reason, void *arg)
{
	got.calls++;
	got.environment = environment;
	snprintf(got.reason, sizeof(got.reason), "%s", reason ? reason : "");
	init_file_destroy(init);
	init = NULL;
	loop_stop(arg);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void forget(void)
{
	env_destroy(got.environment);
	memset(&got, 0, sizeof(got));
}

/* Sources the file at path from this environment; got says what came of it. */
static bool source(struct env *environment, long timeout_s)
{
	struct init_file_options options = {
		.path = path, .environment = environment, .timeout_s = timeout_s, .err = -1};
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);
	struct reason reason;

	forget();
	options.err = openat(dir, "err", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	loop_timer_set(guard, 100000);
	init = init_file_start(loop, &options, on_end, loop, &reason);
	bool started = init != NULL;
	if (!started)
		snprintf(got.reason, sizeof(got.reason), "%s", reason.text);
	else if (loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(guard);
	close(options.err);
	return started;
}

/* The same with this content, from an environment of one variable. */
static bool run(const char *content, long timeout_s)
{
	static char *const vector[] = {"PATH=/usr/bin:/bin", "OLD=1", NULL};
	struct env *environment = env_create(vector);

	if (file_replace(dir, "init", 0600, content, strlen(content)) < 0)
		bail_out("init");
	bool started = source(environment, timeout_s);
	env_destroy(environment);
	return started && got.environment;
}

static const char *variable(const char *name)
{
	return got.environment ? env_get(got.environment, name) : NULL;
}

static void test_environment(void)
{
	char *text;
	size_t size;

	ok(run("export NEW='two words'\nOTHER=no\n", 60), "a file is sourced");
	is_str(variable("NEW"), "two words", "what it exports is there");
	is_str(variable("OLD"), "1", "and what was");
	ok(!variable("OTHER") && !variable("_") && !variable("SHLVL"), "and nothing more");
	ok(run("unset OLD; export NEW=$'a\\nb=c'; export EMPTY=", 60), "another");
	ok(!variable("OLD"), "takes one away");
	is_str(variable("NEW"), "a\nb=c", "keeps a newline");
	is_str(variable("EMPTY"), "", "and an empty one");
	ok(run("module() { echo x; }\nexport -f module", 60), "a function");
	ok(variable("BASH_FUNC_module%%") != NULL, "is kept as bash exports it");
	ok(run("", 60), "an empty file leaves all");
	is_str(variable("OLD"), "1", "as it was");
	ok(run("PATH=/nowhere; export PATH", 60), "a PATH without programs");
	is_str(variable("PATH"), "/nowhere", "is the file's affair");

	ok(run("echo A=1; printf 'B=2\\0'; echo C=3 >&2", 60), "what it prints");
	ok(!variable("A") && !variable("B") && !variable("C"), "is not its environment");
	if (file_read(dir, "err", 1000, &text, &size) < 0)
		bail_out("err");
	is_int(size, 12, "but goes where it is told to");
	free(text);
	ok(run("exec >/dev/null 2>&1; export NEW=1", 60) && variable("NEW"),
	   "also where it sends its output away");
	ok(run("printf 'X=1\\0' >&3 || true; export NEW=1", 60) && variable("NEW") &&
		   !variable("X"),
	   "it cannot write into the environment that is read");
	ok(run("exec 3</dev/null; export NEW=1", 60) && variable("NEW"),
	   "nor lose it by using descriptor 3");
	ok(run("exec 3>&-; export NEW=1", 60) && variable("NEW"), "or closing it");
}

static void refused(const char *content, long timeout_s, const char *words, const char *what)
{
	ok(!run(content, timeout_s) && got.calls == 1, "%s", what);
	ok(strstr(got.reason, words) && strstr(got.reason, "--jupyter-init="), "%s",
	   got.reason);
}

static void test_failing(void)
{
	refused("exit 0", 60, "exit", "one that exits");
	refused("exit 33", 60, "exit status 33", "one that exits with a status");
	refused("false", 60, "exit status 1", "one that fails at its end");
	refused("set -e; false; true", 60, "exit status 1", "one that stops at an error");
	refused("kill -9 $$", 60, "signal 9", "one that kills its shell");
	refused("if true; then", 60, "exit status", "one that is cut");
	refused("exec true", 60, "exit", "one that becomes something else");
	refused("while :; do :; done", 1, "not done in time", "one that hangs");
	refused("trap '' TERM INT HUP; sleep 1000", 1, "not done in time",
		"one that hangs and takes no signals");
	refused("for i in {1..60}; do x=$(printf %100000d $i); export V$i=$x; done", 60, "",
		"one that exports more than Linux takes");
	ok(run("head -c 5000000 /dev/zero | tr '\\0' x", 60), "megabytes of output are none");
	ok(run("head -c 100000 /dev/urandom", 60), "whatever they are");
}

static void test_background(void)
{
	ok(run("sleep 1000 & export CHILD=$!", 60), "one that leaves a program running");
	pid_t child = variable("CHILD") ? atoi(variable("CHILD")) : 0;
	ok(child > 1 && kill(child, 0) == 0, "which goes on");
	if (child > 1)
		kill(child, SIGKILL);
	ok(run("(while :; do sleep 1; done) & export CHILD=$!", 60), "or a shell");
	child = variable("CHILD") ? atoi(variable("CHILD")) : 0;
	if (child > 1)
		kill(child, SIGKILL);
}

static void test_large(void)
{
	enum { COUNT = 16000 };
	struct env *environment = env_create(NULL);
	char name[32], value[101];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "V%d", i);
		env_set(environment, name, value);
	}
	(void) file_replace(dir, "init", 0600, "export NEW=1\n", 13);
	ok(source(environment, 100) && got.environment, "an environment near to 2 MB");
	is_str(variable("V15999"), value, "comes through");
	is_str(variable("NEW"), "1", "with what is new");
	/* Under valgrind a program that does not fit ends instead of being refused. */
	if (getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "vgpreload")) {
		skip("an environment too large, under valgrind");
		env_destroy(environment);
		return;
	}
	for (int i = 0; i < 2 * COUNT; i++) {
		snprintf(name, sizeof(name), "W%d", i);
		env_set(environment, name, value);
	}
	ok(!source(environment, 100) && strstr(got.reason, strerror(E2BIG)),
	   "one that Linux does not take is told at once");
	tap_note("%s", got.reason);
	env_destroy(environment);
}

static void not_started(const char *what, const char *words)
{
	struct env *environment = env_create(NULL);

	ok(!source(environment, 60) && strstr(got.reason, words), "%s", what);
	ok(got.calls == 0, "%s", got.reason);
	env_destroy(environment);
}

static int as_nobody(int directory)
{
	struct env *environment = env_create(NULL);

	(void) directory;
	if (become_nobody())
		return CANNOT;
	bool started = source(environment, 60);
	env_destroy(environment);
	return started || !strstr(got.reason, strerror(EACCES));
}

static void test_start(void)
{
	unlinkat(dir, "init", 0);
	not_started("a missing file is told at once", strerror(ENOENT));
	mkdirat(dir, "init", 0700);
	not_started("so is a directory", "not a regular file");
	unlinkat(dir, "init", AT_REMOVEDIR);
	if (mkfifoat(dir, "init", 0600) < 0)
		bail_out("mkfifoat");
	not_started("and a fifo", "not a regular file");
	unlinkat(dir, "init", 0);
	if (symlinkat("init", dir, "init") < 0)
		bail_out("symlinkat");
	not_started("and a link to itself", strerror(ELOOP));
	unlinkat(dir, "init", 0);
	(void) file_replace(dir, "init", 0600, "", 0);
	if (geteuid() == 0)
		is_child(in_child(as_nobody, dir), "and another user's private file");
	else
		skip("another user: needs root");
	init_file_destroy(NULL);
}

int main(void)
{
	dir = scratch_open();
	snprintf(path, sizeof(path), "%s/init", scratch_path);
	if (!(loop = loop_create()))
		bail_out("loop_create");
	test_environment();
	test_failing();
	test_background();
	test_large();
	test_start();
	forget();
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
