/* SPDX-License-Identifier: MIT */
/*
 * Tests of the control plane as a tree: joining through branches, messages both ways, branches
 * that die, and enemies at a branch, with a real munged and real connections.  With a span of 3
 * and 8 ranks 3 and 6 are branches, 4 and 5 connect to 3, 7 to 6, and 1 and 2 to the head.  Run
 * by `make check` as any user; as root more is tested.
 */
#include <sys/resource.h>

#include "control_world.h"
#include "launcher/control/parents.h"
#include "launcher/control/span.h"

#define HELLO "control.hello"

enum { HELLO_SIZE = FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX, SPAN = 3, NOBODY = 65534 };

static struct agent agents[AGENTS];
static struct keys alice, mallory;

static void world_close(void)
{
	for (size_t rank = 0; rank < AGENTS; rank++)
		if (agents[rank].client)
			agent_close(&agents[rank]);
	head_close();
	raw_target = NULL;
}

/* The agents of the ranks from first to last, joined and welcomed, and branches known. */
static void open_ranks(size_t first, size_t last)
{
	for (size_t rank = first; rank <= last; rank++)
		agent_open(&agents[rank], rank);
	for (size_t rank = first; rank <= last; rank++)
		wait_for(head.joined[rank] && agents[rank].welcomed &&
				 (!span_is_branch(rank, SPAN) || head.branches[rank].told),
			 SOON);
}

/* Branch `rank` in a process of its own, which agents can join. */
static void branch_process(struct process *process, size_t rank, int64_t silence_ms)
{
	head.branches[rank].told = 0;
	process_open(process, rank, silence_ms, 0, geteuid(), NULL);
	wait_for(head.branches[rank].told, SOON);
	if (!head.branches[rank].told)
		bail_out("no branch");
}

static void test_shape(void)
{
	struct parents parents;
	size_t counts[100] = {0};
	bool all = true;

	is_int(control_span(CONTROL_STAR_MAX, CONTROL_STAR_MAX), 0, "256 agents are a star");
	is_int(control_span(257, CONTROL_STAR_MAX), 17, "257 are a tree");
	is_int(control_span(10000, CONTROL_STAR_MAX), 100, "10,000 too");
	is_int(control_span(65536, CONTROL_STAR_MAX), 256, "and as many as Slurm has");
	is_int(control_span(4, 4), 0, "a site may choose how many are a star");
	is_int(control_span(4, 2), 2, "and then fewer are a tree");
	is_int(control_span(2, 1), 2, "though not of spans of one");
	is_int(span_direct(10000, 100), 199, "of 10,000 199 connect to the head");
	ok(span_branch_of(99, 100) == SPAN_NO_BRANCH &&
		   span_branch_of(100, 100) == SPAN_NO_BRANCH &&
		   span_branch_of(101, 100) == 100 && span_branch_of(199, 100) == 100 &&
		   span_branch_of(7, 0) == SPAN_NO_BRANCH,
	   "the others to a branch");
	ok(span_is_branch(100, 100) && !span_is_branch(0, 100) && !span_is_branch(101, 100) &&
		   !span_is_branch(1, 0),
	   "whose rank is a multiple of the span");
	for (size_t rank = 501; rank < 600; rank++) {
		parents_open(&parents, rank, 10000, 100, "tcp://127.0.0.1:1", "k");
		all = all && parents.count == PARENTS_MAX && parents.list[0].rank == 500;
		for (size_t i = 1; i <= PARENTS_OTHERS; i++)
			all = all && parents.list[i].rank % 100 == 0 &&
			      parents.list[i].rank != 500 && parents.list[i].rank > 0;
		counts[parents.list[1].rank / 100]++;
	}
	ok(all, "an agent has its branch, three others and the head to try");
	for (size_t i = 1; i < 100; i++)
		all = all && counts[i] <= 2;
	ok(all, "the agents of one that is lost go to as many others");
	parents_open(&parents, 4, 6, 3, "tcp://127.0.0.1:1", "k");
	is_int(parents.count, 2, "the only branch, and the head");
	ok(!parents_next(&parents, false) && parents_next(&parents, true)->rank == 0,
	   "who has not been told of its branch waits, then goes to the head");
	ok(parents_add(&parents, 3, "tcp://127.0.0.1:2", "b") &&
		   parents_next(&parents, false)->rank == 3,
	   "told of it it goes there");
	ok(!parents_add(&parents, 9, "tcp://127.0.0.1:3", "c") &&
		   !parents_add(&parents, 0, "tcp://127.0.0.1:3", "c"),
	   "others are not its own");
	parents_failed(&parents);
	is_int(parents_next(&parents, false)->rank, 0, "when it fails it goes to the head");
	parents_failed(&parents);
	is_int(parents_next(&parents, false)->rank, 3, "and then begins anew");
	parents_open(&parents, 3, 8, 3, "tcp://127.0.0.1:1", "k");
	ok(parents_single(&parents), "a branch has the head alone");
}

