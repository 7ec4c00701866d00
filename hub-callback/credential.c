/* SPDX-License-Identifier: MIT */
/* See credential.h. */
#include <errno.h>
#include <munge.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hub-callback/credential.h"

const char *hub_credential_socket(void)
{
	const char *path = getenv("MUNGE_SOCKET");

	return path && *path ? path : NULL;
}

/* What ails munged itself, not the credential. */
static bool is_temporary(munge_err_t error)
{
	return error == EMUNGE_SOCKET || error == EMUNGE_TIMEOUT || error == EMUNGE_NO_MEMORY ||
	       error == EMUNGE_SNAFU;
}

/* Why munged turned the hub's credential down, and what to do. */
static const char *refusal(munge_err_t error)
{
	switch (error) {
	case EMUNGE_CRED_REPLAYED:
		return "its munge credential was used before (replayed)";
	case EMUNGE_CRED_EXPIRED:
		return "its munge credential has expired; if it was fresh the clocks of the "
		       "hub and of this node differ";
	case EMUNGE_CRED_REWOUND:
		return "its munge credential is from the future: the clocks of the hub and of "
		       "this node differ";
	case EMUNGE_CRED_UNAUTHORIZED:
		return "its munge credential is for another user";
	case EMUNGE_CRED_INVALID:
		return "its munge credential is forged, damaged, or made with another munge "
		       "key";
	default:
		return "its munge credential is malformed";
	}
}

static int munged_fails(munge_ctx_t context, munge_err_t error, struct reason *reason)
{
	const char *text = context ? munge_ctx_strerror(context) : NULL;

	reason_set(reason,
		   "munge on this node does not answer: %s; is munged running? "
		   "(systemctl status munge)",
		   text ? text : munge_strerror(error));
	munge_ctx_destroy(context);
	errno = EAGAIN;
	return -1;
}

static munge_err_t context_create(const char *socket_path, munge_ctx_t *context)
{
	*context = munge_ctx_create();
	if (!*context)
		return EMUNGE_NO_MEMORY;
	return socket_path ? munge_ctx_set(*context, MUNGE_OPT_SOCKET, socket_path)
			   : EMUNGE_SUCCESS;
}

int hub_credential_encode(const char *socket_path, uid_t uid, unsigned ttl_s, const char *text,
			  char **credential, struct reason *reason)
{
	munge_ctx_t context;
	char *made = NULL;
	munge_err_t error = context_create(socket_path, &context);

	if (error == EMUNGE_SUCCESS)
		error = munge_ctx_set(context, MUNGE_OPT_TTL, (int) ttl_s);
	if (error == EMUNGE_SUCCESS)
		error = munge_ctx_set(context, MUNGE_OPT_UID_RESTRICTION, uid);
	if (error == EMUNGE_SUCCESS)
		error = munge_encode(&made, context, text, (int) strlen(text));
	if (is_temporary(error))
		return munged_fails(context, error, reason);
	if (error != EMUNGE_SUCCESS) {
		reason_set(reason, "munge made no credential: %s", munge_strerror(error));
		munge_ctx_destroy(context);
		errno = EPROTO;
		return -1;
	}
	munge_ctx_destroy(context);
	*credential = made;
	return 0;
}

int hub_credential_decode(const char *socket_path, const char *credential, uid_t uid,
			  char **text, size_t *size, struct reason *reason)
{
	munge_ctx_t context;
	void *found = NULL;
	int found_size = 0;
	uid_t found_uid = (uid_t) -1;
	gid_t gid;
	char *copy;
	munge_err_t error = context_create(socket_path, &context);

	if (error == EMUNGE_SUCCESS)
		error = munge_decode(credential, context, &found, &found_size, &found_uid,
				     &gid);
	if (is_temporary(error)) {
		free(found);
		return munged_fails(context, error, reason);
	}
	munge_ctx_destroy(context);
	if (error != EMUNGE_SUCCESS) {
		reason_set(reason, "the hub's answer is not believed: %s", refusal(error));
		goto refuse;
	}
	if (found_uid != uid) {
		reason_set(reason,
			   "the hub's answer is not believed: uid %lu has made it, the hub's "
			   "is uid %lu; if the hub runs as the former, hub_user in [site] of "
			   "spank-jupyter.conf is wrong",
			   (unsigned long) found_uid, (unsigned long) uid);
		goto refuse;
	}
	/* Libmunge's own block may end right behind the payload. */
	copy = malloc((size_t) found_size + 1);
	if (!copy) {
		free(found);
		reason_set(reason, "%s", strerror(ENOMEM));
		errno = EAGAIN;
		return -1;
	}
	if (found_size > 0)
		memcpy(copy, found, (size_t) found_size);
	copy[found_size] = '\0';
	if (found)
		explicit_bzero(found, (size_t) found_size);
	free(found);
	*text = copy;
	*size = (size_t) found_size;
	return 0;

refuse:
	/* An expired or replayed one is decoded all the same. */
	if (found)
		explicit_bzero(found, (size_t) found_size);
	free(found);
	errno = EACCES;
	return -1;
}
