/* SPDX-License-Identifier: MIT */
/*
 * What the two files of the HTTP exchange share: http.c (the loop, what comes) and
 * http_handle.c (the request).  Nobody else includes it; http.h is the interface.
 */
#ifndef HUB_CALLBACK_HTTP_PRIVATE_H
#define HUB_CALLBACK_HTTP_PRIVATE_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "hub-callback/http.h"

enum { HTTP_WORDS_MAX = 512 /* bytes of what happened with NUL */ };

struct http_socket {
	LIST_ENTRY(http_socket) link;
	struct http *http;
	curl_socket_t fd;
	struct loop_fd *watch;
};
LIST_HEAD(http_socket_list, http_socket);

struct http {
	struct loop *loop;
	struct http_options options;
	CURLM *multi;
	struct loop_timer *timer;
	struct http_socket_list sockets;

	/* The exchange under way. */
	CURL *easy; /* NULL: none */
	struct curl_slist *header_lines;
	http_callback *callback;
	void *arg;
	char *body;
	size_t size, headers; /* bytes */
	struct http_reply reply;
	bool too_large;
	bool loopback; /* it has led to this node */
	bool loopback_refused;
	char loopback_words[HTTP_WORDS_MAX];
	char words[CURL_ERROR_SIZE]; /* libcurl's own */
};

/* libcurl's callbacks for the reply; arg is the http. */
size_t http_take_body(char *data, size_t one, size_t size, void *arg);
size_t http_take_header(char *line, size_t one, size_t size, void *arg);

/* Makes http->easy, not yet begun.  0, or -1 with ENOMEM or EINVAL. */
int http_handle_create(struct http *http, const struct http_request *request);

#endif
