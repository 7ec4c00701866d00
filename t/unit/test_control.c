/* SPDX-License-Identifier: MIT */
/*
 * Tests of the control plane among friends: joining, messages, loss and coming again, with a
 * real munged and real connections.  What enemies send is in test_control_hostile.c.  Run by
 * `make check` as any user.
 */
#include <sys/resource.h>

#include "control_world.h"

static struct agent agents[AGENTS];

static void test_create(void)
{
	struct control_server_callbacks server_callbacks = {0};
	struct control_server_options options = {.ip = "localhost", .job_id = JOB, .agents = 1};
	struct control_client_options client = {.endpoint = "tcp://127.0.0.1:1",
						.server_key = "short",
						.job_id = JOB,
						.node = "n1"};
	struct control_client_callbacks client_callbacks = {0};
	static const char *const endpoints[] = {"ipc:///tmp/x",	       "tcp://localhost:1",
						"tcp://127.0.0.1:0",   "tcp://127.0.0.1",
						"tcp://127.0.0.1:*",   "tcp://*:1",
						"tcp://a;127.0.0.1:1", "",
						"tcp://[::1:1",	       "tcp://:1"};
	char key[CONTROL_KEY_SIZE], secret[CONTROL_KEY_SIZE];
	struct reason reason;
	struct rlimit before, few;
	int created = 0, same = 0;

	if (getrlimit(RLIMIT_NOFILE, &before) < 0)
		bail_out("getrlimit");
	few = before;
	ok(!control_server_create(loop, &options, &server_callbacks, &reason) &&
		   strstr(reason.text, "localhost"),
	   "a head binds an IP address only: %s", reason.text);
	options.ip = "192.0.2.1";
	ok(!control_server_create(loop, &options, &server_callbacks, &reason) &&
		   strstr(reason.text, "192.0.2.1"),
	   "and one of this node: %s", reason.text);
	head_open(0, 0);
	options.ip = "127.0.0.1";
	options.port_first = options.port_last = head_port();
	ok(!control_server_create(loop, &options, &server_callbacks, &reason) &&
		   strstr(reason.text, "in use"),
	   "a range that is taken: %s", reason.text);
	options.port_last = options.port_first - 1;
	ok(!control_server_create(loop, &options, &server_callbacks, &reason),
	   "a range upside down: %s", reason.text);
	options.port_first = head_port() - 1;
	options.port_last = head_port() + 1;
	/* Whichever it begins with; another program may have taken the two others. */
	for (int i = 0; i < 8; i++) {
		struct control_server *second =
			control_server_create(loop, &options, &server_callbacks, &reason);

		if (!second)
			continue;
		created++;
		if (strcmp(control_server_endpoint(second),
			   control_server_endpoint(head.server)) == 0)
			same++;
		control_server_destroy(second);
	}
	if (created > 0)
		is_int(same, 0, "a range with a port taken: another one");
	else
		skip("the ports beside the head's are taken");
	head_close();
	options.port_first = options.port_last = 0;
	options.ip = "::1";
	head.server = control_server_create(loop, &options, &server_callbacks, &reason);
	if (head.server)
		ok(strncmp(control_server_endpoint(head.server), "tcp://[::1]:", 12) == 0,
		   "an IPv6 head: %s", control_server_endpoint(head.server));
	else
		skip("no IPv6 here");
	head_close();

	options.ip = "127.0.0.1";
	options.job_id = "4711_1";
	ok(!control_server_create(loop, &options, &server_callbacks, &reason) &&
		   strstr(reason.text, "4711_1"),
	   "a job id that is no number: %s", reason.text);
	options.job_id = JOB;
	few.rlim_cur = 80;
	options.agents = AGENTS;
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		bail_out("setrlimit");
	ok(!control_server_create(loop, &options, &server_callbacks, &reason) &&
		   strstr(reason.text, "limit of open files"),
	   "too few files: %s", reason.text);
	if (setrlimit(RLIMIT_NOFILE, &before) < 0)
		bail_out("setrlimit");

	ok(!control_client_create(loop, &client, &client_callbacks, &reason),
	   "an agent with a malformed key: %s", reason.text);
	zmq_curve_keypair(key, secret);
	client.server_key = key;
	for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
		client.endpoint = endpoints[i];
		ok(!control_client_create(loop, &client, &client_callbacks, &reason),
		   "an agent for the endpoint \"%s\"", endpoints[i]);
	}
}

