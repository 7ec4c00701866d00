/* SPDX-License-Identifier: MIT */
/* See kernel.h; what clients ask is in kernel_answer.c. */
#include "launcher/kernel/kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/text.h"
#include "launcher/kernel/channels.h"
#include "launcher/kernel/process.h"

enum {
	BACKOFF_FIRST_MS = 500,
	BACKOFF_MAX_MS = 30000,
	STABLE_MS = 600000,	 /* ready so long, old crashes are forgotten */
	RESTART_GRACE_MS = 5000, /* jupyter_client's KernelManager.shutdown_wait_time */
	WORDS_MAX = 512		 /* bytes of its last line in a reason */
};

struct kernel {
	struct loop *loop;
	const struct kernel_options *options;
	struct kernel_callbacks callbacks;
	struct env *environment;
	char *program;
	char **argv;
	struct connection *connection;
	struct connection_watch *watch; /* TCP, until the ports are known */
	struct channels *channels;	/* NULL: not running, or the ports are not known */
	struct kernel_process *process; /* NULL: not running */
	/* STARTING: until it has to be ready, or is to be started again.  RESTARTING, ENDING:
	 * until the next, stronger step.  EXITED: until that is the end. */
	struct loop_timer *timer;
	struct loop_timer *heartbeat;
	enum kernel_state state;
	bool was_ready, beat_waits;
	bool terminated; /* SIGTERM has been sent */
	int64_t step_ms;
	int64_t ready_since; /* loop_now(), 0: not ready */
	unsigned missed, crashes, restarts;
	struct reason verdict; /* why we ended it; empty: it ended by itself */
	struct reason reason;  /* kernel_reason() */
};

static int start_run(struct kernel *kernel, struct reason *reason);

const char *kernel_state_name(enum kernel_state state)
{
	static const char *const names[] = {"starting", "ready",  "hung", "restarting",
					    "exited",	"ending", "ended"};

	return names[state];
}

static void finish(struct kernel *kernel, bool in_order, const char *reason)
{
	char text[REASON_MAX];

	loop_timer_set(kernel->timer, -1);
	kernel->state = KERNEL_ENDED;
	snprintf(text, sizeof(text), "%s", reason);
	reason_set(&kernel->reason, "%s", text);
	kernel->callbacks.ended(in_order, text, kernel->callbacks.arg);
}

/* "the kernel python3 HOW: its last words". */
static void describe(struct kernel *kernel, const char *how, struct reason *reason)
{
	char line[WORDS_MAX] = "";

	if (kernel->process != NULL)
		kernel_process_last_words(kernel->process, line, sizeof(line));
	reason_set(reason, "the kernel %s %s%s%s", kernel->options->spec->name, how,
		   line[0] != '\0' ? ": " : "", line);
}

/* Its exit is then told as the crash that it is. */
static void give_up(struct kernel *kernel, const char *why)
{
	if (kernel->verdict.text[0] == '\0')
		reason_set(&kernel->verdict, "%s", why);
	if (kernel->options->log != NULL)
		session_log_line(kernel->options->log, LOG_ERROR, "kernel", "%s", why);
	kernel_process_signal(kernel->process, SIGKILL, true);
}

static void on_ready(void *arg)
{
	struct kernel *kernel = arg;

	if (kernel->state != KERNEL_STARTING)
		return;
	kernel->state = KERNEL_READY;
	kernel->was_ready = true;
	kernel->ready_since = loop_now();
	kernel->missed = 0;
	kernel->beat_waits = false;
	loop_timer_set(kernel->timer, -1);
	loop_timer_set(kernel->heartbeat, kernel->options->heartbeat_ms);
	kernel->callbacks.ready(kernel->callbacks.arg);
}

static void on_beat(void *arg)
{
	struct kernel *kernel = arg;

	kernel->beat_waits = false;
	kernel->missed = 0;
	if (kernel->state != KERNEL_HUNG)
		return;
	kernel->state = KERNEL_READY;
	kernel->callbacks.ready(kernel->callbacks.arg);
}

