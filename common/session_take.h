/* SPDX-License-Identifier: MIT */
/*
 * Takes the fields of a session record out of its JSON, private to session_read.c and
 * session_read_workers.c; see session.h for who uses those.
 */
#ifndef COMMON_SESSION_TAKE_H
#define COMMON_SESSION_TAKE_H

#include <jansson.h>
#include <stdbool.h>

#include "session_private.h"

/* Sets errno to EPROTO and a reason that names the field.  -1. */
int session_damaged(struct reason *reason, const char *field);

bool session_is_absent(const json_t *json);

/*
 * Each of these takes a field that may be missing or null, which leaves the value as it is.  0,
 * or -1 with EPROTO (of another type, or out of bounds) or ENOMEM.
 */
int session_take_text(const json_t *json, bool (*valid)(const char *text), char **field);
int session_take_count(const json_t *json, json_int_t max, unsigned *field);

/* The bounds of a time are session_wrong_field()'s. */
int session_take_time(const json_t *json, double *field);

/* A text that has to be there, into an array of so many bytes. */
int session_take_word(const json_t *json, char *field, size_t size);

/* The workers of all kinds, once the nodes are there: session_read_workers.c.  0, or -1 with
 * errno and a reason. */
int session_take_workers(const json_t *root, struct session *session, struct reason *reason);

#endif
