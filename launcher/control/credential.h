/* SPDX-License-Identifier: MIT */
/*
 * Munge credentials: made by an agent for its hello, checked by the head.  Called in the worker
 * thread of either (worker.h), as the user; blocks while munged does not answer.
 */
#ifndef CONTROL_CREDENTIAL_H
#define CONTROL_CREDENTIAL_H

#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

/* Bytes of a socket's path with NUL: sun_path of unix(7). */
enum { CREDENTIAL_SOCKET_MAX = 108 };

/*
 * Where munged listens: MUNGE_SOCKET of the environment when it is set and fits, else "", which
 * is libmunge's default.  Not thread-safe: for the loop's thread, before a job is submitted.
 */
void credential_socket(char path[CREDENTIAL_SOCKET_MAX]);

/*
 * A credential that carries the payload, that only the caller's own uid can decode, and only
 * within ttl_s seconds.  Caller frees *credential.  -1 with EAGAIN (munged does not answer:
 * worth another try) or EPROTO, and a reason.
 */
int credential_encode(const char *socket_path, unsigned ttl_s, const void *payload, size_t size,
		      char **credential, struct reason *reason);

/*
 * Checks the credential, which munged then knows as used, and that it is of the uid and carries
 * exactly the payload.  -1 with EAGAIN (munged does not answer: the credential may still be
 * good) or EACCES, and a reason in words.
 */
int credential_check(const char *socket_path, const char *credential, uid_t uid,
		     const void *payload, size_t size, struct reason *reason);

#endif
