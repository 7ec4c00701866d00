/* SPDX-License-Identifier: MIT */
/*
 * The way to a kernel of a session, through the tunnel, for as long as somebody wants it: its
 * connection file on this host, and the console, the program or the person that uses it.  The
 * body of sjupyter kernel, as the user.
 */
#ifndef SJUPYTER_KERNEL_WAY_H
#define SJUPYTER_KERNEL_WAY_H

#include <stdbool.h>

#include "launcher/sjupyter/target.h"

struct kernel_way_options {
	const struct target *target;
	unsigned port;	      /* see kernel_port.h */
	const char *new;      /* kernelspec of a kernel that is to be started, or NULL */
	unsigned long number; /* of one that is there; 0: none was given, so the first */
	bool no_console, is_proxy;
};

/* Until Ctrl-C, or the end of the console, of the program, of the kernel or of the session.  An
 * exit code; what has failed is on stderr. */
int kernel_way_run(const struct kernel_way_options *options);

#endif
