/* SPDX-License-Identifier: MIT */
/* See kernel_way.h. */
#include "launcher/sjupyter/kernel_way.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/backend.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/kernel_console.h"
#include "launcher/sjupyter/kernel_file.h"
#include "launcher/sjupyter/kernel_orders.h"
#include "launcher/sjupyter/kernel_proxy.h"
#include "launcher/sjupyter/kernel_request.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/watch.h"
#include "launcher/spawn.h"

enum { LOOK_MS = 2000 /* at the record, where no change is noticed */ };

/* Where sockets are allowed to be: short, local, and there while nobody is logged in, which
 * XDG_RUNTIME_DIR is not. */
static const char BASE[] = "/tmp";

struct kernel_way {
	const struct kernel_way_options *options;
	const struct target *target;
	struct loop *loop;
	struct watch *watch;
	struct loop_fd *change;
	struct loop_timer *look;
	struct backend *backend;
	struct tunnel_client *client;
	struct kernel_orders *orders;
	struct kernel_request *request;
	struct kernel_proxy *proxy;
	struct runtime_dir dir;
	char path[KERNEL_FILE_PATH_MAX];
	unsigned long number; /* 0: none was given, so the first */
	bool is_ready;
	bool is_over; /* the session, or this kernel */
	struct loop_child *console;
	int code;
};

static void stop(struct kernel_way *way, int code)
{
	way->code = code;
	loop_stop(way->loop);
}

static bool has_ended(const struct session *session, unsigned long number)
{
	for (size_t i = 0; i < session->kernel_count; i++)
		if (session->kernels[i].number == (number ? number : 1))
			return !strcmp(session->kernels[i].state, "ended");
	return false;
}

static void look(void *arg)
{
	struct kernel_way *way = arg;

	(void) watch_check(way->watch, NULL);
	const struct session *session = watch_session(way->watch);
	if (session && (session_state_final(session->state) ||
			(way->is_ready && has_ended(session, way->number)))) {
		way->is_over = true;
		stop(way, COMMAND_OK);
		return;
	}
	loop_timer_set(way->look, LOOK_MS);
}

static void on_change(uint32_t events, void *arg)
{
	(void) events;
	look(arg);
}

static void on_backend_gone(void *arg)
{
	struct kernel_way *way = arg;

	way->is_over = true;
	stop(way, COMMAND_OK);
}

/* Ctrl-C in the console is for the kernel: the console has no way to tell a kernel that it has
 * not started. */
static void on_signal(int signo, void *arg)
{
	struct kernel_way *way = arg;

	if (way->console && signo == SIGINT) {
		(void) kernel_orders_send_name(way->orders, "interrupt", way->number);
		return;
	}
	if (way->console)
		loop_child_kill(way->console, SIGTERM);
	stop(way, COMMAND_OK);
}

static void on_console_end(pid_t pid, int status, void *arg)
{
	struct kernel_way *way = arg;

	(void) pid;
	way->console = NULL;
	stop(way, WIFEXITED(status) && WEXITSTATUS(status) == 0 ? COMMAND_OK : COMMAND_FAILED);
}

static void on_proxy_end(int code, void *arg)
{
	stop(arg, code);
}

static void start_proxy(struct kernel_way *way)
{
	way->proxy = kernel_proxy_create(&(struct kernel_proxy_options){.loop = way->loop,
									.orders = way->orders,
									.client = way->client,
									.dir = &way->dir,
									.number = way->number,
									.ended = on_proxy_end,
									.arg = way});
	if (!way->proxy)
		stop(way, COMMAND_FAILED);
}

