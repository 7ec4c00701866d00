/* SPDX-License-Identifier: MIT */
/*
 * A message of Jupyter's wire protocol: frames with a signature, both ways.  Used by
 * channels.c, in jupyter-agent, as the user.  Source: jupyter_client's docs/messaging.rst,
 * "The Wire Protocol", version 5.
 */
#ifndef KERNEL_MESSAGE_H
#define KERNEL_MESSAGE_H

#include <jansson.h>
#include <stddef.h>

#include "common/reason.h"

enum {
	MESSAGE_FRAMES_MAX = 64, /* with identities and buffers; a kernel_info_reply has 6 */
	MESSAGE_BYTES_MAX = 1 << 20, /* of one frame; a kernel_info_reply has 2000 bytes */
	MESSAGE_NAME_MAX = 128,	     /* bytes of an id or a type with NUL; ipykernel's: 75 */
	MESSAGE_SIGNATURE = 64,	     /* HMAC-SHA256 in hex */
	MESSAGE_PARTS = 6 /* delimiter, signature, header, parent, metadata, content */
};

struct message_frame {
	const void *data;
	size_t size;
};

/* What was received. */
struct message {
	char id[MESSAGE_NAME_MAX];
	char type[MESSAGE_NAME_MAX];	  /* letters, digits and "_" */
	char parent_id[MESSAGE_NAME_MAX]; /* empty: no parent */
	json_t *content;		  /* an object */
};

/*
 * All frames of one message.  0 and *message, to be cleared, or -1 with a reason and EACCES
 * (not signed with this key), EMSGSIZE (too many frames, too long) or EINVAL (not of the
 * protocol).  The signature is checked before anything that it covers is looked at, in constant
 * time.  Buffers after the content are not covered and not looked at.
 */
int message_parse(const char *key, const struct message_frame *frames, size_t count,
		  struct message *message, struct reason *reason);
void message_clear(struct message *message); /* accepts a zeroed struct */

/* What is to be sent, frame by frame. */
struct message_draft {
	char *parts[MESSAGE_PARTS];
	char id[MESSAGE_NAME_MAX];
};

/* type and session as above; content is a JSON text.  0, or -1 with ENOMEM. */
int message_draft(const char *key, const char *session, const char *type, const char *content,
		  struct message_draft *draft);
void message_draft_clear(struct message_draft *draft);

/* A random id of 32 hex digits. */
void message_id(char id[MESSAGE_NAME_MAX]);

#endif
