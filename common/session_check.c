/* SPDX-License-Identifier: MIT */
/*
 * What each field of a session record may hold: see session_private.h.  Applied by sjupyter to
 * a file that may be hostile, and by jupyter-launch and the head to what they are about to
 * write, as the user.
 */
#include "session_private.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#include "options.h"
#include "text.h"

static bool is_sentence(const char *text)
{
	return strnlen(text, SESSION_TEXT_MAX) < SESSION_TEXT_MAX && text_printable(text);
}

/* Not beginning with "-", so that it cannot be an option of a command that it is handed to. */
static bool is_label(const char *text)
{
	return *text != '\0' && *text != '-' &&
	       strnlen(text, SESSION_LABEL_MAX) < SESSION_LABEL_MAX && text_printable(text);
}

/* Slurm's ids are of 32 bits. */
static bool is_number(const char *text)
{
	unsigned long number;

	return strnlen(text, 11) < 11 && text_to_ulong(text, 0, UINT32_MAX, &number) == 0;
}

static bool is_path(const char *text)
{
	return *text == '/' && strnlen(text, PATH_MAX) < PATH_MAX && text_printable(text);
}

static bool is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 ||
	       inet_pton(AF_INET6, text, address) == 1;
}

/* A browser is sent there and a shell line is made of it, so: http, and what RFC 3986 allows,
 * without quotes.  A bare kernel, where no browser goes, has a scheme of our own. */
static bool is_url(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._~:/?#[]@!$&()*+,;=%";
	size_t scheme;

	if (strncmp(text, "http://", 7) == 0)
		scheme = 7;
	else if (strncmp(text, "https://", 8) == 0)
		scheme = 8;
	else if (strncmp(text, "kernel://", 9) == 0)
		scheme = 9;
	else
		return false;
	return text[scheme] != '\0' && strnlen(text, PATH_MAX) < PATH_MAX &&
	       text[strspn(text, allowed)] == '\0';
}

const char *const session_hub_states[] = {
	"waiting", /* for the hub's answer: the first, or one after a time without */
	"registered", "refused", "orphan", "ended", NULL};

static bool is_hub_state(const char *text)
{
	for (size_t i = 0; session_hub_states[i] != NULL; i++) {
		if (strcmp(session_hub_states[i], text) == 0)
			return true;
	}
	return false;
}

bool session_node_name_valid(const char *name)
{
	return text_is_name(name, SESSION_LABEL_MAX);
}

bool session_node_state_valid(const char *state)
{
	return strcmp(state, "expected") == 0 || strcmp(state, "up") == 0 ||
	       strcmp(state, "lost") == 0;
}

bool session_kind_valid(const char *kind)
{
	return text_is_name(kind, OPTIONS_NAME_MAX);
}

bool session_workers_state_valid(const char *state)
{
	return strcmp(state, "starting") == 0 || strcmp(state, "ready") == 0 ||
	       strcmp(state, "degraded") == 0 || strcmp(state, "failed") == 0;
}

bool session_words_valid(const char *words)
{
	return is_sentence(words);
}

bool session_log_valid(const char *log)
{
	return strnlen(log, SESSION_MISSING_LOG) < SESSION_MISSING_LOG &&
	       text_lines_printable(log);
}

const struct session_text session_texts[] = {
	{NULL, "job_id", offsetof(struct session, job_id), is_number, false},
	{NULL, "array_job_id", offsetof(struct session, array_job_id), is_number, false},
	{NULL, "array_task_id", offsetof(struct session, array_task_id), is_number, false},
	{NULL, "step_id", offsetof(struct session, step_id), is_number, false},
	{NULL, "cluster", offsetof(struct session, cluster), is_label, false},
	{NULL, "user", offsetof(struct session, user), is_label, false},
	{NULL, "app", offsetof(struct session, app), is_label, false},
	{NULL, "reason", offsetof(struct session, reason), is_sentence, true},
	{NULL, "url", offsetof(struct session, url), is_url, false},
	{NULL, "log", offsetof(struct session, log), is_path, false},
	{"notebook", "path", offsetof(struct session, notebook), is_path, false},
	{"notebook", "output", offsetof(struct session, output), is_path, false},
	{"hub", "url", offsetof(struct session, hub_url), is_url, false},
	{"hub", "mode", offsetof(struct session, hub_mode), is_label, false},
	{"hub", "state", offsetof(struct session, hub_state), is_hub_state, false},
	{"hub", "reason", offsetof(struct session, hub_reason), is_sentence, true},
	{"endpoint", "ip", offsetof(struct session, ip), is_address, false},
	{"head", "node", offsetof(struct session, head_node), session_node_name_valid, false},
	{"head", "runtime_dir", offsetof(struct session, runtime_dir), is_path, false},
	{NULL, NULL, 0, NULL, false},
};

