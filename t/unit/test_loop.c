/* SPDX-License-Identifier: MIT */
/*
 * Tests of the event loop (launcher/loop.h): descriptors, timers, signals, children, and what a
 * callback may do to them.  Run by `make check`, as anybody.
 */
#include "launcher/loop.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

enum { TIMERS = 20000, CHILDREN = 200 };

static struct loop *loop;

static void stop_now(void *arg)
{
	(void) arg;
	loop_stop(loop);
}

/* Runs for so long; what a test expects has happened by then, or stops the loop itself. */
static void run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_create(loop, stop_now, NULL);

	loop_timer_set(timer, ms);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(timer);
}

static void begin(void)
{
	loop = loop_create();
	if (!loop)
		bail_out("loop_create");
}

/* Descriptors. */

struct ear {
	int fds[2]; /* of a pipe, watched at its reading end */
	struct loop_fd *watch;
	int calls;
	uint32_t events;
	struct ear *remove, *pause,
		*narrow; /* what its callback does to others, or to itself */
	bool stop, drain;
};

static void ear_hears(uint32_t events, void *arg)
{
	struct ear *ear = arg;
	char byte;

	ear->calls++;
	ear->events |= events;
	if (ear->drain && read(ear->fds[0], &byte, 1) < 0)
		bail_out("read");
	if (ear->remove) {
		loop_fd_remove(ear->remove->watch);
		ear->remove->watch = NULL;
		ear->remove = NULL;
	}
	if (ear->pause)
		loop_fd_events(ear->pause->watch, 0);
	if (ear->narrow)
		loop_fd_events(ear->narrow->watch, EPOLLPRI);
	if (ear->stop)
		loop_stop(loop);
}

static void ear_open(struct ear *ear, uint32_t events)
{
	memset(ear, 0, sizeof(*ear));
	if (pipe2(ear->fds, O_CLOEXEC | O_NONBLOCK) < 0)
		bail_out("pipe2");
	ear->watch = loop_fd_add(loop, ear->fds[0], events, ear_hears, ear);
	if (!ear->watch)
		bail_out("loop_fd_add");
}

static void ear_tell(struct ear *ear)
{
	if (write(ear->fds[1], "x", 1) != 1)
		bail_out("write");
}

static void ear_close(struct ear *ear)
{
	loop_fd_remove(ear->watch);
	close(ear->fds[0]);
	if (ear->fds[1] >= 0)
		close(ear->fds[1]);
}

static void test_watch(void)
{
	struct ear ear;
	int fd;

	begin();
	ear_open(&ear, EPOLLIN);
	ear.stop = true;
	ear_tell(&ear);
	run_for(5000);
	run_for(5000);
	is_int(ear.calls, 2, "a level-triggered watch calls until the data is read");
	ok(ear.events == EPOLLIN, "with the event");
	ear.drain = true;
	run_for(5000);
	run_for(20);
	is_int(ear.calls, 3, "and not after that");

	ear.drain = false;
	ear_tell(&ear);
	loop_fd_events(ear.watch, 0);
	run_for(20);
	is_int(ear.calls, 3, "a paused watch does not call");
	close(ear.fds[1]);
	ear.fds[1] = -1;
	run_for(20);
	is_int(ear.calls, 3, "not even for a hang-up");
	ok(loop_fd_events(ear.watch, EPOLLIN) == 0, "it goes on");
	run_for(5000);
	is_int(ear.calls, 4, "with what has come in between");
	ear_close(&ear);

	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	errno = 0;
	ok(!loop_fd_add(loop, fd, EPOLLIN, ear_hears, &ear) && errno == EBADF,
	   "a closed descriptor cannot be watched");
	loop_fd_remove(NULL);
	loop_destroy(loop);
}

static void test_edge(void)
{
	struct ear ear;

	begin();
	ear_open(&ear, EPOLLIN | EPOLLET);
	ear_tell(&ear);
	run_for(20);
	is_int(ear.calls, 1, "an edge-triggered watch calls once");
	loop_fd_events(ear.watch, EPOLLIN | EPOLLET);
	run_for(20);
	is_int(ear.calls, 2, "and once more when its events are set again");
	ear_close(&ear);
	loop_destroy(loop);
}

