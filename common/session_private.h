/* SPDX-License-Identifier: MIT */
/*
 * What the reader and the writer of the session record share, private to the session_*.c files;
 * see session.h for who uses those.
 */
#ifndef COMMON_SESSION_PRIVATE_H
#define COMMON_SESSION_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "session.h"

enum {
	SESSION_TEXT_MAX = 64 << 10, /* bytes of any text in a record, NUL included */
	SESSION_LABEL_MAX = 256, /* bytes of a user's, a cluster's, an app's or a host's name */
	SESSION_COUNT_MAX = 1 << 30, /* of restarts: far above any real one, within an int */
	SESSION_PID_MAX = 4194304    /* Linux' PID_MAX_LIMIT */
};

/* The name of the record in its directory. */
#define SESSION_FILE "session.json"

/* Year 10000 as unix time: what the calendar functions of libc can still print. */
#define SESSION_TIME_MAX 253402300800.0

/* A text of the record: where it is in the JSON, where in the struct, and what it may be. */
struct session_text {
	const char *object; /* "head" of "head": {"node": ...}; NULL: at the top */
	const char *name;
	size_t offset; /* of the char * in struct session */
	bool (*valid)(const char *text);
	bool escape; /* words from elsewhere: written escaped and cut, not refused */
};

/* Ends with a name of NULL. */
extern const struct session_text session_texts[];

/* Whether a node's name may be in a record. */
bool session_node_name_valid(const char *name);

/* Whether it is one of a node's states. */
bool session_node_state_valid(const char *state);

/* A kind of workers, one of their states, words in one line, and lines of a log. */
bool session_kind_valid(const char *kind);
bool session_workers_state_valid(const char *state);
bool session_words_valid(const char *words);
bool session_log_valid(const char *log);

/* Frees the kinds of a session; accepts one without. */
void session_workers_free(struct session *session);

/* The field of a text in a session. */
char **session_text_field(struct session *session, const struct session_text *text);

/*
 * The first field, "endpoint.ip", that no record may hold, or NULL when all is well.  With
 * writing, texts that the writer escapes are not looked at.
 */
const char *session_wrong_field(struct session *session, bool writing);

#endif
