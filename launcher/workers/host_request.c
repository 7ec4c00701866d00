/* SPDX-License-Identifier: MIT */
/*
 * What an agent and the host of its workers say to each other: requests with descriptors, and
 * the answers.  Called by host.c, in jupyter-agent, as the user.
 */
#include "launcher/workers/host_private.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/fd.h"

static json_t *encode_cpus(const struct host_fork *fork)
{
	json_t *cpus = fork->cpu_count ? json_array() : json_null();

	for (size_t i = 0; i < fork->cpu_count; i++)
		if (json_array_append_new(cpus, json_integer(fork->cpus[i])) < 0) {
			json_decref(cpus);
			return NULL;
		}
	return cpus;
}

/* JSON knows UTF-8 alone: what is not in it cannot be told, which no variable of ours is. */
static json_t *encode_env(const struct host_fork *fork)
{
	json_t *env = json_object();

	for (const char *const *pair = fork->env; env && pair && *pair; pair += 2)
		if (json_object_set_new(env, pair[0], json_string(pair[1])) < 0) {
			json_decref(env);
			return NULL;
		}
	return env;
}

static char *encode(const struct host_fork *fork)
{
	json_t *cpus = encode_cpus(fork), *env = encode_env(fork);
	/* Takes both over, or lets go of them. */
	json_t *object = json_pack("{s:s, s:s, s:o, s:o}", "fork",
				   fork->controller ? "controller" : "worker", "id", fork->id,
				   "cpus", cpus, "env", env);
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

	json_decref(object);
	if (!text)
		errno = ENOMEM;
	return text;
}

struct host_request *host_request_create(const struct host_fork *fork)
{
	struct host_request *request = calloc(1, sizeof(*request));

	if (!request || strlen(fork->id) >= sizeof(request->id) ||
	    fork->fd_count > HOST_FDS_MAX) {
		if (request)
			errno = EINVAL;
		goto error;
	}
	snprintf(request->id, sizeof(request->id), "%s", fork->id);
	if (!(request->text = encode(fork)))
		goto error;
	for (; request->fd_count < fork->fd_count; request->fd_count++) {
		int fd = fcntl(fork->fds[request->fd_count], F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			goto error;
		request->fds[request->fd_count] = fd;
	}
	return request;
error:
	host_request_destroy(request);
	return NULL;
}

static void close_fds(struct host_request *request)
{
	while (request->fd_count > 0)
		fd_close(&request->fds[--request->fd_count]);
}

void host_request_destroy(struct host_request *request)
{
	int saved = errno;

	if (!request)
		return;
	close_fds(request);
	free(request->text);
	free(request);
	errno = saved;
}

int host_request_send(struct host_request *request, int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(HOST_FDS_MAX * sizeof(int))];
	} control = {.space = {0}};
	size_t size = request->fd_count * sizeof(int);
	struct iovec data = {request->text, strlen(request->text)};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = CMSG_SPACE(size),
	};

	control.header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), request->fds, size);
	ssize_t sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return -1;
	request->sent = true;
	close_fds(request);
	return 0;
}

static bool take_id(const char *id, struct host_answer *answer)
{
	return snprintf(answer->id, sizeof(answer->id), "%s", id) < (int) sizeof(answer->id);
}

void host_answer_parse(const char *data, size_t size, struct host_answer *answer)
{
	json_t *object = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL);
	const char *text = NULL, *id = NULL;
	json_int_t pid = 0;
	double seconds;

	*answer = (struct host_answer){.says = HOST_NONSENSE};
	if (json_unpack(object, "{s:F!}", "loaded", &seconds) == 0) {
		answer->says = HOST_LOADED;
	} else if (json_unpack(object, "{s:s!}", "failed", &text) == 0) {
		answer->says = HOST_FAILED;
		reason_set(&answer->reason, "%s", text);
	} else if (json_unpack(object, "{s:I, s:s!}", "forked", &pid, "id", &id) == 0 &&
		   pid > 1 && pid <= INT_MAX && take_id(id, answer)) {
		answer->says = HOST_FORKED;
		answer->pid = (pid_t) pid;
	} else if (json_unpack(object, "{s:s, s:s!}", "fork_failed", &text, "id", &id) == 0 &&
		   take_id(id, answer)) {
		answer->says = HOST_FORK_FAILED;
		reason_set(&answer->reason, "%s", text);
	}
	json_decref(object);
}