static void on_broken(const char *reason, void *arg)
{
	struct kernel *kernel = arg;

	if (kernel->state == KERNEL_STARTING)
		give_up(kernel, reason);
}

static void on_heartbeat_timer(void *arg)
{
	struct kernel *kernel = arg;
	struct reason reason;
	char how[128];

	if (kernel->channels == NULL)
		return;
	if (kernel->beat_waits)
		kernel->missed++;
	channels_beat(kernel->channels);
	kernel->beat_waits = true;
	loop_timer_set(kernel->heartbeat, kernel->options->heartbeat_ms);
	if (kernel->missed < KERNEL_MISSED_MAX || kernel->state != KERNEL_READY)
		return;
	kernel->state = KERNEL_HUNG;
	snprintf(how, sizeof(how),
		 "hangs or is stopped (its heartbeat is not answered since %.0f s)",
		 (double) (kernel->missed * kernel->options->heartbeat_ms) / 1000);
	describe(kernel, how, &reason);
	kernel->reason = reason;
	kernel->callbacks.hung(reason.text, kernel->callbacks.arg);
}

static int open_channels(struct kernel *kernel, struct reason *reason)
{
	struct channels_callbacks callbacks = {on_ready, on_beat, on_broken, kernel};

	kernel->channels =
		channels_create(kernel->loop, kernel->connection, &callbacks, reason);
	return kernel->channels != NULL ? 0 : -1;
}

/* Of TCP: the kernel has written something. */
static void on_written(void *arg)
{
	struct kernel *kernel = arg;
	struct reason reason;
	int known = connection_look(kernel->connection, &reason);

	if (known == 0 || kernel->channels != NULL || kernel->state != KERNEL_STARTING)
		return;
	connection_watch_destroy(kernel->watch);
	kernel->watch = NULL;
	if (known < 0 || open_channels(kernel, &reason) < 0)
		give_up(kernel, reason.text);
}

static void end_run(struct kernel *kernel)
{
	connection_watch_destroy(kernel->watch);
	kernel->watch = NULL;
	channels_destroy(kernel->channels);
	kernel->channels = NULL;
	kernel_process_destroy(kernel->process);
	kernel->process = NULL;
	kernel->ready_since = 0;
	loop_timer_set(kernel->timer, -1);
	loop_timer_set(kernel->heartbeat, -1);
}

static void start_again(struct kernel *kernel)
{
	struct reason reason;

	if (start_run(kernel, &reason) < 0)
		finish(kernel, false, reason.text);
}

