/* SPDX-License-Identifier: MIT */
/*
 * sjupyter tunnel: a port of this host's loopback, or a unix socket, that leads to a session.
 * As the user, on the login host.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/head/relay.h"
#include "launcher/loop.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/backend.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"
#include "launcher/sjupyter/watch.h"

static const char help[] =
	"usage: sjupyter tunnel [JOBID] [--port=N | --socket=PATH]\n"
	"\n"
	"Listens on 127.0.0.1 of this host, relays to the session, and prints the URL to use\n"
	"here, until Ctrl-C or the session's end.\n"
	"\n"
	"  --port=N       this port; else any that is free\n"
	"  --socket=PATH  a unix socket that only you can use, for `ssh -L 8888:PATH`, "
	"instead\n"
	"                 of the port: any user of this host can reach the port, and only the\n"
	"                 token keeps them out of the session\n"
	"  --help         this\n";

enum {
	LOOK_MS = 2000, /* at the record, where no change is noticed */
	BACKLOG = 128
};

struct tunnel {
	struct target target;
	struct loop *loop;
	struct watch *watch;
	struct loop_fd *change;
	struct loop_timer *look;
	struct backend *backend;
	struct relay *relay;
	const char *socket_path; /* or NULL */
	unsigned port;
	int signal;
	bool is_over;
};

static void look(void *arg)
{
	struct tunnel *tunnel = arg;

	(void) watch_check(tunnel->watch, NULL);
	const struct session *session = watch_session(tunnel->watch);
	if (session && session_state_final(session->state)) {
		tunnel->is_over = true;
		loop_stop(tunnel->loop);
		return;
	}
	loop_timer_set(tunnel->look, LOOK_MS);
}

static void on_change(uint32_t events, void *arg)
{
	(void) events;
	look(arg);
}

static void on_backend_gone(void *arg)
{
	struct tunnel *tunnel = arg;

	tunnel->is_over = true;
	loop_stop(tunnel->loop);
}

static void on_signal(int signo, void *arg)
{
	struct tunnel *tunnel = arg;

	tunnel->signal = signo;
	loop_stop(tunnel->loop);
}

/* A unix socket of mode 0600 from its first moment; what is there already stays. */
static int listen_at(const char *path, struct reason *reason)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = -1;

	if (!*path || strlen(path) >= sizeof(address.sun_path))
		return reason_set(reason, "--socket=%s: 1 to %zu bytes are allowed", path,
				  sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	mode_t mask = umask(0177);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool bound =
		fd >= 0 && bind(fd, (const struct sockaddr *) &address, sizeof(address)) == 0;
	int error = errno;
	umask(mask);
	if (bound && listen(fd, BACKLOG) == 0)
		return fd;
	if (bound)
		error = errno;
	fd_close(&fd);
	return reason_set(reason, "--socket=%s: %s", path,
			  error == EADDRINUSE ? "there is something already: remove it first"
					      : strerror(error));
}

static int open_way(struct tunnel *tunnel, unsigned port, struct reason *reason)
{
	struct relay_options options = {.socket_path = NULL};
	union backend_address backend;
	int fd;

	if (backend_address(&backend, tunnel->target.session->ip, tunnel->target.session->port,
			    &options.backend_length) < 0)
		return reason_set(reason, "the session's record has no address");
	options.backend = &backend.any;
	fd = tunnel->socket_path ? listen_at(tunnel->socket_path, reason)
				 : relay_listen("127.0.0.1", port, port, &tunnel->port, reason);
	if (fd < 0)
		return -1;
	if (!(tunnel->relay = relay_create(tunnel->loop, fd, &options)) ||
	    !(tunnel->backend = backend_create(tunnel->loop, &backend, tunnel->target.state_fd,
					       on_backend_gone, tunnel)))
		return reason_set(reason, "relay: %s", strerror(errno));
	relay_backend(tunnel->relay, true);
	return 0;
}

