/* SPDX-License-Identifier: MIT */
/*
 * sjupyter kernel: a bare kernel of a session, there already or started by this, as one of this
 * host, through the tunnel; with a console, or for any other client.  As the user, on the login
 * host.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/loop.h"
#include "launcher/runtime_dir.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/backend.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/kernel_file.h"
#include "launcher/sjupyter/kernel_orders.h"
#include "launcher/sjupyter/order.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/watch.h"
#include "launcher/spawn.h"

static const char help[] =
	"usage: sjupyter kernel [JOBID] [--new=KERNELSPEC | --number=N]\n"
	"                       [--no-console | --proxy]\n"
	"\n"
	"Leads to the kernel of a session begun with --jupyter=kernel: writes a connection "
	"file\n"
	"for it on this host, prints the file's path, and runs `jupyter console` on it where\n"
	"that is installed and this is a terminal.  What goes over the network is encrypted;\n"
	"the sockets here are yours alone.\n"
	"\n"
	"  --new=NAME    start one more kernel in the session, of this kernelspec on the\n"
	"                nodes: beside a server, too; it lives until it is shut down, or the\n"
	"                session ends\n"
	"  --number=N    that kernel of the session: `sjupyter status` lists them; else 1\n"
	"  --no-console  only the connection file, for any client, until Ctrl-C or the\n"
	"                session's end: `jupyter console --existing FILE` for one\n"
	"  --proxy       the same for programs: lines of JSON on stdout, orders on stdin, "
	"ends\n"
	"                when stdin does\n"
	"  --help        this\n";

enum {
	LOOK_MS = 2000,	  /* at the record, where no change is noticed */
	FIRST_MS = 30000, /* for the head to answer about the connection */
	ASK_MS = 100	  /* until the head is asked again whether a kernel is ready */
};

/* What the next answer is about. */
enum stage { STAGE_NEW, STAGE_STATUS, STAGE_CONNECTION, STAGE_READY };

/* Where sockets are allowed to be: short, local, and there while nobody is logged in, which
 * XDG_RUNTIME_DIR is not. */
static const char BASE[] = "/tmp";

