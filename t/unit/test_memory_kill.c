/* SPDX-License-Identifier: MIT */
/*
 * Tests of whether the kernel killed for want of memory (launcher/workers/memory_kill.h), and
 * of the words for how a child ended (launcher/workers/exit_words.h), with cgroups of both
 * versions made of plain files.  Run by `make check`, as anybody; as root also with a real
 * cgroup, where the machine has one to be had.
 */
#include "launcher/workers/memory_kill.h"

#include "common/fd.h"
#include "launcher/workers/exit_words.h"
#include "scratch.h"

static int dir;

/* Writes the file, with the directories that lead to it. */
static void plant(const char *path, const char *text)
{
	char part[256];

	for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int) (at - path), path);
		mkdirat(dir, part, 0755);
	}
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		bail_out(path);
	close(fd);
}

static struct memory_kill *make(void)
{
	struct memory_kill *kill = memory_kill_create(scratch_path);

	if (!kill)
		bail_out("memory_kill_create");
	return kill;
}

/* The counter's file, as either version has it. */
static void count(const char *file, int kills)
{
	char text[256];

	if (strstr(file, "memory.events"))
		snprintf(text, sizeof(text),
			 "low 0\nhigh 0\nmax 9\noom 8\noom_kill %d\noom_group_kill 0\n", kills);
	else
		snprintf(text, sizeof(text), "oom_kill_disable 0\nunder_oom 0\noom_kill %d\n",
			 kills);
	plant(file, text);
}

/* One machine: its files of /proc, and where the counter is. */
static void is_counted(const char *cgroups, const char *mounts, const char *file,
		       const char *what)
{
	plant("proc/self/cgroup", cgroups);
	plant("proc/self/mountinfo", mounts);
	count(file, 3);
	struct memory_kill *kill = make();
	bool before = memory_kill_take(kill);
	count(file, 5);
	bool first = memory_kill_take(kill), second = memory_kill_take(kill);
	bool third = memory_kill_take(kill);
	ok(!before && first && second && !third, "%s: two kills are two kills", what);
	count(file, 7);
	memory_kill_forget(kill);
	ok(!memory_kill_take(kill), "%s: one that is forgotten is none", what);
	unlinkat(dir, file, 0);
	ok(!memory_kill_take(kill), "%s: nor one that cannot be read", what);
	memory_kill_destroy(kill);
}

static const char v1_mounts[] =
	"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
	"32 31 0:29 / /cg/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	"35 31 0:32 / /cg/memory rw,relatime shared:7 master:1 - cgroup cgroup rw,memory\n"
	"41 31 0:38 / /cg/unified rw,relatime - cgroup2 cgroup2 rw\n";
static const char v2_mounts[] =
	"30 23 0:26 / /cg2 rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

static void test_versions(void)
{
	is_counted("4:memory:/slurm/uid_1/job_2/step_0\n3:cpuset:/\n0::/\n", v1_mounts,
		   "cg/memory/slurm/uid_1/job_2/step_0/memory.oom_control", "version 1");
	is_counted("9:cpu,memory:/a\n0::/b\n",
		   "35 31 0:32 / /cg/both rw - cgroup cgroup rw,cpu,memory\n",
		   "cg/both/a/memory.oom_control", "two controllers in one");
	is_counted("0::/system.slice/slurmstepd.scope/job_2/step_0/user/task_0\n", v2_mounts,
		   "cg2/system.slice/slurmstepd.scope/job_2/step_0/user/task_0/memory.events",
		   "version 2");
	is_counted("4:memory:/\n0::/x\n", v1_mounts, "cg/memory/memory.oom_control",
		   "the root");
	/* Version 2 has the controller though the hierarchies of version 1 are there. */
	is_counted("3:cpuset:/\n0::/x\n", v1_mounts, "cg/unified/x/memory.events",
		   "both versions");
	is_counted("4:memory:/docker/1/job\n",
		   "35 31 0:32 /docker/1 /cg/memory rw - cgroup cgroup rw,memory\n",
		   "cg/memory/job/memory.oom_control", "a container's part");
	/* As in a cgroup namespace: the mount of outside shows what is beyond its root. */
	is_counted("4:memory:/job\n",
		   "35 31 0:32 /.. /cg/memory rw - cgroup cgroup rw,memory\n"
		   "36 35 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n",
		   "cg/memory/job/memory.oom_control", "a namespace");
	is_counted("4:memory:/job\n",
		   "35 31 0:32 / /cg/with\\040space rw - cgroup cgroup rw,memory\n",
		   "cg/with space/job/memory.oom_control", "an escaped mount");
}

