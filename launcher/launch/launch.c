/* SPDX-License-Identifier: MIT */
/* See launch.h. */
#include "launcher/launch/launch.h"

#include <errno.h>
#include <fcntl.h>
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
#include "common/lock.h"
#include "common/session.h"
#include "common/statedir.h"
#include "launcher/job_env.h"
#include "launcher/launch/head_wait.h"
#include "launcher/launch/job.h"
#include "launcher/launch/record.h"
#include "launcher/launch/srun.h"
#include "launcher/launch/step.h"
#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/session_log.h"
#include "launcher/settings.h"
#include "launcher/workers/exit_words.h"

struct launch {
	const struct launch_options *options;
	struct settings *settings;
	struct env *environment;
	struct job job;
	int state_fd; /* -1: the state directory cannot be had */
	int lock_fd;
	struct session_log *log;
	struct loop *loop;
	struct srun *srun;
	struct loop_fd *task_watch;
	int task_fd; /* pidfd of the task whose stderr we hold */
};

/* For the job's stderr, where the user looks first. */
static void say(const char *text)
{
	dprintf(STDERR_FILENO, "jupyter: %s\n", text);
}

static int fail(struct launch *launch, const char *reason)
{
	struct reason line;

	session_log_line(launch->log, LOG_ERROR, "launch", "%s", reason);
	if (launch->state_fd >= 0 && record_fail(launch->state_fd, reason) < 0)
		session_log_line(launch->log, LOG_ERROR, "launch", "session.json: %s",
				 strerror(errno));
	reason_set(&line, "no session: %s%s", reason,
		   launch->state_fd >= 0 ? " (sjupyter log shows more)" : "");
	say(line.text);
	return 1;
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
	struct step_options step = {
		.job_id = launch->job.id,
		.nodes = launch->job.nodes,
		.agent = PKGLIBEXECDIR "/jupyter-agent",
		.sweep = PKGLIBEXECDIR "/jupyter-sweep",
		.options = launch->options->options,
		.config = launch->options->config,
		.triggered = launch->options->triggered,
		.environment = launch->environment,
	};
	struct srun_options options = {.loop = launch->loop, .log = launch->log, .say = say};

	if (!(launch->srun = srun_start(&options, &step, reason)))
		return -1;
	if (loop_run(launch->loop) < 0)
		return reason_set(reason, "event loop: %s", strerror(errno));
	return 0;
}

/* After the step: 0 when the head has left a final record. */
static int last_word(struct launch *launch)
{
	const char *first = srun_first_error(launch->srun);
	int status = srun_status(launch->srun);
	struct session *session = NULL;
	struct reason reason;
	char how[EXIT_WORDS_MAX];

	/* An srun that was killed leaves a head that is ending, or goes on: the session needs
	 * srun for its start only.  As long as the head lives the last word is its. */
	if (launch->state_fd >= 0)
		head_wait(launch->loop, launch->state_fd);
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
	if (launch->state_fd < 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	reason_set(&reason, "the session step ended unexpectedly (srun %s)%s%s",
		   exit_words(status, NULL, how), *first ? ": " : "", first);
	return fail(launch, reason.text);
}

static int launch_prepared(struct launch *launch)
{
	extern char **environ;
	struct reason reason;

	if (!(launch->environment = env_create(environ)) || !(launch->loop = loop_create()))
		return fail(launch, strerror(errno));
	job_env_limits(launch->environment);
	if (job_read(launch->environment, &launch->job, &reason) < 0)
		return fail(launch, reason.text);
	char *job_id = strdup(launch->job.id); /* the environment is about to change */
	launch->job.id = job_id ? job_id : "0";

	launch->state_fd = statedir_open(launch->job.id, 1, &reason);
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
	if (launch->state_fd >= 0 && record_begin(launch->state_fd, launch->options,
						  launch->environment, launch->job.id) < 0) {
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
	struct launch launch = {
		.options = options, .state_fd = -1, .lock_fd = -1, .task_fd = -1};
	int rc = launch_prepared(&launch);

	srun_destroy(launch.srun);
	loop_fd_remove(launch.task_watch);
	loop_destroy(launch.loop);
	fd_close(&launch.task_fd);
	session_log_destroy(launch.log);
	settings_destroy(launch.settings);
	env_destroy(launch.environment);
	fd_close(&launch.lock_fd);
	fd_close(&launch.state_fd);
	return rc;
}