static void test_join(void)
{
	head_open(0, 0);
	agent_open(&agents[3], 3);
	ok(control_client_send(agents[3].client, "early", "", 0) < 0 && errno == ENOTCONN,
	   "nothing is sent before the welcome");
	wait_for(agents[3].welcomed && head.joined[3], SOON);
	is_int(agents[3].welcomed, 1, "the agent is welcomed");
	is_int(head.joined[3], 1, "the head has it");
	is_str(head.node[3], "n3", "with its node");
	is_int(head.rejected, 0, "nobody was turned away");
	agent_close(&agents[3]);
	wait_for(head.lost[3], SOON);
	is_int(head.lost[3], 1, "an agent that ends is lost");
	is_str(head.lost_reason, "its connection was closed", "with the reason");
	head_close();
}

static void test_messages(void)
{
	static char big[CONTROL_PAYLOAD_MAX + 1];
	char long_type[CONTROL_TYPE_MAX + 1];

	memset(big, 'x', sizeof(big));
	memset(long_type, 't', CONTROL_TYPE_MAX);
	long_type[CONTROL_TYPE_MAX] = '\0';
	head_open(0, 0);
	for (size_t rank = 0; rank < 3; rank++)
		agent_open(&agents[rank], rank);
	wait_for(agents[0].welcomed && agents[1].welcomed && agents[2].welcomed, SOON);

	is_int(control_client_send(agents[1].client, "status", "a\0b", 3), 0, "an agent sends");
	wait_for(head.messages, SOON);
	is_str(head.type, "status", "the type arrives");
	ok(head.from == 1 && head.size == 3 && memcmp(head.payload, "a\0b", 3) == 0,
	   "so do rank and payload");
	is_int(control_server_send(head.server, 2, "do", NULL, 0), 0, "the head sends");
	wait_for(agents[2].messages, SOON);
	is_str(agents[2].type, "do", "to that agent");
	is_int(agents[2].size, 0, "an empty payload");
	is_int(agents[0].messages + agents[1].messages, 0, "and to no other");

	is_int(control_client_send(agents[0].client, "big", big, CONTROL_PAYLOAD_MAX), 0,
	       "the largest payload");
	wait_for(head.messages == 2, SOON);
	ok(head.size == CONTROL_PAYLOAD_MAX && memcmp(head.payload, big, head.size) == 0,
	   "arrives at the head");
	is_int(control_server_send(head.server, 0, "big", big, CONTROL_PAYLOAD_MAX), 0, "and");
	wait_for(agents[0].messages, SOON);
	is_int(agents[0].size, CONTROL_PAYLOAD_MAX, "at the agent");

	is_int(control_server_broadcast(head.server, "all", "x", 1), 3, "a broadcast");
	wait_for(agents[0].messages == 2 && agents[1].messages && agents[2].messages == 2,
		 SOON);
	ok(agents[0].messages == 2 && agents[1].messages == 1 && agents[2].messages == 2,
	   "reaches all");

	fails_with(control_server_send(head.server, 0, "x", big, sizeof(big)), EMSGSIZE,
		   "too large for the head");
	fails_with(control_client_send(agents[0].client, "x", big, sizeof(big)), EMSGSIZE,
		   "too large for the agent");
	fails_with(control_server_send(head.server, 0, "control.ping", "", 0), EINVAL,
		   "a type of the protocol's own");
	fails_with(control_client_send(agents[0].client, "control.x", "", 0), EINVAL,
		   "or one that could become one");
	fails_with(control_client_send(agents[0].client, "a b", "", 0), EINVAL, "not a name");
	fails_with(control_client_send(agents[0].client, "", "", 0), EINVAL, "no type");
	fails_with(control_client_send(agents[0].client, long_type, "", 0), EINVAL,
		   "a long one");
	fails_with(control_server_send(head.server, 5, "x", "", 0), ENOTCONN, "nobody there");
	fails_with(control_server_send(head.server, AGENTS, "x", "", 0), ENOTCONN, "no rank");
	is_int(control_server_broadcast(head.server, "control.ping", "", 0), 0,
	       "a broadcast of a bad type reaches nobody");
	for (size_t rank = 0; rank < 3; rank++)
		agent_close(&agents[rank]);
	wait_for(head.lost[0] && head.lost[1] && head.lost[2], SOON);
	ok(head.lost[0] && head.lost[1] && head.lost[2], "all are lost in the end");
	head_close();
}

