/* SPDX-License-Identifier: MIT */
/*
 * Tests of the barrier: what state, counts and missing workers come of what nodes and
 * controller say, in whatever order they say it.  Run by `make check` as any user.
 */
#include "launcher/workers/barrier.h"

#include <stdlib.h>
#include <string.h>

#include "common/session.h"
#include "tap.h"

static struct session *session;
static struct session_workers *workers;

/* A record of so many nodes, n1 and up. */
static void record(size_t nodes)
{
	session_destroy(session);
	if (!(session = session_create()) ||
	    !(session->nodes = calloc(nodes, sizeof(*session->nodes))))
		bail_out("session");
	session->node_count = nodes;
	for (size_t i = 0; i < nodes; i++) {
		if (asprintf(&session->nodes[i].name, "n%zu", i + 1) < 0)
			bail_out("asprintf");
		strcpy(session->nodes[i].state, "up");
	}
	if (!(workers = session_workers_add(session, "dask")))
		bail_out("session_workers_add");
}

static struct barrier *make(size_t nodes, unsigned count, bool controlled)
{
	struct barrier *barrier = barrier_create(nodes, count, controlled);

	if (!barrier)
		bail_out("barrier_create");
	record(nodes);
	return barrier;
}

static void tell(struct barrier *barrier)
{
	if (barrier_tell(barrier, session->nodes, workers) < 0)
		bail_out("barrier_tell");
}

/* State, expected, ready and missing at once; the reason is workers->reason afterwards. */
static void is_now(struct barrier *barrier, const char *state, unsigned expected,
		   unsigned ready, size_t missing, const char *what)
{
	tell(barrier);
	ok(!strcmp(workers->state, state) && workers->expected == expected &&
		   workers->ready == ready && workers->missing_count == missing &&
		   barrier_expected(barrier) == expected && barrier_ready(barrier) == ready,
	   "%s: %s, %u of %u, %zu missing; got %s, %u of %u, %zu: %s", what, state, ready,
	   expected, missing, workers->state, workers->ready, workers->expected,
	   workers->missing_count, workers->reason ? workers->reason : "-");
}

static void is_missing(size_t at, const char *node, unsigned index, const char *reason,
		       const char *log)
{
	const struct session_missing *missing =
		at < workers->missing_count ? &workers->missing[at] : NULL;

	ok(missing && !strcmp(missing->node, node) && missing->index == index,
	   "%u on %s is missing", index, node);
	is_str(missing ? missing->reason : NULL, reason, "with its reason");
	is_str(missing ? missing->log : NULL, log, "and its last lines");
}

static void all_join(struct barrier *barrier, size_t nodes, unsigned count)
{
	barrier_listening(barrier);
	for (size_t node = 0; node < nodes; node++) {
		barrier_here(barrier, node, count);
		for (unsigned index = 0; index < count; index++) {
			barrier_started(barrier, node, index);
			barrier_joined(barrier, node, index);
		}
	}
}

static void test_start(void)
{
	struct barrier *barrier = make(2, 2, true);

	is_now(barrier, "starting", 4, 0, 0, "nobody has said a word");
	ok(!barrier_all_heard(barrier), "not all nodes are heard");
	is_int(barrier_node_count(barrier, 0), 0, "no node is there");
	is_int(barrier_here(barrier, 0, 2), 0, "the first node is here");
	is_int(barrier_here(barrier, 1, 2), 0, "and the second");
	ok(barrier_all_heard(barrier), "all nodes are heard");
	is_int(barrier_node_count(barrier, 1), 2, "with two each");
	ok(!barrier_any_joined(barrier), "nobody has joined");
	barrier_listening(barrier);
	for (unsigned i = 0; i < 4; i++) {
		is_now(barrier, "starting", 4, i, 0, "while they start");
		is_int(barrier_started(barrier, i / 2, i % 2), 0, "one is started");
		is_int(barrier_joined(barrier, i / 2, i % 2), 0, "and has joined");
		is_int(workers->nodes[1].expected, 2, "the second node's");
		ok(barrier_any_joined(barrier), "somebody has joined");
	}
	is_now(barrier, "ready", 4, 4, 0, "all have joined");
	is_str(workers->reason, NULL, "with nothing to explain");
	is_int(workers->nodes[1].ready, 2, "the second node's");
	is_int(barrier_joined(barrier, 0, 1), 0, "said twice");
	is_now(barrier, "ready", 4, 4, 0, "counts once");
	barrier_deadline(barrier);
	is_now(barrier, "ready", 4, 4, 0, "the deadline is nothing to them");
	barrier_destroy(barrier);
}

