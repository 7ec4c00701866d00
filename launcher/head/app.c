/* SPDX-License-Identifier: MIT */
/*
 * The app of the session as the head runs it: the user's init file first, then what the workers
 * need, then the server, its crashes and its end, and when the job ends.  As the user.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/text.h"
#include "launcher/agent/memory.h"
#include "launcher/agent/init_change.h"
#include "launcher/head/environment.h"
#include "launcher/head/head.h"
#include "launcher/head/hub.h"
#include "launcher/head/kernel_app.h"
#include "launcher/head/kernel_host.h"
#include "launcher/head/run_app.h"
#include "launcher/head/workers.h"

static void on_end_known(time_t end, void *arg)
{
	struct head *head = arg;

	record_session(head->record)->job_end_time = (double) end;
	record_changed(head->record);
}

static void on_warn(time_t end, void *arg)
{
	struct head *head = arg;
	char left[24], when[16];
	struct tm local;
	time_t seconds = end - time(NULL);

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&end, &local));
	head_say(head, "the job ends in %s, at %s: save your work",
		 text_from_seconds(seconds > 0 ? seconds : 0, left, sizeof(left)), when);
	if (!head->ending)
		head_documents_warn(head, end);
}

/* Not before the server answers: squeue would take its processor time. */
static void watch_job_end(struct head *head)
{
	struct agent *agent = head->agent;
	struct job_end_options options = {
		.job_id = agent->job_id,
		.environment = agent->environment,
		.warn_s = agent->options.warn_s != OPTIONS_TIME_UNSET
				  ? agent->options.warn_s
				  : agent->settings->warn_default_s,
	};
	struct job_end_callbacks callbacks = {on_end_known, on_warn, head};

	if (!head->job_end &&
	    !(head->job_end = job_end_create(agent->loop, &options, &callbacks)))
		head_log(head, LOG_WARNING, "the job's end is not known: %s", strerror(errno));
}

static void on_idle(void *arg)
{
	struct head *head = arg;

	/* What a bare kernel computes the server does not know. */
	if (kernel_host_alive(head) > 0) {
		idle_go_on(head->idle);
		return;
	}
	head_say(head,
		 "the session has had no work for as long as --jupyter-idle allows: it ends");
	head_end_in_order(head, "without work for as long as --jupyter-idle allows");
}

/* What was asked for, within what the site allows. */
static long idle_limit(const struct agent *agent)
{
	const struct settings *settings = agent->settings;
	long limit = agent->options.idle_s;

	if (limit == OPTIONS_TIME_UNSET)
		limit = settings->idle_default_s;
	if (settings->idle_max_s && (!limit || limit > settings->idle_max_s))
		limit = settings->idle_max_s;
	return limit;
}

static void watch_idle(struct head *head)
{
	long limit = idle_limit(head->agent);

	if (head->kernel_app || head->run_app) {
		if (limit && head->kernel_app)
			head_say(head, "--jupyter-idle does not hold for a bare kernel: the "
				       "session ends with it or with the job");
		return;
	}
	struct idle_options options = {
		.limit_s = limit,
		.api = head_hub_guards(head) ? head_hub_api(head)
					     : head->server_options.recipe->jupyter_api,
		.socket_path = head->socket_path,
		.token_file =
			head_hub_guards(head) ? head_hub_token_file(head) : head->token_file,
		.relay = head->relay,
		.work = head_workers_busy,
		.work_arg = head,
	};

	if (!options.limit_s || head->idle)
		return;
	if (!(head->idle = idle_create(head->agent->loop, &options, on_idle, head)))
		head_log(head, LOG_WARNING, "--jupyter-idle: %s", strerror(errno));
}

void head_app_spawned(void *arg)
{
	struct head *head = arg;

	record_phase(head->record, PHASE_SPAWNED);
	record_changed(head->record);
}

void head_app_serving(void *arg)
{
	struct head *head = arg;

	if (head->ending)
		return;
	head->serving = true;
	if (head->relay)
		relay_backend(head->relay, true);
	record_phase(head->record, PHASE_SERVING);
	head_hub_serving(head);
	head_update(head);
	watch_job_end(head);
	watch_idle(head);
	memory_settle();
}

