/* SPDX-License-Identifier: MIT */
/*
 * Munge credentials between a session and the hub: the session's for the hub's uid alone, the
 * hub's for the session's.  Called in the worker thread of jupyter-hub-callback
 * (launcher/control/worker.h), as the user: a call blocks for 10 s while munged hangs.
 */
#ifndef HUB_CALLBACK_CREDENTIAL_H
#define HUB_CALLBACK_CREDENTIAL_H

#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

/* Where munged listens: MUNGE_SOCKET where that is set, else libmunge's default (NULL). */
const char *hub_credential_socket(void);

/*
 * A credential that carries the text, that only this uid can decode, within ttl_s seconds.
 * Caller wipes and frees.  -1 with EAGAIN (munged does not answer: worth another try) or
 * EPROTO, and a reason.
 */
int hub_credential_encode(const char *socket_path, uid_t uid, unsigned ttl_s, const char *text,
			  char **credential, struct reason *reason);

/*
 * What the credential carries, NUL-terminated, once it is sure that the uid has made it.
 * Caller wipes and frees.  -1 with EAGAIN or EACCES, and a reason.
 */
int hub_credential_decode(const char *socket_path, const char *credential, uid_t uid,
			  char **text, size_t *size, struct reason *reason);

#endif