static void test_counts_differ(void)
{
	struct barrier *barrier = make(3, 0, true);

	is_now(barrier, "starting", 3, 0, 0, "one a node at least");
	barrier_here(barrier, 1, 4);
	is_now(barrier, "starting", 12, 0, 0, "the first to say is taken for all");
	barrier_here(barrier, 0, 2);
	is_now(barrier, "starting", 10, 0, 0, "until each has said");
	barrier_here(barrier, 2, 1);
	is_now(barrier, "starting", 7, 0, 0, "which counts");
	is_int(workers->nodes[0].expected, 2, "of the first");
	is_int(workers->nodes[1].expected, 4, "of the second");
	is_int(workers->nodes[2].expected, 1, "of the third");
	barrier_destroy(barrier);
}

static void test_order(void)
{
	struct barrier *barrier = make(1, 2, true);

	is_int(barrier_joined(barrier, 0, 1), 0, "one joins before its node is heard");
	is_int(barrier_here(barrier, 0, 2), 0, "then the node is here");
	is_int(barrier_started(barrier, 0, 1), 0, "and says that it has started it");
	is_now(barrier, "starting", 2, 1, 0, "it is counted");
	is_int(barrier_joined(barrier, 0, 0), 0, "the other never was told to be started");
	is_now(barrier, "ready", 2, 2, 0, "and counts too");
	is_int(barrier_started(barrier, 0, 0), 0, "a node repeats what is known");
	is_int(barrier_here(barrier, 0, 2), 0, "all of it");
	is_now(barrier, "ready", 2, 2, 0, "which changes nothing");
	barrier_destroy(barrier);

	barrier = make(2, 2, true);
	barrier_joined(barrier, 0, 7);
	barrier_here(barrier, 0, 2);
	is_now(barrier, "starting", 4, 0, 0, "one that its node does not have is not counted");
	barrier_destroy(barrier);
}

static void test_bounds(void)
{
	struct barrier *barrier = make(2, 2, true);

	fails_with(barrier_here(barrier, 2, 1), EINVAL, "no such node is here");
	fails_with(barrier_here(barrier, 0, SESSION_WORKERS_NODE_MAX + 1), EINVAL,
		   "too many on it");
	fails_with(barrier_joined(barrier, 2, 0), EINVAL, "no such node's worker");
	fails_with(barrier_joined(barrier, 0, SESSION_WORKERS_NODE_MAX), EINVAL,
		   "no such worker of a node that is not heard");
	barrier_here(barrier, 0, 2);
	fails_with(barrier_joined(barrier, 0, 2), EINVAL, "nor of one that is");
	fails_with(barrier_started(barrier, 0, 2), EINVAL, "started");
	fails_with(barrier_left(barrier, 0, 2), EINVAL, "left");
	fails_with(barrier_exited(barrier, 0, 2, false, "x", ""), EINVAL, "exited");
	fails_with(barrier_tail(barrier, 0, 2, "x\n"), EINVAL, "tail");
	fails_with(barrier_node_failed(barrier, 9, "x", ""), EINVAL, "failed");
	fails_with(barrier_node_lost(barrier, 9, "x"), EINVAL, "lost");
	fails_with(barrier_resize(barrier, SESSION_WORKERS_NODE_MAX + 1), EINVAL, "resize");
	is_int(barrier_here(barrier, 1, SESSION_WORKERS_NODE_MAX), 0, "the most of a node");
	is_int(barrier_joined(barrier, 1, SESSION_WORKERS_NODE_MAX - 1), 0, "its last");
	is_now(barrier, "starting", 2 + SESSION_WORKERS_NODE_MAX, 1, 0, "after all that");
	is_int(barrier_node_count(barrier, 7), 0, "a node that is none has none");
	barrier_destroy(barrier);
	barrier_destroy(NULL);
}

