/* SPDX-License-Identifier: MIT */
/*
 * Asks squeue, scontrol and scancel: see queue.h.
 */
#include "launcher/sjupyter/queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "launcher/sjupyter/program.h"
#include "launcher/sjupyter/slurm_env.h"

enum {
	/* Slurm's clients wait MessageTimeout for the controller, 10 s by default, and try a
	 * backup controller after that. */
	DEADLINE_MS = 25000,
	OUTPUT_MAX = 16 << 20,	/* 100,000 jobs of a user */
	KILL_WAIT_DEFAULT = 30, /* seconds: slurm.conf(5) */
	KILL_WAIT_MAX = 65535	/* Slurm keeps it in 16 bits */
};

/* Slurm's words for ESLURM_INVALID_JOB_ID, never translated. */
#define NO_SUCH_JOB "Invalid job id"

/* Runs one of Slurm's commands; its stdout, which the caller frees.  NULL with ENOENT when
 * Slurm answers that there is no such job, else another errno, and a reason. */
static char *ask(const char *const argv[], struct reason *reason)
{
	struct env *environment = slurm_env_query();
	struct program program = {.argv = argv,
				  .environment = environment,
				  .output_max = OUTPUT_MAX,
				  .deadline_ms = DEADLINE_MS};
	struct program_output output;
	char *text = NULL;
	int error = ENOMEM;

	if (!environment) {
		reason_set(reason, "%s: %s", argv[0], strerror(ENOMEM));
		goto out;
	}
	if (program_run(&program, &output, reason) < 0) {
		/* A missing squeue is not a missing job. */
		error = errno == ENOENT ? EIO : errno;
		goto out;
	}
	if (output.status == 0) {
		text = output.text;
		goto out;
	}
	error = strstr(output.errors, NO_SUCH_JOB) ? ENOENT : EIO;
	struct reason complaint;
	reason_set(reason, "%s", program_complaint(&output, &complaint));
	/* Slurm's own begin with the command's name. */
	if (strncmp(complaint.text, argv[0], strlen(argv[0])) != 0)
		reason_prefix(reason, "%s", argv[0]);
	free(output.text);
out:
	env_destroy(environment);
	errno = error;
	return text;
}

int queue_ask(const char *id, struct queue_job **jobs, size_t *count, struct reason *reason)
{
	char user[24];
	const char *const of_job[] = {"squeue",	      "--noheader", "--all",
				      "--states=all", "--jobs",	    id,
				      "--format",     QUEUE_FORMAT, NULL};
	const char *const of_user[] = {"squeue",       "--noheader", "--all",
				       "--states=all", "--user",     user,
				       "--format",     QUEUE_FORMAT, NULL};

	snprintf(user, sizeof(user), "%u", (unsigned) geteuid());
	char *text = ask(id ? of_job : of_user, reason);
	int rc = text ? queue_parse(text, jobs, count, reason) : -1;
	int error = errno;
	free(text);
	/* For a task of an array that does not exist squeue prints nothing. */
	if (rc == 0 && id && *count == 0) {
		free(*jobs);
		*jobs = NULL;
		error = ENOENT;
		rc = -1;
	}
	if (rc < 0 && error == ENOENT)
		reason_set(reason, "Slurm knows no job %s", id);
	errno = error;
	return rc;
}

int queue_step(const char *job_id, char step_id[QUEUE_ID_MAX], struct reason *reason)
{
	const char *const argv[] = {"squeue", "--noheader", "--steps", "--jobs",
				    job_id,   "--format",   "%i|%j",   NULL};
	char *text = ask(argv, reason);
	int rc = -1;

	if (!text)
		return -1;
	/* "123.4|jupyter", "123_4.batch|batch" */
	for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
		char *bar = strchr(line, '|');
		char *point = strchr(line, '.');
		unsigned long number;

		if (!bar || !point || point > bar || strcmp(bar + 1, "jupyter") != 0)
			continue;
		*bar = '\0';
		if (text_to_ulong(point + 1, 0, UINT32_MAX, &number) == 0) {
			snprintf(step_id, QUEUE_ID_MAX, "%lu", number);
			rc = 0;
		}
	}
	free(text);
	if (rc == 0)
		return 0;
	reason_set(reason, "no session step runs in job %s", job_id);
	errno = ENOENT;
	return -1;
}

int queue_restarts(const char *job_id, unsigned *restarts, struct reason *reason)
{
	const char *const argv[] = {"squeue", "--noheader", "--jobs",	  job_id,
				    "--all",  "--Format",   "restartcnt", NULL};
	char *text = ask(argv, reason);
	unsigned long number;

	if (!text)
		return -1;
	text[strcspn(text, " \n")] = '\0';
	int rc = text_to_ulong(text, 0, 1 << 30, &number);
	if (rc < 0)
		reason_set(reason, "squeue: \"%.100s\" is not a count of restarts", text);
	else
		*restarts = (unsigned) number;
	free(text);
	return rc;
}

char *queue_error_file(const char *job_id, struct reason *reason)
{
	const char *const argv[] = {"scontrol", "show", "job", job_id, NULL};
	char *text = ask(argv, reason);

	if (!text)
		return NULL;
	char *path = queue_parse_value(text, "StdErr");
	int error = errno;
	free(text);
	errno = error;
	if (!path)
		reason_set(reason, "scontrol: the job's stderr: %s", strerror(errno));
	return path;
}

char *queue_config(const char *key, struct reason *reason)
{
	static const char *const argv[] = {"scontrol", "show", "config", NULL};
	char *text = ask(argv, reason);

	if (!text)
		return NULL;
	char *value = queue_parse_value(text, key);
	int error = errno;
	free(text);
	errno = error;
	if (!value)
		reason_set(reason, "scontrol: %s: %s", key, strerror(errno));
	return value;
}

long queue_kill_wait(void)
{
	char *value = queue_config("KillWait", NULL);
	unsigned long seconds = KILL_WAIT_DEFAULT;

	/* "30 sec" */
	if (value) {
		value[strspn(value, "0123456789")] = '\0';
		(void) text_to_ulong(value, 0, KILL_WAIT_MAX, &seconds);
	}
	free(value);
	return (long) seconds;
}

int queue_cancel(const char *job_id, const char *step_id, const char *signal,
		 struct reason *reason)
{
	char target[2 * QUEUE_ID_MAX], option[32];
	const char *const with_signal[] = {"scancel", option, target, NULL};
	const char *const plain[] = {"scancel", target, NULL};

	snprintf(target, sizeof(target), "%s%s%s", job_id, step_id ? "." : "",
		 step_id ? step_id : "");
	snprintf(option, sizeof(option), "--signal=%s", signal ? signal : "");
	char *text = ask(signal ? with_signal : plain, reason);
	free(text);
	return text ? 0 : -1;
}
