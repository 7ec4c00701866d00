/* SPDX-License-Identifier: MIT */
/*
 * Starts a session in an allocation: jupyter-launch in the background, and what is to be seen
 * of it.  For sjupyter start, and wait where nobody else has started one.  As the user.
 */
#ifndef SJUPYTER_STARTER_H
#define SJUPYTER_STARTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/options.h"
#include "common/reason.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/watch.h"

struct starter {
	/* To be set: */
	const char *job_id;	       /* raw */
	const struct queue_job *other; /* the job, where it is not the one this runs in */
	const struct options *options; /* start_manual is not handed on */
	const char *config;	       /* absolute, or NULL */

	/* Set by starter_launch(): */
	pid_t launcher;		    /* a child until this process ends; 0 once reaped */
	int status;		    /* of waitpid, once reaped */
	struct watch_filter filter; /* by which this launch's record is known */
};

/*
 * Asks Slurm for a job that this process is not in, and whether a session can be started there;
 * else says why not on stderr.  An exit code.
 */
int starter_ask_job(const char *id, struct queue_job *job);

/* Whether a session lives in the job already; then tells its URL. */
bool starter_tell_running(const char *job_id);

/*
 * Whether the options can be had: the release builds them and the site knows the app and the
 * kinds of workers.  0, or -1 and a reason.
 */
int starter_check(const struct starter *starter, struct reason *reason);

/* Starts jupyter-launch away from the terminal, its stderr being ours.  0, or -1 and a reason.
 */
int starter_launch(struct starter *starter, struct reason *reason);

/* Whether the launcher has ended by now. */
bool starter_launcher_ended(struct starter *starter);

#endif