static void test_deadline(void)
{
	struct barrier *barrier = make(3, 2, true);

	barrier_here(barrier, 0, 2);
	barrier_here(barrier, 1, 2);
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 6, 0, 6, "over before the controller listens");
	is_missing(0, "n1", 0, "its controller does not listen yet", NULL);
	is_missing(4, "n3", 0, "its node has not answered", NULL);
	is_str(workers->reason,
	       "0 of 6 workers are there; missing: 0-1 on n1, n2 (its controller does not "
	       "listen yet), 0-1 on n3 (its node has not answered)",
	       "the reason names them");
	barrier_listening(barrier);
	barrier_joined(barrier, 0, 0);
	barrier_joined(barrier, 0, 1);
	barrier_started(barrier, 1, 1);
	is_now(barrier, "degraded", 6, 2, 4, "some come late");
	is_missing(0, "n2", 0, "it has not been started", NULL);
	is_missing(1, "n2", 1, "it runs, but has not joined its controller", NULL);
	is_int(barrier_tail(barrier, 1, 1, "Traceback\nImportError\n"), 0, "its tail comes");
	is_int(barrier_tail(barrier, 0, 1, "late\n"), 0, "one that has joined is let be");
	is_now(barrier, "degraded", 6, 2, 4, "still");
	is_missing(1, "n2", 1, "it runs, but has not joined its controller",
		   "Traceback\nImportError\n");
	barrier_joined(barrier, 1, 0);
	barrier_joined(barrier, 1, 1);
	barrier_here(barrier, 2, 2);
	barrier_joined(barrier, 2, 0);
	barrier_joined(barrier, 2, 1);
	is_now(barrier, "ready", 6, 6, 0, "the late ones make it ready");
	barrier_destroy(barrier);

	barrier = make(1, 1, false);
	barrier_here(barrier, 0, 1);
	barrier_started(barrier, 0, 0);
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 1, 0, 1, "without a controller");
	is_missing(0, "n1", 0, "it runs, but has not said that it is ready", NULL);
	barrier_destroy(barrier);
}

static void test_exits(void)
{
	struct barrier *barrier = make(2, 2, true);

	barrier_listening(barrier);
	barrier_here(barrier, 0, 2);
	barrier_here(barrier, 1, 2);
	barrier_started(barrier, 0, 0);
	is_int(barrier_exited(barrier, 0, 0, true, "ended by signal 11", "one\n"), 0,
	       "one dies and is started again");
	is_now(barrier, "starting", 4, 0, 0, "that is a start still");
	is_int(barrier_exited(barrier, 0, 0, false, "ended by signal 11", "two\n"), 0,
	       "it dies for good");
	is_now(barrier, "degraded", 4, 0, 4, "that is known before the deadline");
	is_missing(0, "n1", 0, "ended by signal 11", "two\n");
	barrier_started(barrier, 0, 0);
	is_now(barrier, "starting", 4, 0, 0, "somebody starts it again");
	barrier_joined(barrier, 0, 0);
	barrier_joined(barrier, 0, 1);
	barrier_joined(barrier, 1, 0);
	barrier_joined(barrier, 1, 1);
	is_now(barrier, "ready", 4, 4, 0, "all are there");

	is_int(barrier_left(barrier, 1, 1), 0, "one leaves");
	is_now(barrier, "degraded", 4, 3, 1, "one that was there is missing at once");
	is_missing(0, "n2", 1, "it has left its controller", NULL);
	is_int(barrier_exited(barrier, 1, 1, true, "ended by signal 9", "bye\n"), 0,
	       "its node says why");
	is_now(barrier, "degraded", 4, 3, 1, "with more");
	is_missing(0, "n2", 1, "ended by signal 9; it is started again", "bye\n");
	is_int(barrier_left(barrier, 1, 1), 0, "the controller hears of it later");
	barrier_started(barrier, 1, 1);
	is_now(barrier, "degraded", 4, 3, 1, "while it starts again");
	is_missing(0, "n2", 1, "ended by signal 9; it was started again, but has not joined",
		   "bye\n");
	barrier_joined(barrier, 1, 1);
	is_now(barrier, "ready", 4, 4, 0, "it has joined again");
	barrier_left(barrier, 1, 1);
	is_now(barrier, "degraded", 4, 3, 1, "and leaves");
	is_missing(0, "n2", 1, "it has left its controller", NULL);
	barrier_destroy(barrier);
}

