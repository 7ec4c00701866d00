/* SPDX-License-Identifier: MIT */
/* See launch.h. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/env.h"
#include "common/fd.h"
#include "common/hostlist.h"
#include "common/lock.h"
#include "common/options.h"
#include "common/session.h"
#include "common/statedir.h"
#include "common/text.h"
#include "launcher/job_env.h"
#include "launcher/launch/launch.h"
#include "launcher/launch/step.h"
#include "launcher/loop.h"
#include "launcher/rendezvous.h"
#include "launcher/runtime_dir.h"
#include "launcher/session_log.h"
#include "launcher/settings.h"
#include "launcher/spawn.h"

enum {
	/* Between two looks at a head whose srun has died: soon at first, since it mostly ends
	   too. */
	HEAD_LOOK_FIRST_MS = 200,
	HEAD_LOOK_MAX_MS = 5000
};

struct launch {
	const struct launch_options *options;
	struct settings *settings;
	struct env *environment;
	const char *job_id;
	unsigned long nodes;
	int state_fd; /* -1: the state directory cannot be had */
	int lock_fd;
	struct session_log *log;
	struct loop *loop;
	struct loop_fd *out_watch, *err_watch, *task_watch;
	int task_fd;			/* pidfd of the task whose stderr we hold */
	int to_srun, from_srun, errors; /* our ends of srun's stdio */
	struct rendezvous_reader out_reader, err_reader;
	char first_error[REASON_MAX]; /* srun's, for the reason of a failure */
	bool head_spoke;
	int status; /* of srun, as of waitpid */
};

/* For the job's stderr, where the user looks first. */
static void say(const char *text)
{
	dprintf(STDERR_FILENO, "jupyter: %s\n", text);
}

/* The record, when the head cannot write it: before it lives and after it has died. */
static void record_state(struct launch *launch, enum session_state state, const char *reason)
{
	struct session *session = NULL;

	if (launch->state_fd < 0)
		return;
	if (session_read(launch->state_fd, &session, NULL) < 0)
		session = session_create();
	if (!session)
		return;
	session->state = state;
	session_set(&session->reason, reason);
	if (session_state_final(state))
		session->phases[PHASE_ENDED] = session_now();
	if (session_write(session, launch->state_fd) < 0)
		session_log_line(launch->log, LOG_ERROR, "launch", "session.json: %s",
				 strerror(errno));
	session_destroy(session);
}

static int fail(struct launch *launch, const char *reason)
{
	struct reason line;

	session_log_line(launch->log, LOG_ERROR, "launch", "%s", reason);
	record_state(launch, SESSION_FAILED, reason);
	reason_set(&line, "no session: %s%s", reason,
		   launch->state_fd >= 0 ? " (sjupyter log shows more)" : "");
	say(line.text);
	return 1;
}

static int begin_record(struct launch *launch)
{
	struct options options;
	struct session *session = session_create();
	char name[OPTIONS_NAME_MAX];
	int rc = -1;

	options_init(&options);
	if (!session || options_decode(launch->options->options, &options, NULL) < 0)
		goto out;
	/* What is executed has a place of its own in the record. */
	options_app_name(&options, name);
	const char *app = options_notebook(&options) ? name : options.app;
	const char *restart = env_get(launch->environment, "SLURM_RESTART_COUNT");
	const struct passwd *user = getpwuid(getuid());
	unsigned long restarts = 0;
	if (restart && text_to_ulong(restart, 0, 1000000, &restarts) == 0)
		session->restart = (unsigned) restarts;
	session->state = SESSION_STARTING;
	session->phases[PHASE_TRIGGERED] = launch->options->triggered
						   ? strtod(launch->options->triggered, NULL)
						   : session_now();
	session->phases[PHASE_LAUNCHED] = session_now();
	if (session_set(&session->job_id, launch->job_id) < 0 ||
	    session_set(&session->app, app) < 0 ||
	    session_set(&session->user, user ? user->pw_name : NULL) < 0 ||
	    session_set(&session->cluster, env_get(launch->environment, "SLURM_CLUSTER_NAME")) <
		    0 ||
	    session_set(&session->array_job_id,
			env_get(launch->environment, "SLURM_ARRAY_JOB_ID")) < 0 ||
	    session_set(&session->array_task_id,
			env_get(launch->environment, "SLURM_ARRAY_TASK_ID")) < 0)
		goto out;
	rc = session_write(session, launch->state_fd);
out:
	session_destroy(session);
	options_clear(&options);
	return rc;
}