static int prepare(struct tunnel *tunnel, unsigned port, struct reason *reason)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct watch_filter filter = {.restart = (long) tunnel->target.session->restart,
				      .not_before =
					      tunnel->target.session->phases[PHASE_TRIGGERED]};

	if (!(tunnel->loop = loop_create()) ||
	    !(tunnel->watch = watch_create(tunnel->target.job_id, &filter)) ||
	    !(tunnel->look = loop_timer_create(tunnel->loop, look, tunnel)))
		return reason_set(reason, "event loop: %s", strerror(errno));
	(void) watch_check(tunnel->watch, NULL);
	loop_timer_set(tunnel->look, LOOK_MS);
	if (watch_fd(tunnel->watch) >= 0)
		tunnel->change = loop_fd_add(tunnel->loop, watch_fd(tunnel->watch), EPOLLIN,
					     on_change, tunnel);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (loop_signal_add(tunnel->loop, signals[i], on_signal, tunnel) < 0)
			return reason_set(reason, "event loop: %s", strerror(errno));
	return open_way(tunnel, port, reason);
}

/* The URL by which the session is reached through us. */
static int tell(const struct tunnel *tunnel, struct reason *reason)
{
	const struct session *session = tunnel->target.session;
	char *token = address_token(tunnel->target.state_fd, reason);
	char *url;

	if (!token && errno != ENOENT)
		return -1;
	url = address_through(session->url, "localhost",
			      tunnel->socket_path ? ADDRESS_PORT : tunnel->port, token);
	address_free(token);
	if (!url)
		return reason_set(reason, "the session has no URL");
	printf("%s\n", url);
	address_free(url);
	fflush(stdout);
	if (tunnel->socket_path)
		fprintf(stderr, "once your computer has: ssh -N -L %d:%s THIS-HOST\n",
			ADDRESS_PORT, tunnel->socket_path);
	fprintf(stderr, "Ctrl-C ends the tunnel, not the session.\n");
	return 0;
}

static int relay_session(struct tunnel *tunnel, unsigned port)
{
	struct reason reason;
	int rc = prepare(tunnel, port, &reason);

	if (rc == 0)
		rc = tell(tunnel, &reason);
	if (rc == 0 && loop_run(tunnel->loop) < 0)
		rc = reason_set(&reason, "event loop: %s", strerror(errno));
	if (rc < 0)
		output_error("%s", reason.text);
	else if (tunnel->is_over)
		fprintf(stderr, "the session of job %s has ended\n", tunnel->target.job_id);
	/* The path is ours only if we have bound it. */
	if (tunnel->socket_path && tunnel->relay)
		unlink(tunnel->socket_path);
	backend_destroy(tunnel->backend);
	relay_destroy(tunnel->relay);
	loop_fd_remove(tunnel->change);
	loop_timer_destroy(tunnel->look);
	watch_destroy(tunnel->watch);
	loop_destroy(tunnel->loop);
	return rc < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int parse(int argc, char *argv[], struct tunnel *tunnel, unsigned long *port,
		 const char **id)
{
	static const struct option words[] = {{"port", required_argument, NULL, 'p'},
					      {"socket", required_argument, NULL, 's'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int word;

	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		switch (word) {
		case 'p':
			if (text_to_ulong(optarg, 1, 65535, port) < 0)
				return command_wrong(&command_tunnel,
						     "--port=%s: 1 to 65535 are allowed",
						     optarg);
			break;
		case 's':
			tunnel->socket_path = optarg;
			break;
		case 'h':
			return command_help(&command_tunnel);
		default:
			return command_unknown(&command_tunnel);
		}
	}
	if (*port && tunnel->socket_path)
		return command_wrong(&command_tunnel, "--port or --socket, not both");
	return command_take_id(&command_tunnel, argc, argv, id);
}

static int run(int argc, char *argv[], const char *config)
{
	struct tunnel tunnel = {.target = {.state_fd = -1}};
	struct reason reason;
	unsigned long port = 0;
	const char *id = NULL;
	int code = parse(argc, argv, &tunnel, &port, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &tunnel.target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	if (target_is_serving(&tunnel.target))
		code = relay_session(&tunnel, (unsigned) port);
	else
		code = COMMAND_FAILED;
	target_clear(&tunnel.target);
	return code;
}

const struct command command_tunnel = {
	"tunnel", "reach a session by a port of this host's loopback", help, run};
