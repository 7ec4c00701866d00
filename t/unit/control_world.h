/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the control plane share: a head in the test's own event loop that notes
 * what it is told, agents in the same loop, agents as processes, and raw ZeroMQ clients that
 * can say what an agent never would.  Included by a test program, which runs as whoever calls
 * `make check`.
 */
#ifndef CONTROL_WORLD_H
#define CONTROL_WORLD_H

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <zmq.h>

#include "common/text.h"
#include "launcher/control/control.h"
#include "launcher/control/credential.h"
#include "launcher/control/frame.h"
#include "munged.h"
#include "tap.h"

#define JOB "4711"

enum {
	AGENTS = 8,
	SOON = 20000, /* ms; nothing here takes as long, but valgrind on a busy machine is slow
		       */
	STEP = 2
};

/* The loop. */

static struct loop *loop;
static struct loop_timer *step_timer;

static void on_step(void *arg)
{
	loop_stop(arg);
}

static void world_open(void)
{
	loop = loop_create();
	step_timer = loop ? loop_timer_create(loop, on_step, loop) : NULL;
	if (!step_timer)
		bail_out("loop_create");
}

static void step(void)
{
	loop_timer_set(step_timer, STEP);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
}

/* Runs the loop until the condition holds, at most ms. */
#define wait_for(condition, ms)                                                                \
	do {                                                                                   \
		int64_t wait_for_end = loop_now() + (ms);                                      \
		while (!(condition) && loop_now() < wait_for_end)                              \
			step();                                                                \
	} while (0)

#define run_for(ms) wait_for(false, ms)

/* The head. */

static struct {
	struct control_server *server;
	int joined[AGENTS], lost[AGENTS];
	char node[AGENTS][CONTROL_NODE_MAX];
	char lost_reason[REASON_MAX];
	int messages, rejected;
	size_t from, size;
	char type[CONTROL_TYPE_MAX];
	char payload[CONTROL_PAYLOAD_MAX];
	char rejected_reason[REASON_MAX];
	bool destroy_on_joined;
	bool greet_on_joined; /* as the head of a session does */
	struct place {
		int told;
		char endpoint[CONTROL_ENDPOINT_MAX], key[CONTROL_KEY_SIZE];
	} branches[AGENTS];
} head;

/* Of the head and the agents that are opened next; 0: a star. */
static size_t world_span;

/* Agents in this loop, which are told of branches; NULL: none of that rank. */
static struct control_client *world_clients[AGENTS];

static void on_joined(size_t rank, const char *node, void *arg)
{
	(void) arg;
	head.joined[rank]++;
	snprintf(head.node[rank], sizeof(head.node[rank]), "%s", node);
	if (head.greet_on_joined)
		control_server_send(head.server, rank, "greeting", node, strlen(node));
	if (head.destroy_on_joined) {
		control_server_destroy(head.server);
		head.server = NULL;
	}
}

static void on_lost(size_t rank, const char *node, const char *reason, void *arg)
{
	(void) arg;
	(void) node;
	head.lost[rank]++;
	snprintf(head.lost_reason, sizeof(head.lost_reason), "%s", reason);
}

static void on_message(size_t rank, const char *type, const void *payload, size_t size,
		       void *arg)
{
	(void) arg;
	head.messages++;
	head.from = rank;
	head.size = size;
	snprintf(head.type, sizeof(head.type), "%s", type);
	memcpy(head.payload, payload, size);
}

static void on_rejected(const char *reason, void *arg)
{
	(void) arg;
	head.rejected++;
	snprintf(head.rejected_reason, sizeof(head.rejected_reason), "%s", reason);
}

/* The rendezvous, which tells everybody. */
static void on_branch(size_t rank, const char *endpoint, const char *key, void *arg)
{
	(void) arg;
	head.branches[rank].told++;
	snprintf(head.branches[rank].endpoint, sizeof(head.branches[rank].endpoint), "%s",
		 endpoint);
	snprintf(head.branches[rank].key, sizeof(head.branches[rank].key), "%s", key);
	for (size_t i = 0; i < AGENTS; i++)
		if (world_clients[i])
			control_client_branch(world_clients[i], rank, endpoint, key);
}