/* Edge-triggered readiness is lost between sends and receives, if anywhere: both sides send in
 * bursts, from within callbacks and from without, and every message must arrive. */
static void test_bursts(void)
{
	enum { ROUNDS = 40, BURST = 100 };
	int sent = 0, returned = 0;

	head_open(0, 0);
	agent_open(&agents[0], 0);
	wait_for(head.joined[0] && agents[0].welcomed, SOON);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BURST; i++) {
			if (control_client_send(agents[0].client, "a", &i, sizeof(i)) == 0)
				sent++;
			if (control_server_send(head.server, 0, "b", &i, sizeof(i)) == 0)
				returned++;
		}
		wait_for(head.messages == sent && agents[0].messages == returned, SOON);
	}
	is_int(sent, ROUNDS * BURST, "all could be queued");
	is_int(head.messages, sent, "all arrived at the head");
	is_int(agents[0].messages, returned, "all arrived at the agent");
	agent_close(&agents[0]);
	head_close();
}

static void test_queue_full(void)
{
	static char big[CONTROL_PAYLOAD_MAX];
	struct process process;
	int count = 0;

	head_open(0, 0);
	process_open(&process, 0, 0, 0, geteuid(), NULL);
	wait_for(head.joined[0], SOON);
	kill(process.pid, SIGSTOP);
	while (count < 100000 &&
	       control_server_send(head.server, 0, "x", big, sizeof(big)) == 0)
		count++;
	ok(errno == EAGAIN && count < 100000, "a full queue is told, after %d messages", count);
	process_close(&process);
	wait_for(head.lost[0], SOON);
	is_int(head.lost[0], 1, "the agent is lost");
	head_close();
}

static void test_heartbeat(void)
{
	head_open(100, 1000);
	agent_open_to(&agents[0], 0, control_server_endpoint(head.server),
		      control_server_key(head.server), 1000, 0);
	wait_for(head.joined[0], SOON);
	run_for(3000);
	ok(head.lost[0] == 0 && agents[0].lost == 0 && agents[0].welcomed == 1,
	   "three silences without a message of the callers': heartbeats keep it up");
	head_close();
	wait_for(agents[0].lost, SOON);
	is_int(agents[0].lost, 1, "without the head the agent is lost");
	ok(strstr(agents[0].reason, "was not heard for 1 s"), "it says why: %s",
	   agents[0].reason);
}

static void test_last_words(void)
{
	int before;

	head_open(0, 0);
	agent_open(&agents[0], 0);
	agent_open(&agents[1], 1);
	wait_for(head.joined[0] && head.joined[1] && agents[0].welcomed && agents[1].welcomed,
		 SOON);
	for (int i = 0; i < 200; i++)
		control_client_send(agents[0].client, "bye", "", 0);
	agent_close(&agents[0]);
	wait_for(head.lost[0], SOON);
	is_int(head.messages, 200, "what an agent said before it ended comes before its loss");
	before = agents[1].messages;
	for (int i = 0; i < 200; i++)
		control_server_send(head.server, 1, "end", "", 0);
	head_close();
	wait_for(agents[1].messages == before + 200, SOON);
	is_int(agents[1].messages, before + 200, "so does what the head said");
	agent_close(&agents[1]);
}

static void test_killed(void)
{
	struct process process;
	int64_t begin;

	head_open(0, 0);
	process_open(&process, 2, 0, 0, geteuid(), NULL);
	wait_for(head.joined[2], SOON);
	ok(head.joined[2], "an agent in a process of its own joins");
	is_int(control_server_send(head.server, 2, "echo", "hello", 5), 0, "is sent to");
	wait_for(head.messages, SOON);
	is_str(head.type, "echo", "and answers");
	begin = loop_now();
	process_close(&process);
	wait_for(head.lost[2], SOON);
	ok(head.lost[2] == 1 && loop_now() - begin < 1000,
	   "killed, it is lost within a second");
	process_open(&process, 2, 0, 0, geteuid(), NULL);
	wait_for(head.joined[2] == 2, SOON);
	is_int(head.joined[2], 2, "another process joins with its rank");
	process_close(&process);
	head_close();
}

