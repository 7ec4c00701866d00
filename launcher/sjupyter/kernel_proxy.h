/* SPDX-License-Identifier: MIT */
/*
 * sjupyter kernel --proxy: what it has to say to the program that has started it, lines of JSON
 * on stdout, and what that program wants of the kernel, lines of JSON on stdin.  In the event
 * loop of sjupyter kernel, as the user.
 */
#ifndef SJUPYTER_KERNEL_PROXY_H
#define SJUPYTER_KERNEL_PROXY_H

#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/sjupyter/kernel_orders.h"
#include "launcher/tunnel/tunnel_client.h"

/* A line on stdout, of an object or NULL (nothing); json stays the caller's. */
void kernel_proxy_say(const json_t *json);

struct kernel_proxy;

struct kernel_proxy_options {
	struct loop *loop;
	struct kernel_orders *orders; /* of which the answers are said by the caller */
	struct tunnel_client *client;
	const struct runtime_dir *dir; /* of the kernel's sockets */
	unsigned long number;	       /* of the kernel; 0: none was given */
	/* stdin has ended; or, with code COMMAND_FAILED, there was too much of one order. */
	void (*ended)(int code, void *arg);
	void *arg;
};

/* Takes orders from stdin.  Says on stderr and returns NULL where that cannot be. */
struct kernel_proxy *kernel_proxy_create(const struct kernel_proxy_options *options);
void kernel_proxy_destroy(struct kernel_proxy *proxy); /* accepts NULL */

#endif
