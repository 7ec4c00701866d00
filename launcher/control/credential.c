/* SPDX-License-Identifier: MIT */
/* See credential.h. */
#include "launcher/control/credential.h"

#include <errno.h>
#include <munge.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void credential_socket(char path[CREDENTIAL_SOCKET_MAX])
{
	const char *value = getenv("MUNGE_SOCKET");

	path[0] = '\0';
	if (value && strlen(value) < CREDENTIAL_SOCKET_MAX)
		memcpy(path, value, strlen(value) + 1);
}

/* What ails munged itself, not the credential. */
static bool is_temporary(munge_err_t error)
{
	return error == EMUNGE_SOCKET || error == EMUNGE_TIMEOUT || error == EMUNGE_NO_MEMORY ||
	       error == EMUNGE_SNAFU;
}

static munge_ctx_t context_create(const char *socket_path, struct reason *reason)
{
	munge_ctx_t context = munge_ctx_create();

	if (!context ||
	    (socket_path[0] != '\0' &&
	     munge_ctx_set(context, MUNGE_OPT_SOCKET, socket_path) != EMUNGE_SUCCESS)) {
		munge_ctx_destroy(context);
		errno = EAGAIN;
		reason_set(reason, "munge: out of memory");
		return NULL;
	}
	return context;
}

int credential_encode(const char *socket_path, unsigned ttl_s, const void *payload, size_t size,
		      char **credential, struct reason *reason)
{
	munge_ctx_t context = context_create(socket_path, reason);
	char *made = NULL;
	munge_err_t error;
	int rc = 0;

	if (!context)
		return -1;
	error = munge_ctx_set(context, MUNGE_OPT_TTL, (int) ttl_s);
	if (error == EMUNGE_SUCCESS)
		error = munge_ctx_set(context, MUNGE_OPT_UID_RESTRICTION, geteuid());
	/* Signed, not enciphered: it has no secrets in it, travels over CURVE, and costs munged
	 * a third less so, on both sides. */
	if (error == EMUNGE_SUCCESS)
		error = munge_ctx_set(context, MUNGE_OPT_CIPHER_TYPE, MUNGE_CIPHER_NONE);
	if (error == EMUNGE_SUCCESS)
		error = munge_encode(&made, context, payload, (int) size);
	if (error == EMUNGE_SUCCESS) {
		*credential = made;
	} else {
		const char *text = munge_ctx_strerror(context);

		rc = reason_set(reason, "munge made no credential: %s",
				text ? text : munge_strerror(error));
		errno = is_temporary(error) ? EAGAIN : EPROTO;
	}
	munge_ctx_destroy(context);
	return rc;
}

/* Why munged turned the credential down, and what to do. */
static const char *refusal(munge_err_t error)
{
	switch (error) {
	case EMUNGE_CRED_REPLAYED:
		return "the munge credential was used before (replayed)";
	case EMUNGE_CRED_EXPIRED:
		return "the munge credential has expired; if it was fresh the clocks of the "
		       "two "
		       "nodes differ";
	case EMUNGE_CRED_REWOUND:
		return "the munge credential is from the future: the clocks of the two nodes "
		       "differ";
	case EMUNGE_CRED_UNAUTHORIZED:
		return "the munge credential is of another user";
	case EMUNGE_CRED_INVALID:
		return "the munge credential is forged, damaged, or made with another munge "
		       "key";
	default:
		return "the munge credential is malformed";
	}
}

int credential_check(const char *socket_path, const char *credential, uid_t uid,
		     const void *payload, size_t size, struct reason *reason)
{
	munge_ctx_t context = context_create(socket_path, reason);
	void *found = NULL;
	int found_size = 0, rc = 0;
	uid_t found_uid = (uid_t) -1;
	gid_t gid;
	munge_err_t error;

	if (!context)
		return -1;
	error = munge_decode(credential, context, &found, &found_size, &found_uid, &gid);
	if (is_temporary(error)) {
		const char *text = munge_ctx_strerror(context);

		rc = reason_set(reason, "the head's munge does not answer: %s",
				text ? text : munge_strerror(error));
		errno = EAGAIN;
	} else if (error != EMUNGE_SUCCESS) {
		rc = reason_set(reason, "%s", refusal(error));
		errno = EACCES;
	} else if (found_uid != uid) {
		rc = reason_set(reason,
				"the munge credential is of uid %lu, the session of uid %lu",
				(unsigned long) found_uid, (unsigned long) uid);
		errno = EACCES;
	} else if ((size_t) found_size != size || memcmp(found, payload, size) != 0) {
		rc = reason_set(reason, "the munge credential was made for another claim");
		errno = EACCES;
	}
	free(found);
	munge_ctx_destroy(context);
	return rc;
}
