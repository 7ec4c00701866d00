/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the callback share: how a hub is spoken to (mode), what is said (action),
 * for whom (identity) and what came of it (outcome).  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_HUB_H
#define HUB_CALLBACK_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/reason.h"

enum hub_mode {
	HUB_SPAWN, /* our spawner has submitted the job: a spawn id is exchanged */
	HUB_STOCK, /* an unmodified batchspawner has: its one request, with the server's token
		    */
	HUB_ADOPT  /* the user has: the hub is asked for a named server */
};

enum hub_action {
	HUB_ENVIRONMENT, /* the first of HUB_SPAWN */
	HUB_ADOPTION,	 /* the first of HUB_ADOPT; "adopt" in the record */
	HUB_SERVING,
	HUB_STATUS,
	HUB_ACTIVITY,
	HUB_ENDED,
	HUB_ACTIONS
};

enum hub_outcome {
	HUB_DONE,
	HUB_AGAIN,	 /* worth another try */
	HUB_AWAY,	 /* likewise, and a hub that was away may have forgotten what it knew */
	HUB_CERTIFICATE, /* TLS could not be verified: a few tries only */
	HUB_GONE,	 /* the hub does not know this session, or not as ours */
	HUB_REFUSED	 /* the same request would be refused again */
};

enum {
	HUB_URL_MAX = 2048,   /* bytes of the API's URL with NUL */
	HUB_NAME_MAX = 256,   /* bytes of a user's, cluster's or node's name with NUL */
	HUB_SECRET_MAX = 1024 /* bytes of a spawn id or an API token with NUL */
};

/* Who speaks.  All strings are the owner's; NULL where the mode has none. */
struct hub_identity {
	enum hub_mode mode;
	const char *api;     /* the hub's API, ".../hub/api", without a final slash */
	const char *cluster; /* Slurm's */
	const char *job_id;
	unsigned restart;
	const char *user;
	const char *spawn_id;	 /* HUB_SPAWN */
	const char *token;	 /* the server's, or NULL; goes with every request */
	const char *server_name; /* HUB_STOCK: of a named server, "" of the default one */
	bool hub_uid_known;
	uid_t hub_uid;
};

/* As they are in options and records: "spawn", "stock", "adopt". */
const char *hub_mode_name(enum hub_mode mode);
int hub_mode_parse(const char *name, enum hub_mode *mode); /* -1 with EINVAL */
const char *hub_action_name(enum hub_action action);
int hub_action_parse(const char *name, enum hub_action *action); /* -1 with EINVAL */

/* Whether the action is one of this mode. */
bool hub_action_allowed(enum hub_mode mode, enum hub_action action);

/*
 * The API's URL of what was given: as it is for a hub that has submitted the job, and for one
 * that the user names with /hub/api behind it where that is missing.  Caller frees.  NULL with
 * EINVAL or ENOMEM and a reason.
 */
char *hub_api_url(enum hub_mode mode, const char *given, struct reason *reason);

/* Whether all that the mode needs is there and in its form.  0, or -1 with EINVAL and a reason
 * that names the option or variable. */
int hub_identity_check(const struct hub_identity *identity, struct reason *reason);

#endif
