/* SPDX-License-Identifier: MIT */
/*
 * The handle of one request: every option that keeps libcurl to the rules of http.h, and the
 * choice of addresses.  Called by http.c, in the event loop of jupyter-hub-callback.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config.h"

#include "hub-callback/hub.h"
#include "hub-callback/http_private.h"
#include "hub-callback/loopback.h"

/* Whether the loopback may be connected to: whoever listens there gets the server's token. */
static bool loopback_allowed(struct http *http, const struct sockaddr *address)
{
	uid_t uid = (uid_t) -1;

	switch (loopback_listener(address, http->options.hub_uid, &uid)) {
	case LOOPBACK_TRUSTED:
		return true;
	case LOOPBACK_STRANGER:
		snprintf(http->loopback_words, sizeof(http->loopback_words),
			 "uid %lu listens there on this node, who is neither root nor the hub",
			 (unsigned long) uid);
		return false;
	default:
		snprintf(http->loopback_words, sizeof(http->loopback_words),
			 "nothing listens there on this node");
		return http->options.hub_may_be_here;
	}
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *http = arg;

	(void) purpose;
	if (loopback_is(&address->addr)) {
		http->loopback = true;
		if (!loopback_allowed(http, &address->addr)) {
			http->loopback_refused = true;
			return CURL_SOCKET_BAD;
		}
	}
	/* Of several addresses (localhost as ::1 and 127.0.0.1) one may do. */
	http->loopback_refused = false;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int header_add(struct http *http, const char *line)
{
	struct curl_slist *lines = curl_slist_append(http->header_lines, line);

	if (!lines)
		return -1;
	http->header_lines = lines;
	return 0;
}

static int headers_make(struct http *http, const struct http_request *request)
{
	char line[HUB_SECRET_MAX + sizeof("Authorization: token ")];
	int rc;

	if (header_add(http, "Accept: application/json") < 0)
		return -1;
	/* No "Expect: 100-continue", which older releases of libcurl wait a second for. */
	if (request->body && (header_add(http, "Content-Type: application/json") < 0 ||
			      header_add(http, "Expect:") < 0))
		return -1;
	if (!request->token)
		return 0;
	if (snprintf(line, sizeof(line), "Authorization: token %s", request->token) >=
	    (int) sizeof(line))
		return -1;
	rc = header_add(http, line);
	explicit_bzero(line, sizeof(line));
	return rc;
}

/* One failure is all that is asked for: set() is called for its side effect on *result. */
#define set(option, value)                                                                     \
	do {                                                                                   \
		if (result == CURLE_OK)                                                        \
			result = curl_easy_setopt(http->easy, (option), (value));              \
	} while (0)

static CURLcode set_rules(struct http *http)
{
	CURLcode result = CURLE_OK;
	int64_t connect_ms = http->options.connect_ms, total_ms = http->options.total_ms;

#if LIBCURL_VERSION_NUM >= 0x075500 /* 7.85 */
	set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	set(CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700 /* 7.87 */
	/* A resolver that hangs is not waited for. */
	set(CURLOPT_QUICK_EXIT, 1L);
#endif
	set(CURLOPT_FOLLOWLOCATION, 0L);
	set(CURLOPT_PROXY, "");
	set(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	set(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	set(CURLOPT_NOSIGNAL, 1L);
	set(CURLOPT_NOPROGRESS, 1L);
	set(CURLOPT_FRESH_CONNECT, 1L);
	set(CURLOPT_FORBID_REUSE, 1L);
	set(CURLOPT_CONNECTTIMEOUT_MS, (long) (connect_ms ? connect_ms : HTTP_CONNECT_MS));
	set(CURLOPT_TIMEOUT_MS, (long) (total_ms ? total_ms : HTTP_TOTAL_MS));
	set(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) http->options.reply_max);
	set(CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	return result;
}

static CURLcode set_tls(struct http *http)
{
	CURLcode result = CURLE_OK;
	const struct http_options *options = &http->options;

	set(CURLOPT_SSL_VERIFYPEER, 1L);
	set(CURLOPT_SSL_VERIFYHOST, 2L);
	set(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	if (options->key_file)
		set(CURLOPT_SSLKEY, options->key_file);
	if (options->certificate_file)
		set(CURLOPT_SSLCERT, options->certificate_file);
	if (options->authority_file) {
		set(CURLOPT_CAINFO, options->authority_file);
		set(CURLOPT_CAPATH, NULL);
	}
	return result;
}

static CURLcode set_callbacks(struct http *http)
{
	CURLcode result = CURLE_OK;

	set(CURLOPT_ERRORBUFFER, http->words);
	set(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	set(CURLOPT_OPENSOCKETDATA, http);
	set(CURLOPT_WRITEFUNCTION, http_take_body);
	set(CURLOPT_WRITEDATA, http);
	set(CURLOPT_HEADERFUNCTION, http_take_header);
	set(CURLOPT_HEADERDATA, http);
	return result;
}

static CURLcode set_request(struct http *http, const struct http_request *request)
{
	CURLcode result = CURLE_OK;

	set(CURLOPT_URL, request->url);
	set(CURLOPT_HTTPHEADER, http->header_lines);
	if (request->body) {
		set(CURLOPT_POST, 1L);
		set(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(request->body));
		set(CURLOPT_COPYPOSTFIELDS, request->body);
	} else {
		set(CURLOPT_HTTPGET, 1L);
	}
	return result;
}

int http_handle_create(struct http *http, const struct http_request *request)
{
	CURLcode result;

	http->easy = curl_easy_init();
	if (!http->easy || headers_make(http, request) < 0) {
		errno = ENOMEM;
		return -1;
	}
	result = set_rules(http);
	if (result == CURLE_OK)
		result = set_tls(http);
	if (result == CURLE_OK)
		result = set_callbacks(http);
	if (result == CURLE_OK)
		result = set_request(http, request);
	if (result != CURLE_OK) {
		errno = result == CURLE_OUT_OF_MEMORY ? ENOMEM : EINVAL;
		return -1;
	}
	return 0;
}
