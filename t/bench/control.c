/* SPDX-License-Identifier: MIT */
/*
 * Benchmark of the control plane: a head and N simulated agents, which are real ZeroMQ
 * connections with real CURVE handshakes and munge credentials, packed into a few processes.
 * Prints the time from the first connection until all have joined, and the head's resident
 * memory.  Run by hand or by t/bench, as anybody; starts a munged of its own.
 *
 *     control [N...]        default 1 100 1000 10000
 *
 * Everything shares the machine: what 10,000 nodes do at once (their half of the handshakes,
 * making the credentials) is done by the same cores that the head runs on.
 */
#include <sys/resource.h>
#include <time.h>
#include <zmq.h>

#include "launcher/control/control.h"
#include "launcher/control/credential.h"
#include "launcher/control/frame.h"
#include "unit/munged.h"

#define JOB "4711"

enum { PACK = 2500, SIZES_MAX = 16, DEADLINE_S = 120 };

/* The bounds that a release is to keep: seconds and KiB for 10,000 agents, and how much more
 * memory they may take than 1,000. */
static const double bound_s = 5, bound_kib = 64 * 1024, bound_growth = 12;

struct place {
	char endpoint[CONTROL_ENDPOINT_MAX];
	char key[CONTROL_KEY_SIZE];
};

struct result {
	double seconds, cpu_s; /* the head's own processor time */
	long kib;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

static void allow_files(rlim_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail_out("getrlimit");
	if (limit.rlim_cur >= count)
		return;
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bail_out("too many agents for the limit of open files");
}

static long resident_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* The head, in a process of its own. */

static size_t expected, joined;
static int report_fd;

static void on_joined(size_t rank, const char *node, void *arg)
{
	struct result result;
	struct rusage usage;

	(void) rank;
	(void) node;
	(void) arg;
	if (++joined < expected)
		return;
	getrusage(RUSAGE_SELF, &usage);
	result.seconds = now();
	result.cpu_s = (double) usage.ru_utime.tv_sec + (double) usage.ru_utime.tv_usec / 1e6 +
		       (double) usage.ru_stime.tv_sec + (double) usage.ru_stime.tv_usec / 1e6;
	result.kib = resident_kib();
	if (write(report_fd, &result, sizeof(result)) != sizeof(result))
		exit(1);
}

static void on_lost(size_t rank, const char *node, const char *reason, void *arg)
{
	(void) node;
	(void) arg;
	fprintf(stderr, "rank %zu is lost: %s\n", rank, reason);
	exit(1);
}

static void on_message(size_t rank, const char *type, const void *payload, size_t size,
		       void *arg)
{
	(void) rank;
	(void) type;
	(void) payload;
	(void) size;
	(void) arg;
}

static void on_rejected(const char *reason, void *arg)
{
	(void) arg;
	fprintf(stderr, "rejected: %s\n", reason);
}

static void head_main(size_t agents, int out)
{
	struct control_server_options options = {
		.ip = "127.0.0.1", .job_id = JOB, .uid = geteuid(), .agents = agents};
	struct control_server_callbacks callbacks = {.joined = on_joined,
						     .lost = on_lost,
						     .message = on_message,
						     .rejected = on_rejected};
	struct control_server *server;
	struct loop *loop = loop_create();
	struct place place;
	struct reason reason;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	allow_files(agents + 64);
	expected = agents;
	report_fd = out;
	server = control_server_create(loop, &options, &callbacks, &reason);
	if (!server)
		bail_out(reason.text);
	snprintf(place.endpoint, sizeof(place.endpoint), "%s", control_server_endpoint(server));
	snprintf(place.key, sizeof(place.key), "%s", control_server_key(server));
	if (write(out, &place, sizeof(place)) != sizeof(place))
		exit(1);
	loop_run(loop);
	exit(0);
}

/* A pack of agents, in a process of its own. */

struct agent {
	void *socket;
	struct frame_claim claim;
};

static void agent_create(struct agent *agent, void *context, const struct place *place,
			 size_t rank)
{
	char secret[CONTROL_KEY_SIZE];

	agent->claim = (struct frame_claim){.job_id = JOB, .rank = rank, .node = "node"};
	memcpy(agent->claim.nonce, "0123456789abcdef", sizeof(agent->claim.nonce));
	memcpy(agent->claim.head_key, place->key, sizeof(agent->claim.head_key));
	agent->socket = zmq_socket(context, ZMQ_DEALER);
	if (!agent->socket || zmq_curve_keypair(agent->claim.agent_key, secret) < 0 ||
	    zmq_setsockopt(agent->socket, ZMQ_CURVE_SERVERKEY, place->key, CONTROL_KEY_SIZE) <
		    0 ||
	    zmq_setsockopt(agent->socket, ZMQ_CURVE_PUBLICKEY, agent->claim.agent_key,
			   CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(agent->socket, ZMQ_CURVE_SECRETKEY, secret, CONTROL_KEY_SIZE) < 0)
		bail_out("an agent's socket");
}

static void agent_join(struct agent *agent, const struct place *place)
{
	char text[FRAME_CLAIM_MAX], payload[FRAME_CLAIM_MAX + FRAME_CREDENTIAL_MAX];
	char *credential;
	struct reason reason;
	int size;

	if (zmq_connect(agent->socket, place->endpoint) < 0 ||
	    frame_claim_format(&agent->claim, text) < 0)
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

static void pack_main(const struct place *place, size_t first, size_t count, int ready, int go)
{
	struct agent *agents = calloc(count, sizeof(*agents));
	void *context = zmq_ctx_new();
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	allow_files(2 * count + 64);
	zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int) count + 8);
	for (size_t i = 0; i < count; i++)
		agent_create(&agents[i], context, place, first + i);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		exit(1);
	for (size_t i = 0; i < count; i++)
		agent_join(&agents[i], place);
	for (;;)
		pause();
}

/* Reads all of it, before the deadline. */
static void take(int fd, void *data, size_t size)
{
	alarm(DEADLINE_S); /* ends us, and with us the children */
	if (read(fd, data, size) != (ssize_t) size)
		bail_out("a process of the benchmark ended");
	alarm(0);
}

static struct result measure(size_t count)
{
	enum { PACKS_MAX = 64 };
	pid_t children[PACKS_MAX + 1];
	size_t packs = (count + PACK - 1) / PACK;
	struct place place;
	struct result result;
	int report[2], ready[2], go[2];
	double begin;
	char byte = 0;

