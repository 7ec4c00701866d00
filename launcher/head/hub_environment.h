/* SPDX-License-Identifier: MIT */
/*
 * The environment that a hub has for the session's server: taken out of the job's, where
 * batchspawner has put it, or out of the hub's answer, and given to the server alone.  Called
 * by the head, as the user.
 */
#ifndef HEAD_HUB_ENVIRONMENT_H
#define HEAD_HUB_ENVIRONMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/env.h"
#include "common/reason.h"

enum { HUB_ENVIRONMENT_PATH_MAX = 768 /* bytes of the path below which the server is */ };

/* What the rest of the session has to know of it.  Strings are owned. */
struct hub_place {
	char *base; /* path below which the server answers, "/user/alice/job-7", or "" */
	char *url;  /* where people open it, or NULL: not known */
	bool tls;   /* internal_ssl: the server speaks TLS, and answers the hub alone */
};

struct hub_environment_options {
	int runtime_fd; /* the session's private directory, for keys and the token */
	const char *runtime_path;
	const char *root_dir;	 /* the server's root where the hub names none */
	bool own_root;		 /* the user has asked for root_dir: the hub's is not taken */
	const char *default_url; /* the page it opens with, or NULL: the hub's */
	const char *hub_url; /* as the user has named the hub, or NULL: people do not use it */
};

/* The file in the runtime directory that has the server's token. */
#define HUB_ENVIRONMENT_TOKEN "hub-token"

/* Takes all variables of a hub's out of a job's environment.  An object of strings, the
 * caller's; NULL with ENOMEM. */
json_t *hub_environment_take(struct env *environment);

/*
 * Puts the hub's variables, an object of strings, into the server's environment: keys and
 * certificates that are given as PEM text become files, and where the server listens is ours to
 * say.  0 and *place, which the caller clears; or -1 with a reason.
 */
int hub_environment_apply(const json_t *given, const struct hub_environment_options *options,
			  struct env *server, struct hub_place *place, struct reason *reason);
/* Removes the files that were made for it. */
void hub_environment_forget(int runtime_fd);
void hub_place_clear(struct hub_place *place); /* accepts a zeroed struct */

#endif
