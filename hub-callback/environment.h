/* SPDX-License-Identifier: MIT */
/*
 * The environment that the hub gives a server, checked.  In jupyter-hub-callback, as the user.
 *
 * Who has sent it is sure (its credential is of the hub's uid), and a hub can run code as the
 * user anyway: it holds the server's token.  So it may set any variable, as
 * c.Spawner.environment does everywhere else, but those that belong to the node and the job:
 * the hub's own PATH, HOME or LD_LIBRARY_PATH would break the server there, and SLURM_* the
 * session.  These are left out.
 */
#ifndef HUB_CALLBACK_ENVIRONMENT_H
#define HUB_CALLBACK_ENVIRONMENT_H

#include <jansson.h>

#include "common/reason.h"

enum {
	ENVIRONMENT_COUNT_MAX = 1024,  /* variables */
	ENVIRONMENT_NAME_MAX = 256,    /* bytes of a name with NUL */
	ENVIRONMENT_VALUE_MAX = 65536, /* bytes of a value with NUL; Linux takes 128 KiB */
	ENVIRONMENT_TOTAL_MAX =
		196608, /* bytes of all names and values: they go into one line */
	ENVIRONMENT_LEFT_OUT_MAX = 512 /* bytes of the names of what is left out with NUL */
};

/*
 * A new object with what is to be set.  left_out gets the names of what was left out and is
 * worth a word, separated by spaces, cut with "...".  NULL with EPROTO or ENOMEM and a reason
 * that tells no value.
 */
json_t *environment_take(const json_t *given, char left_out[ENVIRONMENT_LEFT_OUT_MAX],
			 struct reason *reason);

#endif