static void test_files(void)
{
	struct control_server_options options = {
		.ip = "127.0.0.1", .job_id = JOB, .uid = geteuid(), .agents = 10000};
	struct control_server_callbacks callbacks = {0};
	struct control_server *server;
	struct rlimit before, few;
	struct reason reason;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		bail_out("getrlimit");
	few = before;
	few.rlim_cur = 1000;
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		bail_out("setrlimit");
	ok(!control_server_create(loop, &options, &callbacks, &reason) &&
		   strstr(reason.text, "limit of open files"),
	   "10,000 agents are no star for 1,000 open files: %s", reason.text);
	options.span = control_span(options.agents, CONTROL_STAR_MAX);
	server = control_server_create(loop, &options, &callbacks, &reason);
	ok(server, "but a tree");
	control_server_destroy(server);
	options.agents = 65536;
	options.span = control_span(options.agents, CONTROL_STAR_MAX);
	server = control_server_create(loop, &options, &callbacks, &reason);
	ok(server, "so are 65,536");
	control_server_destroy(server);
	if (setrlimit(RLIMIT_NOFILE, &before) < 0)
		bail_out("setrlimit");
}

static void test_join(void)
{
	head_open(0, 0);
	agent_open(&agents[4], 4);
	agent_open(&agents[1], 1);
	wait_for(head.joined[1] && agents[1].welcomed, SOON);
	is_int(head.joined[1], 1, "an agent joins at the head");
	is_int(head.joined[4], 0, "one that is to join through a branch waits for it");
	ok(control_client_send(agents[4].client, "early", "", 0) < 0 && errno == ENOTCONN,
	   "and cannot send");
	open_ranks(3, 3);
	is_int(head.branches[3].told, 1, "the branch comes, and the head says where it is");
	wait_for(head.joined[4] && agents[4].welcomed, SOON);
	is_int(head.joined[4], 1, "now it joins");
	is_str(head.node[4], "n4", "with its node");
	open_ranks(5, 7);
	is_int(head.joined[7], 1, "so do all");
	is_int(tcp_each(head_port(), false), 3, "three connect to the head");
	is_int(tcp_each(port_of(head.branches[3].endpoint), false), 2, "two to the one branch");
	is_int(tcp_each(port_of(head.branches[6].endpoint), false), 1, "one to the other");
	is_int(head.rejected, 0, "nobody was turned away");
	agent_close(&agents[5]);
	wait_for(head.lost[5], SOON);
	is_int(head.lost[5], 1, "an agent behind a branch that ends is lost");
	is_str(head.lost_reason, "its connection was closed", "with the reason");
	agent_open(&agents[5], 5);
	wait_for(head.joined[5] == 2 && agents[5].welcomed, SOON);
	is_int(head.joined[5], 2, "and may come again");
	world_close();
}

static void test_messages(void)
{
	static char big[CONTROL_PAYLOAD_MAX];

	memset(big, 'x', sizeof(big));
	head_open(0, 0);
	open_ranks(1, 7);
	is_int(control_client_send(agents[4].client, "status", "a\0b", 3), 0, "an agent sends");
	wait_for(head.messages, SOON);
	ok(head.from == 4 && head.size == 3 && memcmp(head.payload, "a\0b", 3) == 0 &&
		   strcmp(head.type, "status") == 0,
	   "rank, type and payload arrive");
	is_int(control_server_send(head.server, 7, "do", NULL, 0), 0, "the head sends");
	wait_for(agents[7].messages, SOON);
	ok(strcmp(agents[7].type, "do") == 0 && agents[7].size == 0, "to that agent");
	is_int(agents[6].messages + agents[4].messages, 0, "and to no other");
	is_int(control_server_send(head.server, 6, "you", "y", 1), 0, "to a branch");
	wait_for(agents[6].messages, SOON);
	ok(agents[6].messages == 1 && agents[7].messages == 1, "itself");

	is_int(control_client_send(agents[5].client, "big", big, sizeof(big)), 0,
	       "the largest payload");
	wait_for(head.messages == 2, SOON);
	ok(head.size == sizeof(big) && memcmp(head.payload, big, sizeof(big)) == 0,
	   "arrives at the head");
	is_int(control_server_send(head.server, 5, "big", big, sizeof(big)), 0, "and");
	wait_for(agents[5].messages, SOON);
	is_int(agents[5].size, CONTROL_PAYLOAD_MAX, "at the agent");

	for (size_t rank = 1; rank < AGENTS; rank++)
		agents[rank].messages = 0;
	is_int(control_server_broadcast(head.server, "all", "x", 1), 7, "a broadcast");
	for (size_t rank = 1; rank < AGENTS; rank++)
		wait_for(agents[rank].messages, SOON);
	run_for(100);
	for (size_t rank = 1; rank < AGENTS; rank++)
		ok(agents[rank].messages == 1 && strcmp(agents[rank].type, "all") == 0,
		   "reaches rank %zu once", rank);
	fails_with(control_server_send(head.server, 0, "x", "", 0), ENOTCONN, "nobody there");
	fails_with(control_client_send(agents[4].client, "control.from", "", 0), EINVAL,
		   "a type of the protocol's own");
	world_close();
}

