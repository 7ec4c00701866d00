/* SPDX-License-Identifier: MIT */
/*
 * sjupyter workers: the workers of a session, and how many of them there are to be on each
 * node.  As the user.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/options.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/resize.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/workers_view.h"

static const char help[] =
	"usage: sjupyter workers [JOBID] [KIND=N...] [--wait] [--json]\n"
	"\n"
	"Shows the workers of a session.  With KIND=N, tells it to have N workers of that "
	"kind\n"
	"on each of its nodes from now on, where the kind can change their number.  Fewer: "
	"what\n"
	"the others are doing comes to its end first.\n"
	"\n"
	"    sjupyter workers 1234 dask=8 --wait\n"
	"\n"
	"  --wait  until the workers of these kinds are as many as there are to be\n"
	"  --json  the answer, the workers as they are, or both with --wait, as JSON\n"
	"  --help  this\n"
	"\n"
	"Exit codes: 0 done, 1 failed (--wait: or some will not come), 2 wrong usage, 3 there "
	"is\n"
	"no such session.\n";

struct workers {
	struct target target;
	bool wait, json;
	struct resize changes[OPTIONS_KINDS_MAX]; /* each KIND=N */
	size_t count;
};

static int take_change(struct workers *all, const char *word)
{
	size_t length = strcspn(word, "=");
	struct resize change = {.expected = 0};
	unsigned long count;

	if (length >= sizeof(change.workers.kind) || all->count == OPTIONS_KINDS_MAX)
		return command_wrong(&command_workers, "\"%s\": no session has that", word);
	memcpy(change.workers.kind, word, length);
	if (!text_is_name(change.workers.kind, OPTIONS_NAME_MAX))
		return command_wrong(&command_workers, "\"%s\" is not KIND=N, as in dask=8",
				     word);
	if (text_to_ulong(word + length + 1, 0, OPTIONS_WORKERS_MAX, &count) < 0)
		return command_wrong(&command_workers,
				     "\"%s\" has a wrong number of workers: give 0 to %d for "
				     "each node, as in dask=8",
				     word, OPTIONS_WORKERS_MAX);
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->changes[i].workers.kind, change.workers.kind))
			return command_wrong(&command_workers, "%s is given twice",
					     change.workers.kind);
	change.workers.count = (unsigned) count;
	all->changes[all->count++] = change;
	return COMMAND_OK;
}

static int parse(int argc, char *argv[], struct workers *all, const char **id)
{
	const struct option words[] = {{"wait", no_argument, NULL, 'w'},
				       {"json", no_argument, NULL, 'j'},
				       {"help", no_argument, NULL, 'h'},
				       {NULL, 0, NULL, 0}};
	int word, others = 0;

	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		if (word == 'h')
			return command_help(&command_workers);
		if (word != 'w' && word != 'j')
			return command_unknown(&command_workers);
		*(word == 'w' ? &all->wait : &all->json) = true;
	}
	/* What is no KIND=N is left to be the job, at the end of argv. */
	for (int i = optind; i < argc; i++) {
		if (!strchr(argv[i], '=')) {
			argv[optind + others++] = argv[i];
			continue;
		}
		int code = take_change(all, argv[i]);
		if (code != COMMAND_OK)
			return code;
	}
	if (all->wait && all->count == 0)
		return command_wrong(&command_workers,
				     "--wait waits for a change: give KIND=N; `sjupyter wait "
				     "--ready` waits for all workers");
	return command_take_id(&command_workers, optind + others, argv, id);
}

static int print_json(const struct workers *all)
{
	const struct session *session = all->target.session;
	json_t *record = describe_json(session, NULL), *changed = json_array();
	json_t *json = json_pack("{s:s, s:s}", "job_id", session->job_id, "state",
				 session_state_name(session->state));
	int rc = record && json ? 0 : -1;

	for (size_t i = 0; i < all->count && rc == 0; i++)
		rc = json_array_append_new(
			changed,
			json_pack("{s:s, s:i, s:i}", "kind", all->changes[i].workers.kind,
				  "count", (int) all->changes[i].workers.count, "expected",
				  (int) all->changes[i].expected));
	if (rc == 0 && all->count > 0)
		rc = json_object_set(json, "changed", changed);
	if (rc == 0 && (all->count == 0 || all->wait))
		rc = json_object_set(json, "workers", json_object_get(record, "workers"));
	json_decref(record);
	json_decref(changed);
	if (rc < 0) {
		json_decref(json);
		json = NULL;
	}
	return output_json(json) < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int show(const struct workers *all)
{
	const struct session *session = all->target.session;

	if (all->json)
		return print_json(all);
	if (session->workers_count == 0)
		fprintf(stderr, "the session of job %s has no workers\n", session->job_id);
	else if (session_state_final(session->state))
		fprintf(stderr, "the session of job %s has %s; its workers were:\n",
			session->job_id, session_state_name(session->state));
	if (session->workers_count > 0)
		workers_view_table(session);
	return COMMAND_OK;
}

static void print_change(const struct resize *resize)
{
	printf("%s: %u on each node, %u in all\n", resize->workers.kind, resize->workers.count,
	       resize->expected);
}

static void print_nothing(const struct resize *resize)
{
	(void) resize;
}

static int change(struct workers *all)
{
	int code = resize_send(&all->target, all->changes, all->count,
			       all->json ? print_nothing : print_change);

	if (code != COMMAND_OK)
		return code;
	if (all->wait)
		code = resize_wait(&all->target, all->changes, all->count);
	if (all->json && print_json(all) != COMMAND_OK)
		code = COMMAND_FAILED;
	return code;
}

static int run(int argc, char *argv[], const char *config)
{
	struct workers all = {.target = {.state_fd = -1}};
	struct reason reason;
	const char *id = NULL;
	int code = parse(argc, argv, &all, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &all.target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	code = all.count > 0 ? change(&all) : show(&all);
	target_clear(&all.target);
	return code;
}

const struct command command_workers = {
	"workers", "the workers of a session, and how many there are to be", help, run};