static void is_none(const char *cgroups, const char *mounts, const char *what)
{
	plant("proc/self/cgroup", cgroups);
	plant("proc/self/mountinfo", mounts);
	struct memory_kill *kill = make();
	plant("cg/memory/other/memory.oom_control", "oom_kill 100\n");
	ok(!memory_kill_take(kill), "%s: nothing is taken for a kill", what);
	memory_kill_forget(kill);
	memory_kill_destroy(kill);
}

static void test_none(void)
{
	plant("cg/memory/other/memory.oom_control", "oom_kill 0\n");
	is_none("", "", "nothing is told");
	is_none("nonsense\n:::\n4:memory\n", "a b c\n\n - \n35 31 0:32 / - cgroup\n",
		"nonsense");
	is_none("4:memory:/../other\n", v1_mounts, "a path that leads out");
	is_none("4:memory:/missing\n", v1_mounts, "a cgroup that is not there");
	is_none("4:memory:/others\n",
		"35 31 0:32 /other /cg/memory rw - cgroup cgroup rw,memory\n",
		"a mount of another's part");
	plant("cg/memory/old/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n");
	is_none("4:memory:/old\n", v1_mounts, "Linux before 4.13");
	unlinkat(dir, "proc/self/cgroup", 0);
	unlinkat(dir, "proc/self/mountinfo", 0);
	struct memory_kill *kill = make();
	ok(!memory_kill_take(kill), "without /proc neither");
	memory_kill_destroy(kill);
	memory_kill_destroy(NULL);
}

static int child_with(int signo, int code)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (signo)
			raise(signo);
		_exit(code);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void test_words(void)
{
	char text[EXIT_WORDS_MAX];

	is_str(exit_words(child_with(0, 3), NULL, text), "ended with exit status 3",
	       "a status");
	is_str(exit_words(child_with(0, 0), NULL, text), "ended with exit status 0", "0 too");
	is_str(exit_words(child_with(SIGTERM, 0), NULL, text),
	       "was ended by signal 15 (SIGTERM)", "a signal");
	is_str(exit_words(child_with(SIGRTMIN + 3, 0), NULL, text), "was ended by signal 37",
	       "one without a name");
	is_str(exit_words(-1, NULL, text), "ended, how is not known", "what nobody knows");

	plant("proc/self/cgroup", "4:memory:/other\n");
	plant("proc/self/mountinfo", v1_mounts);
	plant("cg/memory/other/memory.oom_control", "oom_kill 3\n");
	struct memory_kill *kill = make();
	int killed = child_with(SIGKILL, 0);
	is_str(exit_words(killed, kill, text), "was ended by signal 9", "a kill -9");
	plant("cg/memory/other/memory.oom_control", "oom_kill 4\n");
	is_str(exit_words(child_with(SIGTERM, 0), kill, text),
	       "was ended by signal 15 (SIGTERM)", "the kernel kills with no other signal");
	is_str(exit_words(killed, kill, text), "was ended by signal 9 (out of memory)",
	       "a kill by the kernel");
	is_str(exit_words(killed, kill, text), "was ended by signal 9", "once");
	memory_kill_destroy(kill);
}

/* In a real cgroup of version 1 below ours, whose limit a child exceeds. */
static int real(int directory)
{
	static const char top[] = "/sys/fs/cgroup/memory";
	char cgroup[128], file[192], text[EXIT_WORDS_MAX];

	(void) directory;
	snprintf(cgroup, sizeof(cgroup), "%s/sj-unit-%d", top, (int) getppid());
	if (geteuid() != 0 || mkdir(cgroup, 0755) < 0)
		return CANNOT;
	static const char *const files[] = {"memory.limit_in_bytes", "cgroup.procs"};
	static const char *const values[] = {"33554432", "0"};
	for (int i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), "%s/%s", cgroup, files[i]);
		int fd = open(file, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || fd_write_all(fd, values[i], strlen(values[i])) < 0)
			return CANNOT;
		close(fd);
	}
	struct memory_kill *kill = memory_kill_create("");
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) {
			char *more = malloc(1 << 20);
			if (more)
				memset(more, 1, 1 << 20);
		}
	}
	int status = 0;
	waitpid(pid, &status, 0);
	exit_words(status, kill, text);
	memory_kill_destroy(kill);
	return strcmp(text, "was ended by signal 9 (out of memory)") ? 1 : 0;
}

/* The child leaves its cgroup behind, which is empty once it has ended. */
static void test_real(void)
{
	char cgroup[128];

	is_child(in_child(real, dir), "a child that takes too much memory");
	snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup/memory/sj-unit-%d", (int) getpid());
	if (rmdir(cgroup) < 0 && errno != ENOENT && errno != EACCES)
		tap_note("%s is left: %s", cgroup, strerror(errno));
}

int main(void)
{
	dir = scratch_open();
	test_versions();
	test_none();
	test_words();
	test_real();
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