static void test_nodes(void)
{
	struct barrier *barrier = make(3, 2, true);

	all_join(barrier, 3, 2);
	is_now(barrier, "ready", 6, 6, 0, "all are there");
	is_int(barrier_node_lost(barrier, 2, "not heard for 50 s"), 0, "a node is lost");
	is_now(barrier, "degraded", 6, 4, 2, "with its workers");
	is_missing(1, "n3", 1, "its node is lost: not heard for 50 s", NULL);
	is_int(workers->nodes[2].ready, 0, "none of them counts");
	is_int(barrier_node_count(barrier, 2), 0, "nor is the node to be counted on");
	ok(barrier_all_heard(barrier), "nobody waits for it");
	barrier_left(barrier, 2, 0);
	is_int(barrier_here(barrier, 2, 2), 0, "it comes again");
	is_now(barrier, "degraded", 6, 5, 1, "with the worker that the controller still has");
	is_missing(0, "n3", 0, "it has left its controller", NULL);
	barrier_joined(barrier, 2, 0);
	is_now(barrier, "ready", 6, 6, 0, "and then all");

	is_int(barrier_node_failed(barrier, 1, "python3: no such file", "the host's log\n"), 0,
	       "another node fails");
	is_now(barrier, "degraded", 6, 4, 2, "with its workers");
	is_missing(0, "n2", 0, "python3: no such file", "the host's log\n");
	barrier_destroy(barrier);

	barrier = make(3, 0, true);
	barrier_node_lost(barrier, 2, "");
	is_now(barrier, "degraded", 3, 0, 3, "one lost before it was heard");
	is_missing(2, "n3", 0, "its node is lost", NULL);
	barrier_here(barrier, 0, 4);
	is_now(barrier, "degraded", 12, 0, 12, "is expected to have had as many as others");
	barrier_destroy(barrier);
}

static void test_controller(void)
{
	struct barrier *barrier = make(2, 1, true);

	all_join(barrier, 2, 1);
	is_int(barrier_failed(barrier, "the controller was ended by signal 9"), 0,
	       "the controller dies");
	is_now(barrier, "failed", 2, 0, 2, "that is a failure of all");
	is_missing(1, "n2", 0, "its controller has ended", NULL);
	is_str(workers->reason, "the controller was ended by signal 9", "with its reason");
	barrier_exited(barrier, 0, 0, false, "exit status 1", "");
	is_now(barrier, "failed", 2, 0, 2, "and what nodes say of them is told");
	is_missing(0, "n1", 0, "exit status 1", NULL);
	barrier_destroy(barrier);

	barrier = make(2, 1, true);
	barrier_here(barrier, 0, 1);
	barrier_here(barrier, 1, 1);
	barrier_listening(barrier);
	barrier_started(barrier, 0, 0);
	barrier_exited(barrier, 1, 0, false, "no connection", "");
	is_now(barrier, "degraded", 2, 0, 2, "one cannot join");
	barrier_begin_again(barrier);
	is_now(barrier, "starting", 2, 0, 0, "a new controller forgets the old one's workers");
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 2, 0, 2, "which all wait for it");
	is_missing(1, "n2", 0, "its controller does not listen yet", NULL);
	barrier_destroy(barrier);
}

static void test_resize(void)
{
	struct barrier *barrier = make(2, 2, true);

	all_join(barrier, 2, 2);
	barrier_deadline(barrier);
	is_int(barrier_resize(barrier, 3), 0, "more are wanted");
	is_now(barrier, "starting", 6, 4, 0, "the new ones have time to start");
	barrier_here(barrier, 0, 3);
	barrier_here(barrier, 1, 3);
	barrier_joined(barrier, 0, 2);
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 6, 5, 1, "but not for ever");
	is_int(barrier_resize(barrier, 1), 0, "fewer are wanted");
	is_now(barrier, "ready", 2, 2, 0, "those that retire are not counted");
	fails_with(barrier_left(barrier, 0, 2), EINVAL, "nor known when they go");
	is_now(barrier, "ready", 2, 2, 0, "which changes nothing");
	barrier_left(barrier, 0, 0);
	is_now(barrier, "degraded", 2, 1, 1, "one of those that stay is missed");
	is_int(barrier_resize(barrier, 0), 0, "none is wanted");
	is_now(barrier, "ready", 0, 0, 0, "that is easy");
	is_int(barrier_resize(barrier, 2), 0, "some are wanted again");
	is_now(barrier, "starting", 4, 0, 0, "none of them is there");
	barrier_destroy(barrier);

	barrier = make(2, 0, true);
	barrier_resize(barrier, 5);
	barrier_here(barrier, 0, 5);
	is_now(barrier, "starting", 10, 0, 0, "what was told is not guessed");
	barrier_destroy(barrier);
}

static void count_asked(size_t node, unsigned index, bool asked, void *arg)
{
	unsigned *counts = arg;

	(void) node, (void) index;
	counts[asked]++;
}