/* What the head sends at once to who has joined is not faster than its welcome. */
static void test_greeting(void)
{
	head_open(0, 0);
	head.greet_on_joined = true;
	open_ranks(1, 7);
	for (size_t rank = 1; rank < AGENTS; rank++) {
		wait_for(agents[rank].messages, SOON);
		is_str(agents[rank].type, "greeting", "rank %zu is greeted", rank);
	}
	tcp_drop_all();
	wait_for(head.joined[4] == 2 && head.joined[5] == 2 && head.joined[7] == 2, SOON);
	wait_for(agents[4].messages == 2 && agents[5].messages == 2 && agents[7].messages == 2,
		 SOON);
	ok(agents[4].messages == 2 && agents[5].messages == 2 && agents[7].messages == 2,
	   "and again when they have joined again");
	world_close();
}

static void test_bursts(void)
{
	enum { ROUNDS = 20, BURST = 100 };
	int sent = 0, returned = 0;

	head_open(0, 0);
	open_ranks(3, 4);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BURST; i++) {
			if (control_client_send(agents[4].client, "a", &i, sizeof(i)) == 0)
				sent++;
			if (control_server_send(head.server, 4, "b", &i, sizeof(i)) == 0)
				returned++;
		}
		wait_for(head.messages == sent && agents[4].messages == returned, SOON);
	}
	is_int(sent, ROUNDS * BURST, "all could be queued");
	is_int(head.messages, sent, "all arrived at the head");
	is_int(agents[4].messages, returned, "all arrived at the agent");
	world_close();
}

/* The head stands still: what is sent meanwhile waits in its sender at last, and none is lost.
 */
static void test_held_up(void)
{
	enum { COUNT = 5000 };
	const struct timespec pause = {.tv_sec = 1};
	struct process branch, agent;
	int count = COUNT, last = -1;

	head_open(0, 0);
	branch_process(&branch, 3, 0);
	process_open(&agent, 4, 0, 0, geteuid(), NULL);
	wait_for(head.joined[4], SOON);
	control_server_send(head.server, 4, "flood", &count, sizeof(count));
	control_server_send(head.server, 3, "echo", "", 0);
	wait_for(head.messages, SOON);
	nanosleep(&pause, NULL);
	wait_for(head.messages == COUNT + 1, SOON);
	memcpy(&last, head.payload, sizeof(last));
	ok(head.messages == COUNT + 1 && last == COUNT - 1,
	   "%d of %d messages arrived, the last %d", head.messages - 1, COUNT, last);
	ok(head.lost[3] == 0 && head.lost[4] == 0, "nobody was lost for it");
	process_close(&agent);
	process_close(&branch);
	world_close();
}

/* One that does not read is parted with; the others of its branch do not notice. */
static void test_stuck(void)
{
	static char big[CONTROL_PAYLOAD_MAX];
	struct process agent;
	int count = 0, before;

	head_open(0, 0);
	open_ranks(3, 3);
	process_open(&agent, 4, 0, 0, geteuid(), NULL);
	open_ranks(5, 5);
	wait_for(head.joined[4], SOON);
	kill(agent.pid, SIGSTOP);
	while (count < 20000 && !head.lost[4]) {
		if (control_server_send(head.server, 4, "x", big, sizeof(big)) == 0)
			count++;
		step();
	}
	is_int(head.lost[4], 1, "an agent that does not read is lost, after %d messages",
	       count);
	before = agents[5].messages;
	control_server_send(head.server, 5, "y", "", 0);
	wait_for(agents[5].messages > before, SOON);
	ok(agents[5].messages > before && head.lost[5] == 0 && head.lost[3] == 0,
	   "the others are not");
	kill(agent.pid, SIGCONT);
	wait_for(head.joined[4] == 2, SOON);
	is_int(head.joined[4], 2, "it comes again when it reads again");
	process_close(&agent);
	world_close();
}

