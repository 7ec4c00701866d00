/* SPDX-License-Identifier: MIT */
/*
 * Admission: whether a hello may join.  It is parsed, its claim compared with the session and
 * with the CURVE key of its connection, and its munge credential checked in a worker thread.
 * Runs in the head's event loop, as the user.
 */
#ifndef CONTROL_ADMISSION_H
#define CONTROL_ADMISSION_H

#include <stddef.h>
#include <sys/types.h>

#include "launcher/control/frame.h"
#include "launcher/control/wire.h"

struct admission;

struct admission_options {
	const char *job_id, *head_key; /* copied */
	uid_t uid;
	size_t agents;	/* ranks below it may join */
	size_t waiting; /* so many hellos may wait for munged, and some */
};

/* Whose hello it was. */
struct admission_sender {
	uint8_t id[WIRE_ID_SIZE];
	int fd;
	char key[CONTROL_KEY_SIZE];
	char address[WIRE_ADDRESS_MAX];
};

enum admission_verdict { ADMISSION_ADMIT, ADMISSION_REJECT, ADMISSION_RETRY };

/* claim is NULL when the hello could not be read; reason is "" for ADMISSION_ADMIT. */
typedef void admission_callback(enum admission_verdict verdict,
				const struct admission_sender *sender,
				const struct frame_claim *claim, const char *reason, void *arg);

/* NULL with errno. */
struct admission *admission_create(struct loop *loop, const struct admission_options *options,
				   admission_callback *callback, void *arg);

/* Calls back once: from within for what needs no credential, else later. */
void admission_submit(struct admission *admission, const struct admission_sender *sender,
		      const void *payload, size_t size);

/* Nothing is called back any more.  Safe from within the callback.  Accepts NULL. */
void admission_destroy(struct admission *admission);

#endif
