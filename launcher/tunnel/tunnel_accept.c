/* SPDX-License-Identifier: MIT */
/*
 * Who is let in at the head's end of the tunnel: from which networks, how many at once, how
 * many strangers and for how long.  See tunnel_server_private.h.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "common/fd.h"
#include "launcher/tunnel/tcp.h"
#include "launcher/tunnel/tunnel_server_private.h"

enum {
	TURN_PEERS = 32,      /* accepted in one go before others get their turn */
	ACCEPT_PAUSE_MS = 100 /* after descriptors or memory have run out */
};

static void pause_accept(struct tunnel_server *server, int64_t ms)
{
	server->paused = true;
	loop_fd_events(server->listen_watch, 0);
	loop_timer_set(server->resume, ms);
}

void tunnel_accept_resume(struct tunnel_server *server)
{
	if (!server->paused || server->counts.open >= server->connections_max)
		return;
	server->paused = false;
	loop_timer_set(server->resume, -1);
	if (loop_fd_events(server->listen_watch, EPOLLIN) < 0)
		pause_accept(server, ACCEPT_PAUSE_MS);
}

static void handle_resume(void *arg)
{
	tunnel_accept_resume(arg);
}

void tunnel_accept_set_late(struct tunnel_server *server)
{
	const struct peer *oldest = TAILQ_FIRST(&server->waiting);
	int64_t left = oldest ? oldest->deadline - loop_now() : -1;

	loop_timer_set(server->late, oldest && left < 0 ? 0 : left);
}

static void handle_late(void *arg)
{
	struct tunnel_server *server = arg;
	struct peer *oldest;

	while ((oldest = TAILQ_FIRST(&server->waiting)) && oldest->deadline <= loop_now())
		peer_refuse(oldest);
	tunnel_accept_set_late(server);
}

/* The one that can best be spared: who has said nothing of use, longest. */
static void drive_out(struct tunnel_server *server)
{
	struct peer *peer, *found = NULL;

	TAILQ_FOREACH(peer, &server->waiting, waiting)
	{
		if (peer->stage == PEER_HELLO) {
			found = peer;
			break;
		}
		if (peer->stage == PEER_WISH && !found)
			found = peer;
	}
	if (found)
		peer_refuse(found);
}

static bool allowed(const struct tunnel_server *server, const struct sockaddr *address)
{
	for (size_t i = 0; i < server->network_count; i++)
		if (network_contains(&server->networks[i], address))
			return true;
	return server->network_count == 0;
}

/* One peer.  0, or -1 with errno when there is none now. */
static int accept_one(struct tunnel_server *server)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	int fd = accept4(server->listen_fd, (struct sockaddr *) &address, &size,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!allowed(server, (const struct sockaddr *) &address)) {
		tcp_reset(fd);
		server->counts.refused++;
		return 0;
	}
	if (server->counts.strangers >= server->strangers_max)
		drive_out(server);
	if (peer_create(server, fd) < 0) {
		fd_close(&fd);
		return -1;
	}
	return 0;
}

static void handle_accept(uint32_t events, void *arg)
{
	struct tunnel_server *server = arg;

	(void) events;
	for (int i = 0; i < TURN_PEERS; i++) {
		if (server->counts.open >= server->connections_max) {
			pause_accept(server, -1); /* until one ends */
			return;
		}
		if (accept_one(server) == 0)
			continue;
		switch (errno) {
		case EAGAIN:
			return;
		/* accept(2): what went wrong with that one peer is to be taken as EAGAIN. */
		case EINTR:
		case ECONNABORTED:
		case EPERM:
		case EPROTO:
		case ENETDOWN:
		case ENOPROTOOPT:
		case EHOSTDOWN:
		case ENONET:
		case EHOSTUNREACH:
		case EOPNOTSUPP:
		case ENETUNREACH:
			continue;
		/* Descriptors or memory: the queue stays readable, so do not look at it. */
		default:
			pause_accept(server, ACCEPT_PAUSE_MS);
			return;
		}
	}
}

int tunnel_accept_begin(struct tunnel_server *server)
{
	struct loop *loop = server->shared.loop;

	server->resume = loop_timer_create(loop, handle_resume, server);
	server->late = loop_timer_create(loop, handle_late, server);
	if (!server->resume || !server->late)
		return -1;
	server->listen_watch =
		loop_fd_add(loop, server->listen_fd, EPOLLIN, handle_accept, server);
	return server->listen_watch ? 0 : -1;
}

void tunnel_accept_end(struct tunnel_server *server)
{
	loop_timer_destroy(server->resume);
	loop_timer_destroy(server->late);
	loop_fd_remove(server->listen_watch);
	fd_close(&server->listen_fd);
}
