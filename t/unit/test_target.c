/* SPDX-License-Identifier: MIT */
/* Unit test of which session sjupyter takes (launcher/sjupyter/target.h), of describe.h and
 * follow.h, with squeue played by a script; run by `make check` as whoever calls it. */
#include "common/fd.h"
#include "common/lock.h"
#include "common/statedir.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/target.h"
#include "scratch.h"

static struct reason reason;

/* A squeue in PATH that runs these lines of sh. */
static void play_squeue(int dir, const char *lines)
{
	int fd = openat(dir, "squeue", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0 || dprintf(fd, "#!/bin/sh\n%s\n", lines) < 0 || close(fd) < 0)
		bail_out("squeue");
}

/* Writes a session's record; its directory's fd. */
static int make(const char *job, enum session_state state, double begun, const char *array)
{
	struct session *session = session_create();
	int fd = statedir_open(job, 1, &reason);

	if (session == NULL || fd < 0 || session_set(&session->job_id, job) < 0 ||
	    session_set(&session->array_job_id, array) < 0 ||
	    session_set(&session->array_task_id, array != NULL ? "4" : NULL) < 0)
		bail_out("session");
	session->state = state;
	session->phases[PHASE_TRIGGERED] = begun;
	if (session_write(session, fd) < 0)
		bail_out("session.json");
	session_destroy(session);
	return fd;
}

static void test_ids(void)
{
	static const char *const good[] = {"1", "4294967295", "123_0", "123_4", "1_4294967294"};
	static const char *const bad[] = {
		"",	  "0",	    "01",   "-1",    "1x",
		"1_",	  "_1",	    "1_01", "1_2_3", "4294967296",
		"1 ",	  "1\n",    "../1", "1.0",   "99999999999999999999",
		"1;rm x", "--json", "1_-1"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(target_id_valid(good[i]), "\"%s\" is a job", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!target_id_valid(bad[i]), "bad id %zu is none", i);
}

static bool finds(const char *id, const char *job)
{
	struct target target;
	bool found = target_find(id, &target, &reason) == 0 && !strcmp(target.job_id, job);

	if (found)
		target_clear(&target);
	return found;
}

static void test_finding(int dir)
{
	struct target target;
	char name[TARGET_NAME_MAX];
	int lock;

	unsetenv("SLURM_JOB_ID");
	play_squeue(dir, "exit 1");
	fails_with(target_find(NULL, &target, &reason), ENOENT, "no sessions at all");
	fails_with(target_find("7", &target, &reason), ENOENT, "nor that of a job");
	close(make("10", SESSION_READY, session_now() - 50, NULL));
	int twelve = make("12", SESSION_READY, session_now() - 40, "11");
	close(make("13", SESSION_READY, session_now() - 30, NULL));
	close(make("14", SESSION_ENDED, session_now() - 20, NULL));
	ok(finds("10", "10") && finds("14", "14"), "by number, ended or not");
	ok(finds("11_4", "12"), "by array and task");
	ok(finds(NULL, "13"), "the newest without a last word, while Slurm does not answer");
	lock = lock_take(twelve, "head.lock");
	ok(lock >= 0, "a lock is taken");
	ok(finds(NULL, "12"), "one whose head lives comes before");
	fd_close(&lock);
	play_squeue(dir, "echo '10|10|N/A|RUNNING|1|N/A|NONE|1|n1|None'");
	ok(finds(NULL, "10"), "or one whose job Slurm has");
	play_squeue(dir, "exit 0");
	fails_with(target_find(NULL, &target, &reason), ENOENT, "not one that is lost");
	ok(strstr(reason.text, "list --all") != NULL, "and what to do is said");
	setenv("SLURM_JOB_ID", "14", 1);
	ok(finds(NULL, "14"), "in a job that job's");
	setenv("SLURM_JOB_ID", "15", 1);
	fails_with(target_find(NULL, &target, &reason), ENOENT, "and no other");
	setenv("SLURM_JOB_ID", "; rm -rf", 1);
	play_squeue(dir, "exit 1");
	ok(finds(NULL, "13"), "a number that is none is not taken");
	unsetenv("SLURM_JOB_ID");
	ok(target_find("12", &target, &reason) == 0, "a task's record");
	is_str(target_name(target.session, name), "11_4", "is called as people do");
	target_clear(&target);
	close(twelve);
}

static void test_describing(int dir)
{
	struct queue_job job = {.id = "10", .state = "RUNNING"};
	struct session session = {.job_id = (char *) "10", .state = SESSION_READY};
	double now = session_now();
	int fd = statedir_open("10", 0, &reason);

	session.phases[PHASE_TRIGGERED] = now - 100;
	play_squeue(dir, "echo '10.0|jupyter'");
	is_str(describe_state(&session, describe_job(&session, fd, false, NULL)), "unknown",
	       "no answer is unknown");
	is_str(describe_state(&session, describe_job(&session, fd, true, NULL)), "lost",
	       "no job is lost");
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "ready",
	       "a job and a step");
	job.start = now + 1000;
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "lost",
	       "a job of the same number that began later");
	job.start = now - 101;
	play_squeue(dir, "exit 0");
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "lost",
	       "a job without the step");
	play_squeue(dir, "exit 1");
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "ready",
	       "a hiccup does not end a session");
	strcpy(job.state, "TIMEOUT");
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "lost",
	       "a job that is over");
	strcpy(job.state, "PENDING");
	is_str(describe_state(&session, describe_job(&session, fd, true, &job)), "requeued",
	       "a job that waits again");
	session.state = SESSION_FAILED;
	is_str(describe_state(&session, describe_job(&session, fd, false, NULL)), "failed",
	       "the last word stands");
	close(fd);
}

