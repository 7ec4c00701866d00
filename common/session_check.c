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
 * without quotes. */
static bool is_url(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._~:/?#[]@!$&()*+,;=%";
	size_t scheme;

	if (strncmp(text, "http://", 7) == 0)
		scheme = 7;
	else if (strncmp(text, "https://", 8) == 0)
		scheme = 8;
	else
		return false;
	return text[scheme] != '\0' && strnlen(text, PATH_MAX) < PATH_MAX &&
	       text[strspn(text, allowed)] == '\0';
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
	for (int i = 0; i < PHASE_COUNT; i++) {
		if (!is_time(session->phases[i]))
			return "phases";
	}
	if (!is_time(session->job_end_time))
		return "job_end_time";
	return is_time(session->updated) ? NULL : "updated";
}
