/* SPDX-License-Identifier: MIT */
/* See exit_words.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "launcher/workers/exit_words.h"

const char *exit_words(int status, struct memory_kill *memory, char text[EXIT_WORDS_MAX])
{
	if (status == -1) {
		snprintf(text, EXIT_WORDS_MAX, "ended, how is not known");
	} else if (WIFEXITED(status)) {
		snprintf(text, EXIT_WORDS_MAX, "ended with exit status %d",
			 WEXITSTATUS(status));
	} else if (WTERMSIG(status) == SIGKILL) {
		bool by_kernel = memory && memory_kill_take(memory);

		snprintf(text, EXIT_WORDS_MAX, "was ended by signal %d%s", SIGKILL,
			 by_kernel ? " (out of memory)" : "");
	} else {
		const char *name = sigabbrev_np(WTERMSIG(status));

		snprintf(text, EXIT_WORDS_MAX, "was ended by signal %d%s%s%s", WTERMSIG(status),
			 name ? " (SIG" : "", name ? name : "", name ? ")" : "");
	}
	return text;
}