static void crashed(struct kernel *kernel, const char *how, int64_t ready_ms)
{
	struct reason reason;
	int64_t delay = BACKOFF_FIRST_MS;

	describe(kernel, kernel->verdict.text[0] != '\0' ? "was ended" : how, &reason);
	if (kernel->verdict.text[0] != '\0')
		reason_prefix(&reason, "%s", kernel->verdict.text);
	end_run(kernel);
	if (ready_ms > STABLE_MS)
		kernel->crashes = 0;
	kernel->crashes++;
	if (!kernel->was_ready || kernel->crashes > kernel->options->restarts_max) {
		finish(kernel, false, reason.text);
		return;
	}
	kernel->restarts++;
	for (unsigned i = 1; i < kernel->crashes && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	loop_timer_set(kernel->timer, delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
	kernel->state = KERNEL_STARTING;
	kernel->reason = reason;
	kernel->callbacks.restarting(reason.text, kernel->callbacks.arg);
}

static void on_exit_of_kernel(int status, const char *how, void *arg)
{
	struct kernel *kernel = arg;
	bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	int64_t ready_ms = kernel->ready_since != 0 ? loop_now() - kernel->ready_since : 0;
	struct reason reason;

	switch (kernel->state) {
	case KERNEL_ENDING:
		describe(kernel, how, &reason);
		end_run(kernel);
		finish(kernel, true, reason.text);
		break;
	case KERNEL_RESTARTING:
		end_run(kernel);
		start_again(kernel);
		break;
	default:
		if (!in_order || kernel->ready_since == 0 || kernel->verdict.text[0] != '\0') {
			crashed(kernel, how, ready_ms);
			break;
		}
		end_run(kernel);
		kernel->state = KERNEL_EXITED;
		reason_set(&kernel->reason, "the kernel %s was shut down by its user",
			   kernel->options->spec->name);
		loop_timer_set(kernel->timer, kernel->options->linger_ms);
		break;
	}
}

/* The next, stronger step of ending it. */
static void press(struct kernel *kernel)
{
	int signo = kernel->terminated ? SIGKILL : SIGTERM;

	kernel_process_signal(kernel->process, signo, true);
	kernel->terminated = true;
	loop_timer_set(kernel->timer, kernel->step_ms);
}

static void on_timer(void *arg)
{
	struct kernel *kernel = arg;
	char why[256];

	switch (kernel->state) {
	case KERNEL_STARTING:
		if (kernel->process == NULL) {
			start_again(kernel);
			break;
		}
		snprintf(why, sizeof(why), "the kernel %s is not ready after %.0f s: %s",
			 kernel->options->spec->name, (double) kernel->options->ready_ms / 1000,
			 kernel->channels != NULL
				 ? channels_missing(kernel->channels)
				 : "it has not written its ports into its connection file");
		give_up(kernel, why);
		break;
	case KERNEL_EXITED:
		finish(kernel, true, kernel->reason.text);
		break;
	case KERNEL_RESTARTING:
	case KERNEL_ENDING:
		press(kernel);
		break;
	default:
		break;
	}
}

/* First by a message, where it can be expected to read one. */
static void take_down(struct kernel *kernel, enum kernel_state state, int64_t grace_ms)
{
	bool answers = kernel->state == KERNEL_READY && kernel->channels != NULL;
	const char *content =
		state == KERNEL_RESTARTING ? "{\"restart\":true}" : "{\"restart\":false}";

	kernel->state = state;
	kernel->terminated = false;
	kernel->step_ms = grace_ms / 2;
	if (answers && channels_request(kernel->channels, "shutdown_request", content) == 0)
		loop_timer_set(kernel->timer, kernel->step_ms);
	else
		press(kernel);
}

static int start_run(struct kernel *kernel, struct reason *reason)
{
	struct spawn_options options = {
		.program = kernel->program,
		.argv = kernel->argv,
		.environment = env_vector(kernel->environment),
		.directory = kernel->options->directory,
	};

	kernel->state = KERNEL_STARTING;
	kernel->verdict.text[0] = '\0';
	if (connection_prepare(kernel->connection, reason) < 0)
		return -1;
	if (kernel->options->spec->tcp) {
		kernel->watch = connection_watch_create(kernel->loop, kernel->connection,
							on_written, kernel);
		if (kernel->watch == NULL)
			return reason_set(reason, "inotify: %s", strerror(errno));
	}
	kernel->process = kernel_process_start(kernel->loop, &options, kernel->options->log,
					       kernel->options->memory, on_exit_of_kernel,
					       kernel, reason);
	if (kernel->process == NULL ||
	    (!kernel->options->spec->tcp && open_channels(kernel, reason) < 0)) {
		end_run(kernel);
		return -1;
	}
	loop_timer_set(kernel->timer, kernel->options->ready_ms);
	kernel->callbacks.spawned(kernel->callbacks.arg);
	return 0;
}

int kernel_start(struct kernel *kernel, struct reason *reason)
{
	const struct kernel_options *options = kernel->options;
	/* Of a Jupyter from which the job was submitted. */
	static const char *const foreign[] = {"JPY_PARENT_PID", "JPY_INTERRUPT_EVENT",
					      "JPY_SESSION_NAME"};

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		env_unset(kernel->environment, foreign[i]);
	if (kernelspec_environment(options->spec, kernel->environment) < 0)
		return reason_set(reason, "%s: its env: %s", options->spec->file,
				  strerror(errno));
	kernel->argv = kernelspec_argv(options->spec, options->python,
				       connection_file(kernel->connection), kernel->environment,
				       &kernel->program, reason);
	return kernel->argv != NULL ? start_run(kernel, reason) : -1;
}

int kernel_interrupt(struct kernel *kernel, struct reason *reason)
{
	if (kernel->state != KERNEL_READY && kernel->state != KERNEL_HUNG) {
		errno = EAGAIN;
		return reason_set(reason, "the kernel is %s: there is nothing to interrupt",
				  kernel_state_name(kernel->state));
	}
	if (!kernel->options->spec->interrupt_by_message)
		kernel_process_signal(kernel->process, SIGINT, true);
	else if (channels_request(kernel->channels, "interrupt_request", "{}") < 0)
		return reason_set(reason, "interrupt_request: %s", strerror(errno));
	return 0;
}

int kernel_restart(struct kernel *kernel, struct reason *reason)
{
	if (kernel->state == KERNEL_ENDING || kernel->state == KERNEL_ENDED) {
		errno = ESHUTDOWN;
		return reason_set(reason, "the kernel is %s: it cannot be restarted",
				  kernel_state_name(kernel->state));
	}
	if (kernel->state == KERNEL_RESTARTING)
		return 0;
	reason_set(&kernel->reason, "the kernel %s was restarted by its user",
		   kernel->options->spec->name);
	if (kernel->process != NULL)
		take_down(kernel, KERNEL_RESTARTING, RESTART_GRACE_MS);
	else {
		/* From the loop: the callbacks must not come from within this call. */
		kernel->state = KERNEL_STARTING;
		loop_timer_set(kernel->timer, 0);
	}
	kernel->callbacks.restarting(kernel->reason.text, kernel->callbacks.arg);
	return 0;
}

void kernel_stop(struct kernel *kernel, int64_t grace_ms)
{
	if (kernel->state == KERNEL_ENDING || kernel->state == KERNEL_ENDED)
		return;
	if (kernel->process != NULL)
		take_down(kernel, KERNEL_ENDING, grace_ms);
	else
		finish(kernel, true, "the kernel was not running");
}

enum kernel_state kernel_state(const struct kernel *kernel)
{
	return kernel->state;
}

const struct connection *kernel_connection(const struct kernel *kernel)
{
	return kernel->connection;
}

const struct kernelspec *kernel_spec(const struct kernel *kernel)
{
	return kernel->options->spec;
}

unsigned kernel_restarts(const struct kernel *kernel)
{
	return kernel->restarts;
}

const char *kernel_reason(const struct kernel *kernel)
{
	return kernel->reason.text;
}

struct kernel *kernel_create(struct loop *loop, const struct kernel_options *options,
			     const struct kernel_callbacks *callbacks)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (kernel == NULL)
		return NULL;
	kernel->loop = loop;
	kernel->options = options;
	kernel->callbacks = *callbacks;
	kernel->environment = env_create(env_vector(options->environment));
	kernel->connection = connection_create(options->runtime, options->runtime_fd,
					       options->spec->name, options->spec->tcp);
	kernel->timer = loop_timer_create(loop, on_timer, kernel);
	kernel->heartbeat = loop_timer_create(loop, on_heartbeat_timer, kernel);
	if (kernel->environment != NULL && kernel->connection != NULL &&
	    kernel->timer != NULL && kernel->heartbeat != NULL)
		return kernel;
	kernel_destroy(kernel);
	return NULL;
}

void kernel_destroy(struct kernel *kernel)
{
	int saved = errno;

	if (kernel == NULL)
		return;
	connection_watch_destroy(kernel->watch);
	channels_destroy(kernel->channels);
	kernel_process_destroy(kernel->process);
	connection_destroy(kernel->connection);
	loop_timer_destroy(kernel->timer);
	loop_timer_destroy(kernel->heartbeat);
	kernelspec_argv_free(kernel->argv);
	free(kernel->program);
	env_destroy(kernel->environment);
	free(kernel);
	errno = saved;
}
