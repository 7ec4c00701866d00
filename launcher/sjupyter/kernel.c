/* SPDX-License-Identifier: MIT */
/*
 * sjupyter kernel: the kernel of a session as one of this host, through the tunnel; with a
 * console, or for any other client.  As the user, on the login host.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/backend.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/kernel_file.h"
#include "launcher/sjupyter/kernel_orders.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/watch.h"
#include "launcher/spawn.h"

static const char help[] =
	"usage: sjupyter kernel [JOBID] [--no-console | --proxy]\n"
	"\n"
	"Leads to the kernel of a session begun with --jupyter=kernel: writes a connection "
	"file\n"
	"for it on this host, prints the file's path, and runs `jupyter console` on it where\n"
	"that is installed and this is a terminal.  What goes over the network is encrypted;\n"
	"the sockets here are yours alone.\n"
	"\n"
	"  --no-console  only the connection file, for any client, until Ctrl-C or the\n"
	"                session's end: `jupyter console --existing FILE` for one\n"
	"  --proxy       the same for programs: lines of JSON on stdout, orders on stdin, "
	"ends\n"
	"                when stdin does\n"
	"  --help        this\n";

enum {
	LOOK_MS = 2000,	 /* at the record, where no change is noticed */
	FIRST_MS = 30000 /* for the head to answer about the connection */
};

/* Where sockets are allowed to be: short, local, and there while nobody is logged in, which
 * XDG_RUNTIME_DIR is not. */
static const char BASE[] = "/tmp";

struct kernel {
	struct target target;
	struct loop *loop;
	struct watch *watch;
	struct loop_fd *change;
	struct loop_timer *look, *first;
	struct backend *backend;
	struct tunnel_client *client;
	struct kernel_orders *orders;
	struct runtime_dir dir;
	char path[KERNEL_FILE_PATH_MAX];
	bool no_console, proxy;
	bool is_ready;
	bool is_over;		   /* the session */
	char in[KERNEL_ORDER_MAX]; /* of --proxy's stdin */
	size_t in_size;
	struct loop_fd *in_watch;
	struct loop_child *console;
	int code;
};

static void stop(struct kernel *kernel, int code)
{
	kernel->code = code;
	loop_stop(kernel->loop);
}

static void look(void *arg)
{
	struct kernel *kernel = arg;

	(void) watch_check(kernel->watch, NULL);
	const struct session *session = watch_session(kernel->watch);
	if (session && session_state_final(session->state)) {
		kernel->is_over = true;
		stop(kernel, COMMAND_OK);
		return;
	}
	loop_timer_set(kernel->look, LOOK_MS);
}

static void on_change(uint32_t events, void *arg)
{
	(void) events;
	look(arg);
}

static void on_backend_gone(void *arg)
{
	struct kernel *kernel = arg;

	kernel->is_over = true;
	stop(kernel, COMMAND_OK);
}

static void on_first_late(void *arg)
{
	struct kernel *kernel = arg;

	output_error("the head of job %s has not answered within %d s", kernel->target.job_id,
		     FIRST_MS / 1000);
	stop(kernel, COMMAND_FAILED);
}

/* One line of JSON for the program that has started us. */
static void say(const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (text) {
		printf("%s\n", text);
		fflush(stdout);
		explicit_bzero(text, strlen(text));
	}
	free(text);
}

static void say_error(const char *words)
{
	json_t *json = json_pack("{s:s}", "error", words);

	say(json);
	json_decref(json);
}

static int order(struct kernel *kernel, const char *name)
{
	json_t *json = json_pack("{s:{}}", name);
	int rc = json ? kernel_orders_send(kernel->orders, json) : -1;

	json_decref(json);
	return rc;
}

/* Ctrl-C in the console is for the kernel: the console has no way to tell a kernel that it has
 * not started. */
static void on_signal(int signo, void *arg)
{
	struct kernel *kernel = arg;

	if (kernel->console && signo == SIGINT) {
		(void) order(kernel, "interrupt");
		return;
	}
	if (kernel->console)
		loop_child_kill(kernel->console, SIGTERM);
	stop(kernel, COMMAND_OK);
}

/* --proxy: orders on stdin. */

/* The one order that is for us: the sockets were removed. */
static void listen_again(struct kernel *kernel)
{
	struct reason reason;
	json_t *json;

	if (kernel_file_listen(&kernel->dir, kernel->client, &reason) < 0) {
		say_error(reason.text);
		return;
	}
	json = json_pack("{s:b}", "ok", 1);
	say(json);
	json_decref(json);
}