/* In a child: changes the record of job 20 again and again, to its end. */
static int change_record(int dir)
{
	static const enum session_state states[] = {SESSION_STARTING, SESSION_SERVING,
						    SESSION_DRAINING, SESSION_ENDED};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		usleep(100000); /* so that each is there to be seen */
		close(make("20", states[i], 1000, NULL));
	}
	(void) dir;
	return 0;
}

static enum follow_end follow(bool until_final, double not_before, struct session **session)
{
	struct follow options = {.job_id = "20",
				 .filter = {.restart = -1, .not_before = not_before},
				 .until_final = until_final,
				 .deadline_ms = 10000,
				 .record_ms = 2000};

	return follow_run(&options, session, &reason);
}

static void test_following(void)
{
	struct session *session = NULL;
	int64_t begun = loop_now();
	pid_t child;

	is_int(follow(true, 0, &session), FOLLOW_NO_RECORD, "no record within its time");
	ok(session == NULL, "and no session");
	ok(loop_now() - begun < 4000, "soon after it");
	child = fork();
	if (child == 0)
		_exit(change_record(-1));
	is_int(follow(false, 0, &session), FOLLOW_REACHED, "until it serves");
	ok(session != NULL && follow_is_serving(session->state), "it does");
	session_destroy(session);
	is_int(follow(true, 0, &session), FOLLOW_REACHED, "until its end");
	ok(session != NULL && session->state == SESSION_ENDED, "it has ended");
	session_destroy(session);
	waitpid(child, NULL, 0);
	is_int(follow(false, 0, &session), FOLLOW_FINAL, "what has ended serves no more");
	session_destroy(session);
	is_int(follow(true, 2000, &session), FOLLOW_NO_RECORD,
	       "a record of an earlier run does not count");
	close(make("20", SESSION_STARTING, 3000, NULL));
	struct follow options = {.job_id = "20",
				 .filter = {.restart = -1, .not_before = 2000},
				 .deadline_ms = 300,
				 .record_ms = -1};
	is_int(follow_run(&options, NULL, &reason), FOLLOW_TIMEOUT, "a deadline");
	options.filter.restart = 1;
	is_int(follow_run(&options, NULL, &reason), FOLLOW_TIMEOUT, "another run's record");
	int fd = statedir_open("20", 0, &reason);
	if (file_replace(fd, "session.json", 0600, "{\"version\":", 11) < 0)
		bail_out("session.json");
	options.filter.restart = -1;
	is_int(follow_run(&options, NULL, &reason), FOLLOW_ERROR, "a record that is cut");
	ok(strstr(reason.text, "damaged") != NULL, "is said to be");
	close(fd);
}

int main(void)
{
	int dir = scratch_open();
	char text[600];

	snprintf(text, sizeof(text), "%s/state", scratch_path);
	setenv("XDG_STATE_HOME", text, 1);
	snprintf(text, sizeof(text), "%s:/usr/bin:/bin", scratch_path);
	setenv("PATH", text, 1);
	test_ids();
	test_finding(dir);
	test_describing(dir);
	test_following();
	close(dir);
	snprintf(text, sizeof(text), "rm -rf %s", scratch_path);
	is_int(system(text), 0, "cleaned up");
	return done_testing();
}
