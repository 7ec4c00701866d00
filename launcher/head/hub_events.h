/* SPDX-License-Identifier: MIT */
/*
 * What the hub is told, made out of the session's record: the events of
 * jupyter-hub-callback(8). Called by the head, as the user.
 */
#ifndef HEAD_HUB_EVENTS_H
#define HEAD_HUB_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "common/session.h"

/* Each is an object for hub_child_say(), NULL with ENOMEM. */
json_t *hub_event_environment(void);
json_t *hub_event_adopt(const char *app);
json_t *hub_event_serving(const struct session *session, const char *app, bool tls);
json_t *hub_event_status(const struct session *session); /* of one that has not ended */
json_t *hub_event_activity(time_t last, bool busy);
json_t *hub_event_ended(bool failed, const char *why);

#endif