static void tell_branches(struct control_client *client)
{
	for (size_t i = 0; i < AGENTS; i++)
		if (head.branches[i].told)
			control_client_branch(client, i, head.branches[i].endpoint,
					      head.branches[i].key);
}

/* 0: the usual times. */
static void head_open(int64_t heartbeat_ms, int64_t silence_ms)
{
	struct control_server_options options = {.ip = "127.0.0.1",
						 .job_id = JOB,
						 .uid = geteuid(),
						 .agents = AGENTS,
						 .span = world_span,
						 .heartbeat_ms = heartbeat_ms,
						 .silence_ms = silence_ms};
	struct control_server_callbacks callbacks = {.joined = on_joined,
						     .lost = on_lost,
						     .message = on_message,
						     .rejected = on_rejected,
						     .branch = on_branch};
	struct reason reason = {.text = ""};

	memset(&head, 0, sizeof(head));
	head.server = control_server_create(loop, &options, &callbacks, &reason);
	if (!head.server)
		bail_out(reason.text);
}

static void head_close(void)
{
	control_server_destroy(head.server);
	head.server = NULL;
}

static unsigned port_of(const char *endpoint)
{
	unsigned long port = 0;

	text_to_ulong(strrchr(endpoint, ':') + 1, 1, 65535, &port);
	return (unsigned) port;
}

static unsigned head_port(void)
{
	return port_of(control_server_endpoint(head.server));
}

/* Agents in this loop. */

struct agent {
	struct control_client *client;
	size_t rank;
	bool end_on_message; /* as an agent of a session does */
	int welcomed, lost, messages;
	char reason[REASON_MAX];
	char type[CONTROL_TYPE_MAX];
	size_t size;
	char payload[CONTROL_PAYLOAD_MAX];
};

static void on_agent_welcomed(void *arg)
{
	((struct agent *) arg)->welcomed++;
}

static void on_agent_message(const char *type, const void *payload, size_t size, void *arg)
{
	struct agent *agent = arg;

	agent->messages++;
	snprintf(agent->type, sizeof(agent->type), "%s", type);
	agent->size = size;
	memcpy(agent->payload, payload, size);
	if (agent->end_on_message) {
		control_client_destroy(agent->client);
		agent->client = NULL;
		world_clients[agent->rank] = NULL;
	}
}

/* Destroys the client from within, as control.h allows. */
static void on_agent_lost(const char *reason, void *arg)
{
	struct agent *agent = arg;

	agent->lost++;
	snprintf(agent->reason, sizeof(agent->reason), "%s", reason);
	control_client_destroy(agent->client);
	agent->client = NULL;
	world_clients[agent->rank] = NULL;
}

static void agent_open_to(struct agent *agent, size_t rank, const char *endpoint,
			  const char *key, int64_t silence_ms, int64_t munge_ms)
{
	char node[16];
	struct control_client_options options = {.endpoint = endpoint,
						 .server_key = key,
						 .job_id = JOB,
						 .rank = rank,
						 .node = node,
						 .agents = AGENTS,
						 .span = world_span,
						 .silence_ms = silence_ms,
						 .munge_ms = munge_ms,
						 .heartbeat_ms = silence_ms / 10};
	struct control_client_callbacks callbacks = {.welcomed = on_agent_welcomed,
						     .message = on_agent_message,
						     .lost = on_agent_lost,
						     .arg = agent};
	struct reason reason = {.text = ""};

	memset(agent, 0, sizeof(*agent));
	snprintf(node, sizeof(node), "n%zu", rank);
	agent->rank = rank;
	agent->client = control_client_create(loop, &options, &callbacks, &reason);
	if (!agent->client)
		bail_out(reason.text);
	world_clients[rank] = agent->client;
	tell_branches(agent->client);
}

