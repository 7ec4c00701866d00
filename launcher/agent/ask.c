/* SPDX-License-Identifier: MIT */
/* See ask.h. */
#include "launcher/agent/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/reason.h"
#include "launcher/head/commands.h"
#include "launcher/loop.h"

enum { DEADLINE_MS = 20000 /* a head that lives answers within milliseconds */ };

/* Reads to the end of the line.  Its bytes with the \n, or -1. */
static ssize_t read_line(int fd, char *line, int64_t deadline, const char *what,
			 struct reason *reason)
{
	size_t used = 0;

	while (used < COMMANDS_LINE_MAX) {
		struct pollfd poller = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - loop_now();
		int ready = poll(&poller, 1, left > 0 ? (int) left : 0);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready == 0)
			return reason_set(reason, "%s: nothing within %d s", what,
					  DEADLINE_MS / 1000);
		ssize_t got = ready < 0 ? -1 : read(fd, line + used, COMMANDS_LINE_MAX - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return reason_set(reason, "%s: %s", what, strerror(errno));
		const char *end = memchr(line + used, '\n', (size_t) got);
		if (end)
			return end + 1 - line;
		if (got == 0)
			return reason_set(reason, "%s: not a whole line", what);
		used += (size_t) got;
	}
	return reason_set(reason, "%s: a line of over %d bytes", what, COMMANDS_LINE_MAX);
}

/* Only of a head of the same user: whoever else could listen there may not be told. */
static int connect_head(const char *runtime_dir, struct reason *reason)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = -1;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/" COMMANDS_SOCKET,
		     runtime_dir) >= (int) sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return reason_set(reason, "%s: too long for a runtime directory", runtime_dir);
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0) {
		reason_set(reason, "%s: %s%s", address.sun_path, strerror(errno),
			   errno == ENOENT || errno == ECONNREFUSED
				   ? ": the session has ended, or has no workers"
				   : "");
		goto error;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    peer.uid != geteuid()) {
		reason_set(reason, "%s: not ours", address.sun_path);
		goto error;
	}
	return fd;
error:
	fd_close(&fd);
	return -1;
}

static int ask(const char *runtime_dir, struct reason *reason)
{
	__attribute__((cleanup(fd_close))) int head = -1;
	char line[COMMANDS_LINE_MAX + 1];
	int64_t deadline = loop_now() + DEADLINE_MS;
	ssize_t size = read_line(STDIN_FILENO, line, deadline, "stdin", reason);

	if (size < 0 || (head = connect_head(runtime_dir, reason)) < 0)
		return -1;
	if (fd_write_all(head, line, (size_t) size) < 0)
		return reason_set(reason, "head: %s", strerror(errno));
	size = read_line(head, line, deadline, "the head's answer", reason);
	if (size < 0)
		return -1;
	if (fd_write_all(STDOUT_FILENO, line, (size_t) size) < 0)
		return reason_set(reason, "stdout: %s", strerror(errno));
	line[size] = '\0';
	/* The head's own words, by which errors begin. */
	return strncmp(line, "{\"error\"", strlen("{\"error\"")) == 0;
}

int ask_run(const char *runtime_dir)
{
	struct reason reason;
	int rc = ask(runtime_dir, &reason);

	if (rc < 0)
		fprintf(stderr, "jupyter-agent: %s\n", reason.text);
	return rc != 0;
}
