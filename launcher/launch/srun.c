/* SPDX-License-Identifier: MIT */
/* See srun.h. */
#include "launcher/launch/srun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/rendezvous.h"

struct srun {
	struct srun_options options;
	struct loop_child *child;
	struct loop_fd *out_watch, *err_watch;
	int in, out, err; /* our ends of its stdio */
	struct rendezvous_reader out_reader, err_reader;
	char first_error[REASON_MAX];
	int status;
};

/* On srun's stdin, which it broadcasts. */
static int tell_agents(const struct srun *srun, const struct rendezvous *message)
{
	if (message->kind == RENDEZVOUS_TREE)
		return rendezvous_send_tree(srun->in, message->span);
	if (message->kind == RENDEZVOUS_BRANCH)
		return rendezvous_send_branch(srun->in, message->rank, message->endpoint,
					      message->key);
	return rendezvous_send_endpoint(srun->in, message->endpoint, message->key);
}

static void head_says(char *line, void *arg)
{
	struct srun *srun = arg;
	struct rendezvous message;

	if (rendezvous_parse(line, &message) < 0) {
		session_log_line(srun->options.log, LOG_WARNING, "launch", "not understood: %s",
				 line);
		return;
	}
	/* The end of their stdin ends the members that the head could not tell. */
	if (message.kind == RENDEZVOUS_END) {
		fd_close(&srun->in);
		return;
	}
	if (message.kind == RENDEZVOUS_SAY) {
		srun->options.say(message.text);
		return;
	}
	if (srun->in < 0)
		return;
	if (tell_agents(srun, &message) < 0)
		session_log_line(srun->options.log, LOG_ERROR, "launch", "srun's stdin: %s",
				 strerror(errno));
}

static void srun_says(char *line, void *arg)
{
	struct srun *srun = arg;

	session_log_line(srun->options.log, LOG_INFO, "step", "%s", line);
	/* Slurm's own words and the agents', not those of a user's init file. */
	if (strncmp(line, "srun: ", 6) && strncmp(line, "slurmstepd: ", 12) &&
	    strncmp(line, "jupyter-agent: ", 15))
		return;
	if (!srun->first_error[0])
		snprintf(srun->first_error, sizeof(srun->first_error), "%s", line);
}

static void drain(struct rendezvous_reader *reader, int fd, struct loop_fd **watch,
		  void (*line)(char *, void *), struct srun *srun)
{
	ssize_t got = rendezvous_read(reader, fd, line, srun);

	if (got == 0 || (got < 0 && errno != EAGAIN)) {
		loop_fd_remove(*watch);
		*watch = NULL;
	}
}

static void out_ready(uint32_t events, void *arg)
{
	struct srun *srun = arg;

	(void) events;
	drain(&srun->out_reader, srun->out, &srun->out_watch, head_says, srun);
}

static void err_ready(uint32_t events, void *arg)
{
	struct srun *srun = arg;

	(void) events;
	drain(&srun->err_reader, srun->err, &srun->err_watch, srun_says, srun);
}

static void srun_ended(pid_t pid, int status, void *arg)
{
	struct srun *srun = arg;

	(void) pid;
	srun->child = NULL;
	srun->status = status;
	/* What is still in the pipes was said before the end. */
	for (int turns = 0; srun->out_watch && turns < 64; turns++)
		out_ready(0, srun);
	for (int turns = 0; srun->err_watch && turns < 64; turns++)
		err_ready(0, srun);
	loop_stop(srun->options.loop);
}

static int watch(struct srun *srun, pid_t pid, struct reason *reason)
{
	struct loop *loop = srun->options.loop;

	if (!(srun->out_watch = loop_fd_add(loop, srun->out, EPOLLIN, out_ready, srun)) ||
	    !(srun->err_watch = loop_fd_add(loop, srun->err, EPOLLIN, err_ready, srun)) ||
	    !(srun->child = loop_child_add(loop, pid, srun_ended, srun)))
		return reason_set(reason, "event loop: %s", strerror(errno));
	return 0;
}

/* srun's own ends are closed here, whatever has become of it. */
static int start(struct srun *srun, struct step_options *step, struct reason *reason)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
	pid_t pid = -1;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    pipe2(err, O_CLOEXEC) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(err[0], F_SETFL, O_NONBLOCK) < 0) {
		reason_set(reason, "pipe: %s", strerror(errno));
	} else {
		step->in = in[0];
		step->out = out[1];
		step->err = err[1];
		pid = step_start(step, reason);
	}
	srun->in = in[1];
	srun->out = out[0];
	srun->err = err[0];
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&err[1]);
	return pid < 0 ? -1 : watch(srun, pid, reason);
}

struct srun *srun_start(const struct srun_options *options, struct step_options *step,
			struct reason *reason)
{
	struct srun *srun = calloc(1, sizeof(*srun));

	if (!srun) {
		reason_set(reason, "srun: %s", strerror(errno));
		return NULL;
	}
	srun->options = *options;
	if (start(srun, step, reason) == 0)
		return srun;
	srun_destroy(srun);
	return NULL;
}

void srun_destroy(struct srun *srun)
{
	if (!srun)
		return;
	loop_child_remove(srun->child);
	loop_fd_remove(srun->out_watch);
	loop_fd_remove(srun->err_watch);
	fd_close(&srun->in);
	fd_close(&srun->out);
	fd_close(&srun->err);
	free(srun);
}

int srun_status(const struct srun *srun)
{
	return srun->status;
}

const char *srun_first_error(const struct srun *srun)
{
	return srun->first_error;
}
