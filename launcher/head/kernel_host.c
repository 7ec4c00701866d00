/* SPDX-License-Identifier: MIT */
/* See kernel_host.h. */
#include "launcher/head/kernel_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/head/kernel_app.h"
#include "launcher/head/token.h"
#include "launcher/kernel/kernels.h"
#include "launcher/kernel/orders.h"
#include "launcher/tunnel/tunnel_server.h"

_Static_assert(KERNELS_MAX *CONNECTION_CHANNELS <= TUNNEL_WAYS_MAX, "a way for each socket");
_Static_assert((int) KERNELS_MAX <= (int) SESSION_KERNELS_MAX,
	       "a place in the record for each");

struct kernel_host {
	struct head *head;
	unsigned port;
	struct kernel_options options;
	struct kernels *kernels;
	struct orders *orders;
	struct tunnel_server *tunnel;
};

static void on_orders(int fd, void *arg)
{
	struct kernel_host *host = arg;

	if (orders_take(host->orders, fd) < 0)
		head_log(host->head, LOG_WARNING, "a stream of orders: %s", strerror(errno));
}

/* With the job's environment: the workers' IPYTHONDIR is not where kernels are. */
static int choose(const char *name, struct kernel_choice *choice, struct reason *reason,
		  void *arg)
{
	struct kernel_host *host = arg;
	struct head *head = host->head;
	struct agent *agent = head->agent;

	if (head->ending || !head->server_environment) {
		errno = EAGAIN;
		return reason_set(reason, head->ending ? "the session ends"
						       : "the session is still starting");
	}
	/* What is made ready for the first is ready for all. */
	host->options.environment = head->server_environment;
	host->options.directory = head->root_dir;
	return kernel_choose(agent->settings, name, agent->environment, choice, reason);
}

/* "shell" of the first, "shell-2". */
static void way_name(unsigned number, const char *channel, char name[TUNNEL_NAME_MAX])
{
	if (number == 1)
		snprintf(name, TUNNEL_NAME_MAX, "%s", channel);
	else
		snprintf(name, TUNNEL_NAME_MAX, "%s-%u", channel, number);
}

static int set_way(struct tunnel_server *tunnel, const char *name, const char *endpoint)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (!endpoint)
		return tunnel_server_way(tunnel, name, NULL, 0);
	if (strncmp(endpoint, "ipc://", 6) == 0)
		return tunnel_server_way_unix(tunnel, name, endpoint + 6);
	address.sin_port = htons((uint16_t) atoi(strrchr(endpoint, ':') + 1));
	return tunnel_server_way(tunnel, name, (struct sockaddr *) &address, sizeof(address));
}

/* Ports that it has chosen itself may be others each time. */
static void on_sockets(unsigned number, const struct connection *connection, void *arg)
{
	struct kernel_host *host = arg;
	char endpoint[CONNECTION_ENDPOINT_MAX], name[TUNNEL_NAME_MAX];

	for (enum connection_channel i = 0; i < CONNECTION_CHANNELS; i++) {
		way_name(number, connection_name(i), name);
		if (set_way(host->tunnel, name,
			    connection ? connection_endpoint(connection, i, endpoint) : NULL) <
		    0)
			head_log(host->head, LOG_WARNING, "the tunnel's way to %s: %s", name,
				 strerror(errno));
	}
}

static void record_one(unsigned number, const char *name, const char *state, void *arg)
{
	struct session *session = arg;
	struct session_kernel *kernel = &session->kernels[session->kernel_count];

	if (session->kernel_count == SESSION_KERNELS_MAX)
		return;
	kernel->number = number;
	snprintf(kernel->name, sizeof(kernel->name), "%s", name);
	snprintf(kernel->state, sizeof(kernel->state), "%s", state);
	session->kernel_count++;
}

static void on_changed(void *arg)
{
	struct kernel_host *host = arg;
	struct head *head = host->head;
	struct session *session = record_session(head->record);

	session->kernel_count = 0;
	kernels_each(host->kernels, record_one, session);
	record_changed(head->record);
	kernel_app_changed(head->kernel_app);
}