static void test_many(void)
{
	struct barrier *barrier = make(100, 64, true);
	unsigned counts[2] = {0};

	all_join(barrier, 50, 64);
	barrier_here(barrier, 50, 64);
	for (unsigned index = 0; index < 64; index += 2)
		barrier_joined(barrier, 50, index);
	barrier_tail(barrier, 50, 1, "told\n");
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 6400, 3232, SESSION_MISSING_MAX, "half of many");
	is_str(workers->reason,
	       "3232 of 6400 workers are there; missing: 1,3,5,7,... on n51 (it has not been "
	       "started), 0-63 on n52, n53, n54, n55, n56, n57, n58, n59 and 41 more nodes "
	       "(its node has not answered)",
	       "the reason is short");
	is_missing(31, "n51", 63, "it has not been started", NULL);
	barrier_each_missing(barrier, 40, count_asked, counts);
	is_int(counts[true], 31,
	       "those are asked whose node is there and who have told nothing");
	is_int(counts[false], 9, "up to the number wanted");
	barrier_destroy(barrier);

	/* What others have said is bounded and made printable. */
	char *text = malloc(100000);
	if (!text)
		bail_out("malloc");
	memset(text, '\033', 99999);
	text[99999] = '\0';
	barrier = make(10, 10, true);
	for (size_t node = 0; node < 10; node++) {
		/* No two alike. */
		text[0] = (char) ('a' + node);
		barrier_here(barrier, node, 10);
		for (unsigned index = 0; index < 10; index++)
			barrier_exited(barrier, node, index, false, text, text);
	}
	is_now(barrier, "degraded", 100, 0, SESSION_MISSING_MAX, "long and hostile words");
	ok(!strchr(workers->reason, '\033') && strlen(workers->reason) < REASON_MAX,
	   "the reason is printable and bounded");
	for (size_t node = 0; node < 10; node++)
		for (unsigned index = 0; index < 10; index++)
			barrier_exited(barrier, node, index, false, node % 2 ? "odd" : "even",
				       "");
	tell(barrier);
	is_str(workers->reason,
	       "0 of 100 workers are there; missing: 0-9 on n1 (even), 0-9 on n2 (odd), 0-9 on "
	       "n3 (even), 0-9 on n4 (odd) and 60 more",
	       "not all reasons are told");
	char *json = session_to_json(session);
	ok(json && !strstr(json, "\\u001b"), "and so is the record");
	free(json);
	free(text);
	barrier_destroy(barrier);
}

/* Whether more is to come, as it is and as the record has it. */
static void is_settled(struct barrier *barrier, bool settled, const char *what)
{
	tell(barrier);
	ok(barrier_settled(barrier) == settled && workers->settled == settled, "%s", what);
}

static void test_settled(void)
{
	struct barrier *barrier = make(2, 1, false);

	is_settled(barrier, false, "not settled before a node is heard");
	barrier_here(barrier, 0, 1);
	barrier_here(barrier, 1, 1);
	is_settled(barrier, false, "nor before a worker has come");
	barrier_exited(barrier, 1, 0, true, "it ended", NULL);
	is_settled(barrier, false, "nor while one is started again");
	barrier_exited(barrier, 1, 0, false, "it ended", NULL);
	is_now(barrier, "degraded", 2, 0, 2, "one has ended for good");
	is_settled(barrier, false, "which says nothing of the other");
	barrier_started(barrier, 0, 0);
	barrier_joined(barrier, 0, 0);
	is_now(barrier, "degraded", 2, 1, 1, "which comes");
	is_settled(barrier, true, "and that is all that will");
	barrier_destroy(barrier);
	barrier = make(1, 1, true);
	barrier_here(barrier, 0, 1);
	barrier_deadline(barrier);
	is_settled(barrier, true, "the deadline settles it");
	barrier_begin_again(barrier);
	is_settled(barrier, false, "not so for a controller that comes again");
	barrier_destroy(barrier);
	barrier = make(1, 1, true);
	barrier_failed(barrier, "the controller ended");
	is_settled(barrier, true, "so does a controller that is gone for good");
	barrier_destroy(barrier);
}

