/* SPDX-License-Identifier: MIT */
/*
 * The session that a person means: see statedir.h.  Used by sjupyter, as the user.
 */
#include "statedir.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "session.h"
#include "statedir_private.h"
#include "text.h"

/* What a person gave: "123" or "123_4". */
struct wanted {
	char job[STATEDIR_ID_MAX];
	char task[STATEDIR_ID_MAX]; /* empty when there was none */
};

static int wanted_parse(const char *id, struct wanted *wanted, struct reason *reason)
{
	char shown[STATEDIR_SHOWN_MAX];
	const char *bar = strchr(id, '_');
	size_t job_length = bar != NULL ? (size_t) (bar - id) : strlen(id);
	const char *task = bar != NULL ? bar + 1 : "";
	unsigned long number;

	if (job_length >= sizeof(wanted->job) || strlen(task) >= sizeof(wanted->task))
		goto error;
	memcpy(wanted->job, id, job_length);
	wanted->job[job_length] = '\0';
	memcpy(wanted->task, task, strlen(task) + 1);
	if (!statedir_is_job_id(wanted->job))
		goto error;
	/* Tasks count from 0, and 4 is not written 04. */
	if (bar != NULL && (text_to_ulong(task, 0, UINT32_MAX, &number) != 0 ||
			    (task[0] == '0' && task[1] != '\0')))
		goto error;
	return 0;

error:
	errno = EINVAL;
	return reason_set(
		reason,
		"\"%s\" is not a job: give its number, as 123, or 123_4 for task 4 of the "
		"array 123",
		text_excerpt(id, shown, sizeof(shown)));
}

/* The record of a session, or NULL, counted when there is one that cannot be read. */
static struct session *record_read(struct sessions *sessions, size_t index)
{
	__attribute__((cleanup(fd_close))) int fd =
		dir_open(sessions->base, sessions->ids[index]);
	struct session *record = NULL;

	if (fd < 0 || session_read(fd, &record, NULL) != 0) {
		sessions->unreadable += errno != ENOENT;
		return NULL;
	}
	return record;
}

/* A list for a message, the first few of it. */
struct told {
	char text[STATEDIR_TOLD_MAX * 2 * STATEDIR_ID_MAX + 64];
	size_t count;
};

static void told_add(struct told *told, const char *job, const char *task)
{
	size_t used = strlen(told->text);

	if (told->count++ >= STATEDIR_TOLD_MAX)
		return;
	snprintf(told->text + used, sizeof(told->text) - used, "%s%s%s%s",
		 told->count > 1 ? ", " : "", job, *task != '\0' ? "_" : "", task);
}

static void told_finish(struct told *told)
{
	size_t used = strlen(told->text);

	if (told->count > STATEDIR_TOLD_MAX)
		snprintf(told->text + used, sizeof(told->text) - used, " and %zu more",
			 told->count - STATEDIR_TOLD_MAX);
}

/* The first session for which match is true; -1 when there is none. */
static ssize_t sessions_search(struct sessions *sessions, const struct wanted *wanted,
			       bool (*match)(const struct session *record,
					     const struct wanted *wanted))
{
	for (size_t i = 0; i < sessions->count; i++) {
		struct session *record = record_read(sessions, i);
		bool found = record != NULL && match(record, wanted);

		session_destroy(record);
		if (found)
			return (ssize_t) i;
	}
	return -1;
}

static bool is_task(const struct session *record, const struct wanted *wanted)
{
	return record->array_job_id != NULL && record->array_task_id != NULL &&
	       strcmp(record->array_job_id, wanted->job) == 0 &&
	       strcmp(record->array_task_id, wanted->task) == 0;
}

static bool is_live(const struct session *record, const struct wanted *wanted)
{
	(void) wanted;
	return !session_state_final(record->state);
}

/* The session of a job's own number; -1 when there is none. */
static ssize_t sessions_job(const struct sessions *sessions, const char *job)
{
	for (size_t i = 0; i < sessions->count; i++) {
		if (strcmp(sessions->ids[i], job) == 0)
			return (ssize_t) i;
	}
	return -1;
}

/* The tasks of the array that have sessions, for a message; in the order in which they were
 * started. */
static void tasks_tell(struct sessions *sessions, const char *job, struct told *told)
{
	for (size_t i = sessions->count; i-- > 0;) {
		struct session *record = record_read(sessions, i);

		if (record != NULL && record->array_job_id != NULL &&
		    record->array_task_id != NULL && strcmp(record->array_job_id, job) == 0)
			told_add(told, job, record->array_task_id);
		session_destroy(record);
	}
	told_finish(told);
}

/* Says why nothing was found, and what there is. */
static int not_found(struct sessions *sessions, const struct wanted *wanted,
		     struct reason *reason)
{
	struct told all = {.count = 0}, tasks = {.count = 0};
	char which[64] = "no session is running", skipped[64] = "";

	for (size_t i = 0; i < sessions->count; i++)
		told_add(&all, sessions->ids[i], "");
	told_finish(&all);
	if (wanted != NULL) {
		snprintf(which, sizeof(which), "there is no session of job %s%s%s", wanted->job,
			 *wanted->task != '\0' ? "_" : "", wanted->task);
		sessions->unreadable = 0; /* counted again */
		tasks_tell(sessions, wanted->job, &tasks);
	}
	if (sessions->unreadable > 0)
		snprintf(skipped, sizeof(skipped), " (%zu of them cannot be read)",
			 sessions->unreadable);
	if (tasks.count > 0 && *wanted->task == '\0')
		reason_set(reason, "job %s is an array: give one of its tasks: %s", wanted->job,
			   tasks.text);
	else if (tasks.count > 0)
		reason_set(reason, "%s, but of %s", which, tasks.text);
	else if (all.count == 0)
		reason_set(reason, "%s: you have no sessions", which);
	else if (wanted == NULL)
		reason_set(reason, "%s; there are those of %s%s", which, all.text, skipped);
	else
		reason_set(reason, "%s, but of %s%s", which, all.text, skipped);
	errno = ENOENT;
	return -1;
}

int statedir_find(const char *id, char **job_id, struct reason *reason)
{
	struct sessions sessions;
	struct wanted wanted = {.job = "", .task = ""};
	ssize_t index;
	int fd = -1;

	if (id != NULL && wanted_parse(id, &wanted, reason) != 0)
		return -1;
	if (sessions_load(&sessions, reason) != 0)
		return -1;
	if (id == NULL)
		index = sessions_search(&sessions, NULL, is_live);
	else if (*wanted.task != '\0')
		index = sessions_search(&sessions, &wanted, is_task);
	else
		index = sessions_job(&sessions, wanted.job);
	if (index < 0) {
		not_found(&sessions, id != NULL ? &wanted : NULL, reason);
		goto done;
	}
	fd = dir_open(sessions.base, sessions.ids[index]);
	if (fd < 0) {
		reason_set(reason, "cannot open the session of job %s: %s", sessions.ids[index],
			   strerror(errno));
		goto done;
	}
	*job_id = sessions.ids[index];
	sessions.ids[index] = NULL;
done:
	sessions_clear(&sessions);
	return fd;
}
