/* SPDX-License-Identifier: MIT */
/*
 * What unit tests of files share: a directory of their own, children that run a piece of a test
 * as another user or in another mount namespace.  Included by a test program, which runs as
 * whoever calls `make check`; as root more is tested.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* The uid and gid of nobody on Debian. */
enum { NOBODY = 65534 };

/* What a child returns when the machine does not let it try. */
enum { CANNOT = 77 };

static char scratch_path[256];

/* Makes an empty directory that everybody may use, and returns it open. */
__attribute__((unused)) static int scratch_open(void)
{
	const char *base = getenv("TMPDIR");
	int fd;

	snprintf(scratch_path, sizeof(scratch_path), "%s/unit-XXXXXX",
		 base != NULL ? base : "/tmp");
	if (mkdtemp(scratch_path) == NULL || chmod(scratch_path, 0777) != 0)
		bail_out(scratch_path);
	fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		bail_out(scratch_path);
	return fd;
}

/* Runs the function in a child; its exit code, or 128 and the number of the signal that ended
 * it. */
__attribute__((unused)) static int in_child(int (*function)(int dir), int dir)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		bail_out("fork");
	if (child == 0) {
		alarm(120); /* a hang is a failure, not a wait */
		_exit(function(dir));
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			bail_out("waitpid");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* To be called in a child: from now on as an unprivileged user.  CANNOT or 0. */
__attribute__((unused)) static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		return CANNOT;
	return 0;
}

/*
 * To be called in a child of root: mounts that vanish with it.  Returns the scratch directory
 * as it is in the new mount namespace, since descriptors from before look into the old one; or
 * -1 when the machine does not let it try.
 */
__attribute__((unused)) static int own_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	return open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A check of a child's exit code, skipped when the machine did not let it try. */
#define is_child(code, ...)                                                                    \
	do {                                                                                   \
		int is_child_code = (code);                                                    \
		if (is_child_code == CANNOT)                                                   \
			skip("not allowed here: needs root, or seccomp");                      \
		else                                                                           \
			is_int(is_child_code, 0, __VA_ARGS__);                                 \
	} while (0)

/* Entries of the directory, without "." and "..". */
__attribute__((unused)) static int entries(int dir)
{
	char command[320];
	FILE *pipe;
	int count = -1;

	/* Through /proc, because the directory may be in no place with a name. */
	snprintf(command, sizeof(command), "ls -A /proc/%d/fd/%d/ | wc -l", (int) getpid(),
		 dir);
	pipe = popen(command, "r");
	if (pipe == NULL || fscanf(pipe, "%d", &count) != 1)
		bail_out("ls");
	pclose(pipe);
	return count;
}

#endif