static void test_branch_killed(void)
{
	struct process branch;

	head_open(0, 0);
	branch_process(&branch, 3, 0);
	open_ranks(4, 7);
	process_close(&branch);
	wait_for(head.lost[3], SOON);
	is_int(head.lost[3], 1, "a branch is killed, and lost");
	fails_with(control_server_send(head.server, 4, "x", "", 0), ENOTCONN,
		   "its agents cannot be reached");
	wait_for(head.joined[4] == 2 && head.joined[5] == 2 && agents[4].welcomed == 2 &&
			 agents[5].welcomed == 2,
		 SOON);
	ok(head.joined[4] == 2 && head.joined[5] == 2, "but they come another way");
	ok(head.lost[4] == 0 && head.lost[5] == 0, "and were never lost");
	is_int(tcp_each(port_of(head.branches[6].endpoint), false), 3, "to the other branch");
	ok(agents[4].welcomed == 2 && agents[5].welcomed == 2,
	   "they know that they have come anew");
	control_client_send(agents[4].client, "status", "x", 1);
	wait_for(head.messages, SOON);
	is_int(head.from, 4, "they are heard");
	is_int(control_server_broadcast(head.server, "all", "", 0), 4, "and reached");
	wait_for(agents[5].messages, SOON);
	is_int(agents[5].messages, 1, "once");
	agent_close(&agents[6]);
	wait_for(head.joined[4] == 3 && head.joined[5] == 3 && head.joined[7] == 2, SOON);
	ok(head.joined[4] == 3 && head.joined[5] == 3 && head.joined[7] == 2,
	   "without any branch they come to the head");
	is_int(tcp_each(head_port(), false), 3, "itself");
	branch_process(&branch, 3, 0);
	agent_close(&agents[4]);
	agent_open(&agents[4], 4);
	wait_for(agents[4].welcomed, SOON);
	is_int(tcp_each(head_port(), false), 3, "one that begins anew has its branch again");
	process_close(&branch);
	world_close();
}

/* Both die at once: the head waits a while, then tells. */
static void test_branch_and_agent_killed(void)
{
	struct process branch, agent;
	struct control_server_options options = {.ip = "127.0.0.1",
						 .job_id = JOB,
						 .uid = geteuid(),
						 .agents = AGENTS,
						 .span = SPAN,
						 .rejoin_ms = 700};
	struct control_server_callbacks callbacks = {.joined = on_joined,
						     .lost = on_lost,
						     .message = on_message,
						     .rejected = on_rejected,
						     .branch = on_branch};
	struct reason reason;

	memset(&head, 0, sizeof(head));
	head.server = control_server_create(loop, &options, &callbacks, &reason);
	branch_process(&branch, 3, 0);
	process_open(&agent, 4, 0, 0, geteuid(), NULL);
	wait_for(head.joined[4], SOON);
	kill(agent.pid, SIGSTOP);
	process_close(&branch);
	wait_for(head.lost[3], SOON);
	run_for(200);
	is_int(head.lost[4], 0, "an agent whose branch is lost is waited for");
	wait_for(head.lost[4], SOON);
	is_int(head.lost[4], 1, "and lost if it does not come");
	ok(strstr(head.lost_reason, "went through rank 3"), "it says why: %s",
	   head.lost_reason);
	kill(agent.pid, SIGCONT);
	wait_for(head.joined[4] == 2, SOON);
	is_int(head.joined[4], 2, "it may still come");
	process_close(&agent);
	world_close();
}

/* The end of a session: everybody is told, and goes; the head does not wait for those whose
 * branch went first. */
static void test_end(void)
{
	int64_t begin;
	int lost = 0;

	head_open(0, 0);
	open_ranks(1, 7);
	for (size_t rank = 1; rank < AGENTS; rank++)
		agents[rank].end_on_message = true;
	begin = loop_now();
	is_int(control_server_broadcast(head.server, "end", NULL, 0), 7, "all are told to end");
	for (size_t rank = 1; rank < AGENTS; rank++)
		wait_for(head.lost[rank], SOON);
	for (size_t rank = 1; rank < AGENTS; rank++) {
		is_str(agents[rank].type, "end", "rank %zu was told", rank);
		lost += head.lost[rank];
	}
	is_int(lost, 7, "all have gone");
	ok(loop_now() - begin < CONTROL_REJOIN_MS / 2, "within %lld ms",
	   (long long) (loop_now() - begin));
	world_close();
}

