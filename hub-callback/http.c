/* SPDX-License-Identifier: MIT */
/*
 * See http.h.  Here is how libcurl is driven by the loop and what an exchange collects; how
 * each handle is set up is in http_handle.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>

#include "hub-callback/http_private.h"
#include "hub-callback/retry.h"

static void finish(struct http *http, CURLcode result);

/* After libcurl has had its turn. */
static void look(struct http *http)
{
	CURLMsg *message;
	int left;

	while (http->easy && (message = curl_multi_info_read(http->multi, &left)))
		if (message->msg == CURLMSG_DONE && message->easy_handle == http->easy) {
			finish(http, message->data.result);
			return;
		}
}

static void on_timer(void *arg)
{
	struct http *http = arg;
	int running;

	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	look(http);
}

static void on_socket(uint32_t events, void *arg)
{
	struct http_socket *socket = arg;
	struct http *http = socket->http;
	int mask = 0, running;

	if (events & EPOLLIN)
		mask |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		mask |= CURL_CSELECT_ERR;
	curl_multi_socket_action(http->multi, socket->fd, mask, &running);
	look(http);
}

static int on_timer_wanted(CURLM *multi, long delay_ms, void *arg)
{
	struct http *http = arg;

	(void) multi;
	loop_timer_set(http->timer, delay_ms);
	return 0;
}

static void socket_drop(struct http_socket *socket)
{
	loop_fd_remove(socket->watch);
	LIST_REMOVE(socket, link);
	free(socket);
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *http = arg;
	struct http_socket *socket = known;
	uint32_t events = 0;

	(void) easy;
	if (what == CURL_POLL_REMOVE) {
		if (socket)
			socket_drop(socket);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		events |= EPOLLOUT;
	if (socket)
		return loop_fd_events(socket->watch, events);
	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return -1;
	socket->http = http;
	socket->fd = fd;
	socket->watch = loop_fd_add(http->loop, fd, events, on_socket, socket);
	if (!socket->watch) {
		free(socket);
		return -1;
	}
	LIST_INSERT_HEAD(&http->sockets, socket, link);
	curl_multi_assign(http->multi, fd, socket);
	return 0;
}

/* What comes. */

size_t http_take_body(char *data, size_t one, size_t size, void *arg)
{
	struct http *http = arg;
	char *body;

	(void) one; /* always 1 */
	if (size > http->options.reply_max - http->size) {
		http->too_large = true;
		return 0;
	}
	body = realloc(http->body, http->size + size + 1);
	if (!body)
		return 0;
	http->body = body;
	memcpy(body + http->size, data, size);
	http->size += size;
	body[http->size] = '\0';
	return size;
}

/* The value of the header of that name (with its colon) if this line is it, cut to fit. */
static bool header_value(const char *line, size_t size, const char *name, char *value,
			 size_t value_size)
{
	size_t length = strlen(name);

	if (size < length || strncasecmp(line, name, length) != 0)
		return false;
	line += length;
	size -= length;
	while (size > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		size--;
	}
	while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == '\n' ||
			    line[size - 1] == ' ' || line[size - 1] == '\t'))
		size--;
	snprintf(value, value_size, "%.*s", (int) size, line);
	return true;
}

size_t http_take_header(char *line, size_t one, size_t size, void *arg)
{
	struct http *http = arg;
	char value[64];

	(void) one;
	http->headers += size;
	if (http->headers > HTTP_HEADERS_MAX) {
		http->too_large = true;
		return 0;
	}
	if (header_value(line, size, "Retry-After:", value, sizeof(value)))
		http->reply.retry_after_ms = retry_after_parse(value, time(NULL));
	header_value(line, size, "Location:", http->reply.location,
		     sizeof(http->reply.location));
	return size;
}

/* How it ends. */

