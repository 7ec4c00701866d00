/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/head/record.h"

enum { GATHER_MS = 250 };

struct record {
	int dirfd;
	struct session_log *log;
	struct session *session;
	struct loop_timer *timer;
	bool pending, failing;
};

void record_write(struct record *record)
{
	record->pending = false;
	loop_timer_set(record->timer, -1);
	bool failed = session_write(record->session, record->dirfd) < 0;
	/* A full disk must not end a session that runs; said once, not at every write. */
	if (failed && !record->failing)
		session_log_line(record->log, LOG_ERROR, "head", "session.json: %s",
				 strerror(errno));
	record->failing = failed;
}

static void on_timer(void *arg)
{
	record_write(arg);
}

void record_changed(struct record *record)
{
	if (record->pending)
		return;
	record->pending = true;
	loop_timer_set(record->timer, GATHER_MS);
}

struct session *record_session(struct record *record)
{
	return record->session;
}

void record_phase(struct record *record, enum session_phase phase)
{
	if (record->session->phases[phase] == 0)
		record->session->phases[phase] = session_now();
}

struct record *record_create(struct loop *loop, int dirfd, struct session_log *log)
{
	struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return NULL;
	record->dirfd = dirfd;
	record->log = log;
	if (!(record->timer = loop_timer_create(loop, on_timer, record)) ||
	    (session_read(dirfd, &record->session, NULL) < 0 &&
	     !(record->session = session_create()))) {
		loop_timer_destroy(record->timer);
		free(record);
		return NULL;
	}
	return record;
}

void record_destroy(struct record *record)
{
	int error = errno;

	if (!record)
		return;
	if (record->pending)
		record_write(record);
	loop_timer_destroy(record->timer);
	session_destroy(record->session);
	free(record);
	errno = error;
}
