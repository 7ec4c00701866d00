/* SPDX-License-Identifier: MIT */
/*
 * How the session's hub begins: which it is, what the child is started with, and what the
 * server gets of the hub's.  See hub.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/head/hub_private.h"
#include "launcher/job_env.h"

/* The recipe of what a hub's login guards, whichever page it opens with. */
static const char singleuser[] = "singleuser";

/* Whatever else the child finds by itself would be another's, or the user's to break it with.
 */
static const char *const inherited[] = {"PATH",
					"HOME",
					"LANG",
					"LC_ALL",
					"TZ",
					"MUNGE_SOCKET",
					"SSL_CERT_FILE",
					"SSL_CERT_DIR",
					"SLURM_SUBMIT_HOST",
					NULL};

static int set(struct env *environment, const char *name, const char *value)
{
	return value ? env_set(environment, name, value) : 0;
}

static int make_environment(struct hub *hub, const char *spawn_id)
{
	const struct agent *agent = hub->head->agent;
	const char *name;
	json_t *value;

	if (!(hub->child_environment = env_create(NULL)))
		return -1;
	for (size_t i = 0; inherited[i]; i++)
		if (set(hub->child_environment, inherited[i],
			env_get(agent->environment, inherited[i])) < 0)
			return -1;
	/* Of the server's own token and keys the child makes use where batchspawner gave them.
	 */
	if (hub->plan.mode == HUB_PLAN_STOCK)
		json_object_foreach(hub->environment, name, value)
		{
			if (set(hub->child_environment, name, json_string_value(value)) < 0)
				return -1;
		}
	return hub->plan.mode == HUB_PLAN_SPAWN
		       ? set(hub->child_environment, "SPANK_JUPYTER_SPAWN_ID", spawn_id)
		       : 0;
}

static int add(struct hub *hub, size_t *count, const char *option, const char *value)
{
	if (asprintf(&hub->argv[*count], "%s%s", option, value) < 0) {
		hub->argv[*count] = NULL;
		return -1;
	}
	(*count)++;
	return 0;
}

static int make_arguments(struct hub *hub)
{
	const struct session *session = record_session(hub->head->record);
	const char *cluster = session->cluster;
	char number[24];
	size_t count = 0;

	if (!cluster)
		cluster = env_get(hub->head->agent->environment, "SLURM_CLUSTER_NAME");
	if (add(hub, &count, "jupyter-hub-callback", "") < 0 ||
	    add(hub, &count, "run", "") < 0 ||
	    add(hub, &count, "--mode=", hub_plan_mode_name(hub->plan.mode)) < 0 ||
	    add(hub, &count, "--hub=", hub->plan.url) < 0 ||
	    add(hub, &count, "--job=", hub->head->agent->job_id) < 0 ||
	    (session->user && add(hub, &count, "--user=", session->user) < 0) ||
	    (cluster && add(hub, &count, "--cluster=", cluster) < 0))
		return -1;
	snprintf(number, sizeof(number), "%u", session->restart);
	if (add(hub, &count, "--restart=", number) < 0)
		return -1;
	snprintf(number, sizeof(number), "%u", (unsigned) hub->plan.uid);
	if (hub->plan.uid_known && add(hub, &count, "--hub-uid=", number) < 0)
		return -1;
	/* How long the first answer may take is ours to say; a hub that is away for hours is
	 * told of the server when it is back. */
	return add(hub, &count, "--deadline=", "86400");
}

void hub_clear(struct hub *hub)
{
	for (size_t i = 0; i < HUB_ARGUMENTS_MAX; i++)
		free(hub->argv[i]);
	env_destroy(hub->child_environment);
	json_decref(hub->environment);
	hub_place_clear(&hub->place);
	hub_plan_clear(&hub->plan);
	free(hub->own_url);
	free(hub->api);
	free(hub->token_file);
	free(hub->status);
}

static int begin(struct hub *hub, const char *spawn_id, struct reason *reason)
{
	struct session *session = record_session(hub->head->record);

	if (make_environment(hub, spawn_id) < 0 || make_arguments(hub) < 0 ||
	    asprintf(&hub->token_file, "%s/" HUB_ENVIRONMENT_TOKEN, hub->head->runtime.path) <
		    0 ||
	    session_set(&session->hub_url, hub->plan.url) < 0 ||
	    session_set(&session->hub_mode, hub_plan_mode_name(hub->plan.mode)) < 0)
		return reason_set(reason, "hub: %s", strerror(errno));
	hub->child_options = (struct hub_child_options){
		.program = PKGLIBEXECDIR "/jupyter-hub-callback",
		.argv = hub->argv,
		.environment = env_vector(hub->child_environment),
	};
	return hub_begin(hub, reason);
}

/* A record that jupyter-launch began, or an earlier run of the job has left. */
static void forget(struct head *head)
{
	struct session *session = record_session(head->record);

	session_set(&session->hub_url, NULL);
	session_set(&session->hub_mode, NULL);
	session_set(&session->hub_state, NULL);
	session_set(&session->hub_reason, NULL);
}

