/* SPDX-License-Identifier: MIT */
/*
 * Tests of starting programs (launcher/spawn.h): what they inherit, what they must not, and how
 * it is told when they cannot be started.  Run by `make check`, as anybody.
 */
#include "launcher/spawn.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/fd.h"
#include "scratch.h"

static int dir;
static char *const empty[] = {NULL};
static char output[65536];

/* Waits for the child; its exit code, or 128 and its signal. */
static int ended(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs a shell's words with options, what it prints in output; its exit code. */
static int shell(struct spawn_options options, const char *words)
{
	char *argv[] = {"renamed", "-c", (char *) words, NULL};
	struct reason reason = {""};
	size_t used = 0;
	ssize_t got;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		bail_out("pipe2");
	options.program = "/bin/sh";
	options.argv = argv;
	options.out = ends[1];
	pid_t pid = spawn_process(&options, &reason);
	close(ends[1]);
	if (pid < 0) {
		tap_note("%s", reason.text);
		bail_out("spawn_process");
	}
	while ((got = read(ends[0], output + used, sizeof(output) - 1 - used)) > 0)
		used += (size_t) got;
	close(ends[0]);
	output[used] = '\0';
	return ended(pid);
}

static void test_inherits(void)
{
	struct spawn_options options = {
		.environment = empty, .directory = scratch_path, .in = -1, .err = -1};
	static char *const environment[] = {"A=1", "B=two words", NULL};
	char text[512];

	/* What is to stay behind. */
	int leaked = open("/dev/null", O_RDONLY);
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	sigset_t blocked, old;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &old);
	sigaction(SIGPIPE, &ignore, &before);

	is_int(shell(options, "exit 33"), 33, "a program is started");
	shell(options, "echo \"$0\"");
	is_str(output, "renamed\n", "under the name it is given");
	shell(options, "ls /proc/self/fd");
	/* 3 is the directory that ls reads. */
	is_str(output, "0\n1\n2\n3\n", "with no descriptors but three");
	shell(options, "readlink /proc/self/fd/0 /proc/self/fd/2");
	is_str(output, "/dev/null\n/dev/null\n", "/dev/null where there is none");
	shell(options, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
	/* 32 and 33 are libc's own and stay as whoever started us left them. */
	unsigned long long mask = 1, ignored = 1, libc = 3ULL << 31;
	ok(sscanf(output, "SigBlk: %llx SigIgn: %llx", &mask, &ignored) == 2 &&
		   !((mask | ignored) & ~libc),
	   "no signal blocked or ignored");
	shell(options, "pwd");
	snprintf(text, sizeof(text), "%s\n", scratch_path);
	is_str(output, text, "in its directory");
	shell(options, "/usr/bin/env | grep -v -E '^(PWD|OLDPWD|SHLVL|_)='");
	is_str(output, "", "without our environment");
	options.environment = environment;
	shell(options, "/usr/bin/env | grep -v -E '^(PWD|OLDPWD|SHLVL|_)='");
	is_str(output, "A=1\nB=two words\n", "but the one it is given");

	options.own_session = true;
	shell(options, "cut -d' ' -f1,5,6 /proc/$$/stat");
	long pid = 0, group = 1, session = 2;
	ok(sscanf(output, "%ld %ld %ld", &pid, &group, &session) == 3 && pid == group &&
		   pid == session,
	   "leads a session of its own");
	options.own_session = false;
	shell(options, "cut -d' ' -f1,5,6 /proc/$$/stat");
	ok(sscanf(output, "%ld %ld %ld", &pid, &group, &session) == 3 && group == getpgrp() &&
		   session == getsid(0),
	   "or is in ours");

	sigaction(SIGPIPE, &before, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(leaked);
}

/* With 0, 1 and 2 closed, every descriptor made lands where another is to go. */
static int with_none(int directory)
{
	char *argv[] = {"sh", "-c", "read line; echo \"out $line\"; echo \"err $line\" >&2",
			NULL};
	char *got;

	for (int i = 0; i < 3; i++)
		close(i);
	/* In reverse: the child's stdin is our 2, its stderr our 0. */
	int err = openat(directory, "err", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int out = openat(directory, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int in = openat(directory, "in", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (err != 0 || out != 1 || in != 2 || write(in, "x\n", 2) != 2 ||
	    lseek(in, 0, SEEK_SET) != 0)
		return 1;
	struct spawn_options options = {.program = "/bin/sh",
					.argv = argv,
					.environment = empty,
					.in = in,
					.out = out,
					.err = err};
	if (ended(spawn_process(&options, NULL)) != 0)
		return 2;
	if (file_read(directory, "out", 100, &got, NULL) < 0 || strcmp(got, "out x\n") != 0)
		return 3;
	free(got);
	if (file_read(directory, "err", 100, &got, NULL) < 0 || strcmp(got, "err x\n") != 0)
		return 4;
	free(got);
	for (int i = 0; i < 3; i++)
		close(i);
	options.in = options.out = options.err = -1;
	return ended(spawn_process(&options, NULL)) == 0 ? 0 : 5;
}

/* Descriptors besides the standard ones, taken from wherever they are here. */
static void test_more(void)
{
	struct spawn_options options = {.environment = empty, .in = -1, .err = -1};
	int more[SPAWN_FDS_MAX], ends[2];
	char text[64];

	for (int i = 0; i < SPAWN_FDS_MAX; i++) {
		snprintf(text, sizeof(text), "file%d", i);
		/* In reverse of their places, and in each other's. */
		more[SPAWN_FDS_MAX - 1 - i] =
			openat(dir, text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	}
	options.more = more;
	options.more_count = SPAWN_FDS_MAX - 3;
	is_int(shell(options, "for i in 3 4 9 15; do readlink /proc/self/fd/$i; done"), 0,
	       "as many more as may be");
	char *wanted = NULL;
	if (asprintf(&wanted, "%s/file15\n%s/file14\n%s/file9\n%s/file3\n", scratch_path,
		     scratch_path, scratch_path, scratch_path) < 0)
		bail_out("asprintf");
	is_str(output, wanted, "in their order");
	free(wanted);
	shell(options, "ls /proc/self/fd | wc -l");
	is_int(atoi(output), SPAWN_FDS_MAX + 1,
	       "and no other"); /* the directory that ls reads */
	options.more_count = SPAWN_FDS_MAX - 2;
	options.program = "/bin/true";
	options.argv = empty;
	fails_with(spawn_process(&options, NULL), EINVAL, "not one more");
	more[1] = -1;
	options.more_count = 2;
	struct reason reason;
	char *argv[] = {"true", NULL};
	options.argv = argv;
	options.out = -1;
	fails_with(spawn_process(&options, &reason), EBADF, "nor one that is none");

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		bail_out("socketpair");
	options.more = &ends[1];
	options.more_count = 1;
	if (write(ends[0], "go\n", 3) != 3)
		bail_out("write");
	is_int(shell(options, "read line <&3 && echo \"$line ready\" >&3"), 0,
	       "a channel is spoken through");
	ok(read(ends[0], text, sizeof(text)) == 9 && !memcmp(text, "go ready\n", 9),
	   "in both directions");
	for (int i = 0; i < SPAWN_FDS_MAX; i++)
		if (more[i] >= 0)
			close(more[i]);
	close(ends[0]);
	close(ends[1]);
}

static void test_cpus(void)
{
	struct spawn_options options = {.environment = empty, .in = -1, .err = -1};
	cpu_set_t ours, one;
	int last = -1;

	if (sched_getaffinity(0, sizeof(ours), &ours) < 0) {
		skip("more CPUs than a cpu_set_t has");
		return;
	}
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &ours))
			last = i;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	options.cpus = &one;
	options.cpus_size = sizeof(one);
	shell(options, "sed -n 's/^Cpus_allowed_list:[^0-9]*//p' /proc/self/status");
	is_int(atoi(output), last, "a program is bound to the CPU it is given");
	ok(!strpbrk(output, ",-"), "and to no other");
	CPU_ZERO(&one);
	is_int(shell(options, "exit 33"), 33, "it runs also where it cannot be bound");
	cpu_set_t after;
	sched_getaffinity(0, sizeof(after), &after);
	ok(CPU_EQUAL(&ours, &after), "and we are where we were");
}

/* More files open than a child may have: the limit is given back only when they are closed. */
static int many_files(int directory)
{
	struct spawn_options options = {.environment = empty, .in = -1, .err = -1};
	struct rlimit limit;

	(void) directory;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < 256)
		return CANNOT;
	limit.rlim_cur = 64;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return CANNOT;
	spawn_many_files();
	for (int i = 0; i < 100; i++)
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			return 1;
	shell(options, "ulimit -S -n");
	/* valgrind keeps that limit to itself. */
	const char *preload = getenv("LD_PRELOAD");
	if (preload && strstr(preload, "vgpreload"))
		return CANNOT;
	return strcmp(output, "64\n") == 0 ? 0 : 2;
}

static void refused(struct spawn_options options, int error, const char *what)
{
	char *argv[] = {"x", NULL};
	struct reason reason = {""};
	const char *preload = getenv("LD_PRELOAD");

	/* valgrind starts these itself, and fails only then. */
	if (preload && strstr(preload, "vgpreload") &&
	    (error == E2BIG || strstr(options.program, "no-interpreter"))) {
		skip("not told so under valgrind");
		return;
	}
	options.argv = argv;
	options.in = options.out = options.err = -1;
	fails_with(spawn_process(&options, &reason), error, "%s", what);
	ok(strstr(reason.text, strerror(error)) && strstr(reason.text, options.program),
	   "is told: %s", reason.text);
}

static void test_refused(void)
{
	struct spawn_options options = {.program = "/missing", .environment = empty};
	char path[320];

	refused(options, ENOENT, "a missing program");
	options.program = "/etc/passwd";
	refused(options, EACCES, "a file that is none");
	options.program = scratch_path;
	refused(options, EACCES, "a directory");
	snprintf(path, sizeof(path), "%s/no-interpreter", scratch_path);
	if (file_replace(dir, "no-interpreter", 0755, "#!/missing/sh\n", 14) < 0)
		bail_out(path);
	options.program = path;
	refused(options, ENOENT, "a script without its interpreter");
	options.program = "/bin/true";
	options.directory = "/missing";
	refused(options, ENOENT, "a missing directory");
	options.directory = "/etc/passwd";
	refused(options, ENOTDIR, "a directory that is none");

	options.directory = NULL;
	char *large = malloc(4 << 20), *environment[] = {large, NULL};
	if (!large)
		bail_out("malloc");
	memset(large, 'x', 4 << 20);
	large[1] = '=';
	large[(4 << 20) - 1] = '\0';
	options.environment = environment;
	refused(options, E2BIG, "an environment that Linux does not take");
	free(large);
	fails_with(waitpid(-1, NULL, 0), ECHILD, "and no child is left");
}

static void nothing(int signo)
{
	(void) signo;
}

static void test_interrupted(void)
{
	struct sigaction interrupt = {.sa_handler = nothing}; /* no SA_RESTART */
	struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
	char *argv[] = {"x", NULL};
	struct spawn_options options = {
		.program = "/missing", .argv = argv, .environment = empty};
	int failures = 0;

	options.in = options.out = options.err = -1;
	sigaction(SIGALRM, &interrupt, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 100; i++)
		failures += spawn_process(&options, NULL) == -1;
	setitimer(ITIMER_REAL, &never, NULL);
	/* One that is on its way still, as valgrind may have it, must not end us. */
	signal(SIGALRM, SIG_IGN);
	is_int(failures, 100, "a signal does not make a failed start look like a good one");
}

/* In a child of ours, whose own end is then its program's. */
static int dies_with_us(int directory)
{
	int ends[2];
	char byte;

	(void) directory;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	pid_t middle = fork();
	if (middle == 0) {
		char *argv[] = {"sleep", "100", NULL};
		struct spawn_options options = {.program = "/bin/sleep",
						.argv = argv,
						.environment = empty,
						.in = -1,
						.out = ends[1],
						.err = -1,
						.own_session = true,
						.dies_with_us = true};
		_exit(spawn_process(&options, NULL) > 0 ? 0 : 1);
	}
	close(ends[1]);
	if (ended(middle) != 0)
		return 2;
	/* The end of file is the end of sleep; in_child() bounds the wait. */
	return read(ends[0], &byte, 1) == 0 ? 0 : 3;
}

static int core_dumps(int directory)
{
	struct rlimit limit;
	struct spawn_options options = {.environment = empty, .in = -1, .err = -1};

	(void) directory;
	if (getrlimit(RLIMIT_CORE, &limit) < 0)
		return CANNOT;
	limit.rlim_cur = limit.rlim_max < 1024 * 1024 ? limit.rlim_max : 1024 * 1024;
	if (setrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur < 1024 * 1024)
		return CANNOT;
	spawn_no_core_dumps();
	spawn_no_core_dumps();
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 0)
		return 1;
	shell(options, "ulimit -S -c");
	if (strcmp(output, "0\n") != 0)
		return 2;
	options.core_dumps = true;
	shell(options, "ulimit -S -c");
	return strcmp(output, "2048\n") == 0 ? 0 : 3; /* in blocks of 512 bytes */
}

static void test_find(void)
{
	char path[1024], wanted[512];
	char *found;

	mkdirat(dir, "first", 0755);
	mkdirat(dir, "second", 0755);
	mkdirat(dir, "first/tool", 0755);
	mkdirat(dir, "relative", 0755);
	(void) file_replace(dir, "second-text", 0644, "x", 1);
	int second = openat(dir, "second", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int relative = openat(dir, "relative", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void) file_replace(second, "tool", 0755, "x", 1);
	(void) file_replace(second, "text", 0644, "x", 1);
	(void) file_replace(relative, "other", 0755, "x", 1);
	close(second);
	close(relative);
	if (fchdir(dir) < 0)
		bail_out("fchdir");

	snprintf(path, sizeof(path), ":relative:./relative:%s/missing:%s/first::%s/second",
		 scratch_path, scratch_path, scratch_path);
	snprintf(wanted, sizeof(wanted), "%s/second/tool", scratch_path);
	found = spawn_find("tool", path);
	is_str(found, wanted, "a program is found; a directory of its name is passed over");
	free(found);
	found = spawn_find(wanted, NULL);
	is_str(found, wanted, "a path is taken as it is");
	free(found);
	static const char *const missing[] = {"other",	    "text",	  "",  ".",
					      "..",	    "first/tool", "/", "/missing/other",
					      "second/text"};
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		errno = 0;
		found = spawn_find(missing[i], path);
		ok(!found && errno == ENOENT, "\"%s\" is none", missing[i]);
		free(found);
	}
	static const char *const paths[] = {NULL, "", ":", ":::", ".", "relative", "//:/"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		found = spawn_find("other", paths[i]);
		ok(!found, "nothing is found in \"%s\"", paths[i] ? paths[i] : "(NULL)");
		free(found);
	}
	if (chdir("/") < 0)
		bail_out("chdir");
}

int main(void)
{
	dir = scratch_open();
	test_inherits();
	is_child(in_child(with_none, dir), "whatever of 0, 1 and 2 is open here");
	test_more();
	test_cpus();
	is_child(in_child(many_files, dir), "with more files open than it may have itself");
	test_refused();
	test_interrupted();
	is_child(in_child(dies_with_us, dir), "it dies with its parent");
	is_child(in_child(core_dumps, dir), "the core limit is taken, and given back if asked");
	test_find();
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
