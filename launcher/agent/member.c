/* SPDX-License-Identifier: MIT */
/*
 * A member: the agent of every node but the first.  Learns from stdin where the head is, and in
 * a large session where the branches are, joins, runs the workers of its node
 * (member_workers.c), and stays until the head ends the session or is not heard any more.  In
 * jupyter-agent, as the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "launcher/agent/agent.h"
#include "launcher/agent/member_workers.h"
#include "launcher/agent/memory.h"
#include "launcher/control/control.h"
#include "launcher/rendezvous.h"
#include "launcher/spawn.h"

enum {
	/* The head speaks within a second of the step's start, unless its node is stuck. */
	ENDPOINT_DEADLINE_MS = 120000,
	/* After a SIGTERM of Slurm the head still has work to do; longer than this Slurm's
	 * KillWait (30 s by default) does not last. */
	END_DEADLINE_MS = 30000,
	/* For workers to end by themselves; their recipes may say less. */
	WORKERS_GRACE_MS = 20000
};

struct member {
	struct agent *agent;
	struct rendezvous_reader reader;
	struct loop_fd *input;
	struct loop_timer *deadline;
	size_t span; /* of the tree that the agents are; 0: a star */
	struct control_client *control;
	struct member_workers *workers; /* NULL: none are asked for */
	bool welcomed, ending;
	bool told_to_end; /* by Slurm */
	bool workers_stopped;
	int status;
};

static void leave(struct member *member)
{
	if (member->ending && (!member->workers || member->workers_stopped))
		loop_stop(member->agent->loop);
}

/* The workers first, then we. */
static void end(struct member *member, int status, const char *why)
{
	if (member->ending)
		return;
	if (why)
		fprintf(stderr, "jupyter-agent: %s: %s\n", member->agent->node, why);
	member->ending = true;
	member->status = status;
	loop_timer_set(member->deadline, -1);
	if (member->workers)
		member_workers_stop(member->workers, WORKERS_GRACE_MS);
	leave(member);
}

static void on_workers_stopped(void *arg)
{
	struct member *member = arg;

	member->workers_stopped = true;
	leave(member);
}

static int send_for_workers(const char *type, const void *payload, size_t size, void *arg)
{
	struct member *member = arg;

	if (!member->control) {
		errno = ENOTCONN;
		return -1;
	}
	return control_client_send(member->control, type, payload, size);
}

static void on_welcome(void *arg)
{
	struct member *member = arg;

	member->welcomed = true;
	if (!member->told_to_end)
		loop_timer_set(member->deadline, -1);
	if (member->workers)
		member_workers_welcomed(member->workers);
	memory_settle();
}

static void on_message(const char *type, const void *payload, size_t size, void *arg)
{
	struct member *member = arg;

	if (!strcmp(type, "end"))
		end(member, 0, NULL);
	else if (member->workers && !strncmp(type, "workers.", 8))
		member_workers_message(member->workers, type, payload, size);
}

static void on_lost(const char *reason, void *arg)
{
	end(arg, 1, reason);
}

static void join(struct member *member, const struct rendezvous *message)
{
	struct agent *agent = member->agent;
	struct reason reason;
	struct control_client_options options = {
		.endpoint = message->endpoint,
		.server_key = message->key,
		.job_id = agent->job_id,
		.rank = agent->rank,
		.node = agent->node,
		.agents = agent->ranks,
		.span = member->span,
		.port_first = agent->settings->port_first,
		.port_last = agent->settings->port_last,
	};
	struct control_client_callbacks callbacks = {
		.welcomed = on_welcome,
		.message = on_message,
		.lost = on_lost,
		.arg = member,
	};
	/* One for each agent that joins through this one, if it is a branch. */
	if (member->span > 0)
		spawn_many_files();
	member->control = control_client_create(agent->loop, &options, &callbacks, &reason);
	if (!member->control)
		end(member, 1, reason.text);
}

static void on_line(char *line, void *arg)
{
	struct member *member = arg;
	struct rendezvous message;

	if (member->ending || rendezvous_parse(line, &message) < 0)
		return;
	if (message.kind == RENDEZVOUS_BRANCH && member->control)
		control_client_branch(member->control, message.rank, message.endpoint,
				      message.key);
	else if (message.kind == RENDEZVOUS_TREE && !member->control)
		member->span = message.span;
	else if (message.kind == RENDEZVOUS_ENDPOINT && !member->control)
		join(member, &message);
}

static void input_ready(uint32_t events, void *arg)
{
	struct member *member = arg;
	ssize_t got = rendezvous_read(&member->reader, STDIN_FILENO, on_line, member);

	(void) events;
	if (got > 0 || (got < 0 && errno == EAGAIN))
		return;
	loop_fd_remove(member->input);
	member->input = NULL;
	if (!member->welcomed)
		end(member, 1, "the head or jupyter-launch has ended before we could join");
}

static void deadline_over(void *arg)
{
	end(arg, 1, "the head was not heard");
}

/* The head has had it too and tells when to leave; workers need not wait for that. */
static void on_term(int signo, void *arg)
{
	struct member *member = arg;

	(void) signo;
	if (member->ending || member->told_to_end)
		return;
	member->told_to_end = true;
	loop_timer_set(member->deadline, END_DEADLINE_MS);
	if (member->workers)
		member_workers_stop(member->workers, WORKERS_GRACE_MS);
}

static int start_workers(struct member *member)
{
	struct member_workers_callbacks callbacks = {
		.send = send_for_workers,
		.stopped = on_workers_stopped,
		.arg = member,
	};

	if (!member->agent->options.workers)
		return 0;
	/* Three for each worker. */
	spawn_many_files();
	member->workers = member_workers_create(member->agent, &callbacks);
	return member->workers ? 0 : -1;
}

int member_run(struct agent *agent)
{
	struct member member = {.agent = agent, .status = 1};

	signal(SIGPIPE, SIG_IGN);
	/* srun's pipe is shared with nobody, so the flag is ours to set. */
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	member.input = loop_fd_add(agent->loop, STDIN_FILENO, EPOLLIN, input_ready, &member);
	member.deadline = loop_timer_create(agent->loop, deadline_over, &member);
	if (!member.input || !member.deadline ||
	    loop_signal_add(agent->loop, SIGTERM, on_term, &member) < 0 ||
	    loop_signal_add(agent->loop, SIGINT, on_term, &member) < 0 ||
	    loop_signal_add(agent->loop, SIGHUP, on_term, &member) < 0 ||
	    start_workers(&member) < 0) {
		fprintf(stderr, "jupyter-agent: %s: event loop: %s\n", agent->node,
			strerror(errno));
		goto out;
	}
	loop_timer_set(member.deadline, ENDPOINT_DEADLINE_MS);
	loop_run(agent->loop);
out:
	member_workers_destroy(member.workers);
	control_client_destroy(member.control);
	loop_fd_remove(member.input);
	loop_timer_destroy(member.deadline);
	return member.status;
}