static void tell(struct kernel_way *way)
{
	if (way->options->is_proxy) {
		json_t *json = json_pack("{s:{s:s, s:s, s:i}}", "ready", "connection_file",
					 way->path, "job_id", way->target->job_id, "number",
					 way->number ? (int) way->number : 1);
		kernel_proxy_say(json);
		json_decref(json);
		start_proxy(way);
		return;
	}
	printf("%s\n", way->path);
	fflush(stdout);
	if (!way->options->no_console && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		way->console = kernel_console_start(way->loop, way->path, on_console_end, way);
	else
		fprintf(stderr, "Ctrl-C ends the way to the kernel, not the kernel.\n");
}

static void on_request_failed(const char *words, void *arg)
{
	output_error("%s", words);
	stop(arg, COMMAND_FAILED);
}

static void on_request_ready(unsigned long number, const json_t *connection, void *arg)
{
	struct kernel_way *way = arg;
	struct reason reason;

	way->number = number;
	if (kernel_file_listen(&way->dir, way->client, (unsigned) number, &reason) < 0 ||
	    kernel_file_write(&way->dir, way->target->job_id, connection, way->path, &reason) <
		    0) {
		on_request_failed(reason.text, way);
		return;
	}
	way->is_ready = true;
	tell(way);
}

static void on_answer(const json_t *answer, void *arg)
{
	struct kernel_way *way = arg;

	if (!way->is_ready)
		kernel_request_answer(way->request, answer);
	else if (way->options->is_proxy)
		kernel_proxy_say(answer);
}

static void on_failed(const char *name, const struct reason *reason, void *arg)
{
	struct kernel_way *way = arg;

	/* The other sockets' programs try again by themselves. */
	if (!strcmp(name, TUNNEL_ORDERS) && way->orders)
		kernel_orders_failed(way->orders, reason);
}

static struct kernel_request *request(struct kernel_way *way)
{
	return kernel_request_create(
		&(struct kernel_request_options){.loop = way->loop,
						 .orders = way->orders,
						 .job_id = way->target->job_id,
						 .new = way->options->new,
						 .number = way->options->number,
						 .ready = on_request_ready,
						 .failed = on_request_failed,
						 .arg = way});
}

static int open_tunnel(struct kernel_way *way, struct reason *reason)
{
	struct tunnel_client_options options = {.failed = on_failed, .arg = way};
	union backend_address address;
	char *token;

	if (backend_address(&address, way->target->session->ip, way->options->port,
			    &options.address_length) < 0)
		return reason_set(reason, "the session's record has no address");
	if (!(token = address_token(way->target->state_fd, reason)))
		return -1;
	options.address = &address.any;
	options.token = token;
	options.token_size = strlen(token);
	way->client = tunnel_client_create(way->loop, &options);
	int error = errno;
	address_free(token);
	errno = error;
	if (!way->client)
		return reason_set(reason, "the way to the head: %s", strerror(errno));
	if (!(way->orders = kernel_orders_create(way->loop, way->client, on_answer, way)) ||
	    !(way->backend = backend_create(way->loop, &address, way->target->state_fd,
					    on_backend_gone, way)) ||
	    !(way->request = request(way)))
		return reason_set(reason, "the way to the head: %s", strerror(errno));
	return 0;
}

static int prepare(struct kernel_way *way, struct reason *reason)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct watch_filter filter = {.restart = (long) way->target->session->restart,
				      .not_before =
					      way->target->session->phases[PHASE_TRIGGERED]};

	if (runtime_dir_create(&way->dir, BASE, reason) < 0)
		return -1;
	if (!(way->loop = loop_create()) ||
	    !(way->watch = watch_create(way->target->job_id, &filter)) ||
	    !(way->look = loop_timer_create(way->loop, look, way)))
		return reason_set(reason, "event loop: %s", strerror(errno));
	(void) watch_check(way->watch, NULL);
	loop_timer_set(way->look, LOOK_MS);
	if (watch_fd(way->watch) >= 0)
		way->change =
			loop_fd_add(way->loop, watch_fd(way->watch), EPOLLIN, on_change, way);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal_add(way->loop, signals[i], on_signal, way) < 0)
			return reason_set(reason, "event loop: %s", strerror(errno));
	return open_tunnel(way, reason);
}

static void tell_end(const struct kernel_way *way)
{
	const struct session *session = way->watch ? watch_session(way->watch) : NULL;
	const char *reason = session && session->reason ? session->reason : "";
	bool alone = way->is_ready && session && !session_state_final(session->state) &&
		     has_ended(session, way->number);

	if (alone)
		reason = "this kernel of it has ended, the session goes on";
	if (way->options->is_proxy) {
		json_t *json = json_pack("{s:s}", "ended", reason);
		kernel_proxy_say(json);
		json_decref(json);
	}
	fprintf(stderr, "the session of job %s%s%s%s\n", way->target->job_id,
		alone ? "" : " has ended", *reason ? ": " : "", reason);
}

int kernel_way_run(const struct kernel_way_options *options)
{
	struct kernel_way *way = &(struct kernel_way){.options = options,
						      .target = options->target,
						      .number = options->number,
						      .dir = {.fd = -1, .lock_fd = -1}};
	struct reason reason;
	int rc;

	spawn_no_core_dumps();
	rc = prepare(way, &reason);
	if (rc == 0 && loop_run(way->loop) < 0)
		rc = reason_set(&reason, "event loop: %s", strerror(errno));
	if (rc < 0)
		output_error("%s", reason.text);
	else if (way->is_over)
		tell_end(way);
	if (way->is_over && way->console)
		loop_child_kill(way->console, SIGTERM);
	loop_child_remove(way->console);
	kernel_proxy_destroy(way->proxy);
	backend_destroy(way->backend);
	kernel_request_destroy(way->request);
	kernel_orders_destroy(way->orders);
	tunnel_client_destroy(way->client);
	loop_fd_remove(way->change);
	loop_timer_destroy(way->look);
	watch_destroy(way->watch);
	loop_destroy(way->loop);
	runtime_dir_destroy(&way->dir);
	return rc < 0 ? COMMAND_FAILED : way->code;
}