void head_app_restarting(const char *reason, void *arg)
{
	struct head *head = arg;
	struct session *session = record_session(head->record);

	head->serving = false;
	/* It has died while pages saved, whose answer is waited for no more. */
	if (head->ending)
		return;
	if (head->relay)
		relay_backend(head->relay, false);
	session->server_restarts = head->kernel_app ? kernel_app_restarts(head->kernel_app)
						    : server_restarts(head->server);
	session->state = SESSION_STARTING;
	session_set(&session->reason, reason);
	record_write(head->record);
	head_hub_status(head);
	head_say(head, "%s; starting it again", reason);
}

static int start_server(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	struct server_callbacks callbacks = {
		.spawned = head_app_spawned,
		.serving = head_app_serving,
		.restarting = head_app_restarting,
		.ended = head_app_ended,
		.arg = head,
	};

	/* The server's own, since workers begin with the job's. */
	env_destroy(head->server_environment);
	head->server_environment = env_create(env_vector(agent->environment));
	if (!head->server_environment)
		return reason_set(reason, "server: %s", strerror(errno));
	if (head_workers_environment(head, head->server_environment, reason) < 0)
		return -1;
	if (agent->options.workers && environment_write(head->runtime.fd, agent->environment,
							head->server_environment) < 0)
		head_log(head, LOG_WARNING, "for sjupyter env: %s", strerror(errno));
	if (head->kernel_app)
		return kernel_app_start(head->kernel_app, reason);
	if (head->run_app)
		return run_app_start(head->run_app, reason);
	if (head_hub_environment(head, head->server_environment, reason) < 0)
		return -1;
	head->server_options.environment = head->server_environment;
	if (!(head->server = server_create(agent->loop, &head->server_options, &callbacks)))
		return reason_set(reason, "server: %s", strerror(errno));
	return server_start(head->server, reason);
}

/* A session of the user's own does not fail because the hub's part does: 1 when it had left the
 * hub before or was in none, else as start_server(), whose reason this was. */
static int start_without_hub(struct head *head, const char *why, struct reason *reason)
{
	if (head->ending || !head_hub_leave(head, why))
		return 1;
	server_destroy(head->server);
	head->server = NULL;
	return start_server(head, reason);
}

void head_app_ended(bool in_order, const char *reason, void *arg)
{
	struct head *head = arg;
	struct reason later;
	int rc = 1;

	/* One that crashes after it has served does so without a hub, too. */
	if (!in_order && !head->serving)
		rc = start_without_hub(head, reason, &later);
	if (rc == 0)
		return;
	if (!head->ending)
		head_begin_end(head, in_order ? SESSION_ENDED : SESSION_FAILED,
			       rc < 0 ? later.text : reason);
	head_end_members(head);
}

void head_prepared(struct head *head)
{
	struct reason reason, later;
	int rc;

	head->prepared = true;
	if (head->ending || head_hub_is_awaited(head))
		return;
	rc = start_server(head, &reason);
	if (rc < 0 && (rc = start_without_hub(head, reason.text, &later)) < 0)
		reason = later;
	if (rc != 0)
		head_fail(head, reason.text);
	else
		head_workers_start(head);
}

void head_hub_decided(struct head *head)
{
	if (head->prepared)
		head_prepared(head);
}

static void on_init_done(struct env *environment, const char *why, void *arg)
{
	struct head *head = arg;

	if (!environment) {
		head_fail(head, why);
		return;
	}
	head->agent->before_init = head->agent->environment;
	head->agent->environment = environment;
	if (head->agent->options.workers &&
	    init_change_write(head->runtime.fd, head->agent->before_init, environment) < 0)
		head_log(head, LOG_WARNING, "what --jupyter-init has changed: %s",
			 strerror(errno));
	head_workers_begin(head);
}

/* The file and the server's root may be given relative to where the job began. */
int head_start_app(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;

	if (!agent->options.init) {
		head_workers_begin(head);
		return 0;
	}
	struct init_file_options options = {
		.path = agent->options.init,
		.environment = agent->environment,
		.timeout_s = agent->settings->init_timeout_s,
		.err = STDERR_FILENO,
	};
	head->init = init_file_start(agent->loop, &options, on_init_done, head, reason);
	return head->init ? 0 : -1;
}