static void test_stopped(void)
{
	struct process process;

	head_open(100, 700);
	process_open(&process, 1, 0, 0, geteuid(), NULL);
	wait_for(head.joined[1], SOON);
	kill(process.pid, SIGSTOP);
	wait_for(head.lost[1], SOON);
	is_int(head.lost[1], 1, "a stopped agent is lost");
	ok(strstr(head.lost_reason, "not heard"), "by its silence: %s", head.lost_reason);
	kill(process.pid, SIGCONT);
	wait_for(head.joined[1] == 2, SOON);
	is_int(head.joined[1], 2, "it joins again when it goes on");
	process_close(&process);
	head_close();
}

/* The head is silent to an agent that has stood still for so long: it lives all the same. */
static void test_stopped_long(void)
{
	struct process process;

	head_open(100, 1000);
	process_open(&process, 1, 1000, 0, geteuid(), NULL);
	wait_for(head.joined[1], SOON);
	kill(process.pid, SIGSTOP);
	wait_for(head.lost[1], SOON);
	is_int(head.lost[1], 1, "an agent that stands still is lost");
	kill(process.pid, SIGCONT);
	wait_for(head.joined[1] == 2 || process_said(&process, "lost"), SOON);
	is_int(head.joined[1], 2, "and takes the head for lost no sooner than it has tried");
	ok(!process_said(&process, "lost"), "so that it lives on");
	process_close(&process);
	head_close();
}

/* Both sides stand still, as under scontrol suspend: nobody is lost for it. */
static void test_suspended(void)
{
	const struct timespec pause = {.tv_sec = 3};
	struct process process;

	head_open(100, 1000);
	process_open(&process, 1, 1000, 0, geteuid(), NULL);
	wait_for(head.joined[1], SOON);
	kill(process.pid, SIGSTOP);
	nanosleep(&pause, NULL);
	kill(process.pid, SIGCONT);
	run_for(2500);
	ok(head.lost[1] == 0 && head.joined[1] == 1, "a suspended session goes on");
	ok(!process_said(&process, "lost"), "on both sides");
	process_close(&process);
	head_close();
}

static void test_dropped(void)
{
	head_open(0, 0);
	agent_open(&agents[4], 4);
	wait_for(head.joined[4] && agents[4].welcomed, SOON);
	for (int round = 2; round < 5; round++) {
		ok(tcp_drop_all() >= 1, "the connection breaks");
		wait_for(agents[4].welcomed == round && head.joined[4] == round, SOON);
		ok(agents[4].welcomed == round && head.joined[4] == round,
		   "the agent comes again with a fresh credential");
		is_int(head.lost[4], round - 1, "and was lost in between");
	}
	is_int(control_client_send(agents[4].client, "again", "", 0), 0, "it sends");
	wait_for(head.messages, SOON);
	is_int(head.messages, 1, "and is heard");
	is_int(head.rejected, 0, "nothing was turned away");
	agent_close(&agents[4]);
	head_close();
}

static void test_rank_taken(void)
{
	head_open(0, 0);
	agent_open(&agents[0], 6);
	wait_for(head.joined[6], SOON);
	agent_open(&agents[1], 6);
	wait_for(agents[1].lost, SOON);
	is_int(agents[1].lost, 1, "a second agent of a rank is turned away");
	ok(strstr(agents[1].reason, "rank 6 is taken by an agent on n6"), "in words: %s",
	   agents[1].reason);
	ok(strstr(head.rejected_reason, "127.0.0.1: rank 6"), "also to the head: %s",
	   head.rejected_reason);
	is_int(control_server_send(head.server, 6, "x", "", 0), 0, "the first is still there");
	wait_for(agents[0].messages, SOON);
	is_int(agents[0].messages, 1, "and hears");
	is_int(head.joined[6], 1, "joined once");
	agent_close(&agents[0]);
	agent_open(&agents[1], 6);
	wait_for(head.joined[6] == 2, SOON);
	is_int(head.joined[6], 2, "when the first has gone another one joins");
	agent_close(&agents[1]);
	head_close();
}

static void test_destroy_within(void)
{
	head_open(0, 0);
	head.destroy_on_joined = true;
	agent_open(&agents[0], 0);
	wait_for(!head.server, SOON);
	ok(!head.server, "a head can be destroyed from within joined()");
	agent_close(&agents[0]);
	head_open(0, 0);
	agent_open(&agents[0], 0);
	control_client_destroy(agents[0].client);
	control_client_destroy(NULL);
	control_server_destroy(NULL);
	ok(true, "an agent at once after it was made");
	head_close();
}