/* The connection between head and branch breaks; the agents behind it stay where they are. */
static void test_branch_dropped(void)
{
	head_open(0, 0);
	open_ranks(3, 5);
	for (int round = 2; round < 5; round++) {
		ok(tcp_drop_all() >= 1, "the branch's connection breaks");
		wait_for(head.joined[3] == round && head.joined[4] == round &&
				 head.joined[5] == round && agents[4].welcomed == round &&
				 agents[5].welcomed == round,
			 SOON);
		is_int(agents[3].lost, 0, "%s",
		       agents[3].lost ? agents[3].reason : "for a while");
		ok(head.joined[3] == round && head.joined[4] == round &&
			   head.joined[5] == round,
		   "it comes again, and its agents with it");
		ok(agents[4].welcomed == round && agents[5].welcomed == round,
		   "who know that something may be missing");
		ok(head.lost[4] == 0 && head.lost[5] == 0, "and were never lost");
		is_int(tcp_each(port_of(head.branches[3].endpoint), false), 2,
		       "on the connections that they had");
	}
	control_client_send(agents[4].client, "status", "", 0);
	wait_for(head.messages, SOON);
	is_int(head.from, 4, "they are heard");
	control_server_send(head.server, 5, "x", "", 0);
	wait_for(agents[5].messages, SOON);
	is_int(agents[5].messages, 1, "and they are reached");
	is_int(head.rejected, 0, "nothing was turned away");
	world_close();
}

/* A branch that stands still is left by its agents; what it says of them when it goes on is out
 * of date. */
static void test_branch_stopped(void)
{
	enum { SILENCE = 4000 }; /* ms; valgrind on a busy machine is not taken for silent */
	struct process branch;

	head_open(100, SILENCE);
	branch_process(&branch, 3, SILENCE);
	agent_open_to(&agents[6], 6, control_server_endpoint(head.server),
		      control_server_key(head.server), SILENCE, 0);
	wait_for(head.branches[6].told, SOON);
	agent_open_to(&agents[4], 4, control_server_endpoint(head.server),
		      control_server_key(head.server), SILENCE, 0);
	wait_for(head.joined[4] && head.joined[6] && agents[4].welcomed, SOON);
	kill(branch.pid, SIGSTOP);
	/* Head and agent notice it each in its own time. */
	wait_for(head.joined[4] == 2 && head.lost[3] >= 1, SOON);
	ok(head.joined[4] == 2 && head.lost[3] >= 1, "the agents of a stopped branch leave it");
	is_int(agents[4].lost, 0, "and are not lost themselves");
	kill(branch.pid, SIGCONT);
	wait_for(head.joined[3] >= 2, SOON);
	run_for(1000);
	is_int(head.lost[4], 0, "when it goes on, its agent is where it has gone");
	control_server_send(head.server, 4, "x", "", 0);
	wait_for(agents[4].messages, SOON);
	is_int(agents[4].messages, 1, "and is reached there");
	process_close(&branch);
	world_close();
}

static void test_rank_taken(void)
{
	static struct agent second;

	head_open(0, 0);
	open_ranks(3, 7);
	agent_open(&second, 4);
	wait_for(second.lost, SOON);
	ok(second.lost && strstr(second.reason, "rank 4 is taken by an agent on n4"),
	   "a second agent of a rank is turned away: %s", second.reason);
	wait_for(head.rejected, SOON);
	ok(strstr(head.rejected_reason, "at rank 3 on n3") &&
		   strstr(head.rejected_reason, "rank 4"),
	   "the head is told, and where: %s", head.rejected_reason);
	is_int(head.joined[4], 1, "the first is there");
	is_int(control_server_send(head.server, 4, "x", "", 0), 0, "and reached");
	wait_for(agents[4].messages, SOON);
	is_int(agents[4].messages, 1, "undisturbed");
	world_close();
}

static void test_wrong_uid(void)
{
	struct process process;

	if (geteuid() != 0) {
		skip("another uid needs root");
		return;
	}
	head_open(0, 0);
	open_ranks(3, 3);
	process_open(&process, 4, 0, 0, NOBODY, NULL);
	wait_for(process_said(&process, "lost"), SOON);
	ok(process_said(&process, "is of another user"),
	   "an agent of another user is turned away by a branch: %s", process.said);
	wait_for(head.rejected, SOON);
	ok(strstr(head.rejected_reason, "at rank 3 on n3") &&
		   strstr(head.rejected_reason, "is of another user"),
	   "the head is told: %s", head.rejected_reason);
	is_int(head.joined[4], 0, "it has not joined");
	process_close(&process);
	world_close();
}