static void take_order(struct kernel *kernel, const char *line, size_t size)
{
	json_error_t error;
	json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(json) && json_object_get(json, "listen"))
		listen_again(kernel);
	else if (!json_is_object(json))
		say_error("an order is a JSON object on one line");
	else if (kernel_orders_send(kernel->orders, json) < 0)
		say_error(errno == ENOTCONN ? "there is no connection to the head now"
					    : strerror(errno));
	json_decref(json);
}

static void on_stdin(uint32_t events, void *arg)
{
	struct kernel *kernel = arg;
	char *newline;
	ssize_t n = read(STDIN_FILENO, kernel->in + kernel->in_size,
			 sizeof(kernel->in) - kernel->in_size);

	(void) events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		stop(kernel, COMMAND_OK);
		return;
	}
	kernel->in_size += (size_t) n;
	while ((newline = memchr(kernel->in, '\n', kernel->in_size))) {
		size_t size = (size_t) (newline - kernel->in) + 1;

		take_order(kernel, kernel->in, size - 1);
		kernel->in_size -= size;
		memmove(kernel->in, newline + 1, kernel->in_size);
	}
	if (kernel->in_size == sizeof(kernel->in)) {
		output_error("an order of more than %d bytes", KERNEL_ORDER_MAX);
		stop(kernel, COMMAND_FAILED);
	}
}

/* The console. */

static void on_console_end(pid_t pid, int status, void *arg)
{
	struct kernel *kernel = arg;

	(void) pid;
	kernel->console = NULL;
	stop(kernel,
	     WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMMAND_OK : COMMAND_FAILED);
}

static void start_console(struct kernel *kernel)
{
	extern char **environ;
	char *program = spawn_find("jupyter-console", getenv("PATH"));
	char name[] = "jupyter-console", word[] = "--existing";
	char *argv[] = {name, word, kernel->path, NULL};
	struct reason reason;
	pid_t pid;

	if (!program) {
		fprintf(stderr, "jupyter-console is not in PATH; "
				"any client can use the file.  Ctrl-C ends.\n");
		return;
	}
	pid = spawn_process(&(struct spawn_options){.program = program,
						    .argv = argv,
						    .environment = environ,
						    .in = STDIN_FILENO,
						    .out = STDOUT_FILENO,
						    .err = STDERR_FILENO,
						    .dies_with_us = true},
			    &reason);
	free(program);
	if (pid > 0)
		kernel->console = loop_child_add(kernel->loop, pid, on_console_end, kernel);
	else
		output_error("%s", reason.text);
}

static void tell(struct kernel *kernel)
{
	if (kernel->proxy) {
		json_t *json = json_pack("{s:{s:s, s:s}}", "ready", "connection_file",
					 kernel->path, "job_id", kernel->target.job_id);
		say(json);
		json_decref(json);
		kernel->in_watch =
			loop_fd_add(kernel->loop, STDIN_FILENO, EPOLLIN, on_stdin, kernel);
		if (!kernel->in_watch) {
			output_error("--proxy: stdin must be a pipe: %s", strerror(errno));
			stop(kernel, COMMAND_FAILED);
		}
		return;
	}
	printf("%s\n", kernel->path);
	fflush(stdout);
	if (!kernel->no_console && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		start_console(kernel);
	else
		fprintf(stderr, "Ctrl-C ends the way to the kernel, not the kernel.\n");
}

static void on_answer(const json_t *answer, void *arg)
{
	struct kernel *kernel = arg;
	struct reason reason;

	if (kernel->is_ready) {
		if (kernel->proxy)
			say(answer);
		return;
	}
	loop_timer_set(kernel->first, -1);
	if (kernel_file_write(&kernel->dir, kernel->target.job_id, answer, kernel->path,
			      &reason) < 0) {
		output_error("%s", reason.text);
		stop(kernel, COMMAND_FAILED);
		return;
	}
	kernel->is_ready = true;
	tell(kernel);
}

static void on_failed(const char *name, const struct reason *reason, void *arg)
{
	struct kernel *kernel = arg;

	/* The other sockets' programs try again by themselves. */
	if (!strcmp(name, TUNNEL_ORDERS) && kernel->orders)
		kernel_orders_failed(kernel->orders, reason);
}

static int open_tunnel(struct kernel *kernel, struct reason *reason)
{
	struct tunnel_client_options options = {.failed = on_failed, .arg = kernel};
	union backend_address address;
	char *token;

	if (backend_address(&address, kernel->target.session->ip, kernel->target.session->port,
			    &options.address_length) < 0)
		return reason_set(reason, "the session's record has no address");
	if (!(token = address_token(kernel->target.state_fd, reason)))
		return -1;
	options.address = &address.any;
	options.token = token;
	options.token_size = strlen(token);
	kernel->client = tunnel_client_create(kernel->loop, &options);
	int error = errno;
	address_free(token);
	errno = error;
	if (!kernel->client)
		return reason_set(reason, "the way to the head: %s", strerror(errno));
	if (!(kernel->orders =
		      kernel_orders_create(kernel->loop, kernel->client, on_answer, kernel)) ||
	    !(kernel->backend = backend_create(kernel->loop, &address, kernel->target.state_fd,
					       on_backend_gone, kernel)) ||
	    order(kernel, "connection") < 0)
		return reason_set(reason, "the way to the head: %s", strerror(errno));
	return kernel_file_listen(&kernel->dir, kernel->client, reason);
}

static int prepare(struct kernel *kernel, struct reason *reason)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct watch_filter filter = {.restart = (long) kernel->target.session->restart,
				      .not_before =
					      kernel->target.session->phases[PHASE_TRIGGERED]};

	if (runtime_dir_create(&kernel->dir, BASE, reason) < 0)
		return -1;
	if (!(kernel->loop = loop_create()) ||
	    !(kernel->watch = watch_create(kernel->target.job_id, &filter)) ||
	    !(kernel->look = loop_timer_create(kernel->loop, look, kernel)) ||
	    !(kernel->first = loop_timer_create(kernel->loop, on_first_late, kernel)))
		return reason_set(reason, "event loop: %s", strerror(errno));
	(void) watch_check(kernel->watch, NULL);
	loop_timer_set(kernel->look, LOOK_MS);
	loop_timer_set(kernel->first, FIRST_MS);
	if (watch_fd(kernel->watch) >= 0)
		kernel->change = loop_fd_add(kernel->loop, watch_fd(kernel->watch), EPOLLIN,
					     on_change, kernel);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal_add(kernel->loop, signals[i], on_signal, kernel) < 0)
			return reason_set(reason, "event loop: %s", strerror(errno));
	return open_tunnel(kernel, reason);
}

