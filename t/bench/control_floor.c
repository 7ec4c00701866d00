/* SPDX-License-Identifier: MIT */
/*
 * What an agent costs whatever the design, for bench/control: both halves of one CURVE
 * handshake between bare ZeroMQ sockets, and one credential made and one checked.  In processor
 * time.
 */
#include "bench/control.h"
#include "launcher/control/credential.h"
#include "launcher/control/secret_memory.h"

enum { COUNT = 1000 };

static double self_cpu(void)
{
	return process_cpu(getpid());
}

static void *server_open(char endpoint[CONTROL_ENDPOINT_MAX], char key[CONTROL_KEY_SIZE])
{
	char secret[CONTROL_KEY_SIZE];
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
	size_t size = CONTROL_ENDPOINT_MAX;
	int on = 1, backlog = 4096;

	zmq_curve_keypair(key, secret);
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(socket, ZMQ_BACKLOG, &backlog, sizeof(backlog)) < 0 ||
	    zmq_bind(socket, "tcp://127.0.0.1:*") < 0 ||
	    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) < 0)
		bail_out("zmq_bind");
	return socket;
}

static void *client_open(void *context, const char *key)
{
	char own[CONTROL_KEY_SIZE], secret[CONTROL_KEY_SIZE];
	void *socket = zmq_socket(context, ZMQ_DEALER);

	zmq_curve_keypair(own, secret);
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, key, CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own, CONTROL_KEY_SIZE) < 0 ||
	    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, CONTROL_KEY_SIZE) < 0)
		bail_out("CURVE");
	return socket;
}

static double handshakes(void)
{
	char endpoint[CONTROL_ENDPOINT_MAX], key[CONTROL_KEY_SIZE], frame[64];
	void *server = server_open(endpoint, key), *context = zmq_ctx_new();
	static void *clients[COUNT];
	double before;

	zmq_ctx_set(context, ZMQ_MAX_SOCKETS, COUNT + 8);
	for (int i = 0; i < COUNT; i++)
		clients[i] = client_open(context, key);
	before = self_cpu();
	for (int i = 0; i < COUNT; i++) {
		zmq_connect(clients[i], endpoint);
		zmq_send(clients[i], "x", 1, 0);
	}
	for (int i = 0; i < 2 * COUNT; i++)
		zmq_recv(server, frame, sizeof(frame), 0);
	return (self_cpu() - before) / COUNT;
}

/* The same as the product does it, with its memory for secrets. */
static double handshakes_ours(void)
{
	secret_memory_open();
	return handshakes();
}

/* A process of its own, whose connections end with it. */
static double apart(double (*measure)(void))
{
	double result = 0;
	int pipes[2];
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		bail_out("pipe2");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		allow_files(3 * COUNT + 64);
		result = measure();
		_exit(write(pipes[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
	}
	close(pipes[1]);
	if (read(pipes[0], &result, sizeof(result)) != sizeof(result))
		bail_out("the floor's process ended");
	close(pipes[0]);
	waitpid(child, NULL, 0);
	return result;
}

static double credentials(const struct munged *munged)
{
	static const char text[300] = "a claim has about so many bytes";
	double before = self_cpu() + process_cpu(munged->pid);
	struct reason reason;

	for (int i = 0; i < COUNT; i++) {
		char *credential;

		if (credential_encode(munged->socket, 60, text, sizeof(text), &credential,
				      &reason) < 0 ||
		    credential_check(munged->socket, credential, geteuid(), text, sizeof(text),
				     &reason) < 0)
			bail_out(reason.text);
		free(credential);
	}
	return (self_cpu() + process_cpu(munged->pid) - before) / COUNT;
}

struct floor floor_measure(const struct munged *munged)
{
	return (struct floor){.plain = apart(handshakes),
			      .handshake = apart(handshakes_ours),
			      .munge = credentials(munged)};
}