struct kernel {
	struct target target;
	struct loop *loop;
	struct watch *watch;
	struct loop_fd *change;
	struct loop_timer *look, *first, *ask;
	struct backend *backend;
	struct tunnel_client *client;
	struct kernel_orders *orders;
	struct runtime_dir dir;
	char path[KERNEL_FILE_PATH_MAX];
	bool no_console, proxy;
	unsigned port;
	const char *new;      /* kernelspec, or NULL */
	unsigned long number; /* 0: none was given, so the first */
	enum stage stage;
	bool is_over;		   /* the session, or this kernel */
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

static bool has_ended(const struct session *session, unsigned long number)
{
	for (size_t i = 0; i < session->kernel_count; i++)
		if (session->kernels[i].number == (number ? number : 1))
			return !strcmp(session->kernels[i].state, "ended");
	return false;
}

static void look(void *arg)
{
	struct kernel *kernel = arg;

	(void) watch_check(kernel->watch, NULL);
	const struct session *session = watch_session(kernel->watch);
	if (session && (session_state_final(session->state) ||
			(kernel->stage == STAGE_READY && has_ended(session, kernel->number)))) {
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
	json_t *json = kernel->number
			       ? json_pack("{s:{s:i}}", name, "number", (int) kernel->number)
			       : json_pack("{s:{}}", name);
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

	if (kernel_file_listen(&kernel->dir, kernel->client, (unsigned) kernel->number,
			       &reason) < 0) {
		say_error(reason.text);
		return;
	}
	json = json_pack("{s:b}", "ok", 1);
	say(json);
	json_decref(json);
}

/* A program that says {} of a kernel means the one that it has been led to. */
static void set_number(const struct kernel *kernel, json_t *order)
{
	void *first = json_object_iter(order);
	json_t *words = first ? json_object_iter_value(first) : NULL;

	if (kernel->number && json_is_object(words) && json_object_size(words) == 0 &&
	    strcmp(json_object_iter_key(first), "kernels") != 0)
		json_object_set_new(words, "number", json_integer((json_int_t) kernel->number));
}

static void take_order(struct kernel *kernel, const char *line, size_t size)
{
	json_error_t error;
	json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(json) && json_object_get(json, "listen")) {
		listen_again(kernel);
		json_decref(json);
		return;
	}
	set_number(kernel, json);
	if (!json_is_object(json))
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
		json_t *json = json_pack("{s:{s:s, s:s, s:i}}", "ready", "connection_file",
					 kernel->path, "job_id", kernel->target.job_id,
					 "number", kernel->number ? (int) kernel->number : 1);
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

static void fail(struct kernel *kernel, const char *words)
{
	output_error("%s", words);
	stop(kernel, COMMAND_FAILED);
}

static void next(struct kernel *kernel, enum stage stage)
{
	static const char *const names[] = {
		[STAGE_STATUS] = "status", [STAGE_CONNECTION] = "connection"};

	kernel->stage = stage;
	loop_timer_set(kernel->first, FIRST_MS);
	if (order(kernel, names[stage]) < 0)
		fail(kernel, "there is no connection to the head now");
}

static void on_ask(void *arg)
{
	next(arg, STAGE_STATUS);
}

/* The number of one that was started. */
static void take_new(struct kernel *kernel, const json_t *answer)
{
	json_int_t number = json_integer_value(json_object_get(answer, "number"));

	if (number < 1 || number > INT32_MAX) {
		fail(kernel, "the head has answered without a kernel's number");
		return;
	}
	kernel->number = (unsigned long) number;
	next(kernel, STAGE_STATUS);
}

/* Whether it can be connected to: why not, only the head knows. */
static void take_status(struct kernel *kernel, const json_t *answer)
{
	const char *state = json_string_value(json_object_get(answer, "state"));
	const char *words = json_string_value(json_object_get(answer, "reason"));

	if (state && (!strcmp(state, "ready") || !strcmp(state, "hung"))) {
		next(kernel, STAGE_CONNECTION);
	} else if (state && (!strcmp(state, "starting") || !strcmp(state, "restarting"))) {
		loop_timer_set(kernel->first, -1);
		loop_timer_set(kernel->ask, ASK_MS);
	} else {
		struct reason reason;

		reason_set(&reason, "kernel %lu of job %s has ended: %s", kernel->number,
			   kernel->target.job_id, words ? words : "no reason is known");
		fail(kernel, reason.text);
	}
}

static void on_answer(const json_t *answer, void *arg)
{
	struct kernel *kernel = arg;
	const char *refusal = json_string_value(json_object_get(answer, "error"));
	struct reason reason;

	if (kernel->stage == STAGE_READY) {
		if (kernel->proxy)
			say(answer);
		return;
	}
	if (kernel->stage != STAGE_CONNECTION) {
		reason_set(&reason, "the head of job %s: %s", kernel->target.job_id,
			   refusal ? refusal : "");
		if (refusal)
			fail(kernel, reason.text);
		else if (kernel->stage == STAGE_NEW)
			take_new(kernel, answer);
		else
			take_status(kernel, answer);
		return;
	}
	loop_timer_set(kernel->first, -1);
	if (kernel_file_listen(&kernel->dir, kernel->client, (unsigned) kernel->number,
			       &reason) < 0) {
		fail(kernel, reason.text);
		return;
	}
	if (kernel_file_write(&kernel->dir, kernel->target.job_id, answer, kernel->path,
			      &reason) < 0) {
		fail(kernel, reason.text);
		return;
	}
	kernel->stage = STAGE_READY;
	tell(kernel);
}

static void on_failed(const char *name, const struct reason *reason, void *arg)
{
	struct kernel *kernel = arg;

	/* The other sockets' programs try again by themselves. */
	if (!strcmp(name, TUNNEL_ORDERS) && kernel->orders)
		kernel_orders_failed(kernel->orders, reason);
}

/* The first order. */
static int begin(struct kernel *kernel)
{
	json_t *json;
	int rc;

	kernel->stage = STAGE_NEW;
	if (!kernel->new) {
		next(kernel, kernel->number ? STAGE_STATUS : STAGE_CONNECTION);
		return 0;
	}
	json = json_pack("{s:{s:s}}", "start", "kernel", kernel->new);
	rc = json ? kernel_orders_send(kernel->orders, json) : -1;
	json_decref(json);
	return rc;
}

static int open_tunnel(struct kernel *kernel, struct reason *reason)
{
	struct tunnel_client_options options = {.failed = on_failed, .arg = kernel};
	union backend_address address;
	char *token;

	if (backend_address(&address, kernel->target.session->ip, kernel->port,
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
	    begin(kernel) < 0)
		return reason_set(reason, "the way to the head: %s", strerror(errno));
	return 0;
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
	    !(kernel->first = loop_timer_create(kernel->loop, on_first_late, kernel)) ||
	    !(kernel->ask = loop_timer_create(kernel->loop, on_ask, kernel)))
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
	bool alone = session && !session_state_final(session->state) &&
		     has_ended(session, kernel->number);

	if (alone)
		reason = "this kernel of it has ended, the session goes on";
	if (kernel->proxy) {
		json_t *json = json_pack("{s:s}", "ended", reason);
		say(json);
		json_decref(json);
	}
	fprintf(stderr, "the session of job %s%s%s%s\n", kernel->target.job_id,
		alone ? "" : " has ended", *reason ? ": " : "", reason);
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
	loop_timer_destroy(kernel->ask);
	watch_destroy(kernel->watch);
	loop_destroy(kernel->loop);
	runtime_dir_destroy(&kernel->dir);
	return rc < 0 ? COMMAND_FAILED : kernel->code;
}

/* Where the session's kernels are: the session's own port, or that of the tunnel that its head
 * opens when it is asked. */
static int find_port(struct kernel *kernel, struct reason *reason)
{
	const struct session *session = kernel->target.session;
	json_t *order, *answer = NULL;

	if (session->url && !strncmp(session->url, "kernel://", strlen("kernel://")))
		kernel->port = session->port;
	else if (!kernel->new && !kernel->number)
		return reason_set(
			reason,
			"the session of job %s is a server, not a bare kernel: "
			"`sjupyter url %s` shows its URL, --new=python3 starts a kernel "
			"beside it",
			kernel->target.job_id, kernel->target.job_id);
	else
		kernel->port = session->kernels_port;
	if (kernel->port)
		return 0;
	order = json_pack("{s:{}}", "kernels");
	if (!order)
		return reason_set(reason, "%s", strerror(ENOMEM));
	int rc = order_send(session, order, &answer, reason);
	json_int_t port = json_integer_value(json_object_get(answer, "port"));
	json_decref(order);
	json_decref(answer);
	if (rc == 0 && (port < 1 || port > 65535))
		rc = reason_set(reason, "the head has answered without a port");
	kernel->port = rc == 0 ? (unsigned) port : 0;
	return rc;
}

static int parse(int argc, char *argv[], struct kernel *kernel, const char **id)
{
	static const struct option words[] = {{"no-console", no_argument, NULL, 'c'},
					      {"proxy", no_argument, NULL, 'p'},
					      {"new", required_argument, NULL, 'n'},
					      {"number", required_argument, NULL, 'k'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int word;

	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		switch (word) {
		case 'c':
			kernel->no_console = true;
			break;
		case 'p':
			kernel->proxy = true;
			break;
		case 'n':
			kernel->new = optarg;
			if (!text_is_name(optarg, SESSION_KERNEL_NAME))
				return command_wrong(
					&command_kernel,
					"--new=%s: a kernelspec's name is allowed: "
					"letters, digits and ._-",
					optarg);
			break;
		case 'k':
			if (text_to_ulong(optarg, 1, INT32_MAX, &kernel->number) < 0)
				return command_wrong(&command_kernel,
						     "--number=%s: a number from 1 is allowed, "
						     "as `sjupyter status` shows it",
						     optarg);
			break;
		case 'h':
			return command_help(&command_kernel);
		default:
			return command_unknown(&command_kernel);
		}
	}
	if (kernel->new && kernel->number)
		return command_wrong(&command_kernel, "--new or --number, not both");
	return command_take_id(&command_kernel, argc, argv, id);
}

static int run(int argc, char *argv[], const char *config)
{
	struct kernel kernel = {.target = {.state_fd = -1}, .dir = {.fd = -1, .lock_fd = -1}};
	struct reason reason;
	const char *id = NULL;
	int code = parse(argc, argv, &kernel, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &kernel.target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	if (!target_is_serving(&kernel.target)) {
		code = COMMAND_FAILED;
	} else if (find_port(&kernel, &reason) < 0) {
		output_error("%s", reason.text);
		code = COMMAND_FAILED;
	} else {
		code = proxy_session(&kernel);
	}
	target_clear(&kernel.target);
	return code;
}

const struct command command_kernel = {
	"kernel", "reach a session's bare kernel, with a console or any client", help, run};
