/* SPDX-License-Identifier: MIT */
/*
 * Asks the server to have saved what is unsaved in the browsers that it is open in, and takes
 * its answer (contrib/recipes/jupyter/save).  In the head's event loop, as the user.
 */
#ifndef HEAD_SAVE_H
#define HEAD_SAVE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "launcher/loop.h"

enum {
	/* The server itself waits for its pages 20 s before the end and 2.3 s at it, of the
	 * least KillWait of Slurm's, 5 s. */
	SAVE_WARN_MS = 25000,
	SAVE_END_MS = 3000,
	SAVE_FAILED_MAX = 64,	 /* paths that an answer may have */
	SAVE_COUNT_MAX = 1000000 /* pages or documents */
};

struct save;

struct save_options {
	const char *socket_path, *token_file;
	const char *path;    /* that is asked, begins with "/" */
	const char *why;     /* "warn" or "end" */
	time_t end;	     /* of the session */
	int64_t deadline_ms; /* for all of it */
};

/* What the server has said. */
struct save_result {
	long pages;		    /* that have told what they did */
	long saved;		    /* documents */
	struct json_t *failed_list; /* holds the paths */
	size_t failed_count;
	const char *failed[SAVE_FAILED_MAX]; /* paths, as they came: not to be shown as they are
					      */
};

/* Once; NULL: there was no answer that makes sense.  The save may be destroyed from within. */
typedef void save_callback(const struct save_result *result, void *arg);

/* NULL with errno when the server cannot be asked at all. */
struct save *save_start(struct loop *loop, const struct save_options *options,
			save_callback *callback, void *arg);
void save_destroy(struct save *save); /* cancels; accepts NULL */

/* Of the server's answer: 0, or -1 with EPROTO and nothing to clear. */
int save_parse(const char *body, size_t size, struct save_result *result);
void save_result_clear(struct save_result *result);

/* For people, in at most size bytes; "" when no page was there.  Returns text. */
const char *save_words(const struct save_result *result, char *text, size_t size);

#endif
