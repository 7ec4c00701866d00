/* SPDX-License-Identifier: MIT */
/*
 * Tests of adopted children (loop_reap_orphans() of launcher/loop.h): nobody's are reaped, and
 * no status of a watched one is lost to that.  Run by `make check`, as anybody.
 */
#include "launcher/loop.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { MANY = 100 };

struct ward {
	pid_t pid;
	int calls, status;
};

static struct loop *loop;
static int gone, wanted;
static bool one_at_a_time;

static void ward_gone(pid_t pid, int status, void *arg)
{
	struct ward *ward = arg;

	ward->calls++;
	ward->status = pid == ward->pid ? status : -2;
	gone++;
	if (one_at_a_time || gone == wanted)
		loop_stop(loop);
}

static void too_late(void *arg)
{
	(void) arg;
	bail_out("nothing happens");
}

static void run(void)
{
	struct loop_timer *guard = loop_timer_create(loop, too_late, NULL);

	loop_timer_set(guard, 60000);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(guard);
}

/* A grandchild that ends with the code once the pipe is closed; its own parent has ended. */
static pid_t orphan(const int gate[2], int code)
{
	int report[2];
	pid_t pid = -1;

	if (pipe(report) < 0)
		bail_out("pipe");
	pid_t middle = fork();
	if (middle == 0) {
		pid = fork();
		if (pid == 0) {
			char byte;
			alarm(60);
			close(gate[1]);
			(void) !read(gate[0], &byte, 1);
			_exit(code);
		}
		(void) !write(report[1], &pid, sizeof(pid));
		_exit(0);
	}
	if (read(report[0], &pid, sizeof(pid)) != sizeof(pid))
		bail_out("read");
	close(report[0]);
	close(report[1]);
	/* By name: nobody else's end is waited for. */
	waitpid(middle, NULL, 0);
	return pid;
}

static void open_gate(int gate[2])
{
	if (pipe(gate) < 0)
		bail_out("pipe");
}

static void close_gate(const int gate[2])
{
	close(gate[0]);
	close(gate[1]);
}

/* Until nothing is left to be reaped, as told by a timer that looks. */
struct look {
	struct loop_timer *timer;
	int status;
};

static void look(void *arg)
{
	struct look *looks = arg;
	siginfo_t info;

	/* Without reaping. */
	looks->status = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
	if (looks->status < 0 && errno == ECHILD)
		loop_stop(loop);
	else
		loop_timer_set(looks->timer, 5);
}

static void run_until_none(void)
{
	struct look looks = {.timer = NULL};

	looks.timer = loop_timer_create(loop, look, &looks);
	loop_timer_set(looks.timer, 0);
	run();
	loop_timer_destroy(looks.timer);
}

static void test_adopted(void)
{
	struct ward ward = {.pid = 0};
	int gate[2];

	open_gate(gate);
	ward.pid = orphan(gate, 7);
	is_int(waitpid(ward.pid, NULL, WNOHANG), 0, "a grandchild without parent is ours");
	if (!loop_child_add(loop, ward.pid, ward_gone, &ward))
		bail_out("loop_child_add");
	close_gate(gate);
	gone = 0;
	wanted = 1;
	run();
	ok(ward.calls == 1 && ward.status == 7 << 8, "and is watched like any child");

	open_gate(gate);
	pid_t pid = orphan(gate, 0);
	close_gate(gate);
	run_until_none();
	fails_with(kill(pid, 0), ESRCH, "one that nobody watches is reaped");
}

/* Watched and unwatched ones end at the same time. */
static void test_many(bool stopping)
{
	static struct ward wards[MANY];
	int gate[2], wrong = 0;

	open_gate(gate);
	for (int i = 0; i < MANY; i++) {
		(void) orphan(gate, 255 - i);
		wards[i] = (struct ward){.pid = orphan(gate, i)};
		if (!loop_child_add(loop, wards[i].pid, ward_gone, &wards[i]))
			bail_out("loop_child_add");
	}
	close_gate(gate);
	gone = 0;
	wanted = MANY;
	one_at_a_time = stopping;
	do
		run();
	while (gone < MANY);
	one_at_a_time = false;
	for (int i = 0; i < MANY; i++)
		wrong += wards[i].calls != 1 || wards[i].status != i << 8;
	is_int(wrong, 0, "%d watched among as many others: none is lost%s", MANY,
	       stopping ? ", by a loop that is stopped each time" : "");
	run_until_none();
	ok(true, "and all others are reaped");
}

int main(void)
{
	int gate[2];

	alarm(120);
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
	/* One that has ended before, and one of ours that nobody watches. */
	open_gate(gate);
	pid_t early = fork();
	if (early == 0)
		_exit(3);
	siginfo_t info;
	waitid(P_PID, (id_t) early, &info, WEXITED | WNOWAIT);
	is_int(loop_reap_orphans(loop), 0, "a loop reaps orphans");
	run_until_none();
	fails_with(kill(early, 0), ESRCH, "also those that ended before");
	close_gate(gate);
	is_int(loop_reap_orphans(loop), 0, "being told twice is no matter");
	test_adopted();
	test_many(false);
	test_many(true);
	loop_destroy(loop);
	return done_testing();
}
