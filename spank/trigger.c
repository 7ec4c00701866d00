/* SPDX-License-Identifier: MIT */
/* See trigger.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <slurm/slurm.h>

#include "common/fd.h"
#include "spank/inherited.h"
#include "spank/trigger.h"

/* SLURM_INTERACTIVE_STEP of slurm.h from 20.11 on. */
#ifndef SLURM_INTERACTIVE_STEP
#define SLURM_INTERACTIVE_STEP 0xfffffffa
#endif

bool trigger_is_due(spank_t spank)
{
	uint32_t job = 0, step = 0, task = UINT32_MAX, node = UINT32_MAX;
	char allocated_by[16] = "";
	char own[16];

	if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_STEPID, &step) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_TASK_GLOBAL_ID, &task) != ESPANK_SUCCESS ||
	    spank_get_item(spank, S_JOB_NODEID, &node) != ESPANK_SUCCESS)
		return false;
	if (task != 0 || node != 0)
		return false;
	if (step == SLURM_BATCH_SCRIPT || step == SLURM_INTERACTIVE_STEP)
		return true;
	snprintf(own, sizeof(own), "%u", job);
	return spank_getenv(spank, INHERITED_ALLOCATED_BY, allocated_by,
			    sizeof(allocated_by)) == ESPANK_SUCCESS &&
	       !strcmp(allocated_by, own);
}

/* In the grandchild: nothing of slurmstepd's may leak into the launcher. */
static void become_launcher(char *const argv[], char *const environment[], int report)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	setsid();
	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int null_fd = open("/dev/null", O_RDWR);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 ||
	    (fcntl(2, F_GETFD) < 0 && dup2(null_fd, 2) < 0))
		_exit(126);
	/* The report is kept as fd 3, close-on-exec, all others go. */
	if (report != 3 && dup3(report, 3, O_CLOEXEC) < 0)
		_exit(126);
	fd_close_from(4);
	execve(argv[0], argv, environment);
	int error = errno;
	_exit(write(3, &error, sizeof(error)) == sizeof(error) ? 127 : 126);
}

/* The job's environment as the task has it, without what would make a session in a session. */
static int start(char *const argv[], char *const environment[])
{
	int failed[2];
	int error = 0, status;

	if (pipe2(failed, O_CLOEXEC) < 0)
		return -1;
	pid_t middle = fork();
	if (middle == 0) {
		pid_t launcher = fork();
		if (launcher == 0)
			become_launcher(argv, environment, failed[1]);
		error = launcher < 0 ? errno : 0;
		if (error && write(failed[1], &error, sizeof(error)) < 0)
			_exit(1);
		_exit(0);
	}
	if (middle < 0)
		error = errno;
	fd_close(&failed[1]);
	/* Reap the middle one, or the user's program has a child that it does not know. */
	while (middle > 0 && waitpid(middle, &status, 0) < 0 && errno == EINTR)
		;
	if (!error && read(failed[0], &error, sizeof(error)) != sizeof(error))
		error = 0;
	fd_close(&failed[0]);
	errno = error;
	return error ? -1 : 0;
}

int trigger_start(spank_t spank, const struct options *options, const char *config,
		  struct reason *reason)
{
	char program[] = PKGLIBEXECDIR "/jupyter-launch";
	char config_word[4096 + 16], time_word[64], task_word[32];
	char *options_word = NULL;
	char *argv[6] = {program, NULL, time_word, task_word, config ? config_word : NULL,
			 NULL};
	char **environment = NULL;
	struct timespec now;
	int rc = -1;

	if (access(program, X_OK) < 0)
		return reason_set(reason, "%s: %s: install spank-jupyter on every node",
				  program, strerror(errno));
	if (spank_get_item(spank, S_JOB_ENV, &environment) != ESPANK_SUCCESS || !environment)
		return reason_set(reason, "the job's environment cannot be read");
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(time_word, sizeof(time_word), "--triggered=%lld.%06ld", (long long) now.tv_sec,
		 now.tv_nsec / 1000);
	/* Where processes are not tracked, it lets go of the task's stderr with the task. */
	snprintf(task_word, sizeof(task_word), "--task=%d", (int) getpid());
	if (config)
		snprintf(config_word, sizeof(config_word), "--config=%s", config);
	char *encoded = options_encode(options);
	if (!encoded || asprintf(&options_word, "--options=%s", encoded) < 0) {
		options_word = NULL;
		reason_set(reason, "options: %s", strerror(errno));
		goto out;
	}
	argv[1] = options_word;
	if (start(argv, environment) < 0) {
		reason_set(reason, "%s: %s", program, strerror(errno));
		goto out;
	}
	rc = 0;
out:
	free(encoded);
	free(options_word);
	return rc;
}