/* Whatever was said to the branch, an agent joins through it as ever. */
static void still_open(const char *after)
{
	int before = head.joined[5];

	agent_open(&agents[5], 5);
	wait_for(head.joined[5] > before && agents[5].welcomed, SOON);
	is_int(head.joined[5], before + 1, "after %s an agent joins as ever", after);
	agent_close(&agents[5]);
	wait_for(head.lost[5] == before + 1, SOON);
}

static struct heard hello_send(const struct keys *keys, const char *payload, size_t size)
{
	struct raw raw;
	struct heard heard;

	raw_open(&raw, keys);
	raw_send(&raw, HELLO, payload, size);
	heard = raw_hear(&raw, SOON);
	raw_close(&raw);
	return heard;
}

static void is_rejected(struct heard heard, const char *words, const char *what)
{
	ok(strcmp(heard.type, "control.reject") == 0 && strstr(heard.payload, words),
	   "%s: %s \"%s\"", what, heard.type, heard.payload);
}

/* Enemies at a branch meet what they meet at the head. */
static void test_hostile_at_branch(void)
{
	static const char *const types[] = {"status",	      "control.asks", "control.gone",
					    "control.branch", "control.bye",  "control.tells"};
	static const char *const routed[] = {"control.from", "control.to", "control.all",
					     "status"};
	struct frame_claim claim;
	struct heard heard;
	struct raw raw;
	char payload[HELLO_SIZE], line[256];

	head_open(0, 0);
	open_ranks(3, 4);
	claim_make(&claim, 5, &mallory); /* names the head's key */
	hello_make(payload, &claim, NULL, 60);
	raw_target = &head.branches[3];
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "for another head",
		    "a hello that is for the head");
	claim_make(&claim, 5, &alice);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "of another connection",
		    "a hello that names another's key");
	claim_make(&claim, 5, &mallory);
	snprintf(claim.job_id, sizeof(claim.job_id), "4712");
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "job 4712 joins job 4711",
		    "an agent of another job");
	claim_make(&claim, AGENTS, &mallory);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "rank 8 joins a session",
		    "a rank that there is not");
	claim_make(&claim, 6, &mallory);
	hello_make(payload, &claim, NULL, 60);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "connects to the head",
		    "a rank that is a branch");
	claim_make(&claim, 5, &mallory);
	hello_make(payload, &claim, "", 60);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "made for another claim",
		    "a claim that munge did not sign");
	claim_make(&claim, 5, &mallory);
	hello_make(payload, &claim, NULL, 60);
	heard = hello_send(&mallory, payload, strlen(payload));
	is_str(heard.type, "control.welcome", "a good hello is welcomed");
	wait_for(head.lost[5] == 1, SOON);
	is_rejected(hello_send(&mallory, payload, strlen(payload)), "was used before",
		    "and cannot be used again");
	is_int(head.messages, 0, "nothing has come through");
	still_open("bad hellos");

	raw_open(&raw, &mallory);
	snprintf(line, sizeof(line), "7 %s 0000000000000001 n7\n", mallory.public_key);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		raw_send(&raw, types[i], line, strlen(line));
	for (size_t i = 0; i < sizeof(routed) / sizeof(routed[0]); i++)
		raw_frames(&raw, 3, routed[i], strlen(routed[i]));
	raw_frames(&raw, 4, "status", 6);
	run_for(200);
	ok(head.messages == 0 && head.joined[7] == 0, "before its hello nothing of it counts");
	claim_make(&claim, 5, &mallory);
	hello_make(payload, &claim, NULL, 60);
	raw_send(&raw, HELLO, payload, strlen(payload));
	heard = raw_hear(&raw, SOON);
	is_str(heard.type, "control.welcome", "with one it joins");
	for (size_t i = 1; i < sizeof(types) / sizeof(types[0]); i++)
		raw_send(&raw, types[i], line, strlen(line));
	for (size_t i = 0; i < sizeof(routed) / sizeof(routed[0]); i++)
		raw_frames(&raw, 3, routed[i], strlen(routed[i]));
	raw_send(&raw, "status", "good", 4);
	wait_for(head.messages, SOON);
	ok(head.messages == 1 && head.from == 5 && head.joined[7] == 0 && head.lost[4] == 0,
	   "an agent is no branch: of it only its message counts");
	raw_close(&raw);
	wait_for(head.lost[5] == 3, SOON);
	still_open("garbage");
	world_close();
}

