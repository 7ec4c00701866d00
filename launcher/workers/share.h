/* SPDX-License-Identifier: MIT */
/*
 * The share directory of a kind of workers, RUNTIME_DIR/workers/KIND: what the kind's
 * controller writes there on the first node, keys among it, is read when it listens and written
 * on every other node.  In every jupyter-agent, as the user.
 */
#ifndef WORKERS_SHARE_H
#define WORKERS_SHARE_H

#include <stddef.h>

#include "common/reason.h"
#include "launcher/workers/message.h"

enum { SHARE_FILES_MAX = 32 /* a certificate, keys and connection files are a handful */ };

/* Files as messages of the control plane, WORKERS_FILE. */
struct share {
	struct {
		char *payload;
		size_t size;
	} messages[SHARE_FILES_MAX];
	size_t count;
};

/* Opens the directory, made with mode 0700 where it is missing.  A descriptor, or -1 with errno
 * and a reason. */
int share_open(int runtime_fd, const char *kind, struct reason *reason);

/*
 * Reads what is in it: regular files; directories and hidden files are not shared.  0, or -1
 * with errno and a reason when there are too many, one is too large, is no file of ours or has
 * a name that is none; *share is untouched then.
 */
int share_read(int dirfd, const char *kind, struct share *share, struct reason *reason);
void share_clear(struct share *share); /* frees and wipes; accepts a zeroed struct */

/* Writes one with mode 0600, in the place of one of the same name, at once.  file is as
 * workers_file_decode() has it.  0, or -1 with errno and a reason. */
int share_write(int dirfd, const struct workers_file *file, struct reason *reason);

#endif