static enum http_error error_of(const struct http *http, CURLcode result)
{
	if (result == CURLE_OK)
		return HTTP_ANSWERED;
	if (http->loopback_refused)
		return HTTP_LOOPBACK;
	if (http->too_large)
		return HTTP_BAD_ANSWER;
	switch (result) {
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_BAD_FUNCTION_ARGUMENT: /* curl 8.22, of a key that is not the certificate's */
		return HTTP_UNVERIFIED;
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return HTTP_BAD_ANSWER;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
	case CURLE_WRITE_ERROR:
		return HTTP_BROKEN;
	default:
		return HTTP_UNREACHABLE;
	}
}

static void words_of(const struct http *http, CURLcode result, char words[HTTP_WORDS_MAX])
{
	const char *text = http->words[0] ? http->words : curl_easy_strerror(result);

	if (http->loopback_refused)
		snprintf(words, HTTP_WORDS_MAX, "%s", http->loopback_words);
	else if (http->too_large || result == CURLE_FILESIZE_EXCEEDED)
		snprintf(words, HTTP_WORDS_MAX,
			 "the answer is too large, allowed are %zu bytes of body and %d of "
			 "headers",
			 http->options.reply_max, HTTP_HEADERS_MAX);
	else
		snprintf(words, HTTP_WORDS_MAX, "%s", text);
}

/* The callback may begin the next exchange: what it is given is no longer http's then. */
static void finish(struct http *http, CURLcode result)
{
	enum http_error error = error_of(http, result);
	http_callback *callback = http->callback;
	char *body = http->body, words[HTTP_WORDS_MAX];
	struct http_reply reply = http->reply;
	void *arg = http->arg;

	words_of(http, result, words);
	if (error == HTTP_ANSWERED) {
		curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &reply.status);
		/* It is there. */
		if (http->loopback)
			http->options.hub_may_be_here = true;
	}
	reply.body = body ? body : "";
	reply.size = http->size;
	http->body = NULL;
	http_cancel(http);
	callback(error, error == HTTP_ANSWERED ? &reply : NULL, words, arg);
	free(body);
}

void http_cancel(struct http *http)
{
	if (!http->easy)
		return;
	curl_multi_remove_handle(http->multi, http->easy);
	curl_easy_cleanup(http->easy);
	http->easy = NULL;
	curl_slist_free_all(http->header_lines);
	http->header_lines = NULL;
	free(http->body);
	http->body = NULL;
}

int http_begin(struct http *http, const struct http_request *request, http_callback *callback,
	       void *arg, struct reason *reason)
{
	int error;

	if (http->easy) {
		errno = EBUSY;
		return reason_set(reason, "an exchange with the hub is under way");
	}
	http->callback = callback;
	http->arg = arg;
	http->body = NULL;
	http->size = http->headers = 0;
	http->too_large = http->loopback = http->loopback_refused = false;
	http->words[0] = '\0';
	http->reply = (struct http_reply){.retry_after_ms = -1};
	if (http_handle_create(http, request) < 0) {
		error = errno;
		http_cancel(http);
		errno = error;
		return reason_set(reason, "libcurl cannot prepare the request: %s",
				  strerror(error));
	}
	if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK) {
		http_cancel(http);
		errno = ENOMEM;
		return reason_set(reason, "libcurl cannot begin the request");
	}
	return 0;
}

struct http *http_create(struct loop *loop, const struct http_options *options,
			 struct reason *reason)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(http);
		goto error;
	}
	http->loop = loop;
	http->options = *options;
	LIST_INIT(&http->sockets);
	http->timer = loop_timer_create(loop, on_timer, http);
	http->multi = curl_multi_init();
	if (!http->timer || !http->multi) {
		http_destroy(http);
		goto error;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;

error:
	errno = ENOMEM;
	reason_set(reason, "libcurl cannot be prepared: %s", strerror(errno));
	return NULL;
}

void http_destroy(struct http *http)
{
	int saved = errno;

	if (!http)
		return;
	http_cancel(http);
	curl_multi_cleanup(http->multi);
	while (!LIST_EMPTY(&http->sockets))
		socket_drop(LIST_FIRST(&http->sockets));
	loop_timer_destroy(http->timer);
	free(http);
	curl_global_cleanup();
	errno = saved;
}
