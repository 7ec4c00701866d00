/* SPDX-License-Identifier: MIT */
/* See site_check.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/options.h"
#include "spank/site_check.h"

enum { DEADLINE_MS = 10000 };

static void ask(int answer_fd, char *const argv[])
{
	extern char **environ;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int null_fd = open("/dev/null", O_RDWR);
	dup2(null_fd, 0);
	dup2(answer_fd, 1);
	dup2(null_fd, 2);
	fd_close_from(3);
	execve(argv[0], argv, environ);
	_exit(127);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* One line of at most size - 1 bytes, until end of file or the deadline. */
static int read_answer(int fd, char *line, size_t size)
{
	long long deadline = now_ms() + DEADLINE_MS;
	size_t used = 0;

	for (;;) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
		long long left = deadline - now_ms();
		int ready = left > 0 ? poll(&poll_fd, 1, (int) left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return -1;
		ssize_t got = read(fd, line + used, size - 1 - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t) got;
	}
	line[used] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

int site_check(const char *app, const char *workers, const char *run, const char *config,
	       struct reason *reason)
{
	char program[] = PKGLIBEXECDIR "/jupyter-launch";
	char app_word[OPTIONS_NAME_MAX + 16], config_word[4096 + 16];
	char workers_word[OPTIONS_VALUE_MAX + 24];
	char *argv[6] = {program}, *run_word = NULL;
	char line[REASON_MAX] = "";
	int ends[2], status = 0, argc = 1;

	snprintf(app_word, sizeof(app_word), "--check-app=%s", app ? app : "");
	snprintf(workers_word, sizeof(workers_word), "--check-workers=%s",
		 workers ? workers : "");
	snprintf(config_word, sizeof(config_word), "--config=%s", config ? config : "");
	if (app)
		argv[argc++] = app_word;
	if (workers)
		argv[argc++] = workers_word;
	if (config)
		argv[argc++] = config_word;
	if (run && asprintf(&run_word, "--check-notebook=%s", run) < 0)
		return 0;
	if (run_word)
		argv[argc++] = run_word;
	if (access(program, X_OK) < 0 || pipe2(ends, O_CLOEXEC) < 0) {
		free(run_word);
		return 0;
	}
	pid_t pid = fork();
	if (pid == 0)
		ask(ends[1], argv);
	free(run_word);
	fd_close(&ends[1]);
	if (pid < 0) {
		fd_close(&ends[0]);
		return 0;
	}
	if (read_answer(ends[0], line, sizeof(line)) < 0)
		kill(pid, SIGKILL);
	fd_close(&ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* 2 is a usage error: what jupyter-launch says of a wrong app, wrong workers or a wrong
	 * config file. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2 && line[0])
		return reason_set(reason, "%s", line);
	return 0;
}
