/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/queue.h, with squeue and scontrol played by scripts; run by
 * `make check` as whoever calls it. */
#include "launcher/sjupyter/queue.h"
#include "scratch.h"

static struct queue_job *jobs;
static size_t count;
static struct reason reason;

static int parse(const char *text)
{
	free(jobs);
	jobs = NULL;
	count = 0;
	return queue_parse(text, &jobs, &count, &reason);
}

static void test_lines(void)
{
	is_int(parse(""), 0, "no lines");
	is_int(count, 0, "are no jobs");
	is_int(parse("1|1|N/A|RUNNING|2|1795167020|1795167320|1007|n1|None\n"
		     "5|2|1|RUNNING|1|1795167020|1826703020|1007|n2|None\n"
		     "2|2|2-3|PENDING|1|1826703020|NONE|1007|n/a|Resources\n"
		     "4|4|0-100%2|PENDING|1-4|N/A|N/A|0|n/a|JobHeldUser"),
	       0, "what 22.05 prints");
	is_int(count, 4, "is four jobs");
	is_str(jobs[0].id, "1", "id");
	is_str(jobs[0].array_id, "", "not of an array");
	is_str(jobs[0].state, "RUNNING", "state");
	is_int(jobs[0].nodes, 2, "nodes");
	ok(jobs[0].start == 1795167020.0 && jobs[0].end == 1795167320.0, "times");
	is_int(jobs[0].uid, 1007, "uid");
	is_str(jobs[0].node, "n1", "first node");
	is_str(jobs[1].array_id, "2", "a task's array");
	is_str(jobs[1].task_id, "1", "a task's number");
	is_str(jobs[2].task_id, "", "tasks that wait together have none");
	is_str(jobs[2].node, "", "no node yet");
	ok(jobs[2].end == 0, "no end yet");
	is_int(jobs[3].nodes, 1, "the least of the nodes while pending");
	ok(queue_find(jobs, count, "5") == &jobs[1], "found by number");
	ok(queue_find(jobs, count, "3") == NULL, "or not");
	is_int(parse("CLUSTER: east\n1|1|N/A|RUNNING|2K|0|0|1|n1|a|b|c\n"), 0, "a heading");
	is_int(jobs[0].nodes, 2048, "units of nodes");
	is_str(jobs[0].reason, "a|b|c", "a reason may hold the separator");
}

static void refuse(const char *text, const char *what)
{
	fails_with(parse(text), EPROTO, "%s", what);
	ok(jobs == NULL && count == 0, "%s: nothing is stored", what);
	ok(strchr(reason.text, '\n') == NULL && strchr(reason.text, '\033') == NULL,
	   "%s: the reason is one line", what);
}

static void test_hostile(void)
{
	char *text;

	refuse("\n\nnonsense\n", "words");
	refuse("1|1|N/A|RUNNING|2|0|0|1|n1\n", "a field less");
	refuse("-1|1|N/A|RUNNING|2|0|0|1|n1|None\n", "a negative number");
	refuse("99999999999|1|N/A|RUNNING|2|0|0|1|n1|None\n", "a number beyond 32 bits");
	refuse("1;rm|1|N/A|RUNNING|2|0|0|1|n1|None\n", "a number with words");
	refuse("1|1|N/A|run\033[2Jning|2|0|0|1|n1|None\n", "a state with an escape");
	refuse("1|1|N/A|AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|2|0|0|1|n1|None\n", "a long state");
	refuse("1|1|N/A|RUNNING|2|0|0|root|n1|None\n", "a user's name");
	refuse("1|x|4|RUNNING|2|0|0|1|n1|None\n", "an array without a number");

	is_int(parse("1|1|N/A|RUNNING|many|soon|-5|1|-rf|\033[2J\xff\n"), 0, "odd values");
	is_int(jobs[0].nodes, 0, "nodes not known");
	ok(jobs[0].start == 0 && jobs[0].end == 0, "times not known");
	is_str(jobs[0].node, "", "a node that could be an option is none");
	is_str(jobs[0].reason, "\\x1b[2J\\xff", "the reason is escaped");

	text = malloc(1 << 16);
	memset(text, 'r', 1 << 16);
	memcpy(text, "1|1|N/A|RUNNING|1|0|0|1|n1|", 27);
	text[(1 << 16) - 1] = '\0';
	refuse(text, "a line of 64 KiB");
	text[3000] = '\0';
	is_int(parse(text), 0, "a reason of 3 kB");
	ok(strlen(jobs[0].reason) < QUEUE_REASON_MAX, "is cut");
	free(text);

	text = malloc(5000 * 64 + 1);
	text[0] = '\0';
	for (int i = 0, at = 0; i < 5000; i++)
		at += sprintf(text + at, "%d|1|N/A|PENDING|1|0|0|1|n/a|Priority\n", i + 1);
	is_int(parse(text), 0, "5000 jobs");
	is_int(count, 5000, "are all there");
	is_str(jobs[4999].id, "5000", "to the last");
	free(text);
}