/* Of many that are ready in one round, the first to be called acts on all the others. */
enum { EARS = 20 };

static void test_removal(void)
{
	static struct ear ears[EARS];
	int calls;

	/* Each removes its neighbour: of every two that are ready, one is called. */
	begin();
	for (int i = 0; i < EARS; i++) {
		ear_open(&ears[i], EPOLLIN | EPOLLET);
		ear_tell(&ears[i]);
	}
	for (int i = 0; i < EARS; i++)
		ears[i].remove = &ears[i ^ 1];
	run_for(20);
	calls = 0;
	for (int i = 0; i < EARS; i += 2)
		calls += ears[i].calls + ears[i + 1].calls == 1 &&
			 (ears[i].watch == NULL) != (ears[i + 1].watch == NULL);
	is_int(calls, EARS / 2, "a watch that was removed in the same round is not called");
	for (int i = 0; i < EARS; i++)
		ear_close(&ears[i]);
	loop_destroy(loop);

	begin();
	for (int i = 0; i < EARS; i++) {
		ear_open(&ears[i], EPOLLIN);
		ears[i].remove = &ears[i];
		ear_tell(&ears[i]);
	}
	run_for(20);
	calls = 0;
	for (int i = 0; i < EARS; i++)
		calls += ears[i].calls;
	is_int(calls, EARS, "a watch may remove itself");
	for (int i = 0; i < EARS; i++)
		ear_close(&ears[i]);
	loop_destroy(loop);
}

static void test_round(void)
{
	struct ear ears[2];

	begin();
	for (int i = 0; i < 2; i++) {
		ear_open(&ears[i], EPOLLIN | EPOLLET);
		ears[i].pause = &ears[!i];
		ear_tell(&ears[i]);
	}
	run_for(20);
	is_int(ears[0].calls + ears[1].calls, 1, "a watch paused in the round is not called");
	ear_close(&ears[0]);
	ear_close(&ears[1]);

	for (int i = 0; i < 2; i++) {
		ear_open(&ears[i], EPOLLIN | EPOLLET);
		ears[i].narrow = &ears[!i];
		ear_tell(&ears[i]);
	}
	run_for(20);
	is_int(ears[0].calls + ears[1].calls, 1,
	       "nor one that has ceased to ask for the event");
	ear_close(&ears[0]);
	ear_close(&ears[1]);

	for (int i = 0; i < 2; i++) {
		ear_open(&ears[i], EPOLLIN | EPOLLET);
		ears[i].stop = true;
		ear_tell(&ears[i]);
	}
	run_for(5000);
	is_int(ears[0].calls + ears[1].calls, 1, "a stop takes effect at once");
	run_for(5000);
	ok(ears[0].calls == 1 && ears[1].calls == 1, "and loses no edge of its round");
	ear_close(&ears[0]);
	ear_close(&ears[1]);

	loop_stop(loop);
	is_int(loop_run(loop), 0, "a stop before the run ends it at once");
	loop_destroy(loop);
}

/* Timers. */

struct alarm {
	struct loop_timer *timer;
	int64_t due_first,
		due_last; /* between these, in ms: when exactly is the loop's affair */
	int rings;
	bool cancelled;
};

static struct alarm alarms[TIMERS];
static int rung, early, disordered;
static int64_t latest_due;

static void alarm_rings(void *arg)
{
	struct alarm *alarm = arg;

	alarm->rings++;
	early += loop_now() < alarm->due_first;
	disordered += alarm->due_last < latest_due;
	if (alarm->due_first > latest_due)
		latest_due = alarm->due_first;
	if (++rung == TIMERS / 2)
		loop_stop(loop);
}

