/* SPDX-License-Identifier: MIT */
/*
 * What is asked of a session's head, one after the other, until a kernel can be connected to: a
 * new one where there is to be one, whether it is ready, and its connection.  In the event loop
 * of sjupyter kernel, as the user.
 */
#ifndef SJUPYTER_KERNEL_REQUEST_H
#define SJUPYTER_KERNEL_REQUEST_H

#include "launcher/sjupyter/kernel_orders.h"

struct kernel_request;

struct kernel_request_options {
	struct loop *loop;
	struct kernel_orders *orders;
	const char *job_id;
	const char *new;      /* kernelspec of one that is to be started, or NULL */
	unsigned long number; /* of one that is there; 0: the first */
	/* The kernel's number (0: none was given) and the head's answer about its connection,
	 * which stays the request's.  No more is asked. */
	void (*ready)(unsigned long number, const json_t *connection, void *arg);
	/* Instead: the head has refused, or there is no way to it, or it does not answer,
	 * or the kernel has ended. */
	void (*failed)(const char *words, void *arg);
	void *arg;
};

/* Asks for the first.  NULL with errno; failed may be called before it returns. */
struct kernel_request *kernel_request_create(const struct kernel_request_options *options);
void kernel_request_destroy(struct kernel_request *request); /* accepts NULL */

/* An answer of the orders', until ready was called. */
void kernel_request_answer(struct kernel_request *request, const json_t *answer);

#endif
