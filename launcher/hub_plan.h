/* SPDX-License-Identifier: MIT */
/*
 * Which JupyterHub a session is told to, and how: from what the job has been given, its options
 * and the site's settings.  Used by the head, and by sjupyter doctor to tell it beforehand, as
 * the user.
 */
#ifndef LAUNCHER_HUB_PLAN_H
#define LAUNCHER_HUB_PLAN_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/env.h"
#include "common/options.h"
#include "common/reason.h"
#include "launcher/settings.h"

enum hub_plan_mode {
	HUB_PLAN_NONE,
	HUB_PLAN_SPAWN, /* our spawner has submitted the job: it has a spawn id */
	HUB_PLAN_STOCK, /* batchspawner has: the job's environment has the server's token */
	HUB_PLAN_ADOPT	/* the user has, and names a hub, or the site does */
};

struct hub_plan {
	enum hub_plan_mode mode;
	char *url; /* as it was given; of HUB_PLAN_ADOPT perhaps without /hub/api */
	bool uid_known;
	uid_t uid;    /* of the hub, for which credentials are made */
	bool by_site; /* nobody but the site has named the hub */
};

struct hub_plan_given {
	const struct settings *settings;
	const struct options *options;
	const struct recipe *recipe; /* of the app; NULL: a bare kernel */
	const struct env *environment;
	const char *spawn_id, *hub_uid; /* as the job was given them, or NULL */
};

/*
 * 0, with an empty reason, or with why a hub that was named is not told (mode is HUB_PLAN_NONE
 * then); or -1 with a reason: the app needs a hub and there is none.  The caller clears *plan
 * after 0.
 */
int hub_plan_make(const struct hub_plan_given *given, struct hub_plan *plan,
		  struct reason *reason);
void hub_plan_clear(struct hub_plan *plan); /* accepts a zeroed struct */

/* "spawn", "stock", "adopt", as jupyter-hub-callback(8) has them; "none". */
const char *hub_plan_mode_name(enum hub_plan_mode mode);

/* The uid of hub_user: a name or a number.  -1 with a reason that names the setting. */
int hub_plan_uid(const char *hub_user, uid_t *uid, struct reason *reason);

#endif
