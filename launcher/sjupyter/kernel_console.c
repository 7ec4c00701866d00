/* SPDX-License-Identifier: MIT */
/* See kernel_console.h. */
#include "launcher/sjupyter/kernel_console.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "launcher/sjupyter/output.h"
#include "launcher/spawn.h"

struct loop_child *kernel_console_start(struct loop *loop, const char *connection_file,
					loop_child_callback *ended, void *arg)
{
	extern char **environ;
	char *program = spawn_find("jupyter-console", getenv("PATH"));
	char name[] = "jupyter-console", word[] = "--existing";
	char *argv[] = {name, word, (char *) connection_file, NULL};
	struct reason reason;
	pid_t pid;

	if (!program) {
		fprintf(stderr, "jupyter-console is not in PATH; "
				"any client can use the file.  Ctrl-C ends.\n");
		return NULL;
	}
	pid = spawn_process(&(struct spawn_options){.program = program,
						    .argv = argv,
						    .environment = environ,
						    .in = STDIN_FILENO,
						    .out = STDOUT_FILENO,
						    .err = STDERR_FILENO,
						    .dies_with_us = true},
			    &reason);
	free(program);
	if (pid > 0)
		return loop_child_add(loop, pid, ended, arg);
	output_error("%s", reason.text);
	return NULL;
}
