/* SPDX-License-Identifier: MIT */
/* See run_program.h. */
#include "launcher/head/run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/kernel/process.h"
#include "launcher/rendezvous.h"

#define SCRIPT	     PKGDATADIR "/recipes/run/run_notebook.py"
#define REQUEST_FILE "run.json"

enum {
	/* What the script ends with where its Python has no nbclient: the next one is tried. */
	EXIT_NO_NBCLIENT = 69,
	/* Pieces read of a program that has ended. */
	LAST_PIECES = 64
};

struct run_program {
	struct loop *loop;
	const struct run_program_options *options;
	struct run_program_callbacks callbacks;
	char *pythons[KERNEL_PYTHONS_MAX + 2];
	size_t python; /* that runs, or is about to */
	struct kernel_process *process;
	struct loop_timer *kill;
	struct loop_fd *watch;
	int events_fd, go_fd;
	struct rendezvous_reader reader;
	bool stopping;
};

static json_t *make_parameters(const char *params)
{
	json_t *list = json_array();
	struct options_param param;
	const char *at = NULL;

	while (options_param_next(params, &at, &param)) {
		json_t *name = json_stringn(param.name, param.name_length);
		json_t *value = json_stringn(param.value, param.value_length);

		if (json_array_append_new(list, json_pack("[o, o]", name, value)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* In a file, since what a notebook is given is nobody else's matter. */
static int write_request(const struct run_program_options *options, struct reason *reason)
{
	const struct kernelspec *spec = options->kernel->spec;
	json_t *request = json_pack(
		"{s:s, s:s, s:s, s:s, s:{s:s, s:s, s:s?, s:b}, s:o}", "notebook",
		options->notebook, "output", options->output, "directory", options->directory,
		"runtime", options->runtime->path, "kernel", "name", spec->name, "directory",
		spec->resource_dir, "python", options->kernel->python, "tcp", spec->tcp,
		"parameters", make_parameters(options->params));
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int rc = -1;

	if (!text)
		reason_set(reason, "a path of the notebook is not UTF-8");
	else if (file_replace(options->runtime->fd, REQUEST_FILE, 0600, text, strlen(text)) < 0)
		reason_set(reason, "%s/" REQUEST_FILE ": %s", options->runtime->path,
			   strerror(errno));
	else
		rc = 0;
	free(text);
	json_decref(request);
	return rc;
}

/* The kernel's own first: most have nbclient beside it. */
static void list_pythons(struct run_program *program)
{
	const struct run_program_options *options = program->options;
	size_t count = 0;

	if (options->kernel->python && (program->pythons[0] = strdup(options->kernel->python)))
		count = 1;
	kernel_pythons(options->settings, options->environment, program->pythons + count);
}

static void on_line(char *line, void *arg)
{
	struct run_program *program = arg;
	struct run_event event;

	if (run_event_parse(line, strlen(line), &event) == 0)
		program->callbacks.event(&event, program->callbacks.arg);
	else
		session_log_line(program->options->log, LOG_WARNING, "head",
				 "not understood of the notebook's program: %s", line);
}

static void close_pipes(struct run_program *program)
{
	loop_fd_remove(program->watch);
	program->watch = NULL;
	fd_close(&program->events_fd);
	fd_close(&program->go_fd);
}

static int read_piece(struct run_program *program)
{
	ssize_t got = rendezvous_read(&program->reader, program->events_fd, on_line, program);

	return got > 0 ? 0 : -1;
}

static void on_events(uint32_t events, void *arg)
{
	struct run_program *program = arg;

	(void) events;
	errno = 0;
	if (read_piece(program) < 0 && errno != EAGAIN) {
		loop_fd_remove(program->watch);
		program->watch = NULL;
	}
}

static int start_process(struct run_program *program, struct reason *reason);

static void on_exit_of_process(int status, const char *how, void *arg)
{
	struct run_program *program = arg;
	char line[512];
	struct reason reason;

	for (int i = 0; i < LAST_PIECES && read_piece(program) == 0; i++)
		;
	close_pipes(program);
	kernel_process_last_words(program->process, line, sizeof(line));
	reason_set(&reason, "%s%s%s", how, line[0] ? ": " : "", line);
	kernel_process_destroy(program->process);
	program->process = NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_NBCLIENT &&
	    !program->stopping) {
		program->python++;
		if (program->pythons[program->python] && start_process(program, &reason) == 0)
			return;
	}
	program->callbacks.ended(WIFEXITED(status) && WEXITSTATUS(status) == 0, reason.text,
				 program->callbacks.arg);
}

/* events and go, each with our end and the program's. */
static int open_pipes(struct run_program *program, int theirs[2], struct reason *reason)
{
	int events[2], go[2];

	if (pipe2(events, O_CLOEXEC) < 0)
		return reason_set(reason, "pipe: %s", strerror(errno));
	program->events_fd = events[0];
	theirs[0] = events[1];
	if (fcntl(events[0], F_SETFL, O_NONBLOCK) < 0 || pipe2(go, O_CLOEXEC) < 0)
		return reason_set(reason, "pipe: %s", strerror(errno));
	theirs[1] = go[0];
	program->go_fd = go[1];
	return 0;
}

static int start_process(struct run_program *program, struct reason *reason)
{
	const struct run_program_options *options = program->options;
	char request[SETTINGS_RUNTIME_MAX + sizeof("/" REQUEST_FILE)];
	char script[] = SCRIPT;
	char *python = program->pythons[program->python];
	char *argv[] = {python, script, request, NULL};
	int theirs[2] = {-1, -1}, rc = -1;

	snprintf(request, sizeof(request), "%s/" REQUEST_FILE, options->runtime->path);
	program->reader = (struct rendezvous_reader){.used = 0};
	if (open_pipes(program, theirs, reason) < 0)
		goto out;
	struct spawn_options spawn = {
		.program = python,
		.argv = argv,
		.environment = env_vector(options->environment),
		.directory = options->directory,
		.more = theirs,
		.more_count = 2,
	};
	program->process = kernel_process_start(program->loop, &spawn, options->log, NULL,
						on_exit_of_process, program, reason);
	if (!program->process)
		goto out;
	program->watch =
		loop_fd_add(program->loop, program->events_fd, EPOLLIN, on_events, program);
	if (program->watch)
		rc = 0;
	else
		reason_set(reason, "events: %s", strerror(errno));
out:
	fd_close(&theirs[0]);
	fd_close(&theirs[1]);
	return rc;
}

static void on_kill(void *arg)
{
	struct run_program *program = arg;

	if (program->process)
		kernel_process_signal(program->process, SIGKILL, true);
}

struct run_program *run_program_start(struct loop *loop,
				      const struct run_program_options *options,
				      const struct run_program_callbacks *callbacks,
				      struct reason *reason)
{
	struct run_program *program = calloc(1, sizeof(*program));

	if (!program || !(program->kill = loop_timer_create(loop, on_kill, program))) {
		reason_set(reason, "%s", strerror(errno));
		free(program);
		return NULL;
	}
	program->loop = loop;
	program->options = options;
	program->callbacks = *callbacks;
	program->events_fd = program->go_fd = -1;
	list_pythons(program);
	if (!program->pythons[0])
		reason_set(reason, "there is no Python to execute a notebook with: load the "
				   "module or environment that has one in the job script or in "
				   "a file given with --jupyter-init");
	else if (write_request(options, reason) == 0 && start_process(program, reason) == 0)
		return program;
	run_program_destroy(program);
	return NULL;
}

void run_program_destroy(struct run_program *program)
{
	int error = errno;

	if (!program)
		return;
	close_pipes(program);
	kernel_process_destroy(program->process);
	loop_timer_destroy(program->kill);
	for (size_t i = 0; program->pythons[i]; i++)
		free(program->pythons[i]);
	free(program);
	errno = error;
}

int run_program_go(struct run_program *program)
{
	/* To a pipe that nobody has written to: at once. */
	int rc = program->go_fd < 0 ? -1 : fd_write_all(program->go_fd, "go\n", 3);

	fd_close(&program->go_fd);
	return rc;
}

void run_program_stop(struct run_program *program, int64_t grace_ms)
{
	program->stopping = true;
	if (program->process)
		kernel_process_signal(program->process, SIGTERM, false);
	loop_timer_set(program->kill, grace_ms);
}
