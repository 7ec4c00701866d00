/* SPDX-License-Identifier: MIT */
/*
 * The head: the agent of rank 0.  Owns ip:port, admits the other agents, keeps the app's
 * server, writes the session record, and ends all of it in order.  Here are its states and its
 * end; the set-up is in setup.c, the app in app.c, the nodes in nodes.c.  As the user.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/head/head.h"
#include "launcher/rendezvous.h"

enum {
	/* For the server to end by itself. Slurm's KillWait is 30 s by default and 5 s at
	 * least; the record says "draining" from the first moment, should that be less. */
	SERVER_GRACE_MS = 20000,
	/* For the members to end when told to. */
	MEMBERS_GRACE_MS = 2000
};

static void describe_missing(struct head *head, char *text, size_t size)
{
	struct session *session = record_session(head->record);
	size_t used = 0, told = 0;

	for (size_t i = 0; i < session->node_count; i++) {
		if (strcmp(session->nodes[i].state, "lost"))
			continue;
		if (told++ == 8) {
			snprintf(text + used, size - used, " and %zu more",
				 head->nodes_lost - 8);
			break;
		}
		int more = snprintf(text + used, size - used, "%s%s", used ? ", " : "",
				    session->nodes[i].name);
		used += more > 0 && (size_t) more < size - used ? (size_t) more : 0;
	}
}

void head_update(struct head *head)
{
	struct session *session = record_session(head->record);
	enum session_state state = SESSION_STARTING;
	char missing[256] = "", reason[320];

	if (head->ending)
		return;
	if (head->serving && head->nodes_lost) {
		state = SESSION_DEGRADED;
		describe_missing(head, missing, sizeof(missing));
		snprintf(reason, sizeof(reason), "nodes without an agent: %s", missing);
		session_set(&session->reason, reason);
	} else if (head->serving) {
		state = head->nodes_up == head->agent->ranks ? SESSION_READY : SESSION_SERVING;
		session_set(&session->reason, NULL);
	}
	if (state == session->state)
		return;
	session->state = state;
	if (state == SESSION_READY)
		record_phase(head->record, PHASE_READY);
	record_write(head->record);
	if (state == SESSION_READY && !head->announced) {
		head->announced = true;
		double seconds =
			session->phases[PHASE_READY] - session->phases[PHASE_TRIGGERED];
		if (head->state_fd != head->runtime.fd)
			head_say(head,
				 "ready after %.1f s at %s: `sjupyter url %s` shows the whole "
				 "URL",
				 seconds, session->url, head->agent->job_id);
		else
			head_say(head, "ready after %.1f s at %s: the token is in %s on %s",
				 seconds, session->url, head->token_file, head->agent->node);
	} else if (state == SESSION_DEGRADED) {
		head_say(head, "serving at %s, but %s", session->url, reason);
	}
}

static void finish(struct head *head)
{
	struct session *session = record_session(head->record);

	session->state = head->final_state;
	record_phase(head->record, PHASE_ENDED);
	record_write(head->record);
	loop_stop(head->agent->loop);
}

void head_finish_timer(void *arg)
{
	finish(arg);
}

void head_member_gone(struct head *head)
{
	if (head->end_timer && head_nodes_all_gone(head) && !head->server)
		finish(head);
}

/* Everything of ours on this node has ended: the members may go, then we. */
void head_end_members(struct head *head)
{
	server_destroy(head->server);
	head->server = NULL;
	if (head->control)
		head_nodes_stop(head);
	loop_timer_set(head->end_timer, head_nodes_all_gone(head) ? 0 : MEMBERS_GRACE_MS);
}

void head_begin_end(struct head *head, enum session_state final_state, const char *reason)
{
	struct session *session = record_session(head->record);

	if (head->ending)
		return;
	head->ending = true;
	head->final_state = final_state;
	head->status = final_state == SESSION_FAILED;
	session->state = SESSION_DRAINING;
	session_set(&session->reason, reason);
	record_phase(head->record, PHASE_DRAINING);
	record_write(head->record);
	if (head->relay)
		relay_backend(head->relay, false);
	if (final_state == SESSION_FAILED)
		head_say(head, "the session failed: %s (sjupyter log %s shows more)", reason,
			 head->agent->job_id);
	else
		head_log(head, LOG_INFO, "ending: %s", reason);
}

void head_fail(struct head *head, const char *reason)
{
	head_begin_end(head, SESSION_FAILED, reason);
	head_end_members(head);
}

void head_end_in_order(struct head *head, const char *reason)
{
	if (head->ending)
		return;
	head_begin_end(head, SESSION_ENDED, reason);
	init_file_destroy(head->init);
	head->init = NULL;
	if (head->server)
		server_stop(head->server, SERVER_GRACE_MS);
	else
		head_end_members(head);
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
	server_destroy(head->server);
	init_file_destroy(head->init);
	control_server_destroy(head->control);
	relay_destroy(head->relay);
	job_end_destroy(head->job_end);
	idle_destroy(head->idle);
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
