/* SPDX-License-Identifier: MIT */
/*
 * What the head says to `jupyter-hub-callback run`, a line of JSON each: {"event": ACTION} with
 * the action's fields (record.h).  As the user.
 */
#ifndef HUB_CALLBACK_EVENT_H
#define HUB_CALLBACK_EVENT_H

#include <jansson.h>

#include "hub-callback/hub.h"

/*
 * One line without its newline.  *fields gets the checked fields, an object without "event";
 * caller decrefs.  -1 with EINVAL or ENOMEM and a reason.
 */
int event_parse(enum hub_mode mode, const char *line, size_t size, enum hub_action *action,
		json_t **fields, struct reason *reason);

#endif
