/* SPDX-License-Identifier: MIT */
/*
 * One HTTP exchange with the hub, by libcurl in the event loop: no redirects, no proxies, TLS
 * verified, everything bounded.  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_HTTP_H
#define HUB_CALLBACK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/reason.h"
#include "launcher/loop.h"

enum {
	HTTP_CONNECT_MS = 10000,  /* to resolve and connect, TLS included */
	HTTP_TOTAL_MS = 30000,	  /* for the whole exchange */
	HTTP_HEADERS_MAX = 65536, /* bytes of all header lines of a reply */
	HTTP_LOCATION_MAX = 512	  /* bytes of where a redirect goes with NUL */
};

enum http_error {
	HTTP_ANSWERED,	  /* any status */
	HTTP_UNREACHABLE, /* no answer: name, connection, time, a connection that broke */
	HTTP_UNVERIFIED,  /* TLS: the hub's certificate, or ours */
	HTTP_BAD_ANSWER,  /* too large, or not HTTP */
	HTTP_LOOPBACK,	  /* the hub's URL leads to this node, where no hub is */
	HTTP_BROKEN	  /* on our side: memory, descriptors */
};

struct http_options {
	int64_t connect_ms, total_ms; /* 0: HTTP_CONNECT_MS, HTTP_TOTAL_MS */
	size_t reply_max;	      /* bytes of a reply's body */
	/* Of internal_ssl, or NULL: our key and certificate, and whom we believe instead of the
	 * system's authorities.  Paths of PEM files. */
	const char *key_file, *certificate_file, *authority_file;
	/* The job was submitted on this node: a hub on its loopback may just be down. */
	bool hub_may_be_here;
	uid_t hub_uid; /* or geteuid() where it is not known */
};

struct http_request {
	const char *url;
	const char *body;  /* JSON to POST; NULL: GET */
	const char *token; /* of the Authorization header, or NULL */
};

/* Valid during the callback. */
struct http_reply {
	long status;
	const char *body; /* NUL-terminated */
	size_t size;
	int64_t retry_after_ms; /* negative: none */
	char location[HTTP_LOCATION_MAX];
};

struct http;

/* options' strings must outlive it.  NULL with errno and a reason. */
struct http *http_create(struct loop *loop, const struct http_options *options,
			 struct reason *reason);
void http_destroy(struct http *http); /* accepts NULL */

/*
 * Begins an exchange; one at a time.  The callback comes once, from the loop: with a reply when
 * error is HTTP_ANSWERED, else with words for what happened.  It may begin the next one.  -1
 * with errno and a reason when it cannot begin.
 */
typedef void http_callback(enum http_error error, const struct http_reply *reply,
			   const char *words, void *arg);
int http_begin(struct http *http, const struct http_request *request, http_callback *callback,
	       void *arg, struct reason *reason);

/* Without a callback; nothing where none is under way. */
void http_cancel(struct http *http);

#endif
