/* SPDX-License-Identifier: MIT */
/*
 * The two commands of jupyter-hub-callback, and how they end.  As the user.
 */
#ifndef HUB_CALLBACK_COMMANDS_H
#define HUB_CALLBACK_COMMANDS_H

#include "hub-callback/arguments.h"

/* Exit statuses. */
enum {
	COMMAND_DONE = 0,
	COMMAND_FAILED = 1, /* given up */
	COMMAND_USAGE = 2,
	COMMAND_REFUSED = 4 /* the hub refuses, and would again */
};

/* Between head and hub, until stdin ends. */
int run_main(const struct arguments *arguments);

/* One thing said, for scripts; what came on stdout, what went wrong on stderr. */
int post_main(const struct arguments *arguments);

#endif