static int open_tunnel(struct kernel_host *host, int listen_fd,
		       struct tunnel_server_options *options, struct reason *reason)
{
	struct head *head = host->head;
	char *token = NULL;
	struct kernels_callbacks callbacks = {choose, on_sockets, on_changed, host};

	if (!(host->kernels = kernels_create(head->agent->loop, &host->options, &callbacks)) ||
	    !(host->orders = orders_create(head->agent->loop, host->kernels)) ||
	    file_read(head->runtime.fd, "token", TOKEN_SIZE, &token, &options->token_size) <
		    0) {
		fd_close(&listen_fd);
	} else {
		options->token = token;
		host->tunnel = tunnel_server_create(head->agent->loop, listen_fd, options);
	}
	if (!host->tunnel)
		reason_set(reason, "the tunnel to the kernels: %s", strerror(errno));
	if (token)
		explicit_bzero(token, strlen(token));
	free(token);
	return host->tunnel ? 0 : -1;
}

int kernel_host_create(struct head *head, int listen_fd, unsigned port,
		       const struct network *networks, size_t network_count,
		       struct reason *reason)
{
	struct kernel_host *host = calloc(1, sizeof(*host));
	struct tunnel_server_options options = {.networks = networks,
						.network_count = network_count,
						.orders = on_orders,
						.arg = host};

	if (!host) {
		fd_close(&listen_fd);
		return reason_set(reason, "kernels: %s", strerror(errno));
	}
	head->kernel_host = host;
	host->head = head;
	host->port = port;
	host->options = (struct kernel_options){
		.runtime = head->runtime.path,
		.runtime_fd = head->runtime.fd,
		.ready_ms = RECIPE_READY_TIMEOUT * 1000,
		.heartbeat_ms = KERNEL_HEARTBEAT_MS,
		.linger_ms = KERNEL_LINGER_MS,
		.restarts_max = head->agent->settings->server_restarts_max,
		.log = head->log,
	};
	if (open_tunnel(host, listen_fd, &options, reason) == 0)
		return 0;
	kernel_host_destroy(head);
	return -1;
}

int kernel_host_open(struct head *head, unsigned *port, struct reason *reason)
{
	struct network *networks = NULL;
	size_t count = 0;
	int rc, fd;

	if (head->ending)
		return reason_set(reason, "the session ends");
	if (!head->kernel_host) {
		fd = head_listen(head, port, &networks, &count, reason);
		rc = fd < 0 ? -1 : kernel_host_create(head, fd, *port, networks, count, reason);
		free(networks);
		if (rc < 0)
			return -1;
		record_session(head->record)->kernels_port = *port;
		record_write(head->record);
	}
	*port = head->kernel_host->port;
	return 0;
}

int kernel_host_start(struct head *head, const char *name, const struct kernel_callbacks *own,
		      struct reason *reason)
{
	return kernels_start(head->kernel_host->kernels, name, own, reason);
}

size_t kernel_host_alive(const struct head *head)
{
	return head->kernel_host ? kernels_alive(head->kernel_host->kernels) : 0;
}

struct kernel *kernel_host_find(const struct head *head, unsigned number)
{
	return head->kernel_host ? kernels_find(head->kernel_host->kernels, number) : NULL;
}

void kernel_host_stop(struct head *head, int64_t grace_ms)
{
	if (head->kernel_host)
		kernels_stop(head->kernel_host->kernels, grace_ms);
}

void kernel_host_end(struct head *head)
{
	if (head->kernel_host)
		kernels_end(head->kernel_host->kernels);
}

void kernel_host_destroy(struct head *head)
{
	struct kernel_host *host = head->kernel_host;
	int error = errno;

	if (!host)
		return;
	tunnel_server_destroy(host->tunnel);
	orders_destroy(host->orders);
	kernels_destroy(host->kernels);
	free(host);
	head->kernel_host = NULL;
	errno = error;
}
