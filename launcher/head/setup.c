/* SPDX-License-Identifier: MIT */
/*
 * The head's set-up, in the order in which each part needs the one before: private directory
 * and record, ip:port, control plane, endpoint to jupyter-launch, and the app at last.  As the
 * user.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/lock.h"
#include "common/statedir.h"
#include "launcher/head/address.h"
#include "launcher/head/branches.h"
#include "launcher/head/head.h"
#include "launcher/head/commands.h"
#include "launcher/head/hub.h"
#include "launcher/head/kernel_app.h"
#include "launcher/head/kernel_host.h"
#include "launcher/head/run_app.h"
#include "launcher/head/token.h"
#include "launcher/head/workers.h"
#include "launcher/rendezvous.h"
#include "launcher/workers/kernel_choice.h"

int head_listen(struct head *head, unsigned *port, struct network **networks, size_t *count,
		struct reason *reason)
{
	const struct settings *settings = head->agent->settings;

	if (network_list_parse(settings->allow, networks, count, reason) < 0)
		return reason_prefix(reason, "allow of the site's settings");
	return relay_listen(head->ip, settings->port_first, settings->port_last, port, reason);
}

static int open_port(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	struct relay_options options = {.socket_path = head->socket_path};
	struct network *networks = NULL;
	unsigned port;
	int rc = -1, fd;

	if (address_choose(agent->settings->network, agent->node, head->ip, reason) < 0)
		return -1;
	if (head->run_app) /* which offers nothing to anybody */
		return 0;
	fd = head_listen(head, &port, &networks, &options.network_count, reason);
	if (fd < 0)
		goto out;
	options.networks = networks;
	snprintf(head->port, sizeof(head->port), "%u", port);
	if (kernel_is_app(&agent->options)) {
		rc = kernel_host_create(head, fd, port, networks, options.network_count,
					reason);
		if (rc == 0)
			rc = kernel_app_create(head, reason);
		goto out;
	}
	if (!(head->relay = relay_create(agent->loop, fd, &options))) {
		reason_set(reason, "relay: %s", strerror(errno));
		goto out;
	}
	rc = 0;
out:
	free(networks);
	return rc;
}

static void set_variables(struct head *head)
{
	const char *variables[] = {
		"socket",      head->socket_path,   "token_file", head->token_file,
		"root_dir",    head->root_dir,	    "ip",	  head->ip,
		"runtime_dir", head->runtime.path,  "port",	  head->port,
		"job_id",      head->agent->job_id, NULL,
	};
	memcpy(head->variables, variables, sizeof(variables));
}

/* "kernel:python3" of "kernel". */
static int set_app(struct head *head)
{
	const struct options *options = &head->agent->options;
	struct session *session = record_session(head->record);
	char app[sizeof("kernel:") + OPTIONS_NAME_MAX];

	if (head->run_app)
		return session_set(&session->app, "run") < 0
			       ? -1
			       : run_app_record(head->run_app, session);
	if (!head->kernel_app)
		return session_set(&session->app, options->app);
	snprintf(app, sizeof(app), "kernel:%s", kernel_app_spec(options));
	return session_set(&session->app, app);
}

/* recipe: NULL of a bare kernel, and of a notebook that is executed. */
static int fill_record(struct head *head, const struct recipe *recipe)
{
	struct session *session = record_session(head->record);
	bool is_v6 = strchr(head->ip, ':') != NULL;
	char *url = NULL, *log = NULL, *state = statedir_path(head->agent->job_id, NULL);

	session->port = (unsigned) atoi(head->port); /* 0: none */
	session->head_pid = getpid();
	if (!session->phases[PHASE_TRIGGERED])
		session->phases[PHASE_TRIGGERED] = head->agent->triggered;
	record_phase(head->record, PHASE_HEAD);
	int rc = (!head->run_app &&
		  asprintf(&url, "%s://%s%s%s:%s%s", recipe ? "http" : "kernel",
			   is_v6 ? "[" : "", head->ip, is_v6 ? "]" : "", head->port,
			   recipe ? recipe->url : "") < 0) ||
		 asprintf(&log, "%s/session.log",
			  head->state_fd == head->runtime.fd || !state ? head->runtime.path
								       : state) < 0 ||
		 session_set(&session->job_id, head->agent->job_id) < 0 ||
		 session_set(&session->step_id, head->agent->step_id) < 0 ||
		 set_app(head) < 0 || session_set(&session->url, url) < 0 ||
		 session_set(&session->ip, head->ip) < 0 ||
		 session_set(&session->head_node, head->agent->node) < 0 ||
		 session_set(&session->runtime_dir, head->runtime.path) < 0 ||
		 session_set(&session->log, log) < 0;
	free(url);
	free(log);
	free(state);
	return rc ? -1 : 0;
}

/*
 * Where sjupyter looks, if it can hold the token; else the private directory, and the user is
 * told. -1 only when another head of this job lives.
 */