__attribute__((unused)) static void agent_open(struct agent *agent, size_t rank)
{
	agent_open_to(agent, rank, control_server_endpoint(head.server),
		      control_server_key(head.server), 0, 0);
}

__attribute__((unused)) static void agent_close(struct agent *agent)
{
	control_client_destroy(agent->client);
	agent->client = NULL;
	world_clients[agent->rank] = NULL;
}

/* Agents as processes: the test program itself with other arguments. */

struct process {
	pid_t pid;
	int out; /* what it says, a line each */
	char said[8192];
	size_t size;
};

static void on_process_welcomed(void *arg)
{
	(void) arg;
	printf("welcomed\n");
	fflush(stdout);
}

/* "flood" with a number: sends as many messages, numbered, as fast as they are taken. */
static struct {
	struct loop_timer *timer;
	int next, count;
} flood;

static void on_flood(void *arg)
{
	while (flood.next < flood.count &&
	       control_client_send(*(struct control_client **) arg, "flooded", &flood.next,
				   sizeof(flood.next)) == 0)
		flood.next++;
	if (flood.next < flood.count)
		loop_timer_set(flood.timer, 1);
}

/* Sends back what it gets. */
static void on_process_message(const char *type, const void *payload, size_t size, void *arg)
{
	if (strcmp(type, "flood") != 0) {
		control_client_send(*(struct control_client **) arg, type, payload, size);
		return;
	}
	memcpy(&flood.count, payload, sizeof(flood.count));
	flood.timer = loop_timer_create(loop, on_flood, arg);
	loop_timer_set(flood.timer, 0);
}

static void on_process_lost(const char *reason, void *arg)
{
	(void) arg;
	printf("lost: %s\n", reason);
	fflush(stdout);
	loop_stop(loop);
}

/* Behind the program's name, --agent, and each branch as three more. */
enum { ARG_ENDPOINT = 2, ARG_KEY, ARG_RANK, ARG_SILENCE, ARG_MUNGE, ARG_SPAN, ARG_BRANCHES };

/* For main: runs the agent if the arguments say so, and does not return then. */
static void process_main(int argc, char **argv)
{
	struct control_client_options options = {.job_id = JOB, .agents = AGENTS};
	struct control_client_callbacks callbacks = {.welcomed = on_process_welcomed,
						     .message = on_process_message,
						     .lost = on_process_lost};
	struct control_client *client = NULL;
	struct reason reason;

	if (argc < ARG_BRANCHES || strcmp(argv[1], "--agent") != 0)
		return;
	options.endpoint = argv[ARG_ENDPOINT];
	options.server_key = argv[ARG_KEY];
	options.rank = (size_t) atol(argv[ARG_RANK]);
	options.node = "process";
	options.silence_ms = atol(argv[ARG_SILENCE]);
	options.heartbeat_ms = options.silence_ms / 10;
	options.munge_ms = atol(argv[ARG_MUNGE]);
	options.span = (size_t) atol(argv[ARG_SPAN]);
	callbacks.arg = &client;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loop = loop_create();
	client = control_client_create(loop, &options, &callbacks, &reason);
	if (!client) {
		printf("not created: %s\n", reason.text);
		exit(1);
	}
	for (int i = ARG_BRANCHES; i + 2 < argc; i += 3)
		control_client_branch(client, (size_t) atol(argv[i]), argv[i + 1], argv[i + 2]);
	loop_run(loop);
	control_client_destroy(client);
	loop_destroy(loop);
	exit(0);
}

/* uid: whose process it is to be.  munge_socket: its munged, or NULL: ours.  It is told of the
 * branches that are known by now. */
