/* SPDX-License-Identifier: MIT */
/*
 * What head and nodes tell each other about workers, as messages of the control plane.  Between
 * the head and the workers of its own node the same messages go by function call.  In
 * jupyter-agent, as the user.
 */
#ifndef WORKERS_MESSAGE_H
#define WORKERS_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/options.h"
#include "common/reason.h"

enum {
	WORKERS_COUNT_MAX = 1024,   /* workers of one kind on one node */
	WORKERS_FILE_MAX = 60000,   /* bytes of a shared file: fits CONTROL_PAYLOAD_MAX */
	WORKERS_FILE_NAME_MAX = 64, /* bytes with NUL; a name by text_is_name */
	WORKERS_TEXT_MAX = 512,	    /* bytes of a reason with NUL */
	WORKERS_TAIL_MAX = 4096	    /* bytes of a log's last lines with NUL */
};

/*
 * The types.  Head to node:
 * - begin: kind, count (0: the recipe's default), ip, port: get ready (host process,
 *   prepare_node).  Said again when the node has joined again.
 * - file: a file of the controller for the node's share directory.
 * - start: kind: the files are complete and the controller listens; start the workers.  A node
 *   of a kind with start = srun starts nothing and answers "shared".
 * - count: kind, count: from now on so many; 0: none.
 * - tail: kind, index: the last lines of its log, please.
 * Node to head:
 * - here: kind, count: how many there will be on this node; first answer to begin, and answer
 *   to count.
 * - shared: kind: all files are written, and prepare_node has ended.
 * - started: kind, index, pid.
 * - ready: kind, index: a worker has said so itself (kinds without a controller).
 * - exited: kind, index, again, text, tail: text says how, behind the worker's name ("ended
 *   with exit status 1"); again: it is started again.
 * - retired: kind, index: it has ended since it was told to.
 * - failed: kind, text, tail: none of the kind can be started on this node.
 * - tail: kind, index, tail.
 */
#define WORKERS_BEGIN	"workers.begin"
#define WORKERS_FILE	"workers.file"
#define WORKERS_START	"workers.start"
#define WORKERS_COUNT	"workers.count"
#define WORKERS_TAIL	"workers.tail"
#define WORKERS_HERE	"workers.here"
#define WORKERS_SHARED	"workers.shared"
#define WORKERS_STARTED "workers.started"
#define WORKERS_READY	"workers.ready"
#define WORKERS_EXITED	"workers.exited"
#define WORKERS_RETIRED "workers.retired"
#define WORKERS_FAILED	"workers.failed"

/* One message of any type but "file"; what a type does not use is zero. */
struct workers_message {
	char kind[OPTIONS_NAME_MAX];
	unsigned index, count;
	unsigned port; /* the first of the recipe's ports, 0: none */
	char ip[INET6_ADDRSTRLEN];
	pid_t pid;
	bool again;
	char text[WORKERS_TEXT_MAX];
	char tail[WORKERS_TAIL_MAX]; /* lines end with \n; printable UTF-8 otherwise */
};

/*
 * JSON, at most CONTROL_PAYLOAD_MAX bytes.  text and tail may hold any bytes: what is not
 * printable UTF-8 is escaped as text_excerpt() does, line by line, and cut at their sizes.
 * Caller frees.  NULL with ENOMEM or EINVAL (kind is no name, a number beyond its bound).
 */
char *workers_message_encode(const struct workers_message *message, size_t *size);

/* Strict: unknown or repeated keys, wrong types and what is out of bounds are errors.  0, or -1
 * with EPROTO and a reason; *message is untouched then. */
int workers_message_decode(const void *payload, size_t size, struct workers_message *message,
			   struct reason *reason);

/* "KIND\0NAME\0BYTES".  As above; data points into payload. */
struct workers_file {
	char kind[OPTIONS_NAME_MAX];
	char name[WORKERS_FILE_NAME_MAX];
	const void *data;
	size_t size;
};
char *workers_file_encode(const struct workers_file *file, size_t *size);
int workers_file_decode(const void *payload, size_t size, struct workers_file *file,
			struct reason *reason);

#endif