static void test_words(void)
{
	char words[QUEUE_WORDS_MAX], longest[QUEUE_REASON_MAX];

	is_str(queue_words("Priority", words),
	       "jobs of a higher priority come first (Priority)", "a known reason");
	is_str(queue_words("ReqNodeNotAvail, UnavailableNodes:n1", words),
	       "a node it needs is not available (ReqNodeNotAvail, UnavailableNodes:n1)",
	       "with more behind it");
	ok(strstr(queue_words("DependencyNeverSatisfied", words), "never start") != NULL,
	   "the longer of two that begin alike");
	ok(strstr(queue_words("QOSMaxJobsPerUserLimit", words), "quality of service") != NULL,
	   "a family");
	is_str(queue_words("SomethingNew", words), "SomethingNew", "an unknown one as it is");
	ok(strstr(queue_words("None", words), "None") == NULL, "no reason is not one");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "Licenses", 8);
	longest[sizeof(longest) - 1] = '\0';
	ok(strlen(queue_words(longest, words)) < sizeof(words), "the longest fits");
	ok(queue_state_is_final("TIMEOUT") && !queue_state_is_final("COMPLETING") &&
		   !queue_state_is_final("PENDING") && !queue_state_is_final("NEW_STATE"),
	   "final states");
	ok(queue_state_is_pending("REQUEUED") && !queue_state_is_pending("RUNNING"),
	   "pending states");
}

static void test_value(void)
{
	static const char job[] = "JobId=1 JobName=a StdErr=/no\n   UserId=u(1)\n"
				  "   StdErr=/a b/slurm-1.out\n   StdOut=/x\n";
	char *value = queue_parse_value(job, "StdErr");

	is_str(value, "/a b/slurm-1.out", "the value to the line's end");
	free(value);
	value = queue_parse_value("KillWaitX = 5\nKillWait                = 10 sec\n",
				  "KillWait");
	is_str(value, "10 sec", "a setting");
	free(value);
	errno = 0;
	ok(queue_parse_value(job, "StdIn") == NULL && errno == ENOENT, "no such key");
	errno = 0;
	ok(queue_parse_value("A=\033[1m\n", "A") == NULL && errno == EPROTO, "an escape");
	ok(queue_parse_value("", "A") == NULL, "nothing at all");
}

/* A program of this name in PATH that runs these lines of sh. */
static void play(int dir, const char *name, const char *lines)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0 || dprintf(fd, "#!/bin/sh\n%s\n", lines) < 0 || close(fd) < 0)
		bail_out(name);
}

static int ask(const char *id)
{
	free(jobs);
	jobs = NULL;
	count = 0;
	return queue_ask(id, &jobs, &count, &reason);
}

static void test_asking(int dir)
{
	char path[700], step[QUEUE_ID_MAX], *file;
	unsigned restarts = 9;

	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", scratch_path);
	setenv("PATH", path, 1);
	setenv("SQUEUE_FORMAT", "%j", 1);
	setenv("SLURM_TIME_FORMAT", "relative", 1);
	play(dir, "squeue",
	     "[ -z \"$SQUEUE_FORMAT\" ] && [ \"$SLURM_TIME_FORMAT\" = %s ] || exit 9\n"
	     "echo '7|7|N/A|RUNNING|1|1795167020|NONE|1|n1|None'");
	is_int(ask("7"), 0, "squeue is asked without what a user has set for himself");
	is_str(jobs[0].id, "7", "its answer is read");
	play(dir, "squeue",
	     "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
	fails_with(ask("7"), ENOENT, "Slurm knows no such job");
	play(dir, "squeue", "exit 0");
	fails_with(ask("7_9"), ENOENT, "nor such a task");
	is_int(ask(NULL), 0, "a user may have no jobs");
	play(dir, "squeue",
	     "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1");
	fails_with(ask("7"), EIO, "no answer is no answer");
	ok(strstr(reason.text, "Unable to contact") != NULL, "and the reason says why");
	play(dir, "squeue", "echo hello");
	fails_with(ask("7"), EPROTO, "an answer that is none");
	play(dir, "squeue", "kill -9 $$");
	fails_with(ask("7"), EIO, "squeue is killed");
	play(dir, "squeue", "head -c 40000000 /dev/zero | tr '\\0' 'x'");
	fails_with(ask("7"), EFBIG, "40 MB are too much");

	play(dir, "squeue", "echo '7.batch|batch'; echo '7.extern|extern'; echo '7.3|jupyter'");
	is_int(queue_step("7", step, &reason), 0, "the session's step");
	is_str(step, "3", "by its name");
	play(dir, "squeue",
	     "echo '7.4|jupyter2'; echo '7.batch|jupyter'; echo '|'; echo jupyter");
	fails_with(queue_step("7", step, &reason), ENOENT, "no other is taken for it");
	is_str(step, "3", "nothing is stored");
	play(dir, "squeue", "echo '2                   '");
	is_int(queue_restarts("7", &restarts, &reason), 0, "restarts");
	is_int(restarts, 2, "are counted");
	play(dir, "scontrol", "echo 'KillWait = 17 sec'; echo '   StdErr=/tmp/a b'");
	is_int(queue_kill_wait(), 17, "KillWait");
	file = queue_error_file("7", &reason);
	is_str(file, "/tmp/a b", "the file of stderr");
	free(file);
	play(dir, "scontrol", "exit 1");
	is_int(queue_kill_wait(), 30, "KillWait's default where nobody answers");
	play(dir, "scancel", "echo \"$@\" >\"$0.args\"");
	is_int(queue_cancel("7", "3", "TERM", &reason), 0, "a step is signalled");
	snprintf(path, sizeof(path), "grep -qx -- '--signal=TERM 7.3' %s/scancel.args",
		 scratch_path);
	is_int(system(path), 0, "with these words");
	is_int(queue_cancel("7", NULL, NULL, &reason), 0, "a job is ended");
	snprintf(path, sizeof(path), "grep -qx -- 7 %s/scancel.args; s=$?; rm -rf %s; exit $s",
		 scratch_path, scratch_path);
	is_int(system(path), 0, "with that word");
}

int main(void)
{
	int dir = scratch_open();

	test_lines();
	test_hostile();
	test_words();
	test_value();
	test_asking(dir);
	close(dir);
	free(jobs);
	return done_testing();
}
