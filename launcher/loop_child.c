/* SPDX-License-Identifier: MIT */
/*
 * The children of the event loop: one pidfd each tells when to reap, so that SIGCHLD stays out
 * of it.  Where there is none (Linux before 5.3, valgrind), and for children that nobody
 * watches, SIGCHLD it is.  Called by the users of loop.h, as the user.
 */
#include "launcher/loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct loop_child {
	LIST_ENTRY(loop_child) link;
	struct loop *loop;
	pid_t pid;
	int pidfd;   /* -1: told by SIGCHLD */
	bool reaped; /* its callback runs, after which it is freed */
	struct loop_fd *watch;
	loop_child_callback *callback;
	void *arg;
};

static void child_forget(struct loop_child *child)
{
	LIST_REMOVE(child, link);
	loop_fd_remove(child->watch);
	if (child->pidfd >= 0)
		close(child->pidfd);
}

/* Whether it has ended; it has been told so then, and is gone. */
static bool child_reap(struct loop_child *child)
{
	int status;
	pid_t pid = waitpid(child->pid, &status, WNOHANG);

	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	child_forget(child);
	child->reaped = true;
	child->callback(child->pid, pid < 0 ? -1 : status, child->arg);
	free(child);
	return true;
}

static void handle_pidfd(uint32_t events, void *arg)
{
	(void) events;
	child_reap(arg);
}

/* Those without a pidfd, from the beginning after each one, as its callback may have changed
 * the list. */
static void reap_watched(struct loop *loop)
{
	struct loop_child *child;

restart:
	LIST_FOREACH(child, &loop->children, link)
	{
		if (child->pidfd >= 0)
			continue;
		if (loop->stop)
			return;
		if (child_reap(child))
			goto restart;
	}
}

/* All that have ended.  Each is looked at before it is reaped, so that no status of a watched
 * one is lost; which of these are told now cannot be chosen, so it is whoever comes first. */
static void reap_all(struct loop *loop)
{
	struct loop_child *child;

	while (!loop->stop) {
		siginfo_t info = {.si_pid = 0};

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			return;
		LIST_FOREACH(child, &loop->children, link)
		{
			if (child->pid == info.si_pid)
				break;
		}
		if (child ? !child_reap(child) : waitpid(info.si_pid, NULL, WNOHANG) <= 0)
			return;
	}
}

static void handle_sigchld(int signo, void *arg)
{
	struct loop *loop = arg;

	if (loop->reaps_orphans)
		reap_all(loop);
	else
		reap_watched(loop);
	if (loop->stop)
		raise(signo); /* the others when the loop is run again */
}

int loop_reap_orphans(struct loop *loop)
{
	if (loop_signal_add(loop, SIGCHLD, handle_sigchld, loop) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -1;
	loop->reaps_orphans = true;
	/* Some may have ended before their signal was ours. */
	return raise(SIGCHLD) == 0 ? 0 : -1;
}

static int watch_child(struct loop_child *child)
{
	/* Close-on-exec by itself, pidfd_open(2); glibc has a wrapper only from 2.36. */
	child->pidfd = (int) syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd >= 0) {
		child->watch =
			loop_fd_add(child->loop, child->pidfd, EPOLLIN, handle_pidfd, child);
		return child->watch ? 0 : -1;
	}
	if (errno != ENOSYS || kill(child->pid, 0) < 0 ||
	    loop_signal_add(child->loop, SIGCHLD, handle_sigchld, child->loop) < 0)
		return -1;
	/* It may have ended before its signal was ours. */
	return raise(SIGCHLD) == 0 ? 0 : -1;
}

struct loop_child *loop_child_add(struct loop *loop, pid_t pid, loop_child_callback *callback,
				  void *arg)
{
	struct loop_child *child = calloc(1, sizeof(*child));
	int saved;

	if (!child)
		return NULL;
	child->loop = loop;
	child->pid = pid;
	child->callback = callback;
	child->arg = arg;
	if (watch_child(child) < 0) {
		saved = errno;
		if (child->pidfd >= 0)
			close(child->pidfd);
		free(child);
		errno = saved;
		return NULL;
	}
	LIST_INSERT_HEAD(&loop->children, child, link);
	return child;
}

/* The pid is the child's until it is reaped, which is done here or (a mistake) by somebody
 * else: only then the pidfd knows better. */
int loop_child_kill(struct loop_child *child, int signo)
{
	if (child->reaped) {
		errno = ESRCH;
		return -1;
	}
	if (child->pidfd < 0)
		return kill(child->pid, signo);
	return (int) syscall(SYS_pidfd_send_signal, child->pidfd, signo, NULL, 0);
}

void loop_child_remove(struct loop_child *child)
{
	int saved = errno;

	if (!child || child->reaped)
		return;
	child_forget(child);
	free(child);
	errno = saved;
}
