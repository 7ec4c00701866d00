/* SPDX-License-Identifier: MIT */
/* See interrupt.h. */
#include "launcher/sjupyter/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Signals belong to the process, so what is known of them does too. */
static volatile sig_atomic_t came;
static sigset_t while_polling;
static bool caught;

static void note(int signo)
{
	if (!came)
		came = signo;
}

void interrupt_catch(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note}, inherited;
	sigset_t blocked;

	if (caught)
		return;
	caught = true;
	sigemptyset(&blocked);
	sigprocmask(SIG_BLOCK, NULL, &while_polling);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* nohup(1) and shells' background jobs: what is ignored stays so. */
		if (sigaction(signals[i], NULL, &inherited) < 0 ||
		    inherited.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &action, NULL);
		sigaddset(&blocked, signals[i]);
		sigdelset(&while_polling, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, NULL);
}

int interrupt_signal(void)
{
	return came;
}

int interrupt_poll(struct pollfd *fds, nfds_t count, int64_t timeout_ms)
{
	struct timespec timeout = {.tv_sec = timeout_ms / 1000,
				   .tv_nsec = timeout_ms % 1000 * 1000000};

	if (came) {
		errno = EINTR;
		return -1;
	}
	int ready = ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout,
			  caught ? &while_polling : NULL);
	/* Any other signal (SIGCONT, a resized window) is not worth a word. */
	if (ready < 0 && errno == EINTR && !came)
		return 0;
	return ready;
}
