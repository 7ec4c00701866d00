/* SPDX-License-Identifier: MIT */
/*
 * The probe: asks the server on its unix socket over HTTP until it answers, so that "serving"
 * is something that was seen.  Runs in the head's event loop, as the user.
 */
#ifndef HEAD_PROBE_H
#define HEAD_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reason.h"
#include "launcher/loop.h"

enum { PROBE_PATH_MAX = 1024 /* bytes of the path, NUL included */ };

struct probe;

struct probe_options {
	const char *socket_path; /* in a directory that exists; copied */
	const char *path;	 /* "/api"; copied; checked: begins with "/", no white space */
	bool tls; /* the server speaks TLS, which we do not: any word of it is an answer */
	int64_t deadline_ms; /* from now, over all tries */
	int64_t silence_ms;  /* ends a try, doubled each time up to eightfold; 0: 5000 */
};

/* Called once.  status is the HTTP status (below 500 is an answer) with an empty reason, or -1
 * when the deadline is over, with what went wrong last.  The probe is over then and may be
 * destroyed from within. */
typedef void probe_callback(int status, const char *reason, void *arg);

/*
 * Waits for the socket by inotify on its directory, then connects and sends GET; an error or a
 * status of 500 and more is tried again soon (10 ms, doubling to 500 ms).  Reads 16 KiB of an
 * answer at most.  NULL with errno: EINVAL for the options, ENAMETOOLONG for the socket's path.
 */
struct probe *probe_start(struct loop *loop, const struct probe_options *options,
			  probe_callback *callback, void *arg);
void probe_destroy(struct probe *probe); /* cancels; accepts NULL */

#endif
