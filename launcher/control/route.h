/* SPDX-License-Identifier: MIT */
/*
 * What leads to an agent that has joined through a branch: the ROUTE of a message, and the
 * place of a branch.  Used by the head and the branches, as the user.  Pure functions: what
 * they take is hostile.
 */
#ifndef CONTROL_ROUTE_H
#define CONTROL_ROUTE_H

#include <stdbool.h>

#include "launcher/control/frame.h"

/* Bytes with NUL of a ROUTE: a rank, a space, a type. */
enum { ROUTE_MAX = CONTROL_TYPE_MAX + 8 };

/* Whether a message of that kind has a ROUTE. */
bool route_wanted(enum frame_kind kind);

/* The ROUTE of a message for or from a rank; returns its bytes. */
size_t route_format(size_t rank, const char *type, char route[ROUTE_MAX]);
/* Takes a ROUTE apart: into rank and a type that is the callers', or for rank NULL a type
 * alone. -1 with EPROTO. */
int route_parse(const void *route, size_t size, size_t *rank, char type[CONTROL_TYPE_MAX]);

/* Moves *text behind its "RANK "; false: there is none. */
bool route_rank_take(const char **text, size_t *rank);

/* The PAYLOAD of control.branch.  -1 with EPROTO; then words say why there is no branch, or are
 * "": malformed. */
int route_place_parse(const void *payload, size_t size, char endpoint[CONTROL_ENDPOINT_MAX],
		      char key[CONTROL_KEY_SIZE], struct reason *words);

#endif