/* Neither side's munged is there when it is asked. */
static void test_munged_down(const struct munged *munged)
{
	char late[96];
	struct process process;

	munged_path(munged, "late", late);
	head_open(0, 0);
	process_open(&process, 0, 0, 500, geteuid(), late);
	wait_for(process_said(&process, "lost"), SOON);
	ok(process_said(&process, "lost: no munge credential within 0 s: munge"),
	   "an agent without munged gives up: %s", process.said);
	process_close(&process);

	process_open(&process, 0, 0, 0, geteuid(), late);
	run_for(500);
	ok(!head.joined[0] && !process_said(&process, "lost"), "for a while it tries again");
	if (symlink(munged->socket, late) < 0)
		bail_out("symlink");
	wait_for(head.joined[0], SOON);
	is_int(head.joined[0], 1, "and joins when munged is up");
	process_close(&process);
	unlink(late);

	setenv("MUNGE_SOCKET", late, 1);
	process_open(&process, 1, 0, 500, geteuid(), munged->socket);
	wait_for(process_said(&process, "lost"), SOON);
	ok(process_said(&process,
			"lost: no munge credential within 0 s: the head's munge does"),
	   "nobody joins a head without munged: %s", process.said);
	ok(strstr(head.rejected_reason, "munge does not answer"), "the head tells: %s",
	   head.rejected_reason);
	process_close(&process);
	process_open(&process, 1, 0, 0, geteuid(), munged->socket);
	run_for(500);
	setenv("MUNGE_SOCKET", munged->socket, 1);
	wait_for(head.joined[1], SOON);
	is_int(head.joined[1], 1, "but all do when it is up");
	process_close(&process);
	head_close();
}

static void test_munged_hangs(const struct munged *munged)
{
	int64_t longest = 0, begin = loop_now();
	struct raw raw;
	struct keys keys;
	struct frame_claim claim;
	char payload[FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX];

	head_open(0, 0);
	zmq_curve_keypair(keys.public_key, keys.secret_key);
	claim_make(&claim, 2, &keys);
	hello_make(payload, &claim, NULL, 60);
	kill(munged->pid, SIGSTOP);
	raw_open(&raw, &keys);
	raw_send(&raw, "control.hello", payload, strlen(payload));
	while (loop_now() - begin < 1500) {
		int64_t before = loop_now();

		step();
		if (loop_now() - before > longest)
			longest = loop_now() - before;
	}
	ok(longest < 1000, "a munged that hangs does not hold the loop: %lld ms at most",
	   (long long) longest);
	is_int(head.joined[2], 0, "nobody joins");
	kill(munged->pid, SIGCONT);
	wait_for(head.joined[2], SOON);
	is_int(head.joined[2], 1, "until it goes on");
	raw_close(&raw);
	kill(munged->pid, SIGSTOP);
	agent_open(&agents[5], 5);
	run_for(500);
	begin = loop_now();
	agent_close(&agents[5]);
	head_close();
	ok(loop_now() - begin < 3000, "nor the end of an agent that waits for it");
	kill(munged->pid, SIGCONT);
}

static void test_close_on_exec(void)
{
	struct dirent *entry;
	DIR *dir;
	bool before[1024] = {false};
	int leaks = 0, count = 0;

	for (int fd = 0; fd < 1024; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	head_open(0, 0);
	agent_open(&agents[0], 0);
	wait_for(head.joined[0], SOON);
	dir = opendir("/proc/self/fd");
	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name), flags;

		if (fd <= 2 || fd >= 1024 || before[fd] || fd == dirfd(dir))
			continue;
		flags = fcntl(fd, F_GETFD);
		count++;
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			leaks++;
	}
	if (dir)
		closedir(dir);
	ok(count > 5 && leaks == 0, "all %d descriptors are close-on-exec", count);
	agent_close(&agents[0]);
	head_close();
}

int main(int argc, char **argv)
{
	struct munged munged;

	process_main(argc, argv);
	munged_start(&munged);
	world_open();
	test_create();
	test_join();
	test_messages();
	test_bursts();
	test_queue_full();
	test_heartbeat();
	test_last_words();
	test_killed();
	test_stopped();
	test_stopped_long();
	test_suspended();
	test_dropped();
	test_rank_taken();
	test_destroy_within();
	test_munged_down(&munged);
	test_munged_hangs(&munged);
	test_close_on_exec();
	loop_timer_destroy(step_timer);
	loop_destroy(loop);
	munged_stop(&munged);
	return done_testing();
}
