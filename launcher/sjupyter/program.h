/* SPDX-License-Identifier: MIT */
/*
 * Runs one of Slurm's commands to its end and collects what it prints, within a time and a
 * size. Blocks; the event loop's way to do the same is launcher/capture.h.  In sjupyter, as the
 * user.
 */
#ifndef SJUPYTER_PROGRAM_H
#define SJUPYTER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/env.h"
#include "common/reason.h"

enum { PROGRAM_ERRORS_MAX = 8192 /* bytes of stderr that are kept, the last ones */ };

struct program {
	const char *const *argv; /* argv[0] is looked up in PATH, then in /usr/bin */
	struct env *environment; /* NULL: this process' own */
	const char *input;	 /* its stdin, or NULL: /dev/null */
	size_t output_max;	 /* bytes of its stdout */
	int64_t deadline_ms;	 /* from the start; then it gets SIGTERM and soon SIGKILL */
	bool show_errors;	 /* its stderr is ours */

	/* Called for each line of its stdout as it comes, without the newline; may be NULL. */
	void (*line)(const char *line, void *arg);
	void *arg;
};

struct program_output {
	int status;  /* exit status, or 128 and the signal's number */
	char *text;  /* stdout, NUL-terminated */
	size_t size; /* without the NUL */
	char errors[PROGRAM_ERRORS_MAX];
};

/*
 * 0 when it has ended by itself, whatever its status; the caller frees output->text.  -1 with
 * ENOENT (no such program), ETIMEDOUT, EFBIG (it printed too much; it is killed), EINTR (see
 * interrupt.h) or another errno, a reason, and nothing to free.
 */
int program_run(const struct program *program, struct program_output *output,
		struct reason *reason);

/* Why it failed, in its own words: the last line of stderr that says "error", or the last. */
const char *program_complaint(struct program_output *output, struct reason *reason);

#endif
