/* SPDX-License-Identifier: MIT */
/*
 * The arguments of jupyter-hub-callback's commands, and what they take from the job's
 * environment where they are not given.  As the user.
 */
#ifndef HUB_CALLBACK_ARGUMENTS_H
#define HUB_CALLBACK_ARGUMENTS_H

#include <jansson.h>
#include <stdint.h>

#include "common/reason.h"
#include "hub-callback/http.h"
#include "hub-callback/hub.h"

struct arguments {
	struct hub_identity identity;
	struct http_options http;
	int64_t deadline_ms; /* negative: not given */
	char *api;	     /* owned, of identity */
	char *user;	     /* owned, of identity */

	/* Of `post`. */
	enum hub_action action;
	json_t *fields;
};

enum arguments_result {
	ARGUMENTS_GOOD,
	ARGUMENTS_WRONG, /* see the reason */
	ARGUMENTS_HELP	 /* --help was given */
};

/* argv[0] is the command's name.  with_fields: of `post`, whose first argument is the action.
 * Strings of identity live as long as argv and the environment. */
enum arguments_result arguments_read(int argc, char *argv[], bool with_fields,
				     struct arguments *arguments, struct reason *reason);
void arguments_clear(struct arguments *arguments);

#endif