/* One session per job: 1 when another launcher or head of this job lives. */
static int is_running(struct launch *launch)
{
	if (lock_is_held(launch->state_fd, "head.lock"))
		return 1;
	launch->lock_fd = lock_take(launch->state_fd, "launch.lock");
	/* Where locks do not work (some network file systems), the job is trusted. */
	return launch->lock_fd < 0 && errno == EWOULDBLOCK;
}

/* On srun's stdin, which it broadcasts. */
static int tell_agents(const struct launch *launch, const struct rendezvous *message)
{
	if (message->kind == RENDEZVOUS_TREE)
		return rendezvous_send_tree(launch->to_srun, message->span);
	if (message->kind == RENDEZVOUS_BRANCH)
		return rendezvous_send_branch(launch->to_srun, message->rank, message->endpoint,
					      message->key);
	return rendezvous_send_endpoint(launch->to_srun, message->endpoint, message->key);
}

static void head_says(char *line, void *arg)
{
	struct launch *launch = arg;
	struct rendezvous message;

	if (rendezvous_parse(line, &message) < 0) {
		session_log_line(launch->log, LOG_WARNING, "launch", "not understood: %s",
				 line);
		return;
	}
	/* The end of their stdin ends the members that the head could not tell. */
	if (message.kind == RENDEZVOUS_END) {
		fd_close(&launch->to_srun);
		return;
	}
	if (message.kind == RENDEZVOUS_SAY) {
		launch->head_spoke = true;
		say(message.text);
		return;
	}
	if (launch->to_srun < 0)
		return;
	if (tell_agents(launch, &message) < 0)
		session_log_line(launch->log, LOG_ERROR, "launch", "srun's stdin: %s",
				 strerror(errno));
}

static void srun_says(char *line, void *arg)
{
	struct launch *launch = arg;

	session_log_line(launch->log, LOG_INFO, "step", "%s", line);
	/* Slurm's own words and the agents', not those of a user's init file. */
	if (strncmp(line, "srun: ", 6) && strncmp(line, "slurmstepd: ", 12) &&
	    strncmp(line, "jupyter-agent: ", 15))
		return;
	/* The first says what has happened, the others what came of it. */
	if (!launch->first_error[0])
		snprintf(launch->first_error, sizeof(launch->first_error), "%s", line);
}

static void drain(struct rendezvous_reader *reader, int fd, struct loop_fd **watch,
		  void (*line)(char *, void *), struct launch *launch)
{
	ssize_t got = rendezvous_read(reader, fd, line, launch);

	if (got == 0 || (got < 0 && errno != EAGAIN)) {
		loop_fd_remove(*watch);
		*watch = NULL;
	}
}

static void out_ready(uint32_t events, void *arg)
{
	struct launch *launch = arg;

	(void) events;
	drain(&launch->out_reader, launch->from_srun, &launch->out_watch, head_says, launch);
}

static void err_ready(uint32_t events, void *arg)
{
	struct launch *launch = arg;

	(void) events;
	drain(&launch->err_reader, launch->errors, &launch->err_watch, srun_says, launch);
}

static void srun_ended(pid_t pid, int status, void *arg)
{
	struct launch *launch = arg;

	(void) pid;
	launch->status = status;
	/* What is still in the pipes was said before the end. */
	for (int turns = 0; launch->out_watch && turns < 64; turns++)
		out_ready(0, launch);
	for (int turns = 0; launch->err_watch && turns < 64; turns++)
		err_ready(0, launch);
	loop_stop(launch->loop);
}

/* Slurm ends the step itself; until it has, the launcher has to be there for the last word. */
static void ignore_signal(int signo, void *arg)
{
	struct launch *launch = arg;

	session_log_line(launch->log, LOG_INFO, "launch", "signal %d: waiting for the step",
			 signo);
}

/* An srun or salloc ends when all writers of its task's stderr have. */
static void task_ended(uint32_t events, void *arg)
{
	struct launch *launch = arg;
	int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void) events;
	loop_fd_remove(launch->task_watch);
	launch->task_watch = NULL;
	if (null_fd < 0 || dup2(null_fd, STDERR_FILENO) < 0)
		close(STDERR_FILENO);
	fd_close(&null_fd);
}

