/* SPDX-License-Identifier: MIT */
/*
 * Where a session's server is reached: its URL with the token, and the way to it from a laptop.
 * In sjupyter, as the user.  What holds a token is wiped when it is freed.
 */
#ifndef SJUPYTER_ADDRESS_H
#define SJUPYTER_ADDRESS_H

#include "common/reason.h"
#include "common/session.h"

enum { ADDRESS_PORT = 8888 /* on the laptop: the one that Jupyter itself takes first */ };

/* The token from the session's directory.  Caller frees with address_free().  NULL with ENOENT
 * (the app has none), EPERM (others may read it), EPROTO (not a token) or another errno, and a
 * reason. */
char *address_token(int state_fd, struct reason *reason);

/* url?token=TOKEN; url alone where token is NULL.  Caller frees with address_free(); NULL with
 * ENOMEM. */
char *address_whole(const char *url, const char *token);

/* The same page by way of http://host:port.  As above; NULL also with EINVAL. */
char *address_through(const char *url, const char *host, unsigned port, const char *token);

/* The line to run on a laptop that makes port ADDRESS_PORT there the session's.  Caller frees.
 * NULL with EINVAL or ENOMEM. */
char *address_ssh(const char *ip, unsigned port, const char *user, const char *host);

/* The session's URL with its token, read from state_fd; a session without a token has the plain
 * URL.  Caller frees with address_free(); NULL with a reason. */
char *address_of(const struct session *session, int state_fd, struct reason *reason);

/* Prints all of it on stdout: the URL, and by which line a laptop gets there; in a job's output
 * only the URL without its token.  0, or -1 and a reason. */
int address_print(const struct session *session, int state_fd, struct reason *reason);

void address_free(char *text);

#endif
