/* SPDX-License-Identifier: MIT */
/*
 * A small kernel in C, for faults that a real one does not have: the test program runs itself
 * as `PROGRAM --kernel MODE CONNECTION_FILE`.  Signals: SIGUSR1 ends it in order, SIGUSR2 with
 * last words and status 3.  What happens to it, it tells in the file MODE's "told" beside the
 * connection file, a letter for each: Interrupted by signal, interrupted by Message, Shutdown
 * requested, Restart requested.
 */
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H

#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "launcher/kernel/connection.h"
#include "launcher/kernel/message.h"
#include "tap.h"

static int fake_signals; /* signalfd */
static char fake_file[512], fake_key[256];
static bool fake_forges, fake_forges_iopub, fake_is_mute;

static void fake_tell(char letter)
{
	char path[600];
	FILE *file;

	snprintf(path, sizeof(path), "%s.told", fake_file);
	file = fopen(path, "ae");
	if (file != NULL) {
		fputc(letter, file);
		fclose(file);
	}
}

/* Signs and sends, with the request's id as parent. */
static void fake_send(void *socket, const char *topic, size_t topic_size, const char *type,
		      const char *parent, const char *content, bool forge)
{
	struct message_draft draft;
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;

	if (message_draft(fake_key, "fake", type, content, &draft) < 0)
		return;
	free(draft.parts[3]);
	if (asprintf(&draft.parts[3], "{\"msg_id\": \"%s\"}", parent) < 0)
		return;
	crypto_auth_hmacsha256_init(&state, (const unsigned char *) fake_key, strlen(fake_key));
	for (int i = 2; i < MESSAGE_PARTS; i++)
		crypto_auth_hmacsha256_update(&state, (const unsigned char *) draft.parts[i],
					      strlen(draft.parts[i]));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(draft.parts[1], MESSAGE_SIGNATURE + 1, mac, sizeof(mac));
	if (forge)
		draft.parts[1][5] ^= 1;
	zmq_send(socket, topic, topic_size, ZMQ_SNDMORE);
	for (int i = 0; i < MESSAGE_PARTS; i++)
		zmq_send(socket, draft.parts[i], strlen(draft.parts[i]),
			 i + 1 < MESSAGE_PARTS ? ZMQ_SNDMORE : 0);
	message_draft_clear(&draft);
}

/* One request; false when it is to end. */
static bool fake_serve(void *socket, void *iopub)
{
	static char data[MESSAGE_FRAMES_MAX][4096];
	struct message_frame frames[MESSAGE_FRAMES_MAX];
	struct message message;
	struct reason why;
	size_t count = 0;
	int more = 1;
	size_t size = sizeof(more);
	bool goes_on = true;

	while (more && count < MESSAGE_FRAMES_MAX) {
		int got = zmq_recv(socket, data[count], sizeof(data[0]), 0);
		if (got < 0)
			return true;
		frames[count] = (struct message_frame){data[count], (size_t) got};
		count++;
		zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
	}
	if (message_parse(fake_key, frames, count, &message, &why) < 0) {
		printf("%s\n", why.text);
		exit(4);
	}
	if (strcmp(message.type, "kernel_info_request") == 0 && !fake_is_mute) {
		fake_send(iopub, "status", 6, "status", message.id,
			  "{\"execution_state\": \"busy\"}", fake_forges_iopub);
		fake_send(socket, frames[0].data, frames[0].size, "kernel_info_reply",
			  message.id, "{\"status\": \"ok\"}", fake_forges);
	} else if (strcmp(message.type, "interrupt_request") == 0) {
		fake_tell('M');
	} else if (strcmp(message.type, "shutdown_request") == 0) {
		fake_tell(json_is_true(json_object_get(message.content, "restart")) ? 'R'
										    : 'S');
		goes_on = false;
	}
	message_clear(&message);
	return goes_on;
}