static int run_step(struct launch *launch, struct reason *reason)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
	int rc = -1;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    pipe2(err, O_CLOEXEC) < 0 || fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(err[0], F_SETFL, O_NONBLOCK) < 0) {
		reason_set(reason, "pipe: %s", strerror(errno));
		goto out;
	}
	struct step_options step = {
		.job_id = launch->job_id,
		.nodes = launch->nodes,
		.agent = PKGLIBEXECDIR "/jupyter-agent",
		.sweep = PKGLIBEXECDIR "/jupyter-sweep",
		.options = launch->options->options,
		.config = launch->options->config,
		.triggered = launch->options->triggered,
		.environment = launch->environment,
		.in = in[0],
		.out = out[1],
		.err = err[1],
	};
	pid_t pid = step_start(&step, reason);
	if (pid < 0)
		goto out;
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&err[1]);
	launch->to_srun = in[1];
	launch->from_srun = out[0];
	launch->errors = err[0];
	in[1] = out[0] = err[0] = -1;

	if (!(launch->out_watch = loop_fd_add(launch->loop, launch->from_srun, EPOLLIN,
					      out_ready, launch)) ||
	    !(launch->err_watch =
		      loop_fd_add(launch->loop, launch->errors, EPOLLIN, err_ready, launch)) ||
	    !loop_child_add(launch->loop, pid, srun_ended, launch) ||
	    loop_run(launch->loop) < 0) {
		reason_set(reason, "event loop: %s", strerror(errno));
		goto out;
	}
	rc = 0;
out:
	for (int i = 0; i < 2; i++) {
		fd_close(&in[i]);
		fd_close(&out[i]);
		fd_close(&err[i]);
	}
	return rc;
}

struct head_wait {
	struct launch *launch;
	struct loop_timer *timer;
	int64_t delay_ms;
};

static void look_for_head(void *arg)
{
	struct head_wait *wait = arg;

	if (!lock_is_held(wait->launch->state_fd, "head.lock")) {
		loop_stop(wait->launch->loop);
		return;
	}
	loop_timer_set(wait->timer, wait->delay_ms);
	wait->delay_ms *= 2;
	if (wait->delay_ms > HEAD_LOOK_MAX_MS)
		wait->delay_ms = HEAD_LOOK_MAX_MS;
}

/* An srun that was killed leaves a head that is ending, or goes on: the session needs srun for
 * its start only.  As long as the head lives the last word is its. */
static void await_head(struct launch *launch)
{
	struct head_wait wait = {.launch = launch, .delay_ms = HEAD_LOOK_FIRST_MS};

	if (launch->state_fd < 0 ||
	    !(wait.timer = loop_timer_create(launch->loop, look_for_head, &wait)))
		return;
	loop_timer_set(wait.timer, 0);
	loop_run(launch->loop);
	loop_timer_destroy(wait.timer);
}

/* After the step: 0 when the head has left a final record. */
static int last_word(struct launch *launch)
{
	struct session *session = NULL;
	struct reason reason;
	char how[64];

	await_head(launch);
	if (launch->state_fd >= 0 && session_read(launch->state_fd, &session, NULL) == 0 &&
	    session_state_final(session->state)) {
		int failed = session->state == SESSION_FAILED;
		session_destroy(session);
		return failed;
	}
	/* The head was killed: what it had on this node is nobody's now. */
	if (session && session->runtime_dir)
		runtime_dir_remove_dead(launch->settings->tmpdir, session->runtime_dir);
	session_destroy(session);
	if (launch->state_fd < 0 && WIFEXITED(launch->status) &&
	    WEXITSTATUS(launch->status) == 0)
		return 0;
	if (WIFSIGNALED(launch->status))
		snprintf(how, sizeof(how), "srun: signal %d", WTERMSIG(launch->status));
	else
		snprintf(how, sizeof(how), "srun: exit status %d", WEXITSTATUS(launch->status));
	reason_set(&reason, "the session step ended unexpectedly (%s)%s%s", how,
		   launch->first_error[0] ? ": " : "", launch->first_error);
	return fail(launch, reason.text);
}

