/* SPDX-License-Identifier: MIT */
/*
 * sjupyter list: this user's sessions, by their records and what the queue has of their jobs.
 * As the user.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/workers_view.h"

static const char help[] =
	"usage: sjupyter list [--all] [--json]\n"
	"\n"
	"Shows your sessions, the newest first.  A session is \"lost\" when its job has ended\n"
	"without the record being brought to its end, \"requeued\" when its job waits to run\n"
	"again, and \"unknown\" when Slurm does not answer.\n"
	"\n"
	"  --all   those too that have ended, or were lost more than a week ago\n"
	"  --json  the records, with \"job_state\" as the queue has it, as a JSON array\n"
	"  --help  this\n";

/* Widths of the table; the URL is last and as long as it is. */
#define ROW "%-12s %-10s %-9s %5s %9s  %-12s %10s %10s  %s\n"

enum { LOST_S = 7 * 86400 };

struct list {
	bool all, json;
	bool answered; /* by the queue */
	struct queue_job *jobs;
	size_t job_count;
	json_t *array; /* with --json */
	size_t shown;
};

static void ask_queue(struct list *list)
{
	struct reason reason;

	list->answered = queue_ask(NULL, &list->jobs, &list->job_count, &reason) == 0;
	if (!list->answered)
		output_error("%s: the state of the jobs is unknown", reason.text);
}

static void print_row(const struct session *session, enum describe_job about)
{
	char name[TARGET_NAME_MAX], nodes[DESCRIBE_NODES_MAX];
	char workers[WORKERS_VIEW_COUNT_MAX];
	char age[OUTPUT_TIME_MAX] = "-", left[OUTPUT_TIME_MAX] = "-";
	double now = session_now(), begun = session->phases[PHASE_TRIGGERED];
	double ended = session->phases[PHASE_ENDED];
	bool is_over = session_state_final(session->state) || about == DESCRIBE_GONE;

	if (begun > 0 && (!is_over || ended > begun))
		output_span((is_over ? ended : now) - begun, age);
	if (!is_over && session->job_end_time > 0)
		output_span(session->job_end_time - now, left);
	printf(ROW, target_name(session, name), session->app ? session->app : "-",
	       describe_state(session, about), describe_nodes(session, nodes),
	       workers_view_count(session, workers),
	       session->head_node ? session->head_node : "-", age, left,
	       session->url && !is_over ? session->url : "-");
}

static int show(struct list *list, struct session *session, int state_fd)
{
	const struct queue_job *job = queue_find(list->jobs, list->job_count, session->job_id);
	enum describe_job about = describe_job(session, state_fd, list->answered, job);

	/* Lost ones stay lost: after a while they are of no interest. */
	bool is_old = (session_state_final(session->state) && about != DESCRIBE_PENDING) ||
		      (about == DESCRIBE_GONE && session->updated < session_now() - LOST_S);

	if (is_old && !list->all)
		return 0;
	if (about == DESCRIBE_LIVE && session->job_end_time <= 0)
		session->job_end_time = job->end;
	list->shown++;
	if (list->json)
		return json_array_append_new(list->array,
					     describe_json(session, !list->answered ? NULL
								    : job	    ? job->state
										    : "GONE"));
	if (list->shown == 1)
		printf(ROW, "JOB", "APP", "STATE", "NODES", "WORKERS", "HEAD", "AGE", "LEFT",
		       "URL");
	print_row(session, about);
	return 0;
}

/* One that cannot be read is told and passed over. */
static int show_job(struct list *list, const char *job_id)
{
	struct session *session = NULL;
	struct reason reason;
	int fd = statedir_open(job_id, 0, &reason), rc = 0;

	if (fd >= 0 && session_read(fd, &session, &reason) == 0)
		rc = show(list, session, fd);
	else if (errno != ENOENT)
		output_error("job %s: %s", job_id, reason.text);
	session_destroy(session);
	fd_close(&fd);
	return rc;
}

static int run(int argc, char *argv[], const char *config)
{
	struct list list = {.all = false};
	const struct command_flag flags[] = {
		{"all", &list.all}, {"json", &list.json}, {NULL, NULL}};
	char **ids = NULL;
	size_t count = 0;
	struct reason reason;
	int code = command_parse(&command_list, argc, argv, flags, NULL), rc = 0;

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (statedir_list(&ids, &count, &reason) < 0) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	list.array = json_array();
	if (count > 0)
		ask_queue(&list);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = show_job(&list, ids[i]);
	if (rc < 0)
		output_error("%s", strerror(ENOMEM));
	if (list.json && rc == 0)
		rc = output_json(list.array);
	else
		json_decref(list.array);
	if (!list.json && list.shown == 0)
		fprintf(stderr, "%s\n",
			list.all ? "you have no sessions"
				 : "no session is running (--all shows those that have ended)");
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	free(list.jobs);
	return rc == 0 ? COMMAND_OK : COMMAND_FAILED;
}

const struct command command_list = {"list", "your sessions", help, run};
