/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include "launcher/launch/record.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/options.h"
#include "common/session.h"
#include "common/text.h"

int record_fail(int state_fd, const char *reason)
{
	struct session *session = NULL;
	int rc;

	if (session_read(state_fd, &session, NULL) < 0)
		session = session_create();
	if (!session)
		return -1;
	session->state = SESSION_FAILED;
	session_set(&session->reason, reason);
	session->phases[PHASE_ENDED] = session_now();
	rc = session_write(session, state_fd);
	session_destroy(session);
	return rc;
}

int record_begin(int state_fd, const struct launch_options *given,
		 const struct env *environment, const char *job_id)
{
	struct options options;
	struct session *session = session_create();
	char name[OPTIONS_NAME_MAX];
	int rc = -1;

	options_init(&options);
	if (!session || options_decode(given->options, &options, NULL) < 0)
		goto out;
	/* What is executed has a place of its own in the record. */
	options_app_name(&options, name);
	const char *app = options_notebook(&options) ? name : options.app;
	const char *restart = env_get(environment, "SLURM_RESTART_COUNT");
	const struct passwd *user = getpwuid(getuid());
	unsigned long restarts = 0;
	if (restart && text_to_ulong(restart, 0, 1000000, &restarts) == 0)
		session->restart = (unsigned) restarts;
	session->state = SESSION_STARTING;
	session->phases[PHASE_TRIGGERED] =
		given->triggered ? strtod(given->triggered, NULL) : session_now();
	session->phases[PHASE_LAUNCHED] = session_now();
	if (session_set(&session->job_id, job_id) < 0 || session_set(&session->app, app) < 0 ||
	    session_set(&session->user, user ? user->pw_name : NULL) < 0 ||
	    session_set(&session->cluster, env_get(environment, "SLURM_CLUSTER_NAME")) < 0 ||
	    session_set(&session->array_job_id, env_get(environment, "SLURM_ARRAY_JOB_ID")) <
		    0 ||
	    session_set(&session->array_task_id, env_get(environment, "SLURM_ARRAY_TASK_ID")) <
		    0)
		goto out;
	rc = session_write(session, state_fd);
out:
	session_destroy(session);
	options_clear(&options);
	return rc;
}