static int read_job(struct launch *launch, struct reason *reason)
{
	const char *nodes = env_get(launch->environment, "SLURM_JOB_NUM_NODES");

	launch->job_id = env_get(launch->environment, "SLURM_JOB_ID");
	unsigned long number;
	char **names;
	size_t count;
	if (!launch->job_id || text_to_ulong(launch->job_id, 1, UINT32_MAX, &number) < 0)
		return reason_set(reason, "SLURM_JOB_ID is %s: run this inside a job",
				  launch->job_id ? launch->job_id : "not set");
	if (!nodes)
		nodes = env_get(launch->environment, "SLURM_NNODES");
	if (!nodes || text_to_ulong(nodes, 1, SESSION_NODES_MAX, &launch->nodes) < 0)
		return reason_set(reason, "SLURM_JOB_NUM_NODES is %s: 1 to %d are allowed",
				  nodes ? nodes : "not set", SESSION_NODES_MAX);
	/* In a step over several components of a heterogeneous job these count all; ours is on
	 * the first.  PACK is Slurm's older word for it. */
	const char *first = env_get(launch->environment, "SLURM_JOB_NODELIST_HET_GROUP_0");
	if (!first)
		first = env_get(launch->environment, "SLURM_JOB_NODELIST_PACK_GROUP_0");
	if (first && hostlist_expand(first, SESSION_NODES_MAX, &names, &count) == 0) {
		launch->nodes = count;
		hostlist_free(names, count);
	}
	return 0;
}

static int launch_prepared(struct launch *launch)
{
	extern char **environ;
	struct reason reason;

	if (!(launch->environment = env_create(environ)) || !(launch->loop = loop_create()))
		return fail(launch, strerror(errno));
	job_env_limits(launch->environment);
	if (read_job(launch, &reason) < 0)
		return fail(launch, reason.text);
	char *job_id = strdup(launch->job_id); /* the environment is about to change */
	launch->job_id = job_id ? job_id : "0";

	launch->state_fd = statedir_open(launch->job_id, 1, &reason);
	if (launch->state_fd < 0) {
		char text[REASON_MAX + 64];
		snprintf(text, sizeof(text), "no record for sjupyter: %s", reason.text);
		say(text);
	} else if (is_running(launch)) {
		say("a session runs in this job already: sjupyter url shows it");
		free(job_id);
		return 0;
	}
	int rc = 1;
	if (launch->state_fd >= 0 && begin_record(launch) < 0) {
		char text[256];
		snprintf(text, sizeof(text), "no record for sjupyter: session.json: %s",
			 strerror(errno));
		say(text);
	}
	if (!(launch->settings = settings_load(launch->options->config, &reason))) {
		fail(launch, reason.text);
		goto out;
	}
	if (launch->state_fd >= 0)
		launch->log = session_log_create(launch->state_fd, launch->settings->log_level,
						 launch->settings->log_max_bytes);
	int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		loop_signal_add(launch->loop, signals[i], ignore_signal, launch);
	if (launch->options->task > 0 &&
	    (launch->task_fd = (int) syscall(SYS_pidfd_open, launch->options->task, 0)) >= 0)
		launch->task_watch =
			loop_fd_add(launch->loop, launch->task_fd, EPOLLIN, task_ended, launch);
	else if (launch->options->task > 0 && errno == ESRCH)
		task_ended(0, launch);
	if (run_step(launch, &reason) < 0)
		fail(launch, reason.text);
	else
		rc = last_word(launch);
out:
	free(job_id);
	return rc;
}

int launch_run(const struct launch_options *options)
{
	struct launch launch = {.options = options,
				.state_fd = -1,
				.lock_fd = -1,
				.task_fd = -1,
				.to_srun = -1,
				.from_srun = -1,
				.errors = -1};
	int rc = launch_prepared(&launch);

	loop_fd_remove(launch.out_watch);
	loop_fd_remove(launch.err_watch);
	loop_fd_remove(launch.task_watch);
	loop_destroy(launch.loop);
	fd_close(&launch.task_fd);
	session_log_destroy(launch.log);
	settings_destroy(launch.settings);
	env_destroy(launch.environment);
	fd_close(&launch.to_srun);
	fd_close(&launch.from_srun);
	fd_close(&launch.errors);
	fd_close(&launch.lock_fd);
	fd_close(&launch.state_fd);
	return rc;
}
