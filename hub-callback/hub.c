/* SPDX-License-Identifier: MIT */
/* See hub.h. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/options.h"
#include "common/text.h"
#include "hub-callback/hub.h"

static const char *const mode_names[] = {"spawn", "stock", "adopt"};
static const char *const action_names[HUB_ACTIONS] = {"environment", "adopt",	 "serving",
						      "status",	     "activity", "ended"};

static int name_find(const char *const names[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return (int) i;
	errno = EINVAL;
	return -1;
}

const char *hub_mode_name(enum hub_mode mode)
{
	return mode_names[mode];
}

int hub_mode_parse(const char *name, enum hub_mode *mode)
{
	int found = name_find(mode_names, HUB_ADOPT + 1, name);

	if (found < 0)
		return -1;
	*mode = (enum hub_mode) found;
	return 0;
}

const char *hub_action_name(enum hub_action action)
{
	return action_names[action];
}

int hub_action_parse(const char *name, enum hub_action *action)
{
	int found = name_find(action_names, HUB_ACTIONS, name);

	if (found < 0)
		return -1;
	*action = (enum hub_action) found;
	return 0;
}

bool hub_action_allowed(enum hub_mode mode, enum hub_action action)
{
	if (action == HUB_ENVIRONMENT)
		return mode == HUB_SPAWN;
	if (action == HUB_ADOPTION)
		return mode == HUB_ADOPT;
	return true;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t size = strlen(end);

	return length >= size && !memcmp(text + length - size, end, size);
}

char *hub_api_url(enum hub_mode mode, const char *given, struct reason *reason)
{
	struct options options;
	const char *more = "";
	size_t length = strlen(given);
	char *url;
	int rc;

	/* The grammar of the option, which knows no user names, queries and fragments. */
	options_init(&options);
	rc = options_set(&options, "jupyter-hub", given, reason);
	options_clear(&options);
	if (rc < 0 || !strcmp(given, "none")) {
		if (rc < 0 && errno == ENOMEM)
			reason_set(reason, "%s", strerror(errno));
		else if (rc < 0)
			errno = EINVAL;
		else
			reason_set(reason, "--hub is none: there is no hub to tell");
		if (rc == 0)
			errno = EINVAL;
		return NULL;
	}
	while (length > 0 && given[length - 1] == '/')
		length--;
	if (mode == HUB_ADOPT && !ends_with(given, length, "/hub/api"))
		more = ends_with(given, length, "/hub") ? "/api" : "/hub/api";
	if (length + strlen(more) >= HUB_URL_MAX) {
		errno = EINVAL;
		reason_set(reason, "the hub's URL has %zu bytes, allowed are %d", length,
			   HUB_URL_MAX - 1 - (int) strlen("/hub/api"));
		return NULL;
	}
	if (asprintf(&url, "%.*s%s", (int) length, given, more) < 0) {
		reason_set(reason, "%s", strerror(ENOMEM));
		errno = ENOMEM;
		return NULL;
	}
	return url;
}

static int missing(const struct hub_identity *identity, const char *what, const char *form,
		   struct reason *reason)
{
	errno = EINVAL;
	return reason_set(reason, "--mode=%s needs %s: %s", mode_names[identity->mode], what,
			  form);
}

/* What goes into a header or a record as it is: printable ASCII without a space. */
static bool is_secret(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return length > 0 && length < HUB_SECRET_MAX;
}

static bool is_words(const char *text)
{
	return text && *text && strlen(text) < HUB_NAME_MAX && text_printable(text);
}

int hub_identity_check(const struct hub_identity *identity, struct reason *reason)
{
	unsigned long job;

	if (identity->token && !is_secret(identity->token))
		return missing(identity, "JUPYTERHUB_API_TOKEN",
			       "as it is set it is not a token: printable ASCII without spaces",
			       reason);
	if (identity->mode == HUB_STOCK)
		return identity->token
			       ? 0
			       : missing(identity, "JUPYTERHUB_API_TOKEN",
					 "batchspawner knows the server by its token", reason);
	if (identity->mode == HUB_SPAWN && !is_secret(identity->spawn_id))
		return missing(identity, "SPANK_JUPYTER_SPAWN_ID", "the spawn's id", reason);
	if (!identity->hub_uid_known)
		return missing(identity, "--hub-uid",
			       "the uid of the hub, for which credentials are made; set "
			       "hub_user in [site] of spank-jupyter.conf to the hub's account",
			       reason);
	if (!is_words(identity->user))
		return missing(identity, "--user", "the job user's name", reason);
	if (!is_words(identity->cluster))
		return missing(identity, "--cluster", "the name of the Slurm cluster", reason);
	if (!identity->job_id || text_to_ulong(identity->job_id, 1, UINT32_MAX, &job) < 0 ||
	    identity->job_id[0] == '0')
		return missing(identity, "--job", "the number of the job", reason);
	return 0;
}
