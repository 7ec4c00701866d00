/* SPDX-License-Identifier: MIT */
/*
 * The head: the agent of rank 0.  Owns ip:port, admits the other agents, keeps the app's
 * server and the workers, writes the session record, and ends all of it in order.  Here is its
 * end; its states are in state.c, the set-up is in setup.c, the app in app.c, the nodes in
 * nodes.c.  As the user.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/head/branches.h"
#include "launcher/head/commands.h"
#include "launcher/head/head.h"
#include "launcher/head/hub.h"
#include "launcher/head/kernel_app.h"
#include "launcher/head/kernel_host.h"
#include "launcher/head/run_app.h"
#include "launcher/head/workers.h"
#include "launcher/rendezvous.h"

enum {
	/* For the server to end by itself. Slurm's KillWait is 30 s by default and 5 s at
	 * least; the record says "draining" from the first moment, should that be less. */
	SERVER_GRACE_MS = 20000,
	/* For workers to end, on all nodes at once, since Slurm's KillWait may be nearly over:
	 * what they compute is lost either way. */
	WORKERS_GRACE_MS = 3000,
	/* For the members to end when told to, once their workers have. */
	MEMBERS_GRACE_MS = 2000
};

static void stop(void *arg)
{
	struct head *head = arg;

	record_write(head->record);
	loop_stop(head->agent->loop);
}

static void finish(struct head *head)
{
	struct session *session = record_session(head->record);

	/* Once: the hub's last word may still be out. */
	if (session_state_final(session->state))
		return;
	/* Whoever waits for the final record may be the batch script, with whose end Slurm
	 * kills what is left of the job, and us: nothing may be left then. */
	if (head->state_fd != head->runtime.fd)
		runtime_dir_destroy(&head->runtime);
	session->state = head->final_state;
	record_phase(head->record, PHASE_ENDED);
	record_write(head->record);
	if (!head_hub_end(head, stop))
		stop(head);
}

void head_finish_timer(void *arg)
{
	finish(arg);
}

/* Server, workers and members end; whoever is the last calls this. */
static void finish_when_gone(struct head *head)
{
	if (head->end_timer && !head->server && head->ending_members &&
	    head_nodes_all_gone(head) && head_workers_have_stopped(head))
		loop_timer_set(head->end_timer, 0);
}

void head_member_gone(struct head *head)
{
	finish_when_gone(head);
}

void head_workers_gone(struct head *head)
{
	finish_when_gone(head);
}

/* The server has ended, whose kernels use the workers: all others may go, at the same time,
 * then we. */
void head_end_members(struct head *head)
{
	save_destroy(head->save);
	head->save = NULL;
	server_destroy(head->server);
	head->server = NULL;
	kernel_host_end(head);
	run_app_end(head->run_app);
	head->ending_members = true;
	loop_timer_set(head->end_timer,
		       MEMBERS_GRACE_MS + (head->workers ? WORKERS_GRACE_MS : 0));
	if (head->control)
		head_nodes_stop(head);
	head_workers_stop(head, WORKERS_GRACE_MS);
	finish_when_gone(head);
}

static void begin_end(struct head *head, enum session_state final_state, const char *reason)
{
	struct session *session = record_session(head->record);

	head->ending = true;
	head->final_state = final_state;
	head->status = final_state == SESSION_FAILED;
	session->state = SESSION_DRAINING;
	session_set(&session->reason, reason);
	record_phase(head->record, PHASE_DRAINING);
	record_write(head->record);
	head_hub_status(head);
	if (final_state == SESSION_FAILED)
		head_say(head, "the session failed: %s (sjupyter log %s shows more)", reason,
			 head->agent->job_id);
	else
		head_log(head, LOG_INFO, "ending: %s", reason);
}

static void close_relay(struct head *head)
{
	if (head->relay)
		relay_backend(head->relay, false);
}

void head_begin_end(struct head *head, enum session_state final_state, const char *reason)
{
	if (head->ending)
		return;
	begin_end(head, final_state, reason);
	close_relay(head);
}

void head_fail(struct head *head, const char *reason)
{
	head_begin_end(head, SESSION_FAILED, reason);
	head_end_members(head);
}

void head_end_app(struct head *head)
{
	close_relay(head);
	if (head->server) {
		kernel_host_stop(head, SERVER_GRACE_MS);
		server_stop(head->server, SERVER_GRACE_MS);
	} else if (!kernel_app_stop(head->kernel_app, SERVER_GRACE_MS) &&
		   !run_app_stop(head->run_app, SERVER_GRACE_MS)) {
		head_end_members(head);
	}
}

void head_end_in_order(struct head *head, const char *reason)
{
	struct reason interrupted;

	if (head->ending)
		return;
	if (run_app_interrupted(head->run_app, reason, &interrupted))
		begin_end(head, SESSION_FAILED, interrupted.text);
	else
		begin_end(head, SESSION_ENDED, reason);
	init_file_destroy(head->init);
	head->init = NULL;
	/* Until then the pages reach the server through the relay. */
	if (!head_documents_end(head))
		head_end_app(head);
}

static void on_signal(int signo, void *arg)
{
	char reason[128];

	snprintf(reason, sizeof(reason),
		 "told to end by SIG%s: sjupyter stop, scancel, or the end of the job",
		 sigabbrev_np(signo));
	head_end_in_order(arg, reason);
}

static void destroy(struct head *head)
{
	head_hub_destroy(head);
	head_workers_destroy(head);
	server_destroy(head->server);
	commands_destroy(head->commands);
	kernel_host_destroy(head);
	kernel_app_destroy(head->kernel_app);
	run_app_destroy(head->run_app);
	init_file_destroy(head->init);
	control_server_destroy(head->control);
	branches_destroy(head->branches);
	relay_destroy(head->relay);
	job_end_destroy(head->job_end);
	idle_destroy(head->idle);
	save_destroy(head->save);
	loop_timer_destroy(head->nodes_deadline);
	loop_timer_destroy(head->end_timer);
	record_destroy(head->record);
	session_log_destroy(head->log);
	if (head->state_fd != head->runtime.fd)
		fd_close(&head->state_fd);
	fd_close(&head->lock_fd);
	runtime_dir_destroy(&head->runtime);
	free(head->socket_path);
	free(head->token_file);
	free(head->root_dir);
	env_destroy(head->server_environment);
}

int head_run(struct agent *agent)
{
	struct head head = {
		.agent = agent, .state_fd = -1, .lock_fd = -1, .runtime = {.fd = -1}};
	struct reason reason;
	int signals[] = {SIGTERM, SIGINT, SIGHUP};

	signal(SIGPIPE, SIG_IGN);
	if (head_prepare(&head, &reason) < 0) {
		head_say(&head, "no session: %s", reason.text);
		head.status = 1;
		goto out;
	}
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		loop_signal_add(agent->loop, signals[i], on_signal, &head);
	if (head_start(&head, &reason) < 0)
		head_fail(&head, reason.text);
	if (loop_run(agent->loop) < 0)
		head.status = 1;
out:
	rendezvous_send_end(STDOUT_FILENO);
	destroy(&head);
	return head.status;
}