/* The session goes on without it, and says so. */
static void refuse(struct head *head, const char *words)
{
	struct session *session = record_session(head->record);

	session_set(&session->hub_state, "refused");
	session_set(&session->hub_reason, words);
	head_say(head, "not in the hub: %s", words);
}

int head_hub_create(struct head *head, const struct recipe *recipe, struct reason *reason)
{
	struct agent *agent = head->agent;
	const struct hub_plan_given given = {
		.settings = agent->settings,
		.options = &agent->options,
		.recipe = recipe,
		.environment = agent->environment,
		.spawn_id = agent->spawn_id,
		.hub_uid = agent->hub_uid,
	};
	struct hub_plan plan;
	struct hub *hub;

	forget(head);
	if (hub_plan_make(&given, &plan, reason) < 0)
		return -1;
	if (plan.mode == HUB_PLAN_NONE) {
		if (reason->text[0])
			refuse(head, reason->text);
		return 0;
	}
	if (!(hub = head->hub = calloc(1, sizeof(*hub)))) {
		hub_plan_clear(&plan);
		return reason_set(reason, "hub: %s", strerror(errno));
	}
	*hub = (struct hub){.head = head, .plan = plan, .app = recipe};
	if (plan.mode == HUB_PLAN_STOCK &&
	    !(hub->environment = hub_environment_take(agent->environment)))
		return reason_set(reason, "hub: %s", strerror(errno));
	if (begin(hub, agent->spawn_id, reason) == 0)
		return 0;
	if (recipe->hub)
		return -1;
	refuse(head, reason->text);
	head_hub_destroy(head);
	return 0;
}

/* The token in the user's state directory would open nothing. */
static void drop_token(struct head *head)
{
	unlinkat(head->state_fd, "token", 0);
	unlinkat(head->runtime.fd, "token", 0);
}

/* Where people find it, and where the server answers the head. */
static int take_place(struct hub *hub, struct reason *reason)
{
	struct head *head = hub->head;
	struct session *session = record_session(head->record);
	const struct recipe *recipe = head->server_options.recipe;
	bool is_v6 = strchr(head->ip, ':') != NULL;
	char *url = NULL;

	if (!hub->own_url && session->url && !(hub->own_url = strdup(session->url)))
		return reason_set(reason, "hub: %s", strerror(errno));
	if (hub->place.url) {
		session_set(&session->url, hub->place.url);
	} else if (asprintf(&url, "%s://%s%s%s:%s%s/", hub->place.tls ? "https" : "http",
			    is_v6 ? "[" : "", head->ip, is_v6 ? "]" : "", head->port,
			    hub->place.base) >= 0) {
		session_set(&session->url, url);
		free(url);
	}
	if (recipe->jupyter_api &&
	    asprintf(&hub->api, "%s%s", hub->place.base, recipe->jupyter_api) < 0) {
		hub->api = NULL;
		return reason_set(reason, "hub: %s", strerror(errno));
	}
	head->server_options.base = hub->place.base;
	head->server_options.tls = hub->place.tls;
	/* JupyterHub's server gives up when the hub is away while it starts. */
	head->server_options.patient = true;
	return 0;
}

/* A session of the user's own that a hub would have is not to fail for want of JupyterHub's
 * server: whether it is there shows after --jupyter-init. */
static bool can_serve(struct hub *hub, const struct recipe *recipe, struct env *server)
{
	struct reason reason;
	char *program;

	if (hub->app->hub)
		return true;
	program = recipe_program(recipe, env_get(server, "PATH"), &reason);
	if (!program)
		hub_give_up(hub, reason.text);
	free(program);
	return program != NULL;
}

int head_hub_environment(struct head *head, struct env *server, struct reason *reason)
{
	struct hub *hub = head->hub;

	if (!hub || hub->without)
		return 0;
	const struct recipe *recipe =
		hub->app->hub ? hub->app
			      : settings_app(head->agent->settings, singleuser, reason);
	if (!recipe)
		return reason_prefix(reason, "for the hub");
	if (!can_serve(hub, recipe, server))
		return 0;
	bool adopts = hub->plan.mode == HUB_PLAN_ADOPT;
	const struct hub_environment_options options = {
		.runtime_fd = head->runtime.fd,
		.runtime_path = head->runtime.path,
		.root_dir = head->root_dir,
		.own_root = adopts || head->agent->options.dir,
		.default_url =
			hub->app->hub || !strcmp(hub->app->url, "/") ? NULL : hub->app->url,
		.hub_url = adopts ? hub->plan.url : NULL,
	};
	if (hub_environment_apply(hub->environment, &options, server, &hub->place, reason) < 0)
		return -1;
	head->server_options.recipe = recipe;
	hub->guards = true;
	drop_token(head);
	return take_place(hub, reason);
}