static void test_many_timers(void)
{
	int twice = 0, wrong = 0;
	int64_t start;

	begin();
	srand(1);
	for (int i = 0; i < TIMERS; i++) {
		alarms[i].timer = loop_timer_create(loop, alarm_rings, &alarms[i]);
		if (!alarms[i].timer)
			bail_out("loop_timer_create");
		loop_timer_set(alarms[i].timer, rand() % 300);
	}
	/* Half of them, anywhere in the heap, are cancelled; the others moved. */
	start = loop_now();
	for (int i = 0; i < TIMERS; i++) {
		int delay = rand() % 500;

		alarms[i].cancelled = i % 2;
		alarms[i].due_first = loop_now() + delay;
		loop_timer_set(alarms[i].timer, alarms[i].cancelled ? -1 : delay);
		alarms[i].due_last = loop_now() + delay + 1;
	}
	run_for(20000);
	for (int i = 0; i < TIMERS; i++) {
		twice += alarms[i].rings > 1;
		wrong += alarms[i].rings != !alarms[i].cancelled;
	}
	is_int(rung, TIMERS / 2, "of %d timers the armed ones ring", TIMERS);
	is_int(wrong, 0, "no other");
	is_int(twice, 0, "and once");
	is_int(early, 0, "none early");
	is_int(disordered, 0, "in order");
	ok(loop_now() - start >= 480, "they took their time");
	loop_destroy(loop); /* frees the timers */
}

struct chain {
	struct loop_timer *timer, *other;
	int calls;
	int64_t delay;
};

static void chain_rings(void *arg)
{
	struct chain *chain = arg;

	chain->calls++;
	loop_timer_destroy(chain->other);
	chain->other = NULL;
	if (chain->delay >= 0)
		loop_timer_set(chain->timer, chain->delay);
	else
		loop_timer_destroy(chain->timer);
}

static void test_timer_callbacks(void)
{
	struct chain chain = {.delay = 0}, once = {.delay = -1};
	struct ear ear;
	int calls;

	begin();
	chain.timer = loop_timer_create(loop, chain_rings, &chain);
	ear_open(&ear, EPOLLIN);
	ear_tell(&ear);
	loop_timer_set(chain.timer, 0);
	is_int(chain.calls, 0, "no delay is not within the call");
	run_for(50);
	ok(ear.calls > 5 && chain.calls > 5 && abs(ear.calls - chain.calls) < 3,
	   "a timer that rearms itself with no delay rings once a round");
	ear_close(&ear);
	loop_timer_set(chain.timer, INT64_MAX);
	calls = chain.calls;
	run_for(20);
	is_int(chain.calls, calls, "the longest delay there is does not ring");
	loop_timer_destroy(chain.timer);

	once.timer = loop_timer_create(loop, chain_rings, &once);
	once.other = loop_timer_create(loop, chain_rings, &once);
	loop_timer_set(once.timer, 1);
	loop_timer_set(once.other, 1);
	run_for(50);
	is_int(once.calls, 1, "a timer's callback may destroy another that is due, and itself");
	loop_timer_destroy(NULL);
	loop_destroy(loop);
}

static void test_idle(void)
{
	struct rusage before, after;
	struct ear ear;

	begin();
	ear_open(&ear, 0);
	ear_tell(&ear);
	loop_timer_destroy(loop_timer_create(loop, stop_now, NULL));
	getrusage(RUSAGE_SELF, &before);
	run_for(300);
	getrusage(RUSAGE_SELF, &after);
	ok(after.ru_nvcsw - before.ru_nvcsw <= 3, "a loop with nothing to do sleeps");
	ear_close(&ear);
	loop_destroy(loop);
}

/* Signals. */

static int caught[NSIG];

static void caught_signal(int signo, void *arg)
{
	caught[signo]++;
	if (arg == &caught[signo])
		loop_stop(loop);
}

static void test_signals(void)
{
	sigset_t blocked;

	begin();
	ok(loop_signal_add(loop, SIGUSR1, caught_signal, NULL) == 0 &&
		   loop_signal_add(loop, SIGTERM, caught_signal, &caught[SIGTERM]) == 0,
	   "signals are added");
	raise(SIGUSR1);
	run_for(20);
	raise(SIGTERM);
	run_for(5000);
	ok(caught[SIGUSR1] == 1 && caught[SIGTERM] == 1, "each calls back");
	ok(loop_signal_add(loop, SIGUSR1, caught_signal, &caught[SIGUSR1]) == 0,
	   "one is added anew");
	raise(SIGUSR1);
	run_for(5000);
	is_int(caught[SIGUSR1], 2, "and calls once");
	fails_with(loop_signal_add(loop, 0, caught_signal, NULL), EINVAL, "0 is no signal");
	fails_with(loop_signal_add(loop, NSIG + 1, caught_signal, NULL), EINVAL,
		   "nor is a number beyond the last");
	loop_destroy(loop);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	ok(sigismember(&blocked, SIGTERM) == 1, "they stay blocked when the loop has gone");
}

