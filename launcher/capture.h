/* SPDX-License-Identifier: MIT */
/*
 * Runs a program in the event loop and collects what it prints, within a time and a size.
 * Used by jupyter-agent, as the user.
 */
#ifndef LAUNCHER_CAPTURE_H
#define LAUNCHER_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"
#include "launcher/loop.h"
#include "launcher/spawn.h"

struct capture;

/*
 * Once, when the program has ended; what its children print after that is not waited for.
 * failure is NULL when it ended with exit status 0, else says how it ended, that it took too
 * long, or printed too much; it was killed then with its process group.  output is
 * NUL-terminated and the capture's.
 */
typedef void capture_callback(const char *failure, char *output, size_t size, void *arg);

/* options: own_session and out are set here.  max in bytes, deadline in milliseconds. */
struct capture *capture_start(struct loop *loop, struct spawn_options *options, size_t max,
			      int64_t deadline_ms, capture_callback *callback, void *arg,
			      struct reason *reason);
void capture_destroy(struct capture *capture); /* kills what still runs; accepts NULL */

#endif