/* A branch that is not ours, or broken, at the head: an agent that is admitted with a branch's
 * rank, or with another. */
static void test_hostile_branch(void)
{
	struct frame_claim claim;
	struct raw raw;
	char payload[HELLO_SIZE], line[512];
	int rejected;

#define say(type, text) raw_send(&raw, type, text, strlen(text))
#define carry(route, text)                                                                     \
	do {                                                                                   \
		zmq_send(raw.socket, "control.from", 12, ZMQ_SNDMORE);                         \
		zmq_send(raw.socket, route, strlen(route), ZMQ_SNDMORE);                       \
		zmq_send(raw.socket, text, strlen(text), 0);                                   \
	} while (0)

	head_open(0, 0);
	open_ranks(1, 5);
	raw_open(&raw, &mallory);
	claim_make(&claim, 6, &mallory);
	hello_make(payload, &claim, NULL, 60);
	say(HELLO, payload);
	wait_for(head.joined[6], SOON);
	is_int(head.joined[6], 1, "an agent that is to be a branch");
	raw_hear(&raw, SOON);

	snprintf(line, sizeof(line),
		 "1 %s 0000000000000001 evil\n4 %s 0000000000000001 evil\n"
		 "3 %s 0000000000000001 evil\n",
		 mallory.public_key, mallory.public_key, mallory.public_key);
	say("control.asks", line);
	wait_for(strlen(raw_hear(&raw, SOON).type) > 0, SOON);
	ok(head.joined[1] == 1 && head.joined[4] == 1 && head.joined[3] == 1,
	   "it cannot take the ranks of those that are alive");
	snprintf(line, sizeof(line), "4 %s 0000000000000001 go\n", mallory.public_key);
	say("control.gone", line);
	carry("4 status", "forged");
	carry("1 status", "forged");
	carry("7 status", "forged");
	say("status", "true");
	wait_for(head.messages, SOON);
	ok(head.messages == 1 && head.from == 6, "nor speak for them");
	is_int(head.lost[4], 0, "nor tell that they have gone");

	rejected = head.rejected;
	say("control.asks", "7 short 0000000000000001 n7\n");
	snprintf(line, sizeof(line), "8 %s 0000000000000001 n8\n", mallory.public_key);
	say("control.asks", line);
	snprintf(line, sizeof(line), "7 %s 0000000000000001 n7", mallory.public_key);
	say("control.asks", line);
	snprintf(line, sizeof(line), "7 %s 000000000000000g n7\n", mallory.public_key);
	say("control.asks", line);
	snprintf(line, sizeof(line), "07 %s 0000000000000001 n7\n", mallory.public_key);
	say("control.asks", line);
	snprintf(line, sizeof(line), "7 %s 0000000000000001 a b\n", mallory.public_key);
	say("control.asks", line);
	carry("status", "");
	carry("7", "");
	carry("-1 status", "");
	carry("7 control.ping", "");
	say("control.branch", "");
	say("control.branch", "ipc:///tmp/x key");
	say("control.branch", "tcp://127.0.0.1:1 short");
	say("control.takes", "");
	say("control.from", "");
	raw_frames(&raw, 3, "control.asks", 12);
	say("status", "true");
	wait_for(head.messages == 2, SOON);
	ok(head.joined[7] == 0 && head.rejected > rejected && head.branches[6].told == 0,
	   "what is malformed is told: %s", head.rejected_reason);
	say("control.branch", "- there is no port");
	wait_for(strstr(head.rejected_reason, "no port") ||
			 strstr(head.rejected_reason, "more messages"),
		 SOON);
	ok(head.branches[6].told == 0, "a branch that cannot be one says so");

	snprintf(line, sizeof(line), "7 %s 0000000000000001 n7\n", alice.public_key);
	say("control.asks", line);
	wait_for(head.joined[7], SOON);
	is_int(head.joined[7], 1, "a rank that is free it may fill: it is the user's own");
	carry("7 status", "x");
	wait_for(head.messages == 3, SOON);
	is_int(head.from, 7, "and speak for");
	raw_close(&raw);
	wait_for(head.lost[6], SOON);
	is_int(head.lost[6], 1, "until it goes");
	fails_with(control_server_send(head.server, 7, "x", "", 0), ENOTCONN,
		   "with all it had");

	raw_open(&raw, &mallory);
	rejected = head.rejected;
	claim_make(&claim, 0, &mallory);
	hello_make(payload, &claim, NULL, 60);
	say(HELLO, payload);
	wait_for(head.joined[0], SOON);
	snprintf(line, sizeof(line), "7 %s 0000000000000009 n7\n", alice.public_key);
	say("control.asks", line);
	say("control.branch", "tcp://127.0.0.1:1 0123456789abcdefghijklmnopqrstuvwxyzABCD");
	carry("7 status", "x");
	say("status", "true");
	wait_for(head.messages == 4, SOON);
	ok(head.from == 0 && head.joined[7] == 1 && head.branches[0].told == 0,
	   "an agent whose rank is none of a branch is none");
	raw_close(&raw);
	world_close();
}

