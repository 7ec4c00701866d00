/* SPDX-License-Identifier: MIT */
/* See kernel_app.h. */
#include "launcher/head/kernel_app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/head/token.h"
#include "launcher/kernel/kernel.h"
#include "launcher/kernel/orders.h"
#include "launcher/tunnel/tunnel_server.h"
#include "launcher/workers/kernel_choice.h"

struct kernel_app {
	struct head *head;
	struct kernel_choice choice;
	struct kernel_options options;
	struct kernel *kernel; /* NULL: not started yet, or it has ended */
	struct memory_kill *memory;
	struct orders *orders;
	struct tunnel_server *tunnel;
};

static void on_orders(int fd, void *arg)
{
	struct kernel_app *app = arg;

	if (orders_take(app->orders, fd) < 0)
		head_log(app->head, LOG_WARNING, "a stream of orders: %s", strerror(errno));
}

int kernel_app_create(struct head *head, int listen_fd, const struct network *networks,
		      size_t network_count, struct reason *reason)
{
	struct kernel_app *app = calloc(1, sizeof(*app));
	struct tunnel_server_options options = {.networks = networks,
						.network_count = network_count,
						.orders = on_orders,
						.arg = app};
	char *token = NULL;

	head->kernel_app = app;
	if (!app) {
		fd_close(&listen_fd);
		return reason_set(reason, "kernel: %s", strerror(errno));
	}
	app->head = head;
	if (file_read(head->runtime.fd, "token", TOKEN_SIZE, &token, &options.token_size) < 0 ||
	    !(app->orders = orders_create(head->agent->loop, &app->kernel)) ||
	    !(app->memory = memory_kill_create(""))) {
		fd_close(&listen_fd);
		goto out;
	}
	options.token = token;
	app->tunnel = tunnel_server_create(head->agent->loop, listen_fd, &options);
out:
	if (!app->tunnel)
		reason_set(reason, "the tunnel to the kernel: %s", strerror(errno));
	if (token)
		explicit_bzero(token, strlen(token));
	free(token);
	return app->tunnel ? 0 : -1;
}

/* Where its sockets are now: ports that it has chosen itself may be others each time. */
static void set_ways(struct kernel_app *app)
{
	const struct connection *connection = kernel_connection(app->kernel);
	char endpoint[CONNECTION_ENDPOINT_MAX];

	for (int i = 0; i < CONNECTION_CHANNELS; i++) {
		const char *name = connection_name((enum connection_channel) i);
		int rc;

		connection_endpoint(connection, (enum connection_channel) i, endpoint);
		if (strncmp(endpoint, "ipc://", 6) == 0) {
			rc = tunnel_server_way_unix(app->tunnel, name, endpoint + 6);
		} else {
			struct sockaddr_in address = {
				.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons((uint16_t) atoi(strrchr(endpoint, ':') + 1)),
			};
			rc = tunnel_server_way(app->tunnel, name, (struct sockaddr *) &address,
					       sizeof(address));
		}
		if (rc < 0)
			head_log(app->head, LOG_WARNING, "the tunnel's way to %s: %s", name,
				 strerror(errno));
	}
}

static void on_spawned(void *arg)
{
	struct kernel_app *app = arg;

	head_app_spawned(app->head);
}

static void on_ready(void *arg)
{
	struct kernel_app *app = arg;

	set_ways(app);
	head_app_serving(app->head);
}

static void on_hung(const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	(void) reason;
	head_update(app->head);
}

static void on_restarting(const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	head_app_restarting(reason, app->head);
}

static void on_ended(bool in_order, const char *reason, void *arg)
{
	struct kernel_app *app = arg;

	head_app_ended(in_order, reason, app->head);
}

int kernel_app_start(struct kernel_app *app, struct reason *reason)
{
	struct head *head = app->head;
	struct agent *agent = head->agent;
	struct kernel_callbacks callbacks = {on_spawned,    on_ready, on_hung,
					     on_restarting, on_ended, app};

	/* With the job's environment: the workers' IPYTHONDIR is not where kernels are. */
	if (kernel_choose(agent->settings, kernel_app_spec(&agent->options), agent->environment,
			  &app->choice, reason) < 0)
		return reason_prefix(reason, "--jupyter=kernel");
	memory_kill_forget(app->memory);
	app->options = (struct kernel_options){
		.spec = app->choice.spec,
		.python = app->choice.python,
		.environment = head->server_environment,
		.runtime = head->runtime.path,
		.runtime_fd = head->runtime.fd,
		.directory = head->root_dir,
		.ready_ms = RECIPE_READY_TIMEOUT * 1000,
		.heartbeat_ms = KERNEL_HEARTBEAT_MS,
		.linger_ms = KERNEL_LINGER_MS,
		.restarts_max = agent->settings->server_restarts_max,
		.log = head->log,
		.memory = app->memory,
	};
	if (!(app->kernel = kernel_create(agent->loop, &app->options, &callbacks)))
		return reason_set(reason, "kernel: %s", strerror(errno));
	return kernel_start(app->kernel, reason);
}

bool kernel_app_stop(struct kernel_app *app, int64_t grace_ms)
{
	if (!app || !app->kernel)
		return false;
	kernel_stop(app->kernel, grace_ms);
	return true;
}

void kernel_app_end(struct kernel_app *app)
{
	if (!app)
		return;
	kernel_destroy(app->kernel);
	app->kernel = NULL;
}

void kernel_app_destroy(struct kernel_app *app)
{
	int error = errno;

	if (!app)
		return;
	tunnel_server_destroy(app->tunnel);
	orders_destroy(app->orders);
	kernel_app_end(app);
	kernel_choice_clear(&app->choice);
	memory_kill_destroy(app->memory);
	free(app);
	errno = error;
}

unsigned kernel_app_restarts(const struct kernel_app *app)
{
	return app->kernel ? kernel_restarts(app->kernel) : 0;
}

bool kernel_app_hangs(const struct kernel_app *app, struct reason *reason)
{
	if (!app || !app->kernel || kernel_state(app->kernel) != KERNEL_HUNG)
		return false;
	reason_set(reason, "%s", kernel_reason(app->kernel));
	return true;
}
