/* SPDX-License-Identifier: MIT */
/* See starter.h. */
#include "launcher/sjupyter/starter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/env.h"
#include "common/fd.h"
#include "common/statedir.h"
#include "launcher/notebook.h"
#include "launcher/request.h"
#include "launcher/settings.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/spawn.h"

int starter_ask_job(const char *id, struct queue_job *job)
{
	struct queue_job *jobs = NULL;
	struct reason reason;
	size_t count;

	if (queue_ask(id, &jobs, &count, &reason) < 0) {
		int code = errno == ENOENT ? COMMAND_NO_SESSION : COMMAND_FAILED;
		output_error("%s", reason.text);
		return code;
	}
	/* An id of several lines is that of an array, which has no line of its own, or that of
	 * a heterogeneous job's first component, which has. */
	const struct queue_job *own = count > 1 ? queue_find(jobs, count, id) : NULL;
	bool heterogeneous = own && !*own->array_id;
	*job = heterogeneous ? *own : jobs[0];
	job->components = heterogeneous ? (unsigned) count : 0;
	free(jobs);
	if (count > 1 && !heterogeneous)
		output_error("job %s is an array: give one of its tasks, as %s_%s", id, id,
			     *job->task_id ? job->task_id : "1");
	else if (job->uid != geteuid())
		output_error("job %s is not yours", id);
	else if (strcmp(job->state, "RUNNING") != 0)
		output_error("job %s is %s: a session starts only in one that is RUNNING", id,
			     job->state);
	else if (job->nodes == 0)
		output_error("job %s: Slurm does not say how many nodes it has", id);
	else
		return COMMAND_OK;
	return COMMAND_FAILED;
}

bool starter_tell_running(const char *job_id)
{
	struct watch_filter filter = {.restart = -1};
	struct session *session = NULL;
	struct reason reason;
	int fd = statedir_open(job_id, 0, NULL);
	bool running = false;

	if (fd < 0 || session_read(fd, &session, NULL) < 0)
		goto out;
	if (slurm_env_job() && !strcmp(slurm_env_job(), job_id))
		watch_filter_own(&filter);
	running = !session_state_final(session->state) &&
		  watch_filter_match(&filter, session) && follow_is_alive(job_id, fd);
	if (!running)
		goto out;
	fprintf(stderr, "a session of job %s is there already: %s\n", job_id,
		session_state_name(session->state));
	if (follow_is_serving(session->state) && address_print(session, fd, &reason) < 0)
		output_error("%s", reason.text);
out:
	session_destroy(session);
	fd_close(&fd);
	return running;
}

/* What the job was submitted with is relative to where that was. */
static int check_notebook(const struct starter *starter, struct reason *reason)
{
	extern char **environ;
	struct env *environment = starter->other ? NULL : env_create(environ);
	int rc = notebook_check(starter->options, environment, reason);

	env_destroy(environment);
	return rc;
}

int starter_check(const struct starter *starter, struct reason *reason)
{
	char app[OPTIONS_NAME_MAX];
	struct settings *settings;

	if (!(settings = settings_load(starter->config, reason)))
		return -1;
	options_app_name(starter->options, app);
	int rc = request_check(settings, app, starter->options->workers, reason);
	settings_destroy(settings);
	if (rc == 0 && options_notebook(starter->options))
		rc = check_notebook(starter, reason);
	return rc;
}

static int set_number(struct env *environment, const char *name, unsigned long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", number);
	return env_set(environment, name, text);
}

/* What jupyter-launch reads of a job that this process is not in. */
static int describe_other(const struct starter *starter, struct env *environment)
{
	const struct queue_job *job = starter->other;
	unsigned restarts = 0;

	/* Without an answer the first run is assumed, which nearly all are. */
	(void) queue_restarts(job->id, &restarts, NULL);
	if (env_set(environment, "SLURM_JOB_ID", job->id) < 0 ||
	    set_number(environment, "SLURM_JOB_NUM_NODES", job->nodes) < 0 ||
	    (restarts > 0 && set_number(environment, "SLURM_RESTART_COUNT", restarts) < 0) ||
	    /* Without it srun takes the step for one over all components. */
	    (job->components > 0 &&
	     set_number(environment, "SLURM_HET_SIZE", job->components) < 0))
		return -1;
	if (*job->array_id && *job->task_id &&
	    (env_set(environment, "SLURM_ARRAY_JOB_ID", job->array_id) < 0 ||
	     env_set(environment, "SLURM_ARRAY_TASK_ID", job->task_id) < 0))
		return -1;
	return 0;
}

static struct env *make_environment(const struct starter *starter)
{
	extern char **environ;
	struct env *environment = starter->other ? slurm_env_outside() : env_create(environ);

	if (!environment)
		return NULL;
	env_unset(environment, SLURM_ENV_SESSION_OPTIONS);
	if (!starter->other || describe_other(starter, environment) == 0)
		return environment;
	env_destroy(environment);
	errno = ENOMEM;
	return NULL;
}

/* The launch's time names it: its record begins with just this. */
static double take_time(char text[64])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(text, 64, "--triggered=%lld.%06ld", (long long) now.tv_sec,
		 now.tv_nsec / 1000);
	return strtod(strchr(text, '=') + 1, NULL);
}

/*
 * A job's log may be written for as long as the session lives.  A terminal is somebody else's
 * by then, and whoever reads a pipe to its end, as $(sjupyter start 2>&1) does, would wait for
 * the session's: what the launcher says is in session.log too.
 */
static int lasting_stderr(void)
{
	struct stat status;

	return fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode) ? STDERR_FILENO
									     : -1;
}

/* --options=..., for the launcher; the caller frees. */
static char *make_options(const struct starter *starter)
{
	struct options options = *starter->options; /* strings stay the starter's */
	char *encoded, *word = NULL;

	options.start_manual = false;
	encoded = options_encode(&options);
	if (encoded && asprintf(&word, "--options=%s", encoded) < 0)
		word = NULL;
	free(encoded);
	return word;
}

int starter_launch(struct starter *starter, struct reason *reason)
{
	static char program[] = PKGLIBEXECDIR "/jupyter-launch";
	char time_word[64];
	char *options_word = make_options(starter), *config_word = NULL;
	char *argv[5] = {program, options_word, time_word};
	struct env *environment = make_environment(starter);
	pid_t pid = -1;

	if (!options_word || !environment ||
	    (starter->config && asprintf(&config_word, "--config=%s", starter->config) < 0)) {
		reason_set(reason, "jupyter-launch: %s", strerror(errno));
		goto out;
	}
	argv[3] = config_word;
	double begun = take_time(time_word);
	struct spawn_options options = {
		.program = program,
		.argv = argv,
		.environment = env_vector(environment),
		.in = -1,
		.out = -1,
		.err = lasting_stderr(),
		.own_session = true,
	};
	pid = spawn_process(&options, reason);
	if (pid < 0 && errno == ENOENT)
		reason_set(reason, "%s is missing: spank-jupyter is not wholly installed here",
			   program);
	if (pid >= 0) {
		starter->launcher = pid;
		/* Times in a record have microseconds. */
		starter->filter =
			(struct watch_filter){.restart = -1, .not_before = begun - 0.001};
	}
out:
	free(options_word);
	free(config_word);
	env_destroy(environment);
	return pid < 0 ? -1 : 0;
}

bool starter_launcher_ended(struct starter *starter)
{
	if (starter->launcher > 0 &&
	    waitpid(starter->launcher, &starter->status, WNOHANG) == starter->launcher)
		starter->launcher = 0;
	return starter->launcher == 0;
}