static void hello_say(struct raw *raw, const struct keys *keys, size_t rank, const char *nonce)
{
	struct frame_claim claim;
	char payload[HELLO_SIZE];

	claim_make(&claim, rank, keys);
	snprintf(claim.nonce, sizeof(claim.nonce), "%s", nonce);
	hello_make(payload, &claim, NULL, 60);
	raw_send(raw, HELLO, payload, strlen(payload));
}

/* A branch comes again before its old connection is seen to end, and without an agent that it
 * had: that one is not taken for joined for ever. */
static void test_branch_replaced(void)
{
	struct control_server_options options = {.ip = "127.0.0.1",
						 .job_id = JOB,
						 .uid = geteuid(),
						 .agents = AGENTS,
						 .span = SPAN,
						 .heartbeat_ms = 100,
						 .rejoin_ms = 500};
	struct control_server_callbacks callbacks = {.joined = on_joined,
						     .lost = on_lost,
						     .message = on_message,
						     .rejected = on_rejected,
						     .branch = on_branch};
	struct raw first, second;
	struct reason reason;
	char line[256];

	memset(&head, 0, sizeof(head));
	head.server = control_server_create(loop, &options, &callbacks, &reason);
	raw_open(&first, &mallory);
	hello_say(&first, &mallory, 3, "0000000100000000");
	wait_for(head.joined[3], SOON);
	snprintf(line, sizeof(line), "4 %s 0000000000000001 n4\n5 %s 0000000000000001 n5\n",
		 alice.public_key, mallory.public_key);
	raw_send(&first, "control.asks", line, strlen(line));
	wait_for(head.joined[4] && head.joined[5], SOON);
	raw_open(&second, &mallory);
	hello_say(&second, &mallory, 3, "0000000200000000");
	wait_for(head.joined[3] == 2, SOON);
	*strchr(line, '\n') = '\0';
	strcat(line, "\n");
	raw_send(&second, "control.asks", line, strlen(line));
	wait_for(head.joined[4] == 2 && head.lost[5], SOON);
	is_int(head.joined[4], 2, "a branch that comes again says anew whom it has");
	is_int(head.lost[5], 1, "whom it has not any more is lost");
	is_int(head.lost[4] + head.lost[3], 0, "and nobody else");
	raw_close(&first);
	raw_close(&second);
	head_close();
}

/* Through a branch come only those that are behind one. */
static void test_not_behind(void)
{
	struct raw raw;
	char line[256];
	static const char *const ranks[] = {"0", "1", "2", "3", "6"};

	head_open(0, 0);
	raw_open(&raw, &mallory);
	hello_say(&raw, &mallory, 3, "0000000100000000");
	wait_for(head.joined[3], SOON);
	raw_hear(&raw, SOON);
	for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
		snprintf(line, sizeof(line), "%s %s 0000000000000001 n\n", ranks[i],
			 alice.public_key);
		raw_send(&raw, "control.asks", line, strlen(line));
		is_str(raw_hear(&raw, SOON).type, "control.refuses",
		       "rank %s does not join through a branch", ranks[i]);
	}
	is_int(head.joined[0] + head.joined[1] + head.joined[2] + head.joined[6], 0, "nor has");
	raw_close(&raw);
	head_close();
}

int main(int argc, char **argv)
{
	struct munged munged;

	process_main(argc, argv);
	munged_start(&munged);
	world_open();
	zmq_curve_keypair(alice.public_key, alice.secret_key);
	zmq_curve_keypair(mallory.public_key, mallory.secret_key);
	test_shape();
	test_files();
	world_span = SPAN;
	test_join();
	test_messages();
	test_greeting();
	test_bursts();
	test_held_up();
	test_stuck();
	test_branch_killed();
	test_branch_and_agent_killed();
	test_end();
	test_branch_dropped();
	test_branch_stopped();
	test_rank_taken();
	test_wrong_uid();
	test_hostile_at_branch();
	test_hostile_branch();
	test_branch_replaced();
	test_not_behind();
	loop_timer_destroy(step_timer);
	loop_destroy(loop);
	munged_stop(&munged);
	return done_testing();
}