static int open_state(struct head *head, struct reason *reason)
{
	const char *job_id = head->agent->job_id;

	head->state_fd = statedir_open(job_id, 1, reason);
	if (head->state_fd >= 0) {
		head->lock_fd = lock_take(head->state_fd, "head.lock");
		if (head->lock_fd < 0 && errno == EWOULDBLOCK)
			return reason_set(reason, "a session runs in job %s already", job_id);
		if (token_create(head->runtime.fd, head->state_fd) == 0)
			return 0;
		reason_set(reason, "the state directory's token: %s", strerror(errno));
		fd_close(&head->lock_fd);
		fd_close(&head->state_fd);
	}
	head->state_fd = head->runtime.fd;
	if (token_create(head->runtime.fd, -1) < 0)
		return reason_set(reason, "%s/token: %s", head->runtime.path, strerror(errno));
	head_say(head, "the session's record and token are on %s in %s: %s", head->agent->node,
		 head->runtime.path, reason->text);
	return 0;
}

/* What can fail before there is a record to tell it; the words go to the job's stderr by srun.
 */
int head_prepare(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;

	if (runtime_dir_create(&head->runtime, agent->settings->tmpdir, reason) < 0)
		return -1;
	/* Should we be killed, jupyter-sweep finds it by that, from now on. */
	if (runtime_dir_set_job(&head->runtime, agent->job_id, agent->node) < 0)
		return reason_set(reason, "%s/job: %s", head->runtime.path, strerror(errno));
	if (open_state(head, reason) < 0)
		return -1;
	head->log = session_log_create(head->state_fd, agent->settings->log_level,
				       agent->settings->log_max_bytes);
	if (!(head->record = record_create(agent->loop, head->state_fd, head->log)) ||
	    !(head->end_timer = loop_timer_create(agent->loop, head_finish_timer, head)) ||
	    asprintf(&head->socket_path, "%s/server.sock", head->runtime.path) < 0 ||
	    asprintf(&head->token_file, "%s/token", head->runtime.path) < 0)
		return reason_set(reason, "%s", strerror(errno));
	return 0;
}

static int find_root(struct head *head, struct reason *reason)
{
	const char *dir = head->agent->options.dir;

	if (!(head->root_dir = realpath(dir ? dir : ".", NULL)))
		return reason_set(reason, "%s%s: %s",
				  dir ? "--jupyter-dir=" : "working directory", dir ? dir : "",
				  strerror(errno));
	if (access(head->root_dir, R_OK | X_OK) < 0)
		return reason_set(reason, "%s%s: %s",
				  dir ? "--jupyter-dir=" : "working directory ", head->root_dir,
				  strerror(errno));
	return 0;
}

static int on_resize(const char *kind, unsigned count, unsigned *expected,
		     struct reason *reason, void *arg)
{
	return head_workers_resize(arg, kind, count, expected, reason);
}

static int on_kernels(unsigned *port, struct reason *reason, void *arg)
{
	return kernel_host_open(arg, port, reason);
}

static int open_commands(struct head *head, struct reason *reason)
{
	struct commands_callbacks callbacks = {on_resize, on_kernels, head};

	head->commands = commands_create(head->agent->loop, &head->runtime, &callbacks, reason);
	return head->commands ? 0 : -1;
}

int head_start(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	char app[OPTIONS_NAME_MAX];

	options_app_name(&agent->options, app);
	bool is_run = options_notebook(&agent->options) != NULL;
	bool has_recipe = !is_run && !kernel_is_app(&agent->options);
	const struct recipe *recipe =
		has_recipe ? settings_app(agent->settings, app, reason) : NULL;
	if (is_run && run_app_create(head, reason) < 0)
		return -1;
	if ((!recipe && has_recipe) || find_root(head, reason) < 0 ||
	    open_port(head, reason) < 0 || head_nodes_start(head, reason) < 0 ||
	    head_workers_create(head, reason) < 0 || open_commands(head, reason) < 0)
		return -1;
	if (fill_record(head, recipe) < 0)
		return reason_set(reason, "record: %s", strerror(errno));
	if ((head->branches && branches_announce(head->branches) < 0) ||
	    rendezvous_send_endpoint(STDOUT_FILENO, control_server_endpoint(head->control),
				     control_server_key(head->control)) < 0)
		return reason_set(reason, "stdout: %s", strerror(errno));
	set_variables(head);
	head->server_options = (struct server_options){
		.recipe = recipe,
		.variables = head->variables,
		.socket_path = head->socket_path,
		.directory = head->root_dir,
		.restarts_max = agent->settings->server_restarts_max,
		.log = head->log,
	};
	/* Asked now, so that its answer comes while all else is prepared. */
	if (head_hub_create(head, recipe, reason) < 0)
		return -1;
	record_write(head->record);
	return head_start_app(head, reason);
}
