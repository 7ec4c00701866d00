/* SPDX-License-Identifier: MIT */
/*
 * The agents of the job's nodes as the head sees them: who has joined, who is missing, who was
 * lost.  As the user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hostlist.h"
#include "launcher/head/branches.h"
#include "launcher/head/head.h"
#include "launcher/head/workers.h"

enum { NODES_DEADLINE_MS = 60000 /* srun starts all tasks within seconds, also of 1,000 */ };

static void set_state(struct session_node *node, const char *state)
{
	snprintf(node->state, sizeof(node->state), "%s", state);
}

static struct session_node *node_of(struct head *head, size_t rank)
{
	return &record_session(head->record)->nodes[rank];
}

static void up(struct head *head, size_t rank)
{
	struct session_node *node = node_of(head, rank);

	if (!strcmp(node->state, "lost"))
		head->nodes_lost--;
	if (strcmp(node->state, "up"))
		head->nodes_up++;
	set_state(node, "up");
	if (head->nodes_up == head->agent->ranks)
		record_phase(head->record, PHASE_NODES);
	record_changed(head->record);
	head_update(head);
}

static void on_joined(size_t rank, const char *name, void *arg)
{
	struct head *head = arg;

	head_log(head, LOG_INFO, "%s has joined", name);
	head_workers_joined(head, rank);
	up(head, rank);
}

static void on_lost(size_t rank, const char *name, const char *reason, void *arg)
{
	struct head *head = arg;
	struct session_node *node = node_of(head, rank);

	if (strcmp(node->state, "up"))
		return;
	head->nodes_up--;
	/* One that goes because it was told to is not lost. */
	if (head->ending) {
		head_member_gone(head);
		return;
	}
	head->nodes_lost++;
	set_state(node, "lost");
	record_changed(head->record);
	head_say(head, "node %s is lost: %s", name, reason);
	head_workers_lost(head, rank, reason);
	head_update(head);
}

static void on_message(size_t rank, const char *type, const void *payload, size_t size,
		       void *arg)
{
	if (!head_workers_message(arg, rank, type, payload, size))
		head_log(arg, LOG_DEBUG, "rank %zu says %s (%zu bytes): not known", rank, type,
			 size);
}

static void on_rejected(const char *reason, void *arg)
{
	head_log(arg, LOG_WARNING, "control plane: turned away: %s", reason);
}

/* All that connect to it are told by the rendezvous. */
static void on_branch(size_t rank, const char *endpoint, const char *key, void *arg)
{
	struct head *head = arg;
	const char *name = node_of(head, rank)->name;
	int told = branches_tell(head->branches, rank, endpoint, key);

	if (told > 0)
		head_log(head, LOG_INFO, "%s is a branch: agents of nodes behind it join there",
			 name);
	else if (told < 0)
		head_log(head, LOG_WARNING,
			 "%s is a branch, but the other agents are not told: %s", name,
			 errno == EMFILE ? "it has moved too often" : strerror(errno));
}

static void on_deadline(void *arg)
{
	struct head *head = arg;
	struct session *session = record_session(head->record);

	for (size_t i = 0; i < session->node_count; i++) {
		if (strcmp(session->nodes[i].state, "expected"))
			continue;
		set_state(&session->nodes[i], "lost");
		head->nodes_lost++;
		head_log(head, LOG_WARNING, "node %s has not joined after %d s",
			 session->nodes[i].name, NODES_DEADLINE_MS / 1000);
		head_workers_lost(head, i, "it has not joined");
	}
	record_changed(head->record);
	head_update(head);
}

static int list_nodes(struct head *head, struct reason *reason)
{
	struct session *session = record_session(head->record);
	char **names = NULL;
	size_t count = 0;

	if (hostlist_expand(head->agent->nodes, SESSION_NODES_MAX, &names, &count) < 0 ||
	    count != head->agent->ranks) {
		reason_set(reason, "SLURM_STEP_NODELIST=%s does not name %zu nodes",
			   head->agent->nodes, head->agent->ranks);
		hostlist_free(names, count);
		return -1;
	}
	if (!(session->nodes = calloc(count, sizeof(*session->nodes)))) {
		hostlist_free(names, count);
		return reason_set(reason, "nodes: %s", strerror(errno));
	}
	for (size_t i = 0; i < count; i++) {
		session->nodes[i].name = names[i];
		set_state(&session->nodes[i], "expected");
	}
	session->node_count = count;
	free(names);
	return 0;
}

int head_nodes_start(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	size_t span = control_span(agent->ranks, agent->settings->star_max);
	struct control_server_options options = {
		.ip = head->ip,
		.port_first = agent->settings->port_first,
		.port_last = agent->settings->port_last,
		.job_id = agent->job_id,
		.uid = getuid(),
		.agents = agent->ranks,
		.span = span,
	};
	struct control_server_callbacks callbacks = {
		.joined = on_joined,
		.lost = on_lost,
		.message = on_message,
		.rejected = on_rejected,
		.branch = on_branch,
		.arg = head,
	};

	if (list_nodes(head, reason) < 0)
		return -1;
	if (span > 0 && !(head->branches = branches_create(STDOUT_FILENO, agent->ranks, span)))
		return reason_set(reason, "branches: %s", strerror(errno));
	if (!(head->control = control_server_create(agent->loop, &options, &callbacks, reason)))
		return -1;
	if (!(head->nodes_deadline = loop_timer_create(agent->loop, on_deadline, head)))
		return reason_set(reason, "timer: %s", strerror(errno));
	loop_timer_set(head->nodes_deadline, NODES_DEADLINE_MS);
	up(head, 0);
	return 0;
}

void head_nodes_stop(struct head *head)
{
	loop_timer_set(head->nodes_deadline, -1);
	control_server_broadcast(head->control, "end", NULL, 0);
}

bool head_nodes_all_gone(const struct head *head)
{
	return head->nodes_up <= 1;
}
