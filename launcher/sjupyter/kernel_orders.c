/* SPDX-License-Identifier: MIT */
/* See kernel_orders.h. */
#include "launcher/sjupyter/kernel_orders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/fd.h"

enum {
	RETRY_FIRST_MS = 200, /* of opening the stream, doubled each time ... */
	RETRY_MAX_MS = 10000  /* ... up to this */
};

struct kernel_orders {
	struct loop *loop;
	struct tunnel_client *client;
	kernel_orders_answer *answer;
	void *arg;
	int fd; /* -1 until the retry */
	struct loop_fd *watch;
	struct loop_timer *retry;
	int64_t retry_ms;
	size_t waiting;
	char in[KERNEL_ANSWER_MAX];
	size_t in_size;
	struct reason reason;
};

static void on_answer(uint32_t events, void *arg);

static void answer_error(struct kernel_orders *orders)
{
	json_t *answer = json_pack("{s:s}", "error", orders->reason.text);

	orders->waiting--;
	orders->answer(answer, orders->arg);
	json_decref(answer);
}

/* The stream is gone; so are the answers that were to come. */
static void lose(struct kernel_orders *orders, const char *why)
{
	if (!*orders->reason.text)
		reason_set(&orders->reason, "%s", why);
	loop_fd_remove(orders->watch);
	orders->watch = NULL;
	fd_close(&orders->fd);
	explicit_bzero(orders->in, orders->in_size);
	orders->in_size = 0;
	loop_timer_set(orders->retry, orders->retry_ms);
	orders->retry_ms *= 2;
	if (orders->retry_ms > RETRY_MAX_MS)
		orders->retry_ms = RETRY_MAX_MS;
	/* Only those that wait now: an answer may send more. */
	for (size_t count = orders->waiting; count > 0; count--)
		answer_error(orders);
}

static void open_stream(void *arg)
{
	struct kernel_orders *orders = arg;

	orders->reason.text[0] = '\0';
	orders->fd = tunnel_client_orders(orders->client);
	if (orders->fd >= 0)
		orders->watch = loop_fd_add(orders->loop, orders->fd, EPOLLIN | EPOLLRDHUP,
					    on_answer, orders);
	if (!orders->watch)
		lose(orders, strerror(errno));
}

static void take_line(struct kernel_orders *orders, const char *line, size_t size)
{
	json_error_t error;
	json_t *answer = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(answer) || orders->waiting == 0) {
		json_decref(answer);
		lose(orders, "the head has answered with something else than an answer");
		return;
	}
	orders->waiting--;
	orders->retry_ms = RETRY_FIRST_MS;
	orders->answer(answer, orders->arg);
	json_decref(answer);
}

static void on_answer(uint32_t events, void *arg)
{
	struct kernel_orders *orders = arg;
	char *newline;
	ssize_t n;

	(void) events;
	n = recv(orders->fd, orders->in + orders->in_size, sizeof(orders->in) - orders->in_size,
		 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(orders, "the connection to the head was lost");
		return;
	}
	orders->in_size += (size_t) n;
	while (orders->fd >= 0 && (newline = memchr(orders->in, '\n', orders->in_size))) {
		size_t size = (size_t) (newline - orders->in) + 1;

		take_line(orders, orders->in, size - 1);
		if (orders->fd < 0)
			return;
		orders->in_size -= size;
		memmove(orders->in, orders->in + size, orders->in_size);
		/* A line may hold the key. */
		explicit_bzero(orders->in + orders->in_size, size);
	}
	if (orders->in_size == sizeof(orders->in))
		lose(orders, "the head has answered too much");
}

int kernel_orders_send(struct kernel_orders *orders, const json_t *order)
{
	char line[KERNEL_ORDER_MAX];
	size_t size = json_dumpb(order, line, sizeof(line) - 1, JSON_COMPACT);

	if (size == 0 || size >= sizeof(line)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (orders->fd < 0 || orders->waiting >= KERNEL_ORDERS_MAX) {
		errno = orders->fd < 0 ? ENOTCONN : EAGAIN;
		return -1;
	}
	line[size] = '\n';
	/* A unix socket takes KERNEL_ORDERS_MAX of these at once, or something is wrong. */
	if (send(orders->fd, line, size + 1, MSG_NOSIGNAL) != (ssize_t) (size + 1)) {
		errno = EAGAIN;
		return -1;
	}
	orders->waiting++;
	return 0;
}

int kernel_orders_send_name(struct kernel_orders *orders, const char *name,
			    unsigned long number)
{
	json_t *json = number ? json_pack("{s:{s:i}}", name, "number", (int) number)
			      : json_pack("{s:{}}", name);
	int rc = json ? kernel_orders_send(orders, json) : -1;

	json_decref(json);
	return rc;
}

void kernel_orders_failed(struct kernel_orders *orders, const struct reason *reason)
{
	orders->reason = *reason;
}

struct kernel_orders *kernel_orders_create(struct loop *loop, struct tunnel_client *client,
					   kernel_orders_answer *answer, void *arg)
{
	struct kernel_orders *orders = calloc(1, sizeof(*orders));

	if (!orders)
		return NULL;
	orders->loop = loop;
	orders->client = client;
	orders->answer = answer;
	orders->arg = arg;
	orders->fd = -1;
	orders->retry_ms = RETRY_FIRST_MS;
	orders->retry = loop_timer_create(loop, open_stream, orders);
	if (!orders->retry) {
		free(orders);
		return NULL;
	}
	open_stream(orders);
	return orders;
}

void kernel_orders_destroy(struct kernel_orders *orders)
{
	if (!orders)
		return;
	loop_fd_remove(orders->watch);
	loop_timer_destroy(orders->retry);
	fd_close(&orders->fd);
	explicit_bzero(orders->in, sizeof(orders->in));
	free(orders);
}