static void process_open(struct process *process, size_t rank, int64_t silence_ms,
			 int64_t munge_ms, uid_t uid, const char *munge_socket)
{
	char number[4][24], endpoint[CONTROL_ENDPOINT_MAX], key[CONTROL_KEY_SIZE];
	char *argv[ARG_BRANCHES + 3 * AGENTS + 1] = {
		"agent", "--agent", endpoint, key, number[0], number[1], number[2], number[3]};
	char ranks[AGENTS][24];
	int pipes[2], self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), argc = ARG_BRANCHES;

	memset(process, 0, sizeof(*process));
	snprintf(endpoint, sizeof(endpoint), "%s", control_server_endpoint(head.server));
	snprintf(key, sizeof(key), "%s", control_server_key(head.server));
	snprintf(number[0], sizeof(number[0]), "%zu", rank);
	snprintf(number[1], sizeof(number[1]), "%lld", (long long) silence_ms);
	snprintf(number[2], sizeof(number[2]), "%lld", (long long) munge_ms);
	snprintf(number[3], sizeof(number[3]), "%zu", world_span);
	for (size_t i = 0; i < AGENTS; i++) {
		if (!head.branches[i].told)
			continue;
		snprintf(ranks[i], sizeof(ranks[i]), "%zu", i);
		argv[argc++] = ranks[i];
		argv[argc++] = head.branches[i].endpoint;
		argv[argc++] = head.branches[i].key;
	}
	if (self < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		bail_out("pipe2");
	process->pid = fork();
	if (process->pid == 0) {
		if (munge_socket)
			setenv("MUNGE_SOCKET", munge_socket, 1);
		if (dup2(pipes[1], 1) < 0 || (uid != geteuid() && setuid(uid) < 0))
			_exit(126);
		fexecve(self, argv, environ);
		_exit(127);
	}
	close(self);
	close(pipes[1]);
	process->out = pipes[0];
}

/* Whether it has said the words by now. */
static bool process_said(struct process *process, const char *words)
{
	ssize_t size = read(process->out, process->said + process->size,
			    sizeof(process->said) - 1 - process->size);

	if (size > 0)
		process->size += (size_t) size;
	return strstr(process->said, words) != NULL;
}

static void process_close(struct process *process)
{
	kill(process->pid, SIGKILL);
	while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(process->out);
}

/* Raw clients. */

struct keys {
	char public_key[CONTROL_KEY_SIZE], secret_key[CONTROL_KEY_SIZE];
};

struct raw {
	void *context, *socket;
};

/* Whom raw clients connect to and make hellos for: a branch; NULL: the head. */
static const struct place *raw_target;

static const char *target_endpoint(void)
{
	return raw_target ? raw_target->endpoint : control_server_endpoint(head.server);
}

static const char *target_key(void)
{
	return raw_target ? raw_target->key : control_server_key(head.server);
}

/* keys NULL: the NULL mechanism. */
__attribute__((unused)) static void raw_open(struct raw *raw, const struct keys *keys)
{
	int linger = 0;

	raw->context = zmq_ctx_new();
	raw->socket = zmq_socket(raw->context, ZMQ_DEALER);
	zmq_setsockopt(raw->socket, ZMQ_LINGER, &linger, sizeof(linger));
	if (keys && (zmq_setsockopt(raw->socket, ZMQ_CURVE_SERVERKEY, target_key(),
				    CONTROL_KEY_SIZE) < 0 ||
		     zmq_setsockopt(raw->socket, ZMQ_CURVE_PUBLICKEY, keys->public_key,
				    CONTROL_KEY_SIZE) < 0 ||
		     zmq_setsockopt(raw->socket, ZMQ_CURVE_SECRETKEY, keys->secret_key,
				    CONTROL_KEY_SIZE) < 0))
		bail_out("CURVE");
	if (zmq_connect(raw->socket, target_endpoint()) < 0)
		bail_out("zmq_connect");
}

__attribute__((unused)) static void raw_close(struct raw *raw)
{
	zmq_close(raw->socket);
	zmq_ctx_term(raw->context);
}

