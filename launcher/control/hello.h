/* SPDX-License-Identifier: MIT */
/*
 * An agent's hello: its claim and a munge credential for it, made in a worker thread.  Runs in
 * the agent's event loop, as the user.  What the head makes of it is in admission.h.
 */
#ifndef CONTROL_HELLO_H
#define CONTROL_HELLO_H

#include "launcher/control/frame.h"

struct hello;

/* Called once, unless the hello is destroyed before.  payload is NULL on failure, with error
 * EAGAIN (munged does not answer) or another errno, and a reason. */
typedef void hello_callback(const char *payload, int error, const char *reason, void *arg);

/* Gives the claim a new nonce, which is later than the one that it has.  NULL with errno. */
struct hello *hello_create(struct loop *loop, struct frame_claim *claim,
			   hello_callback *callback, void *arg);
void hello_destroy(struct hello *hello); /* also from within the callback; accepts NULL */

#endif