	if (packs > PACKS_MAX || pipe(report) < 0 || pipe(ready) < 0 || pipe(go) < 0)
		bail_out("too many agents");
	children[packs] = fork();
	if (children[packs] == 0)
		head_main(count, report[1]);
	take(report[0], &place, sizeof(place));
	for (size_t i = 0; i < packs; i++) {
		size_t first = i * PACK, size = count - first < PACK ? count - first : PACK;

		children[i] = fork();
		if (children[i] == 0)
			pack_main(&place, first, size, ready[1], go[0]);
		take(ready[0], &byte, 1);
	}
	begin = now();
	for (size_t i = 0; i < packs; i++)
		if (write(go[1], &byte, 1) != 1)
			bail_out("write");
	take(report[0], &result, sizeof(result));
	result.seconds -= begin;
	/* The head first, or it would tell that all are lost. */
	for (size_t i = packs + 1; i > 0; i--) {
		kill(children[i - 1], SIGKILL);
		waitpid(children[i - 1], NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		close(report[i]);
		close(ready[i]);
		close(go[i]);
	}
	return result;
}

static const char *verdict(double value, double bound)
{
	return value <= bound ? "ok" : "MISSED";
}

int main(int argc, char **argv)
{
	static char *standard[] = {"1", "100", "1000", "10000", NULL};
	char **sizes = argc > 1 ? argv + 1 : standard;
	struct munged munged;
	long thousand = 0;

	munged_start(&munged);
	printf("%8s %12s %12s %14s %16s\n", "agents", "all joined", "per agent", "head's CPU",
	       "head resident");
	for (; *sizes; sizes++) {
		size_t count = (size_t) strtoul(*sizes, NULL, 10);
		struct result result;

		if (count == 0)
			bail_out(*sizes);
		result = measure(count);
		printf("%8zu %10.3f s %9.3f ms %12.3f s %12ld KiB\n", count, result.seconds,
		       result.seconds * 1000 / (double) count, result.cpu_s, result.kib);
		if (count == 1000)
			thousand = result.kib;
		if (count != 10000)
			continue;
		printf("%8s within %.0f s: %s\n", "", bound_s,
		       verdict(result.seconds, bound_s));
		printf("%8s under %.0f KiB: %s\n", "", bound_kib,
		       verdict((double) result.kib, bound_kib));
		if (thousand > 0)
			printf("%8s %.1f times the memory of 1,000, at most %.0f: %s\n", "",
			       (double) result.kib / (double) thousand, bound_growth,
			       verdict((double) result.kib / (double) thousand, bound_growth));
	}
	munged_stop(&munged);
	return 0;
}