/* The head runs meanwhile: it may have to read before there is room. */
__attribute__((unused)) static void raw_frames(struct raw *raw, int count, const void *data,
					       size_t size)
{
	int sent = -1;

	wait_for((sent = zmq_send(raw->socket, data, size,
				  ZMQ_DONTWAIT | (count > 1 ? ZMQ_SNDMORE : 0))) >= 0,
		 SOON);
	if (sent < 0)
		bail_out("zmq_send");
	for (int i = 1; i < count; i++)
		zmq_send(raw->socket, data, size, i < count - 1 ? ZMQ_SNDMORE : 0);
}

__attribute__((unused)) static void raw_send(struct raw *raw, const char *type,
					     const void *payload, size_t size)
{
	int sent = -1;

	wait_for((sent = zmq_send(raw->socket, type, strlen(type),
				  ZMQ_DONTWAIT | ZMQ_SNDMORE)) >= 0,
		 SOON);
	if (sent < 0)
		bail_out("zmq_send");
	zmq_send(raw->socket, payload, size, 0);
}

/* Waits for a message; its type and payload as text, "" if none came. */
struct heard {
	char type[64], payload[1024];
};
__attribute__((unused)) static struct heard raw_hear(struct raw *raw, int64_t ms)
{
	struct heard heard = {.type = ""};
	int size = -1;

	wait_for((size = zmq_recv(raw->socket, heard.type, sizeof(heard.type) - 1,
				  ZMQ_DONTWAIT)) >= 0,
		 ms);
	if (size < 0)
		return heard;
	heard.type[size] = '\0';
	size = zmq_recv(raw->socket, heard.payload, sizeof(heard.payload) - 1, ZMQ_DONTWAIT);
	heard.payload[size > 0 ? size : 0] = '\0';
	return heard;
}

/* A claim that is right in every field; a test then spoils one. */
__attribute__((unused)) static void claim_make(struct frame_claim *claim, size_t rank,
					       const struct keys *keys)
{
	*claim = (struct frame_claim){.job_id = JOB, .rank = rank, .node = "raw"};
	snprintf(claim->head_key, sizeof(claim->head_key), "%s", target_key());
	snprintf(claim->agent_key, sizeof(claim->agent_key), "%s", keys->public_key);
	snprintf(claim->nonce, sizeof(claim->nonce), "%s", "0123456789abcdef");
}

/* A hello's payload: the claim and a credential for credential_text (NULL: the claim's). */
__attribute__((unused)) static void hello_make(char *payload, const struct frame_claim *claim,
					       const char *credential_text, unsigned ttl_s)
{
	char text[FRAME_CLAIM_MAX], *credential = NULL;
	struct reason reason = {.text = ""};

	if (frame_claim_format(claim, text) < 0)
		bail_out("frame_claim_format");
	if (!credential_text)
		credential_text = text;
	if (credential_encode(getenv("MUNGE_SOCKET"), ttl_s, credential_text,
			      strlen(credential_text), &credential, &reason) < 0)
		bail_out(reason.text);
	sprintf(payload, "%s\n%s", text, credential);
	free(credential);
}

/* Plain TCP. */

__attribute__((unused)) static int tcp_open(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t) head_port()),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
		bail_out("connect");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		bail_out("fcntl");
	return fd;
}

/* Counts, or ends, the connections to the port that this process holds at the port's end. */
static int tcp_each(unsigned port, bool drop)
{
	int count = 0;

	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in local = {.sin_family = AF_UNSPEC}, peer;
		socklen_t size = sizeof(local), peer_size = sizeof(peer);

		if (getsockname(fd, (struct sockaddr *) &local, &size) == 0 &&
		    local.sin_family == AF_INET && ntohs(local.sin_port) == port &&
		    getpeername(fd, (struct sockaddr *) &peer, &peer_size) == 0 &&
		    (!drop || shutdown(fd, SHUT_RDWR) == 0))
			count++;
	}
	return count;
}

/* Ends all connections to the head. */
__attribute__((unused)) static int tcp_drop_all(void)
{
	return tcp_each(head_port(), true);
}

#endif
