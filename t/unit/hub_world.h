/* SPDX-License-Identifier: MIT */
/*
 * A hub of the test's own, t/lib/misbehaving_hub.py: started, asked for its port, ended.
 * Included by a test program, which runs as whoever calls `make check`; the hub runs as the
 * same user.
 */
#ifndef HUB_WORLD_H
#define HUB_WORLD_H

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "common/fd.h"
#include "scratch.h"

enum { HUB_START_MS = 30000 };

struct hub {
	pid_t pid;
	int in; /* its end of file ends the hub */
	char log[sizeof(scratch_path) + 16];
	char port[8];
};

static void hub_exec(const struct hub *hub, int in, int out, const char *const options[])
{
	const char *argv[8] = {"python3", NULL, hub->log};
	const char *source = getenv("srcdir");
	char script[512];

	snprintf(script, sizeof(script), "%s/lib/misbehaving_hub.py", source ? source : ".");
	argv[1] = script;
	for (int i = 0; options && options[i]; i++)
		argv[3 + i] = options[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(126);
	execvp("python3", (char *const *) argv);
	_exit(127);
}

static void hub_read_port(struct hub *hub, int out)
{
	struct pollfd ready = {.fd = out, .events = POLLIN};
	char line[32] = "";
	size_t used = 0;
	int status;

	while (!strchr(line, '\n') && used < sizeof(line) - 1) {
		ssize_t got;

		if (poll(&ready, 1, HUB_START_MS) != 1)
			bail_out("the hub does not start");
		got = read(out, line + used, sizeof(line) - 1 - used);
		if (got <= 0)
			break;
		used += (size_t) got;
		line[used] = '\0';
	}
	if (sscanf(line, "port %7[0-9]", hub->port) == 1)
		return;
	waitpid(hub->pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		printf("1..0 # SKIP python3 is not installed\n");
		exit(0);
	}
	bail_out("the hub has ended");
}

/* options: up to 4, ended by NULL, or NULL.  Returns once it listens. */
__attribute__((unused)) static void hub_start(struct hub *hub, const char *const options[])
{
	int in[2], out[2];

	snprintf(hub->log, sizeof(hub->log), "%s/log", scratch_path);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		bail_out("pipe2");
	hub->pid = fork();
	if (hub->pid < 0)
		bail_out("fork");
	if (hub->pid == 0)
		hub_exec(hub, in[0], out[1], options);
	close(in[0]);
	close(out[1]);
	hub->in = in[1];
	hub_read_port(hub, out[0]);
	close(out[0]);
}

__attribute__((unused)) static void hub_stop(struct hub *hub)
{
	fd_close(&hub->in);
	while (waitpid(hub->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* All that it was asked so far, a line of JSON each.  Caller frees. */
__attribute__((unused)) static void hub_log(const struct hub *hub, char **text)
{
	if (file_read(AT_FDCWD, hub->log, 64 << 20, text, NULL) < 0)
		bail_out(hub->log);
}

/* Runs a command that prepares the test; what it prints is not shown. */
__attribute__((unused, format(printf, 1, 2))) static void hub_shell(const char *format, ...)
{
	char command[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		bail_out(command);
}

#endif
