/* SPDX-License-Identifier: MIT */
/*
 * Who is let in at the head's end of the tunnel: from which networks, how many at once, how
 * many strangers and for how long.  See tunnel_server_private.h.
 */
#include "launcher/tunnel/tunnel_server_private.h"

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

static int has_room(void *arg)
{
	const struct tunnel_server *server = arg;

	return server->counts.open < server->connections_max;
}

static int let_in(int fd, void *arg)
{
	struct tunnel_server *server = arg;

	if (server->counts.strangers >= server->strangers_max)
		drive_out(server);
	return peer_create(server, fd);
}

int tunnel_accept_begin(struct tunnel_server *server, int listen_fd,
			const struct tunnel_server_options *options)
{
	struct loop *loop = server->shared.loop;
	struct listener_callbacks callbacks = {has_room, let_in, server};

	server->listener = listener_create(loop, listen_fd, options->networks,
					   options->network_count, &callbacks);
	server->late = loop_timer_create(loop, handle_late, server);
	return server->listener && server->late ? 0 : -1;
}

void tunnel_accept_end(struct tunnel_server *server)
{
	loop_timer_destroy(server->late);
	listener_destroy(server->listener);
}
