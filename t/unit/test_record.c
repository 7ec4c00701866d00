/* SPDX-License-Identifier: MIT */
/*
 * Tests of the head's hold on the session record (launcher/head/record.h): when it is written,
 * and what is told when it cannot be.  Run by `make check`, as anybody.
 */
#include "launcher/head/record.h"

#include "common/fd.h"
#include "scratch.h"

static struct loop *loop;
static struct loop_timer *timer;
static int dir, polls;

/* The inode of the file, 0 when there is none. */
static ino_t written(void)
{
	struct stat status;

	return fstatat(dir, "session.json", &status, 0) == 0 ? status.st_ino : 0;
}

static void poll_file(void *arg)
{
	(void) arg;
	if (written() || ++polls > 6000)
		loop_stop(loop);
	else
		loop_timer_set(timer, 10);
}

/* Until the file is there; it is removed by the tests before. */
static bool wait_written(void)
{
	polls = 0;
	loop_timer_set(timer, 0);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	return written() != 0;
}

static struct session *stored(void)
{
	struct session *session;
	struct reason reason;

	if (session_read(dir, &session, &reason) < 0)
		bail_out("session_read");
	return session;
}

static void test_write(void)
{
	struct record *record = record_create(loop, dir, NULL);
	struct session *session;

	if (!record)
		bail_out("record_create");
	ok(!written(), "a record is not written because it is made");
	session_set(&record_session(record)->job_id, "7");
	record_write(record);
	session = stored();
	is_str(session->job_id, "7", "it is written at once when asked");
	session_destroy(session);

	unlinkat(dir, "session.json", 0);
	session_set(&record_session(record)->app, "lab");
	for (int i = 0; i < 1000; i++)
		record_changed(record);
	ok(!written(), "changes are gathered");
	ok(wait_written(), "and written soon");
	session = stored();
	is_str(session->app, "lab", "as they are");
	session_destroy(session);

	record_changed(record);
	record_write(record);
	unlinkat(dir, "session.json", 0);
	/* A timer of a second ends after one of a quarter of it. */
	polls = 6000;
	loop_timer_set(timer, 1000);
	(void) loop_run(loop);
	ok(!written(), "what is written at once is not written again later");

	record_phase(record, PHASE_HEAD);
	double first = record_session(record)->phases[PHASE_HEAD];
	record_phase(record, PHASE_HEAD);
	ok(first > 0 && record_session(record)->phases[PHASE_HEAD] == first,
	   "a phase is noted the first time only");
	record_destroy(record);
	ok(!written(), "what did not change is not written at the end");

	record = record_create(loop, dir, NULL);
	session_set(&record_session(record)->job_id, "7");
	record_changed(record);
	errno = EMFILE;
	record_destroy(record);
	is_int(errno, EMFILE, "a record is ended");
	ok(written(), "and writes what was not written yet");
	record_destroy(NULL);
}

static void test_continue(void)
{
	struct session *begun = session_create(), *session;
	struct record *record;

	session_set(&begun->job_id, "8");
	begun->phases[PHASE_LAUNCHED] = 1000;
	if (session_write(begun, dir) < 0)
		bail_out("session_write");
	session_destroy(begun);
	record = record_create(loop, dir, NULL);
	is_str(record_session(record)->job_id, "8", "it continues what was begun");
	record_phase(record, PHASE_LAUNCHED);
	is_int(record_session(record)->phases[PHASE_LAUNCHED], 1000, "with its phases");
	record_destroy(record);

	static const char *const hostile[] = {"", "{", "[]", "{\"version\": 99}", "\xff\xfe"};
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		(void) file_replace(dir, "session.json", 0600, hostile[i], strlen(hostile[i]));
		record = record_create(loop, dir, NULL);
		ok(record && !record_session(record)->job_id, "from \"%s\" it begins anew",
		   i < 4 ? hostile[i] : "\\xff\\xfe");
		session_set(&record_session(record)->job_id, "9");
		record_write(record);
		record_destroy(record);
		session = stored();
		session_destroy(session);
	}
}

static int lines_of_log(void)
{
	char *data;
	int lines = 0;

	if (file_read(dir, "session.log", 1 << 20, &data, NULL) < 0)
		return 0;
	for (const char *c = data; *c; c++)
		lines += *c == '\n';
	free(data);
	return lines;
}

static void test_failing(void)
{
	struct session_log *log = session_log_create(dir, LOG_DEBUG, 65536);
	struct record *record = record_create(loop, dir, log);

	unlinkat(dir, "session.json", 0);
	mkdirat(dir, "session.json", 0700);
	record_write(record);
	is_int(lines_of_log(), 1, "what cannot be written is told");
	record_write(record);
	record_write(record);
	is_int(lines_of_log(), 1, "once");
	unlinkat(dir, "session.json", AT_REMOVEDIR);
	record_write(record);
	ok(written(), "it is written when it can be");
	unlinkat(dir, "session.json", 0);
	mkdirat(dir, "session.json", 0700);
	record_write(record);
	is_int(lines_of_log(), 2, "and told when it cannot be again");
	unlinkat(dir, "session.json", AT_REMOVEDIR);
	record_destroy(record);
	session_log_destroy(log);
}

enum { MANY = 20000 };

static int64_t write_ms(struct record *record)
{
	int64_t begin = loop_now();

	record_write(record);
	return loop_now() - begin;
}

/* Nodes until a write takes some milliseconds, as in a session of many on a slow disk. */
static void test_large(void)
{
	struct record *record;
	struct session *session;
	int64_t shortest = INT64_MAX, begin;

	unlinkat(dir, "session.json", 0);
	record = record_create(loop, dir, NULL);
	session = record_session(record);
	session_set(&session->job_id, "7");
	session->nodes = calloc(MANY, sizeof(*session->nodes));
	if (!session->nodes)
		bail_out("calloc");
	session->node_count = MANY;
	for (size_t i = 0; i < session->node_count; i++) {
		session->nodes[i].name = strdup("node");
		strcpy(session->nodes[i].state, "up");
	}
	/* Whatever else the machine does makes a write longer, never shorter. */
	for (int i = 0; i < 5; i++) {
		int64_t ms = write_ms(record);
		shortest = ms < shortest ? ms : shortest;
	}
	unlinkat(dir, "session.json", 0);
	begin = loop_now();
	record_changed(record);
	ok(wait_written(), "a large record is written");
	/* 15, not 19: the measured write was the shortest of five, in whole milliseconds. */
	ok(shortest > 0 && (loop_now() - begin >= 15 * shortest || loop_now() - begin >= 9000),
	   "after a pause of %lld ms, when a write takes %lld ms",
	   (long long) (loop_now() - begin), (long long) shortest);
	ok(loop_now() - begin > 250, "which is longer than that of a small one");
	record_destroy(record);
}

int main(void)
{
	dir = scratch_open();
	if (fchmod(dir, 0700) < 0 || !(loop = loop_create()) ||
	    !(timer = loop_timer_create(loop, poll_file, NULL)))
		bail_out("loop_create");
	test_write();
	test_continue();
	test_failing();
	test_large();
	loop_timer_destroy(timer);
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
