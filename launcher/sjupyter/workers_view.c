/* SPDX-License-Identifier: MIT */
/* See workers_view.h. */
#include "launcher/sjupyter/workers_view.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	NODES_SHOWN = 16, /* of those that are not complete; --json has them all */
	LOG_LINES = 5	  /* of a missing worker */
};

#define ROW "%-16s %-9s %11s %9s\n"

static bool is_state(const struct session_workers *workers, const char *state)
{
	return !strcmp(workers->state, state);
}

const char *workers_view_line(const struct session *session, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < session->workers_count && used < size; i++) {
		const struct session_workers *workers = &session->workers[i];
		const char *before = i > 0 ? ", " : "workers: ";

		/* Until the nodes have said how many they will have. */
		if (workers->expected == 0)
			used += (size_t) snprintf(text + used, size - used, "%s%s %s", before,
						  workers->kind, workers->state);
		else
			used += (size_t) snprintf(text + used, size - used, "%s%s %u/%u",
						  before, workers->kind, workers->ready,
						  workers->expected);
	}
	return text;
}

const char *workers_view_count(const struct session *session, char text[WORKERS_VIEW_COUNT_MAX])
{
	unsigned long expected = 0, ready = 0;

	for (size_t i = 0; i < session->workers_count; i++) {
		expected += session->workers[i].expected;
		ready += session->workers[i].ready;
	}
	if (session->workers_count == 0)
		snprintf(text, WORKERS_VIEW_COUNT_MAX, "-");
	else if (ready == expected)
		snprintf(text, WORKERS_VIEW_COUNT_MAX, "%lu", ready);
	else
		snprintf(text, WORKERS_VIEW_COUNT_MAX, "%lu/%lu", ready, expected);
	return text;
}

static void print_nodes(const struct session *session, const struct session_workers *workers,
			int indent)
{
	size_t count = 0;

	for (size_t i = 0; i < session->node_count; i++) {
		const struct session_workers_node *node = &workers->nodes[i];
		if (node->ready >= node->expected)
			continue;
		count++;
		if (count > NODES_SHOWN)
			continue;
		if (count == 1)
			printf("%*snot complete: ", indent, "");
		else
			printf(", ");
		printf("%s %u/%u", session->nodes[i].name, node->ready, node->expected);
	}
	if (count > NODES_SHOWN)
		printf(" and %zu more nodes", count - NODES_SHOWN);
	if (count > 0)
		putchar('\n');
}

/* The last lines of lines, each behind a bar. */
static void print_log(const char *log, int indent)
{
	const char *end = log + strlen(log), *at = end;

	for (int lines = 0; lines < LOG_LINES && at > log; lines++) {
		at--; /* behind the newline of the line before */
		while (at > log && at[-1] != '\n')
			at--;
	}
	while (*at) {
		size_t size = strcspn(at, "\n");
		printf("%*s| %.*s\n", indent, "", (int) size, at);
		at += size + (at[size] == '\n');
	}
}

static void print_missing(const struct session_workers *workers, int indent)
{
	const char *before = NULL;
	unsigned gone =
		workers->expected > workers->ready ? workers->expected - workers->ready : 0;

	for (size_t i = 0; i < workers->missing_count; i++) {
		const struct session_missing *missing = &workers->missing[i];
		printf("%*s%s.%u is missing: %s\n", indent, "", missing->node, missing->index,
		       missing->reason);
		/* What all of them say is enough to be read once. */
		if (missing->log && (!before || strcmp(before, missing->log) != 0))
			print_log(missing->log, indent + 2);
		else if (missing->log && *missing->log)
			printf("%*s| (as above)\n", indent + 2, "");
		before = missing->log;
	}
	if (workers->missing_count > 0 && gone > workers->missing_count)
		printf("%*sand %zu more are missing\n", indent, "",
		       gone - workers->missing_count);
}

/* Of a session that has ended, only what had gone wrong is worth a word. */
static bool is_told(const struct session *session, const struct session_workers *workers)
{
	return !session_state_final(session->state) || is_state(workers, "degraded") ||
	       is_state(workers, "failed");
}

void workers_view_print(const struct session *session, const char *label, int width)
{
	for (size_t i = 0; i < session->workers_count; i++) {
		const struct session_workers *workers = &session->workers[i];

		if (!is_told(session, workers))
			continue;
		printf("%-*s%s: %u of %u, %s%s%s\n", width, label, workers->kind,
		       workers->ready, workers->expected, workers->state,
		       workers->reason ? ": " : "", workers->reason ? workers->reason : "");
		label = "";
		print_nodes(session, workers, width + 2);
		print_missing(workers, width + 2);
	}
}

/* "2", or "1-2" where nodes differ. */
static void per_node(const struct session *session, const struct session_workers *workers,
		     char text[32])
{
	unsigned least = SESSION_WORKERS_NODE_MAX, most = 0;

	for (size_t i = 0; i < session->node_count; i++) {
		unsigned expected = workers->nodes[i].expected;
		least = expected < least ? expected : least;
		most = expected > most ? expected : most;
	}
	if (least < most)
		snprintf(text, 32, "%u-%u", least, most);
	else
		snprintf(text, 32, "%u", most);
}

void workers_view_table(const struct session *session)
{
	printf(ROW, "KIND", "STATE", "READY", "PER NODE");
	for (size_t i = 0; i < session->workers_count; i++) {
		const struct session_workers *workers = &session->workers[i];
		char count[32], node[32];

		snprintf(count, sizeof(count), "%u/%u", workers->ready, workers->expected);
		per_node(session, workers, node);
		printf(ROW, workers->kind, workers->state, count, node);
	}
	for (size_t i = 0; i < session->workers_count; i++) {
		const struct session_workers *workers = &session->workers[i];

		if (!workers->reason && workers->missing_count == 0 &&
		    workers->ready >= workers->expected)
			continue;
		printf("%s%s%s\n", workers->kind, workers->reason ? ": " : ":",
		       workers->reason ? workers->reason : "");
		print_nodes(session, workers, 2);
		print_missing(workers, 2);
	}
}