static void *fake_bind(void *context, int type, json_t *info, enum connection_channel channel)
{
	void *socket = zmq_socket(context, type);
	char endpoint[256], name[16], last[256];
	bool tcp = strcmp(json_string_value(json_object_get(info, "transport")), "tcp") == 0;
	size_t size = sizeof(last);

	snprintf(name, sizeof(name), "%s_port", connection_name(channel));
	int port = (int) json_integer_value(json_object_get(info, name));
	snprintf(endpoint, sizeof(endpoint), tcp ? "tcp://%s:*" : "ipc://%s-%d",
		 json_string_value(json_object_get(info, "ip")), port);
	if (zmq_bind(socket, endpoint) < 0)
		bail_out(endpoint);
	zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, last, &size);
	if (tcp)
		json_object_set_new(info, name, json_integer(atoi(strrchr(last, ':') + 1)));
	return socket;
}

static int fake_loop(json_t *info, const char *mode)
{
	void *context = zmq_ctx_new();
	void *heartbeat = fake_bind(context, ZMQ_ROUTER, info, CONNECTION_HEARTBEAT);
	void *shell = fake_bind(context, ZMQ_ROUTER, info, CONNECTION_SHELL);
	void *control = fake_bind(context, ZMQ_ROUTER, info, CONNECTION_CONTROL);
	void *iopub = fake_bind(context, ZMQ_PUB, info, CONNECTION_IOPUB);
	bool deaf = strcmp(mode, "deaf") == 0;

	fake_bind(context, ZMQ_ROUTER, info, CONNECTION_STDIN);
	if (strcmp(json_string_value(json_object_get(info, "transport")), "tcp") == 0)
		json_dump_file(info, fake_file, 0);
	printf("the kernel runs\n");
	fflush(stdout);
	for (;;) {
		zmq_pollitem_t items[] = {{heartbeat, 0, ZMQ_POLLIN, 0},
					  {shell, 0, ZMQ_POLLIN, 0},
					  {control, 0, ZMQ_POLLIN, 0},
					  {NULL, fake_signals, ZMQ_POLLIN, 0}};
		struct signalfd_siginfo signal_info = {.ssi_signo = 0};
		char data[256];
		int got, more = 0;
		size_t size = sizeof(more);

		zmq_poll(items, 4, -1);
		if (items[3].revents &&
		    read(fake_signals, &signal_info, sizeof(signal_info)) < 0)
			return 5;
		if (signal_info.ssi_signo == SIGUSR1)
			return 0;
		if (signal_info.ssi_signo == SIGUSR2) {
			printf("these are last words\n");
			fflush(stdout);
			return 3;
		}
		if (signal_info.ssi_signo == SIGINT)
			fake_tell('I');
		if (items[0].revents) {
			do {
				got = zmq_recv(heartbeat, data, sizeof(data), 0);
				zmq_getsockopt(heartbeat, ZMQ_RCVMORE, &more, &size);
				zmq_send(heartbeat, data, (size_t) got, more ? ZMQ_SNDMORE : 0);
			} while (more);
		}
		if (items[1].revents)
			fake_serve(shell, iopub);
		if (items[2].revents && !fake_serve(control, iopub) && !deaf)
			return 0;
	}
}

static int fake_kernel(const char *mode, const char *file)
{
	sigset_t signals;
	json_t *info;

	if (strcmp(mode, "dies") == 0) {
		fprintf(stderr,
			"Traceback:\nModuleNotFoundError: No module named 'ipykernel'\n\n");
		return 1;
	}
	if (strcmp(mode, "silent") == 0) {
		for (;;)
			pause();
	}
	if (strcmp(mode, "garbage") == 0) {
		FILE *stream = fopen(file, "we");
		if (stream == NULL)
			return 5;
		fprintf(stream, "{\"shell_port\": }");
		fclose(stream);
		for (;;)
			pause();
	}
	info = json_load_file(file, 0, NULL);
	if (info == NULL || sodium_init() < 0)
		return 5;
	snprintf(fake_file, sizeof(fake_file), "%s", file);
	snprintf(fake_key, sizeof(fake_key), "%s",
		 json_string_value(json_object_get(info, "key")));
	if (strcmp(mode, "rekeyed") == 0)
		json_object_set_new(info, "key", json_string("mine"));
	fake_forges = strcmp(mode, "forged") == 0;
	fake_forges_iopub = strcmp(mode, "forged-iopub") == 0;
	fake_is_mute = strcmp(mode, "mute") == 0;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fake_signals = signalfd(-1, &signals, SFD_CLOEXEC);
	if (strcmp(mode, "deaf") == 0)
		signal(SIGTERM, SIG_IGN);
	return fake_loop(info, mode);
}

#endif
