/* SPDX-License-Identifier: MIT */
/*
 * The connection file of a kernel that is reached through the tunnel: unix sockets of this
 * host, the kernel's own key.  In sjupyter kernel, as the user.
 */
#ifndef SJUPYTER_KERNEL_FILE_H
#define SJUPYTER_KERNEL_FILE_H

#include <jansson.h>

#include "common/reason.h"
#include "launcher/runtime_dir.h"
#include "launcher/tunnel/tunnel_client.h"

/* A kernel's sockets, in the order in which the connection file's ports count them from 1. */
enum { KERNEL_FILE_SOCKETS = 5 };
extern const char *const kernel_file_sockets[KERNEL_FILE_SOCKETS];

/* Bytes of a path in a runtime directory, NUL included. */
enum { KERNEL_FILE_PATH_MAX = 128 };

/* Listens at the five sockets of the session's kernel of that number, those of them that are
 * not there (any more): jupyter_client removes a kernel's before it is started again.  0, or -1
 * with a reason. */
int kernel_file_listen(const struct runtime_dir *dir, struct tunnel_client *client,
		       unsigned number, struct reason *reason);

/*
 * Writes the file, 0600, from the head's answer to {"connection": {}}, which is checked.  0 and
 * its path, or -1 with EPROTO or another errno, and a reason.
 */
int kernel_file_write(const struct runtime_dir *dir, const char *job_id, const json_t *answer,
		      char path[KERNEL_FILE_PATH_MAX], struct reason *reason);

#endif