static void tell_end(const struct kernel *kernel)
{
	const struct session *session = kernel->watch ? watch_session(kernel->watch) : NULL;
	const char *reason = session && session->reason ? session->reason : "";

	if (kernel->proxy) {
		json_t *json = json_pack("{s:s}", "ended", reason);
		say(json);
		json_decref(json);
	}
	fprintf(stderr, "the session of job %s has ended%s%s\n", kernel->target.job_id,
		*reason ? ": " : "", reason);
}

static int proxy_session(struct kernel *kernel)
{
	struct reason reason;
	int rc;

	spawn_no_core_dumps();
	rc = prepare(kernel, &reason);
	if (rc == 0 && loop_run(kernel->loop) < 0)
		rc = reason_set(&reason, "event loop: %s", strerror(errno));
	if (rc < 0)
		output_error("%s", reason.text);
	else if (kernel->is_over)
		tell_end(kernel);
	if (kernel->is_over && kernel->console)
		loop_child_kill(kernel->console, SIGTERM);
	loop_child_remove(kernel->console);
	loop_fd_remove(kernel->in_watch);
	backend_destroy(kernel->backend);
	kernel_orders_destroy(kernel->orders);
	tunnel_client_destroy(kernel->client);
	loop_fd_remove(kernel->change);
	loop_timer_destroy(kernel->look);
	loop_timer_destroy(kernel->first);
	watch_destroy(kernel->watch);
	loop_destroy(kernel->loop);
	runtime_dir_destroy(&kernel->dir);
	return rc < 0 ? COMMAND_FAILED : kernel->code;
}

static int run(int argc, char *argv[], const char *config)
{
	struct kernel kernel = {.target = {.state_fd = -1}, .dir = {.fd = -1, .lock_fd = -1}};
	const struct command_flag flags[] = {
		{"no-console", &kernel.no_console}, {"proxy", &kernel.proxy}, {NULL, NULL}};
	struct reason reason;
	const char *id = NULL;
	int code = command_parse(&command_kernel, argc, argv, flags, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &kernel.target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	const char *url = kernel.target.session->url;
	if (!target_is_serving(&kernel.target)) {
		code = COMMAND_FAILED;
	} else if (!url || strncmp(url, "kernel://", strlen("kernel://")) != 0) {
		output_error("the session of job %s is a server, not a bare kernel: "
			     "`sjupyter url %s` shows its URL",
			     kernel.target.job_id, kernel.target.job_id);
		code = COMMAND_FAILED;
	} else {
		code = proxy_session(&kernel);
	}
	target_clear(&kernel.target);
	return code;
}

const struct command command_kernel = {
	"kernel", "reach a session's bare kernel, with a console or any client", help, run};
