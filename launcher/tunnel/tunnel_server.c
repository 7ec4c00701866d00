/* SPDX-License-Identifier: MIT */
/*
 * The head's end of the tunnel: see tunnel_server.h.  tunnel_accept.c lets peers in, peer.c
 * finds out who they are and what they want.  Called by the head, in its event loop, as the
 * user.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/fd.h"
#include "launcher/tunnel/tunnel_server_private.h"

struct tunnel_server *tunnel_server_create(struct loop *loop, int listen_fd,
					   const struct tunnel_server_options *options)
{
	struct tunnel_server *server = calloc(1, sizeof(*server));

	if (!server) {
		fd_close(&listen_fd);
		return NULL;
	}
	server->connections_max =
		options->connections_max ? options->connections_max : TUNNEL_CONNECTIONS_MAX;
	server->strangers_max =
		options->strangers_max ? options->strangers_max : TUNNEL_STRANGERS_MAX;
	server->handshake_ms =
		options->handshake_ms > 0 ? options->handshake_ms : TUNNEL_HANDSHAKE_MS;
	server->orders = options->orders;
	server->arg = options->arg;
	LIST_INIT(&server->peers);
	TAILQ_INIT(&server->waiting);
	if (link_shared_init(&server->shared, loop) < 0) {
		fd_close(&listen_fd);
		goto error;
	}
	if (tunnel_accept_begin(server, listen_fd, options) < 0 ||
	    handshake_token_set(&server->token, options->token, options->token_size) < 0)
		goto error;
	return server;
error:
	tunnel_server_destroy(server);
	return NULL;
}

void tunnel_server_destroy(struct tunnel_server *server)
{
	int error = errno;

	if (!server)
		return;
	while (!LIST_EMPTY(&server->peers))
		peer_destroy(LIST_FIRST(&server->peers));
	tunnel_accept_end(server);
	link_shared_clear(&server->shared);
	sodium_memzero(&server->token, sizeof(server->token));
	free(server);
	errno = error;
}

int tunnel_server_way(struct tunnel_server *server, const char *name,
		      const struct sockaddr *address, socklen_t length)
{
	return ways_set(&server->ways, name, address, length);
}

int tunnel_server_way_unix(struct tunnel_server *server, const char *name, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(path);

	if (size == 0 || size >= sizeof(address.sun_path)) {
		errno = size == 0 ? EINVAL : ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, size);
	return tunnel_server_way(server, name, (const struct sockaddr *) &address,
				 sizeof(address));
}

void tunnel_server_counts(const struct tunnel_server *server,
			  struct tunnel_server_counts *counts)
{
	*counts = server->counts;
	counts->refused += listener_refused(server->listener);
	counts->bytes_in = server->shared.bytes_opened;
	counts->bytes_out = server->shared.bytes_sealed;
	counts->last_activity_ms = server->shared.last_activity_ms;
}
