/* SPDX-License-Identifier: MIT */
/*
 * A munged of the test's own: with its own key and socket in a directory of its own, so that
 * the machine's munge is neither needed nor touched.  Included by a test program, which runs as
 * whoever calls `make check`; munged runs as the same user.
 */
#ifndef MUNGED_H
#define MUNGED_H

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

enum { MUNGED_START_MS = 10000 };

struct munged {
	char dir[64];
	char socket[96];
	pid_t pid;
};

static void munged_path(const struct munged *munged, const char *name, char path[96])
{
	snprintf(path, 96, "%s/%s", munged->dir, name);
}

static void munged_key(const struct munged *munged)
{
	char path[96];
	unsigned char key[32];
	int fd;

	munged_path(munged, "key", path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || getrandom(key, sizeof(key), 0) != sizeof(key) ||
	    write(fd, key, sizeof(key)) != sizeof(key))
		bail_out(path);
	close(fd);
}

static bool munged_answers(const struct munged *munged)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	memcpy(address.sun_path, munged->socket, sizeof(munged->socket));
	rc = connect(fd, (struct sockaddr *) &address, sizeof(address));
	close(fd);
	return rc == 0;
}

static void munged_exec(const struct munged *munged)
{
	char option[5][128], log[96];
	int fd;

	munged_path(munged, "log", log);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(option[0], sizeof(option[0]), "--socket=%s", munged->socket);
	snprintf(option[1], sizeof(option[1]), "--key-file=%s/key", munged->dir);
	snprintf(option[2], sizeof(option[2]), "--log-file=%s/munged.log", munged->dir);
	snprintf(option[3], sizeof(option[3]), "--pid-file=%s/pid", munged->dir);
	snprintf(option[4], sizeof(option[4]), "--seed-file=%s/seed", munged->dir);
	execlp("munged", "munged", "--foreground", "--force", option[0], option[1], option[2],
	       option[3], option[4], NULL);
	execl("/usr/sbin/munged", "munged", "--foreground", "--force", option[0], option[1],
	      option[2], option[3], option[4], NULL);
	_exit(127);
}

static void munged_wait(struct munged *munged)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	int status;

	for (int waited = 0; !munged_answers(munged); waited += 10) {
		if (waitpid(munged->pid, &status, WNOHANG) == munged->pid) {
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
				printf("1..0 # SKIP munged is not installed\n");
				exit(0);
			}
			bail_out("munged ended");
		}
		if (waited >= MUNGED_START_MS)
			bail_out("munged does not answer");
		nanosleep(&pause, NULL);
	}
}

/* Returns once it answers; MUNGE_SOCKET names it from now on. */
__attribute__((unused)) static void munged_start(struct munged *munged)
{
	/* Short, whatever TMPDIR is: a socket's path has 108 bytes. */
	snprintf(munged->dir, sizeof(munged->dir), "%s", "/tmp/munged-XXXXXX");
	if (mkdtemp(munged->dir) == NULL || chmod(munged->dir, 0755) != 0)
		bail_out(munged->dir);
	munged_path(munged, "socket", munged->socket);
	munged_key(munged);
	munged->pid = fork();
	if (munged->pid < 0)
		bail_out("fork");
	if (munged->pid == 0)
		munged_exec(munged);
	munged_wait(munged);
	setenv("MUNGE_SOCKET", munged->socket, 1);
}

__attribute__((unused)) static void munged_stop(struct munged *munged)
{
	static const char *const files[] = {"key",  "log",    "munged.log", "pid",
					    "seed", "socket", "socket.lock"};
	char path[96];

	kill(munged->pid, SIGCONT);
	kill(munged->pid, SIGTERM);
	while (waitpid(munged->pid, NULL, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		munged_path(munged, files[i], path);
		unlink(path);
	}
	rmdir(munged->dir);
}

#endif