/* The time that the first start had says nothing of one that comes again later. */
static void test_settled_again(void)
{
	struct barrier *barrier = make(2, 2, true);

	all_join(barrier, 2, 2);
	is_settled(barrier, true, "all are there");
	barrier_deadline(barrier);
	barrier_exited(barrier, 1, 0, true, "it ended", NULL);
	is_now(barrier, "degraded", 4, 3, 1, "one is missing after the deadline");
	is_settled(barrier, false, "which is started again");
	barrier_deadline(barrier);
	is_settled(barrier, true, "in its own time");
	barrier_joined(barrier, 1, 0);
	barrier_left(barrier, 0, 1);
	is_settled(barrier, false, "and the next one has the same");
	barrier_deadline(barrier);
	is_now(barrier, "degraded", 4, 3, 1, "one has left");
	barrier_resize(barrier, 3);
	is_settled(barrier, false, "more are to come");
	barrier_destroy(barrier);
}

static void test_settled_nodes(void)
{
	struct barrier *barrier = make(3, 1, false);

	all_join(barrier, 1, 1);
	barrier_here(barrier, 1, 1);
	barrier_node_failed(barrier, 1, "no such program", NULL);
	is_settled(barrier, false, "a node has not answered yet");
	barrier_node_lost(barrier, 2, "it has not joined");
	is_now(barrier, "degraded", 3, 1, 2, "one node has failed, one is lost");
	is_settled(barrier, true, "and nobody comes from there");
	is_int(barrier_node_back(barrier, 2), 0, "the lost node is back");
	is_settled(barrier, false, "and has a word to say");
	ok(!barrier_all_heard(barrier), "which is waited for");
	is_now(barrier, "degraded", 3, 1, 2, "but has nobody yet");
	is_missing(1, "n3", 0, "its node has not answered", NULL);
	barrier_joined(barrier, 2, 0);
	is_now(barrier, "degraded", 3, 1, 2, "nor one that it has not told of");
	barrier_left(barrier, 2, 0);
	is_int(barrier_here(barrier, 2, 1), 0, "it says so");
	is_settled(barrier, false, "its worker is started");
	barrier_joined(barrier, 2, 0);
	is_now(barrier, "degraded", 3, 2, 1, "and has joined");
	is_settled(barrier, true, "which is all that will come");
	is_int(barrier_node_back(barrier, 2), 0, "a node that was there all the time");
	is_settled(barrier, true, "has nothing new to say");
	fails_with(barrier_node_back(barrier, 3), EINVAL, "no such node is back");
	barrier_destroy(barrier);
}

/* The node is back with workers that its controller has forgotten: others are started in their
 * places, and until then those of before are none that count. */
static void test_anew(void)
{
	struct barrier *barrier = make(2, 2, true);

	all_join(barrier, 2, 2);
	barrier_node_lost(barrier, 1, "not heard");
	barrier_node_back(barrier, 1);
	is_now(barrier, "degraded", 4, 2, 2, "it has not said what it has");
	barrier_joined(barrier, 1, 0);
	is_int(barrier_node_anew(barrier, 1), 0, "its workers are to go");
	is_int(barrier_here(barrier, 1, 2), 0, "and as many are to come");
	is_now(barrier, "degraded", 4, 2, 2, "none of which is there");
	is_missing(0, "n2", 0, "it has not been started", NULL);
	is_settled(barrier, false, "but on its way");
	barrier_joined(barrier, 1, 0);
	is_now(barrier, "degraded", 4, 2, 2, "an old one comes again before it goes");
	barrier_left(barrier, 1, 0);
	barrier_started(barrier, 1, 0);
	is_now(barrier, "degraded", 4, 2, 2, "a new one is started");
	barrier_joined(barrier, 1, 0);
	is_now(barrier, "degraded", 4, 3, 1, "and joins");
	barrier_joined(barrier, 1, 1);
	is_now(barrier, "degraded", 4, 3, 1, "one that joins before its node has told of it");
	barrier_started(barrier, 1, 1);
	is_now(barrier, "ready", 4, 4, 0, "counts when it does");
	barrier_exited(barrier, 1, 1, true, "it ended", NULL);
	barrier_joined(barrier, 1, 1);
	is_now(barrier, "ready", 4, 4, 0, "later it is as with any");
	fails_with(barrier_node_anew(barrier, 2), EINVAL, "no such node");
	barrier_destroy(barrier);
}

int main(void)
{
	test_start();
	test_counts_differ();
	test_order();
	test_bounds();
	test_deadline();
	test_exits();
	test_nodes();
	test_controller();
	test_resize();
	test_many();
	test_settled();
	test_settled_again();
	test_settled_nodes();
	test_anew();
	session_destroy(session);
	return done_testing();
}
