/* SPDX-License-Identifier: MIT */
/* See kernel_proxy.h. */
#include "launcher/sjupyter/kernel_proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/kernel_file.h"
#include "launcher/sjupyter/output.h"

struct kernel_proxy {
	struct kernel_proxy_options options;
	char in[KERNEL_ORDER_MAX];
	size_t in_size;
	struct loop_fd *watch;
};

void kernel_proxy_say(const json_t *json)
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

	kernel_proxy_say(json);
	json_decref(json);
}

/* The one order that is for us: the sockets were removed. */
static void listen_again(struct kernel_proxy *proxy)
{
	struct reason reason;
	json_t *json;

	if (kernel_file_listen(proxy->options.dir, proxy->options.client,
			       (unsigned) proxy->options.number, &reason) < 0) {
		say_error(reason.text);
		return;
	}
	json = json_pack("{s:b}", "ok", 1);
	kernel_proxy_say(json);
	json_decref(json);
}

/* A program that says {} of a kernel means the one that it has been led to. */
static void set_number(const struct kernel_proxy *proxy, json_t *order)
{
	void *first = json_object_iter(order);
	json_t *words = first ? json_object_iter_value(first) : NULL;
	unsigned long number = proxy->options.number;

	if (number && json_is_object(words) && json_object_size(words) == 0 &&
	    strcmp(json_object_iter_key(first), "kernels") != 0)
		json_object_set_new(words, "number", json_integer((json_int_t) number));
}

static void take_order(struct kernel_proxy *proxy, const char *line, size_t size)
{
	json_error_t error;
	json_t *json = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(json) && json_object_get(json, "listen")) {
		listen_again(proxy);
		json_decref(json);
		return;
	}
	set_number(proxy, json);
	if (!json_is_object(json))
		say_error("an order is a JSON object on one line");
	else if (kernel_orders_send(proxy->options.orders, json) < 0)
		say_error(errno == ENOTCONN ? "there is no connection to the head now"
					    : strerror(errno));
	json_decref(json);
}

static void on_stdin(uint32_t events, void *arg)
{
	struct kernel_proxy *proxy = arg;
	char *newline;
	ssize_t n = read(STDIN_FILENO, proxy->in + proxy->in_size,
			 sizeof(proxy->in) - proxy->in_size);

	(void) events;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		proxy->options.ended(COMMAND_OK, proxy->options.arg);
		return;
	}
	proxy->in_size += (size_t) n;
	while ((newline = memchr(proxy->in, '\n', proxy->in_size))) {
		size_t size = (size_t) (newline - proxy->in) + 1;

		take_order(proxy, proxy->in, size - 1);
		proxy->in_size -= size;
		memmove(proxy->in, newline + 1, proxy->in_size);
	}
	if (proxy->in_size == sizeof(proxy->in)) {
		output_error("an order of more than %d bytes", KERNEL_ORDER_MAX);
		proxy->options.ended(COMMAND_FAILED, proxy->options.arg);
	}
}

struct kernel_proxy *kernel_proxy_create(const struct kernel_proxy_options *options)
{
	struct kernel_proxy *proxy = calloc(1, sizeof(*proxy));

	if (!proxy) {
		output_error("--proxy: %s", strerror(errno));
		return NULL;
	}
	proxy->options = *options;
	proxy->watch = loop_fd_add(options->loop, STDIN_FILENO, EPOLLIN, on_stdin, proxy);
	if (proxy->watch)
		return proxy;
	output_error("--proxy: stdin must be a pipe: %s", strerror(errno));
	free(proxy);
	return NULL;
}

void kernel_proxy_destroy(struct kernel_proxy *proxy)
{
	if (!proxy)
		return;
	loop_fd_remove(proxy->watch);
	free(proxy);
}
