/* SPDX-License-Identifier: MIT */
/*
 * What an answer of the hub, or the want of one, means: whether to try again, and in a person's
 * words what happened and what to do.  In jupyter-hub-callback, as the user.
 */
#ifndef HUB_CALLBACK_HUB_WORDS_H
#define HUB_CALLBACK_HUB_WORDS_H

#include "hub-callback/http.h"
#include "hub-callback/hub.h"

/* Of a status below 200, or from 300 on.  body is looked into for the hub's own words. */
enum hub_outcome hub_words_status(const struct hub_identity *identity,
				  const struct http_reply *reply, struct reason *words);

/* Of any error but HTTP_ANSWERED; detail is what http.h has said. */
enum hub_outcome hub_words_error(const struct hub_identity *identity, enum http_error error,
				 const char *detail, struct reason *words);

#endif
