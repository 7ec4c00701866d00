/* SPDX-License-Identifier: MIT */
/*
 * The lines that the head and jupyter-launch exchange over the session step's stdio.  The head
 * writes them on its stdout; jupyter-launch broadcasts on srun's stdin to all agents where they
 * may connect, and prints what the head has to say to the job's user.  A line that an older
 * program does not know it passes over.
 */
#ifndef LAUNCHER_RENDEZVOUS_H
#define LAUNCHER_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "launcher/control/control.h"

enum {
	RENDEZVOUS_LINE_MAX =
		4096 /* bytes with newline; a pipe write of PIPE_BUF is one piece */
};

enum rendezvous_kind {
	RENDEZVOUS_ENDPOINT, /* where the control plane listens, and its public key */
	RENDEZVOUS_TREE,     /* before that: the agents are a tree (control_span()) */
	RENDEZVOUS_BRANCH,   /* where others may join through that of a rank */
	RENDEZVOUS_END,
	RENDEZVOUS_SAY /* words for the job's stderr */
};

struct rendezvous {
	enum rendezvous_kind kind;
	size_t span, rank; /* of a tree, of a branch */
	char endpoint[CONTROL_ENDPOINT_MAX];
	char key[CONTROL_KEY_SIZE];
	char text[RENDEZVOUS_LINE_MAX];
};

/* Writes one line; fd is blocking.  0 or -1 with errno (EMSGSIZE when too long). */
int rendezvous_send_endpoint(int fd, const char *endpoint, const char *key);
int rendezvous_send_tree(int fd, size_t span);
int rendezvous_send_branch(int fd, size_t rank, const char *endpoint, const char *key);
int rendezvous_send_end(int fd);
int rendezvous_say(int fd, const char *text);

/* Parses one line without its newline; -1 with EPROTO. */
int rendezvous_parse(const char *line, struct rendezvous *message);

/* Collects lines from a descriptor that may deliver them in pieces. */
struct rendezvous_reader {
	char buffer[RENDEZVOUS_LINE_MAX];
	size_t used;
	bool skipping; /* the rest of a line that was too long */
};

/*
 * Reads once and calls back for each whole line, NUL-terminated, without newline.  Lines too
 * long are passed over. Returns what read returned.
 */
ssize_t rendezvous_read(struct rendezvous_reader *reader, int fd,
			void (*line)(char *line, void *arg), void *arg);

#endif
