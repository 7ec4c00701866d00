/* SPDX-License-Identifier: MIT */
/* See hub_plan.h. */
#include "launcher/hub_plan.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

const char *hub_plan_mode_name(enum hub_plan_mode mode)
{
	static const char *const names[] = {[HUB_PLAN_NONE] = "none",
					    [HUB_PLAN_SPAWN] = "spawn",
					    [HUB_PLAN_STOCK] = "stock",
					    [HUB_PLAN_ADOPT] = "adopt"};

	return names[mode];
}

void hub_plan_clear(struct hub_plan *plan)
{
	free(plan->url);
	*plan = (struct hub_plan){.mode = HUB_PLAN_NONE};
}

int hub_plan_uid(const char *hub_user, uid_t *uid, struct reason *reason)
{
	unsigned long number;
	const struct passwd *account;

	if (text_to_ulong(hub_user, 0, UINT32_MAX - 1, &number) == 0) {
		*uid = (uid_t) number;
		return 0;
	}
	account = getpwnam(hub_user);
	if (!account) {
		errno = ENOENT;
		return reason_set(reason,
				  "hub_user = %s (the [site] section of spank-jupyter.conf): "
				  "there is no such account on this host; give its uid",
				  hub_user);
	}
	*uid = account->pw_uid;
	return 0;
}

static const char *get(const struct env *environment, const char *name)
{
	const char *value = env_get(environment, name);

	return value && *value ? value : NULL;
}

/* The hub that was named, by the job's option or else the site; NULL: none. */
static const char *named(const struct hub_plan_given *given)
{
	const char *url = given->options->hub ? given->options->hub : given->settings->hub;

	return url && strcmp(url, "none") != 0 ? url : NULL;
}

static bool is_off(const struct hub_plan_given *given)
{
	return given->options->hub && !strcmp(given->options->hub, "none");
}

static int set_url(struct hub_plan *plan, enum hub_plan_mode mode, const char *url,
		   struct reason *reason)
{
	if (!(plan->url = strdup(url)))
		return reason_set(reason, "hub: %s", strerror(errno));
	plan->mode = mode;
	return 0;
}

static int take_uid(const struct hub_plan_given *given, struct hub_plan *plan,
		    struct reason *reason)
{
	unsigned long number;

	if (given->spawn_id && given->hub_uid &&
	    text_to_ulong(given->hub_uid, 0, UINT32_MAX - 1, &number) == 0) {
		plan->uid = (uid_t) number;
	} else if (!given->settings->hub_user) {
		errno = EINVAL;
		return reason_set(reason, "the hub's account is not known: set hub_user in the "
					  "[site] section of spank-jupyter.conf");
	} else if (hub_plan_uid(given->settings->hub_user, &plan->uid, reason) < 0) {
		return -1;
	}
	plan->uid_known = true;
	return 0;
}

static int plan_spawn(const struct hub_plan_given *given, struct hub_plan *plan,
		      struct reason *reason)
{
	const char *url = get(given->environment, "JUPYTERHUB_API_URL");

	if (!url)
		url = named(given);
	if (!url) {
		errno = EINVAL;
		return reason_set(reason, "the job has a spawn id, but neither "
					  "JUPYTERHUB_API_URL nor --jupyter-hub names the hub");
	}
	return take_uid(given, plan, reason) < 0 ? -1
						 : set_url(plan, HUB_PLAN_SPAWN, url, reason);
}

static int plan_adopt(const struct hub_plan_given *given, struct hub_plan *plan,
		      struct reason *reason)
{
	plan->by_site = !given->options->hub;
	if (!given->recipe) {
		errno = EINVAL;
		return reason_set(reason, "a bare kernel is no server that a hub could show: "
					  "give --jupyter=lab, notebook or server");
	}
	/* An app of the site's own, or one of a port: nothing that asks a hub who comes. */
	if (!given->recipe->hub && !given->recipe->jupyter_api) {
		errno = EINVAL;
		return reason_set(reason,
				  "the app %s is no Jupyter server, so no hub can show it",
				  given->recipe->name);
	}
	return take_uid(given, plan, reason) < 0
		       ? -1
		       : set_url(plan, HUB_PLAN_ADOPT, named(given), reason);
}

static int choose(const struct hub_plan_given *given, struct hub_plan *plan,
		  struct reason *reason)
{
	bool is_server = given->recipe && given->recipe->hub;

	if (is_off(given))
		return 0;
	if (is_server && given->spawn_id)
		return plan_spawn(given, plan, reason);
	if (is_server && get(given->environment, "JUPYTERHUB_API_TOKEN") &&
	    get(given->environment, "JUPYTERHUB_API_URL"))
		return set_url(plan, HUB_PLAN_STOCK,
			       get(given->environment, "JUPYTERHUB_API_URL"), reason);
	return named(given) ? plan_adopt(given, plan, reason) : 0;
}

int hub_plan_make(const struct hub_plan_given *given, struct hub_plan *plan,
		  struct reason *reason)
{
	bool is_server = given->recipe && given->recipe->hub;

	*plan = (struct hub_plan){.mode = HUB_PLAN_NONE};
	reason->text[0] = '\0';
	if (choose(given, plan, reason) == 0 && (plan->mode != HUB_PLAN_NONE || !is_server))
		return 0;
	hub_plan_clear(plan);
	if (!is_server) {
		/* The site's default is not for what no hub could show. */
		if (!given->options->hub && !(given->recipe && given->recipe->jupyter_api))
			reason->text[0] = '\0';
		return 0;
	}
	errno = EINVAL;
	if (reason->text[0])
		return reason_prefix(reason, "--jupyter=%s", given->recipe->name);
	return reason_set(reason,
			  "--jupyter=%s is a server of a JupyterHub, and there is none: no hub "
			  "has submitted this job, and no --jupyter-hub=URL names one; "
			  "give --jupyter=lab for a session of your own",
			  given->recipe->name);
}