/* Children. */

struct ward {
	struct loop_child *child;
	pid_t pid;
	int calls, status;
	bool remove;
};

static int wards_gone, wards_wanted;

static void ward_gone(pid_t pid, int status, void *arg)
{
	struct ward *ward = arg;

	ward->calls++;
	ward->status = pid == ward->pid ? status : -2;
	if (ward->remove) {
		fails_with(loop_child_kill(ward->child, SIGKILL), ESRCH,
			   "a child that has ended cannot be killed");
		loop_child_remove(ward->child);
	}
	if (++wards_gone == wards_wanted)
		loop_stop(loop);
}

/* A child that exits with the code, or (-1) lives until it is killed. */
static void ward_start(struct ward *ward, int code)
{
	memset(ward, 0, sizeof(*ward));
	ward->pid = fork();
	if (ward->pid < 0)
		bail_out("fork");
	if (ward->pid == 0) {
		alarm(60);
		while (code < 0)
			pause();
		_exit(code);
	}
	ward->child = loop_child_add(loop, ward->pid, ward_gone, ward);
	if (!ward->child)
		bail_out("loop_child_add");
}

static void wards_wait(int count)
{
	wards_gone = 0;
	wards_wanted = count;
	run_for(20000);
}

static void test_children(void)
{
	static struct ward wards[CHILDREN];
	int wrong = 0;

	begin();
	ward_start(&wards[0], 7);
	wards[0].remove = true;
	wards_wait(1);
	ok(wards[0].calls == 1 && WIFEXITED(wards[0].status) &&
		   WEXITSTATUS(wards[0].status) == 7,
	   "a child's exit code");
	fails_with(waitpid(wards[0].pid, NULL, WNOHANG), ECHILD, "it is reaped");

	ward_start(&wards[0], -1);
	is_int(loop_child_kill(wards[0].child, SIGUSR2), 0, "a child is sent a signal");
	wards_wait(1);
	ok(WIFSIGNALED(wards[0].status) && WTERMSIG(wards[0].status) == SIGUSR2,
	   "and ends by it");

	ward_start(&wards[0], 3);
	loop_child_remove(wards[0].child);
	run_for(20);
	is_int(wards[0].calls, 0, "a child that is not watched any more does not call");
	is_int(waitpid(wards[0].pid, &wards[0].status, 0), wards[0].pid, "and is not reaped");

	ward_start(&wards[0], 4);
	waitpid(wards[0].pid, NULL, 0);
	wards_wait(1);
	is_int(wards[0].status, -1, "a child that somebody else has reaped");

	for (int i = 0; i < CHILDREN; i++)
		ward_start(&wards[i], i);
	wards_wait(CHILDREN);
	for (int i = 0; i < CHILDREN; i++)
		wrong += wards[i].calls != 1 || wards[i].status != i << 8;
	is_int(wrong, 0, "%d children at once", CHILDREN);

	ward_start(&wards[0], -1);
	kill(wards[0].pid, SIGKILL);
	errno = 0;
	ok(!loop_child_add(loop, INT_MAX, ward_gone, NULL) && errno == ESRCH,
	   "a process that is not there cannot be watched");
	loop_child_remove(NULL);
	loop_destroy(loop); /* forgets the last one */
	is_int(waitpid(wards[0].pid, NULL, 0), wards[0].pid, "the loop's end reaps nobody");
}

int main(void)
{
	alarm(120);
	test_watch();
	test_edge();
	test_removal();
	test_round();
	test_many_timers();
	test_timer_callbacks();
	test_idle();
	test_signals();
	test_children();
	loop_destroy(NULL);
	return done_testing();
}
