/* SPDX-License-Identifier: MIT */
/* See spawn.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/spawn.h"

/* The limit before spawn_no_core_dumps(): one per process, as the limit itself is. */
static struct rlimit core_limit;
static bool core_limit_taken;
/* Likewise before spawn_many_files(). */
static struct rlimit files_limit;
static bool files_limit_taken;

void spawn_no_core_dumps(void)
{
	if (core_limit_taken || getrlimit(RLIMIT_CORE, &core_limit) < 0)
		return;
	struct rlimit none = {.rlim_cur = 0, .rlim_max = core_limit.rlim_max};
	core_limit_taken = setrlimit(RLIMIT_CORE, &none) == 0;
}

void spawn_many_files(void)
{
	if (files_limit_taken || getrlimit(RLIMIT_NOFILE, &files_limit) < 0)
		return;
	struct rlimit most = {.rlim_cur = files_limit.rlim_max,
			      .rlim_max = files_limit.rlim_max};
	files_limit_taken = setrlimit(RLIMIT_NOFILE, &most) == 0;
}

/* Moves all above their places first, so that none is overwritten before its turn; then into
 * place.  Standard ones that are not given are /dev/null. */
static int arrange_fds(const struct spawn_options *options, int *report)
{
	int wanted[SPAWN_FDS_MAX] = {options->in, options->out, options->err};
	int from[SPAWN_FDS_MAX], count = 3 + (int) options->more_count;

	for (int i = 3; i < count; i++)
		wanted[i] = options->more[i - 3];
	if ((*report = fcntl(*report, F_DUPFD_CLOEXEC, count)) < 0)
		return -1;
	for (int i = 0; i < count; i++) {
		int fd = wanted[i];
		if (fd < 0 && i < 3 && (fd = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
			return -1;
		if ((from[i] = fcntl(fd, F_DUPFD_CLOEXEC, count)) < 0)
			return -1;
	}
	for (int i = 0; i < count; i++)
		if (dup2(from[i], i) < 0)
			return -1;
	/* The report is kept behind them, close-on-exec, all others go. */
	if (*report != count && dup3(*report, count, O_CLOEXEC) < 0)
		return -1;
	*report = count;
	fd_close_from(count + 1);
	/* Not before: ours may be open beyond it. */
	if (files_limit_taken)
		setrlimit(RLIMIT_NOFILE, &files_limit);
	return 0;
}

static void become(const struct spawn_options *options, int report, pid_t parent)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (options->own_session)
		setsid();
	if (options->dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(127);
	}
	if (options->core_dumps && core_limit_taken)
		setrlimit(RLIMIT_CORE, &core_limit);
	/* It runs all the same where the processors have been taken away meanwhile. */
	if (options->cpus)
		(void) sched_setaffinity(0, options->cpus_size, options->cpus);
	if (arrange_fds(options, &report) == 0 &&
	    (!options->directory || chdir(options->directory) == 0))
		execve(options->program, options->argv, options->environment);
	int error = errno;
	ssize_t written = write(report, &error, sizeof(error));
	_exit(written == sizeof(error) ? 127 : 126);
}

pid_t spawn_process(const struct spawn_options *options, struct reason *reason)
{
	int report[2], error = 0;
	pid_t parent = getpid();

	if (options->more_count > SPAWN_FDS_MAX - 3) {
		errno = EINVAL;
		return reason_set(reason, "%s: at most %d descriptors are handed over",
				  options->program, SPAWN_FDS_MAX);
	}
	if (pipe2(report, O_CLOEXEC) < 0)
		return reason_set(reason, "%s: pipe: %s", options->program, strerror(errno));
	pid_t pid = fork();
	if (pid == 0)
		become(options, report[1], parent);
	if (pid < 0)
		error = errno;
	fd_close(&report[1]);
	ssize_t got = 0;
	while (pid > 0 && (got = read(report[0], &error, sizeof(error))) < 0 && errno == EINTR)
		;
	if (pid > 0 && got != sizeof(error))
		error = 0;
	fd_close(&report[0]);
	if (!error)
		return pid;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = error;
	return reason_set(reason, "%s: %s", options->program, strerror(error));
}

static bool is_program(const char *path)
{
	struct stat status;

	return access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

char *spawn_find(const char *name, const char *path)
{
	if (strchr(name, '/')) {
		if (is_program(name))
			return strdup(name);
		errno = ENOENT;
		return NULL;
	}
	for (const char *entry = path; entry && *entry;) {
		size_t size = strcspn(entry, ":");
		char *candidate = NULL;
		if (*entry == '/' &&
		    asprintf(&candidate, "%.*s/%s", (int) size, entry, name) >= 0 &&
		    is_program(candidate))
			return candidate;
		if (*entry == '/')
			free(candidate);
		entry += size + (entry[size] == ':');
	}
	errno = ENOENT;
	return NULL;
}
