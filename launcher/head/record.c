/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "launcher/head/record.h"

enum {
	GATHER_MS = 250,
	/* After a write so many times as long as it took nothing is gathered into another: with
	 * 10,000 nodes and their workers one takes milliseconds, and more on a slow file
	 * system.  At most ... */
	PAUSE_TIMES = 19,
	/* ... since somebody may be looking. */
	PAUSE_MAX_MS = 10000
};

struct record {
	int dirfd;
	struct session_log *log;
	struct session *session;
	struct loop_timer *timer;
	int64_t pause_ms;
	bool pending, failing;
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void record_write(struct record *record)
{
	record->pending = false;
	loop_timer_set(record->timer, -1);
	int64_t begin = now_us();
	bool failed = session_write(record->session, record->dirfd) < 0;
	int64_t pause_ms = PAUSE_TIMES * (now_us() - begin) / 1000;
	record->pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
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
	loop_timer_set(record->timer,
		       record->pause_ms > GATHER_MS ? record->pause_ms : GATHER_MS);
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