char **session_text_field(struct session *session, const struct session_text *text)
{
	return (char **) ((char *) session + text->offset);
}

/* Refuses NaN too, for which every comparison is false. */
static bool is_time(double seconds)
{
	return seconds >= 0 && seconds < SESSION_TIME_MAX;
}

static bool is_missing_right(const struct session_missing *missing)
{
	return missing->node != NULL && session_node_name_valid(missing->node) &&
	       missing->index < SESSION_WORKERS_NODE_MAX && missing->reason != NULL &&
	       strnlen(missing->reason, SESSION_MISSING_REASON) < SESSION_MISSING_REASON &&
	       session_words_valid(missing->reason) &&
	       (missing->log == NULL || session_log_valid(missing->log));
}

static bool are_workers_right(const struct session *session,
			      const struct session_workers *workers, bool writing)
{
	unsigned most = SESSION_NODES_MAX * SESSION_WORKERS_NODE_MAX;

	if (workers->kind == NULL || !session_kind_valid(workers->kind) ||
	    /* The first of the name is another one. */
	    session_workers_find(session, workers->kind) != workers ||
	    !session_workers_state_valid(workers->state) || workers->expected > most ||
	    workers->ready > most || workers->missing_count > SESSION_MISSING_MAX)
		return false;
	if (workers->reason != NULL && !writing && !session_words_valid(workers->reason))
		return false;
	for (size_t i = 0; i < session->node_count; i++) {
		if (workers->nodes[i].expected > SESSION_WORKERS_NODE_MAX ||
		    workers->nodes[i].ready > SESSION_WORKERS_NODE_MAX)
			return false;
	}
	for (size_t i = 0; i < workers->missing_count; i++) {
		if (!is_missing_right(&workers->missing[i]))
			return false;
	}
	return true;
}

/* In the order of their numbers, so that none comes twice. */
static bool are_kernels_right(const struct session *session)
{
	static const char *const states[] = {"starting", "ready",  "hung", "restarting",
					     "exited",	 "ending", "ended"};
	unsigned before = 0;

	if (session->kernel_count > SESSION_KERNELS_MAX)
		return false;
	for (size_t i = 0; i < session->kernel_count; i++) {
		const struct session_kernel *kernel = &session->kernels[i];
		size_t known = 0;

		while (known < sizeof(states) / sizeof(states[0]) &&
		       strcmp(states[known], kernel->state) != 0)
			known++;
		if (known == sizeof(states) / sizeof(states[0]) || kernel->number <= before ||
		    kernel->number > SESSION_COUNT_MAX ||
		    !text_is_name(kernel->name, sizeof(kernel->name)))
			return false;
		before = kernel->number;
	}
	return true;
}

const char *session_wrong_field(struct session *session, bool writing)
{
	if (session->job_id == NULL)
		return "job_id";
	for (const struct session_text *text = session_texts; text->name != NULL; text++) {
		const char *value = *session_text_field(session, text);

		if (value != NULL && !(writing && text->escape) && !text->valid(value))
			return text->name;
	}
	if (session->restart > SESSION_COUNT_MAX)
		return "restart";
	if (session->server_restarts > SESSION_COUNT_MAX)
		return "server_restarts";
	if ((unsigned) session->state > SESSION_FAILED)
		return "state";
	if (session->port > 65535)
		return "port";
	if (session->head_pid < 0 || session->head_pid > SESSION_PID_MAX)
		return "pid";
	if (session->node_count > SESSION_NODES_MAX)
		return "nodes";
	for (size_t i = 0; i < session->node_count; i++) {
		const struct session_node *node = &session->nodes[i];

		if (node->name == NULL || !session_node_name_valid(node->name) ||
		    !session_node_state_valid(node->state))
			return "nodes";
	}
	for (size_t i = 0; i < session->workers_count; i++) {
		if (!are_workers_right(session, &session->workers[i], writing))
			return "workers";
	}
	if (session->kernels_port > 65535)
		return "kernels_port";
	if (!are_kernels_right(session))
		return "kernels";
	for (int i = 0; i < PHASE_COUNT; i++) {
		if (!is_time(session->phases[i]))
			return "phases";
	}
	if (!is_time(session->job_end_time))
		return "job_end_time";
	return is_time(session->updated) ? NULL : "updated";
}
