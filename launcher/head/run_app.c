/* SPDX-License-Identifier: MIT */
/* See run_app.h. */
#include "launcher/head/run_app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/run_program.h"
#include "launcher/head/workers.h"
#include "launcher/notebook.h"
#include "launcher/workers/exit_words.h"

enum { NOT_BEGUN_GRACE_MS = 10000 /* for a kernel that has done nothing yet to end */ };

struct run_app {
	struct head *head;
	struct notebook notebook;
	char *path, *output;
	struct kernel_choice kernel;
	struct run_program_options options;
	struct run_program *program; /* NULL: not started yet, or it has ended */
	struct memory_kill *memory;
	unsigned cell, cells; /* 0: none has begun */
	bool begun, done;
	struct reason failure; /* "": none so far */
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *run_app_notebook(const struct run_app *app)
{
	return last_part(app->path);
}

const char *run_app_output(const struct run_app *app)
{
	return app->output;
}

int run_app_create(struct head *head, struct reason *reason)
{
	struct agent *agent = head->agent;
	struct run_app *app = calloc(1, sizeof(*app));

	head->run_app = app;
	if (!app || !(app->memory = memory_kill_create("")) ||
	    !(app->path = notebook_path(options_notebook(&agent->options), agent->environment)))
		return reason_set(reason, "notebook: %s", strerror(errno));
	app->head = head;
	if (notebook_read(app->path, agent->options.params, &app->notebook, reason) < 0)
		return -1;
	app->output = notebook_output(app->path, agent->options.output, agent->job_id,
				      agent->environment, reason);
	if (!app->output || notebook_output_check(app->path, app->output, reason) < 0)
		return -1;
	if (app->notebook.remark.text[0])
		head_say(head, "%s", app->notebook.remark.text);
	if (app->notebook.format == 3)
		head_say(head, "%s is of nbformat 3: the executed one will be of nbformat 4",
			 run_app_notebook(app));
	return 0;
}

int run_app_record(const struct run_app *app, struct session *session)
{
	return session_set(&session->notebook, app->path) < 0 ||
			       session_set(&session->output, app->output) < 0
		       ? -1
		       : 0;
}

static void note_cell(struct run_app *app, const struct run_event *event)
{
	struct session *session = record_session(app->head->record);

	app->cell = session->cell = event->cell;
	app->cells = session->cells = event->cells;
	record_changed(app->head->record);
}

/* " in cell 3 of 12" */
static const char *place(const struct run_app *app, char text[64])
{
	text[0] = '\0';
	if (app->cell)
		snprintf(text, 64, " in cell %u of %u", app->cell, app->cells);
	return text;
}

static void on_event(const struct run_event *event, void *arg)
{
	struct run_app *app = arg;
	char how[EXIT_WORDS_MAX], where[64];

	switch (event->kind) {
	case RUN_READY:
		head_app_serving(app->head);
		break;
	case RUN_CELL:
		note_cell(app, event);
		break;
	case RUN_SAY:
		head_say(app->head, "%s", event->text.text);
		break;
	case RUN_DEAD:
		exit_words(event->status, app->memory, how);
		reason_set(&app->failure, "%s failed%s: its kernel %s %s",
			   run_app_notebook(app), place(app, where), app->notebook.kernel, how);
		break;
	case RUN_FAILED:
		app->failure = event->text;
		break;
	case RUN_DONE:
		app->done = true;
		break;
	}
}

static void on_ended(bool without_error, const char *how, void *arg)
{
	struct run_app *app = arg;
	struct head *head = app->head;
	char where[64];
	struct reason reason;

	if (app->done && without_error)
		reason_set(&reason, "all cells of %s have been executed: %s",
			   run_app_notebook(app), app->output);
	else if (app->failure.text[0])
		reason = app->failure;
	else
		reason_set(&reason, "the program that executes %s %s%s", run_app_notebook(app),
			   how, place(app, where));
	head_app_ended(app->done && without_error, reason.text, head);
}

int run_app_start(struct run_app *app, struct reason *reason)
{
	struct head *head = app->head;
	struct agent *agent = head->agent;
	struct run_program_callbacks callbacks = {on_event, on_ended, app};

	/* With the job's environment: the workers' IPYTHONDIR is not where kernels are. */
	if (kernel_choose(agent->settings, app->notebook.kernel, agent->environment,
			  &app->kernel, reason) < 0)
		return reason_prefix(reason, "%s", run_app_notebook(app));
	memory_kill_forget(app->memory);
	app->options = (struct run_program_options){
		.settings = agent->settings,
		.runtime = &head->runtime,
		.environment = head->server_environment,
		.directory = head->root_dir,
		.notebook = app->path,
		.output = app->output,
		.params = agent->options.params,
		.kernel = &app->kernel,
		.log = head->log,
	};
	app->program = run_program_start(agent->loop, &app->options, &callbacks, reason);
	if (!app->program)
		return -1;
	head_app_spawned(head);
	return 0;
}

/* Whether more of what was asked for may still come. */
static bool is_coming(const struct head *head)
{
	return head->nodes_up + head->nodes_lost < head->agent->ranks ||
	       !head_workers_settled(head);
}

/* The first kind that has no worker at all. */
static const struct session_workers *find_empty(const struct head *head)
{
	const struct session *session = record_session(head->record);

	for (size_t i = 0; i < session->workers_count; i++)
		if (session->workers[i].ready == 0)
			return &session->workers[i];
	return NULL;
}

void run_app_update(struct run_app *app)
{
	struct reason reason;

	if (!app || !app->program || app->begun || app->head->ending || !app->head->serving ||
	    is_coming(app->head))
		return;
	app->begun = true;
	const struct session_workers *empty = find_empty(app->head);
	if (empty) {
		reason_set(&reason, "%s was not begun: no %s worker has come%s%s",
			   run_app_notebook(app), empty->kind, empty->reason ? ": " : "",
			   empty->reason ? empty->reason : "");
		/* It is in the midst of telling us something: its end is waited for. */
		head_begin_end(app->head, SESSION_FAILED, reason.text);
		run_program_stop(app->program, NOT_BEGUN_GRACE_MS);
		return;
	}
	const struct session *session = record_session(app->head->record);
	if (session->state == SESSION_DEGRADED)
		run_app_degraded(app, session->reason ? session->reason : "");
	if (run_program_go(app->program) < 0)
		head_log(app->head, LOG_WARNING, "the notebook's program: %s", strerror(errno));
}

void run_app_degraded(struct run_app *app, const char *reason)
{
	if (app->begun)
		head_say(app->head, "executing %s, but %s", run_app_notebook(app), reason);
}

bool run_app_interrupted(const struct run_app *app, const char *why, struct reason *reason)
{
	char where[64];

	if (!app || app->done)
		return false;
	reason_set(reason, "%s was interrupted%s: %s", run_app_notebook(app), place(app, where),
		   why);
	return true;
}

bool run_app_stop(struct run_app *app, int64_t grace_ms)
{
	if (!app || !app->program)
		return false;
	run_program_stop(app->program, grace_ms);
	return true;
}

void run_app_end(struct run_app *app)
{
	if (!app)
		return;
	run_program_destroy(app->program);
	app->program = NULL;
}

void run_app_destroy(struct run_app *app)
{
	int error = errno;

	if (!app)
		return;
	run_app_end(app);
	kernel_choice_clear(&app->kernel);
	memory_kill_destroy(app->memory);
	free(app->path);
	free(app->output);
	free(app);
	errno = error;
}
