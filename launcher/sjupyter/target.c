/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "launcher/sjupyter/target.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "common/text.h"
#include "launcher/sjupyter/describe.h"
#include "launcher/sjupyter/follow.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/sjupyter/watch.h"

/* Digits of 32 bits, written in the one way in which Slurm writes them. */
static bool is_number(const char *text, unsigned long least)
{
	unsigned long number;

	return text_to_ulong(text, least, UINT32_MAX, &number) == 0 &&
	       (text[0] != '0' || !text[1]);
}

bool target_id_valid(const char *id)
{
	char job[QUEUE_ID_MAX];
	size_t size = strcspn(id, "_");

	if (size >= sizeof(job))
		return false;
	memcpy(job, id, size);
	job[size] = '\0';
	return is_number(job, 1) && (!id[size] || is_number(id + size + 1, 0));
}

/* How sure it is that a session without a last word still lives. */
enum likelihood { LOST, POSSIBLE, LIVING };

/*
 * Of a session's record, jobs being what the queue has of all jobs.  LOST also for one that has
 * ended, or has no record that can be read.
 */
static enum likelihood judge(const char *job_id, const struct queue_job *jobs, size_t count,
			     bool answered)
{
	struct session *session = NULL;
	enum likelihood likelihood = LOST;
	int fd = statedir_open(job_id, 0, NULL);

	if (fd >= 0 && session_read(fd, &session, NULL) == 0 &&
	    !session_state_final(session->state)) {
		const struct queue_job *job = queue_find(jobs, count, job_id);
		bool is_job =
			job && !queue_state_is_final(job->state) && target_is_of(session, job);
		if (follow_locks_held(fd) || is_job)
			likelihood = LIVING;
		else if (!answered)
			likelihood = POSSIBLE;
	}
	session_destroy(session);
	fd_close(&fd);
	return likelihood;
}

/* The newest session that lives, or if that cannot be told the newest without a last word.  A
 * copy of its job's number; NULL with ENOENT or another errno, and a reason. */
static char *find_newest(struct reason *reason)
{
	char **ids = NULL, *found = NULL;
	struct queue_job *jobs = NULL;
	size_t count = 0, job_count = 0, at = 0;

	if (statedir_list(&ids, &count, reason) < 0)
		return NULL;
	/* The locks first, which cost nothing; Slurm is asked only where they tell nothing. */
	while (at < count && judge(ids[at], NULL, 0, true) != LIVING)
		at++;
	if (at == count && count > 0) {
		bool answered = queue_ask(NULL, &jobs, &job_count, NULL) == 0;
		for (at = 0; at < count; at++)
			if (judge(ids[at], jobs, job_count, answered) != LOST)
				break;
	}
	if (at < count && !(found = strdup(ids[at])))
		reason_set(reason, "%s", strerror(errno));
	int error = at < count ? ENOMEM : ENOENT;
	if (at == count)
		reason_set(reason, count > 0 ? "no session is running (`sjupyter list --all` "
					       "shows those that were)"
					     : "you have no sessions");
	for (size_t i = 0; i < count; i++)
		free(ids[i]);
	free(ids);
	free(jobs);
	errno = error;
	return found;
}

/* The state directory and the job's number; record or not. */
static int find_dir(const char *id, struct target *target, struct reason *reason)
{
	const char *own = slurm_env_job();
	char *newest = NULL;

	if (!id && own) {
		target->state_fd = statedir_open(own, 0, reason);
		if (target->state_fd < 0 && errno == ENOENT)
			reason_set(reason, "job %s, in which this runs, has no session", own);
		if (target->state_fd >= 0 && !(target->job_id = strdup(own)))
			reason_set(reason, "%s", strerror(errno));
	} else if (id || (newest = find_newest(reason))) {
		target->state_fd = statedir_find(id ? id : newest, &target->job_id, reason);
	}
	int error = errno;
	free(newest);
	if (target->state_fd >= 0 && target->job_id)
		return 0;
	fd_close(&target->state_fd);
	errno = error;
	return -1;
}

int target_find(const char *id, struct target *target, struct reason *reason)
{
	struct target found = {.state_fd = -1};

	if (find_dir(id, &found, reason) < 0)
		return -1;
	if (session_read(found.state_fd, &found.session, reason) < 0) {
		int error = errno;
		if (error == ENOENT)
			reason_set(reason, "no session of job %s has begun", found.job_id);
		else
			reason_prefix(reason, "job %s", found.job_id);
		target_clear(&found);
		errno = error;
		return -1;
	}
	*target = found;
	return 0;
}

void target_clear(struct target *target)
{
	int error = errno;

	fd_close(&target->state_fd);
	session_destroy(target->session);
	free(target->job_id);
	*target = (struct target){.state_fd = -1};
	errno = error;
}

char *target_job(const char *id, struct reason *reason)
{
	struct target target = {.state_fd = -1};

	/* A job's own number needs no session. */
	if (!id && slurm_env_job())
		id = slurm_env_job();
	if (id && !strchr(id, '_')) {
		char *copy = strdup(id);
		if (!copy)
			reason_set(reason, "%s", strerror(errno));
		return copy;
	}
	if (find_dir(id, &target, reason) < 0)
		return NULL;
	fd_close(&target.state_fd);
	return target.job_id;
}

bool target_is_serving(const struct target *target)
{
	const struct session *session = target->session;
	enum describe_job about = DESCRIBE_LIVE;

	/* A record of the dead says that they serve. */
	if (!session_state_final(session->state))
		about = describe_ask(session, target->state_fd);
	if (follow_is_serving(session->state) && about != DESCRIBE_GONE &&
	    about != DESCRIBE_PENDING)
		return true;
	/* What Slurm does not tell, the record does. */
	if (about == DESCRIBE_UNKNOWN)
		about = DESCRIBE_LIVE;
	const char *verb =
		session_state_final(session->state) && about != DESCRIBE_PENDING ? "has" : "is";
	output_error("the session of job %s %s %s%s%s", target->job_id, verb,
		     describe_state(session, about), session->reason ? ": " : "",
		     session->reason ? session->reason : "");
	return false;
}

const char *target_name(const struct session *session, char name[TARGET_NAME_MAX])
{
	if (session->array_job_id && session->array_task_id)
		snprintf(name, TARGET_NAME_MAX, "%s_%s", session->array_job_id,
			 session->array_task_id);
	else
		snprintf(name, TARGET_NAME_MAX, "%s", session->job_id);
	return name;
}

bool target_is_of(const struct session *session, const struct queue_job *job)
{
	if (queue_state_is_pending(job->state))
		return false;
	return !job->start || session->phases[PHASE_TRIGGERED] >= job->start - WATCH_SKEW_S;
}
