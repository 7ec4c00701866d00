/* SPDX-License-Identifier: MIT */
/*
 * A pack of simulated agents in a process of its own, for bench/control: branches are the
 * library's own agents, in one loop; all others are raw connections with one I/O thread between
 * them, made by a thread, with keys of their own made beforehand and real hellos.
 */
#include <pthread.h>
#include <sys/epoll.h>

#include "bench/control.h"
#include "launcher/control/credential.h"
#include "launcher/control/frame.h"
#include "launcher/control/span.h"

struct agent {
	size_t rank;
	void *socket; /* NULL: a branch */
	struct control_client *client;
	char public_key[CONTROL_KEY_SIZE], secret_key[CONTROL_KEY_SIZE];
};

static struct {
	const struct pack *pack;
	struct agent *agents;
	size_t count;
	void *context; /* of those that are no branches */
	struct loop *loop;
	struct place head;
	int go[2];
} world;

static bool is_ours(size_t rank)
{
	size_t block = world.pack->span > 0 ? rank / world.pack->span : rank;

	return block % world.pack->packs == world.pack->number;
}

static void agent_prepare(struct agent *agent, size_t rank)
{
	agent->rank = rank;
	if (span_is_branch(rank, world.pack->span))
		return;
	agent->socket = zmq_socket(world.context, ZMQ_DEALER);
	if (!agent->socket || zmq_curve_keypair(agent->public_key, agent->secret_key) < 0)
		bail_out("an agent's socket");
}

/* With a credential as hello.c makes it. */
static void agent_join(struct agent *agent, const struct place *place)
{
	struct frame_claim claim = {.job_id = JOB, .rank = agent->rank, .node = "node"};
	char text[FRAME_CLAIM_MAX], payload[FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX];
	char *credential;
	struct reason reason;
	int size;

	memcpy(claim.nonce, "0123456789abcdef", sizeof(claim.nonce));
	memcpy(claim.head_key, place->key, sizeof(claim.head_key));
	memcpy(claim.agent_key, agent->public_key, sizeof(claim.agent_key));
	if (zmq_setsockopt(agent->socket, ZMQ_CURVE_SERVERKEY, place->key, CONTROL_KEY_SIZE) <
		    0 ||
	    zmq_setsockopt(agent->socket, ZMQ_CURVE_PUBLICKEY, agent->public_key,
			   CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(agent->socket, ZMQ_CURVE_SECRETKEY, agent->secret_key,
			   CONTROL_KEY_SIZE) < 0 ||
	    zmq_connect(agent->socket, place->endpoint) < 0 ||
	    frame_claim_format(&claim, text) < 0)
		bail_out("an agent's connection");
	if (credential_encode(getenv("MUNGE_SOCKET"), CONTROL_CREDENTIAL_TTL_S, text,
			      strlen(text), &credential, &reason) < 0)
		bail_out(reason.text);
	size = snprintf(payload, sizeof(payload), "%s\n%s", text, credential);
	free(credential);
	zmq_send(agent->socket, frame_type(FRAME_HELLO), strlen(frame_type(FRAME_HELLO)),
		 ZMQ_SNDMORE);
	zmq_send(agent->socket, payload, (size_t) size, 0);
}

/* Branches. */

static void on_welcomed(void *arg)
{
	(void) arg;
}

static void on_message(const char *type, const void *payload, size_t size, void *arg)
{
	(void) type;
	(void) payload;
	(void) size;
	(void) arg;
}

static void on_lost(const char *reason, void *arg)
{
	(void) arg;
	fprintf(stderr, "a branch is lost: %s\n", reason);
	_exit(1);
}

static void branch_join(struct agent *agent)
{
	struct control_client_options options = {.endpoint = world.head.endpoint,
						 .server_key = world.head.key,
						 .job_id = JOB,
						 .rank = agent->rank,
						 .node = "node",
						 .agents = world.pack->agents,
						 .span = world.pack->span};
	struct control_client_callbacks callbacks = {
		.welcomed = on_welcomed, .message = on_message, .lost = on_lost};
	struct reason reason;

	agent->client = control_client_create(world.loop, &options, &callbacks, &reason);
	if (!agent->client)
		bail_out(reason.text);
}

/* All that connect to it: the head first of all, then branches as they become known. */
static void join_all(const struct place *place)
{
	for (size_t i = 0; i < world.count; i++) {
		size_t parent = span_branch_of(world.agents[i].rank, world.pack->span);

		if (!world.agents[i].socket)
			continue;
		if (place->rank == (parent == SPAN_NO_BRANCH ? 0 : parent))
			agent_join(&world.agents[i], place);
	}
}

static void *joiner(void *arg)
{
	struct place place;

	(void) arg;
	while (read(world.pack->places, &place, sizeof(place)) == sizeof(place)) {
		if (place.rank == 0) {
			world.head = place;
			write(world.go[1], "g", 1);
		}
		join_all(&place);
	}
	_exit(0);
}

/* The branches come with the first of the others. */
static void on_go(uint32_t events, void *arg)
{
	char byte;

	(void) events;
	(void) arg;
	if (read(world.go[0], &byte, 1) != 1)
		return;
	for (size_t i = 0; i < world.count; i++)
		if (!world.agents[i].socket)
			branch_join(&world.agents[i]);
}

_Noreturn void pack_main(const struct pack *pack)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world.pack = pack;
	world.context = zmq_ctx_new();
	world.loop = loop_create();
	world.agents = calloc(pack->agents, sizeof(*world.agents));
	allow_files(4 * pack->agents / pack->packs + 1000);
	zmq_ctx_set(world.context, ZMQ_MAX_SOCKETS, (int) pack->agents + 8);
	for (size_t rank = 1; rank < pack->agents; rank++)
		if (is_ours(rank))
			agent_prepare(&world.agents[world.count++], rank);
	if (pipe2(world.go, O_CLOEXEC | O_NONBLOCK) < 0 ||
	    !loop_fd_add(world.loop, world.go[0], EPOLLIN, on_go, NULL) ||
	    pthread_create(&thread, NULL, joiner, NULL) != 0 || write(pack->ready, "r", 1) != 1)
		bail_out("a pack");
	loop_run(world.loop);
	_exit(1);
}
