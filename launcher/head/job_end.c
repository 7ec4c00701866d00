/* SPDX-License-Identifier: MIT */
/* See job_end.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/capture.h"
#include "launcher/head/job_end.h"

enum {
	ANSWER_MAX = 4096,   /* bytes */
	DEADLINE_MS = 60000, /* a busy controller answers late, not never */
	TOLERANCE_S = 2	     /* squeue counts whole seconds */
};

struct job_end {
	struct loop *loop;
	struct job_end_options options;
	struct job_end_callbacks callbacks;
	struct capture *query;
	struct loop_timer *timer;
	time_t end; /* 0: not known */
};

int job_end_parse(const char *text, time_t *end)
{
	struct tm local = {.tm_isdst = -1};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &local);

	if (!rest || (*rest && *rest != '\n')) {
		errno = EINVAL;
		return -1;
	}
	time_t parsed = mktime(&local);
	if (parsed == (time_t) -1) {
		errno = EINVAL;
		return -1;
	}
	*end = parsed;
	return 0;
}

/* Of "JOBID TIME" lines the job's own: the id of an array's last task names all of its tasks.
 */
static int find_own(char *answer, const char *job_id, time_t *end)
{
	size_t length = strlen(job_id);
	char *line;

	while ((line = strsep(&answer, "\n")))
		if (!strncmp(line, job_id, length) && line[length] == ' ')
			return job_end_parse(line + length + 1, end);
	errno = EINVAL;
	return -1;
}

static void on_answer(const char *failure, char *output, size_t size, void *arg)
{
	struct job_end *job_end = arg;
	time_t end, now = time(NULL);

	(void) size;
	bool known = !failure && find_own(output, job_end->options.job_id, &end) == 0;
	capture_destroy(job_end->query);
	job_end->query = NULL;
	/* A controller that is busy now is not later. */
	if (failure)
		loop_timer_set(job_end->timer, DEADLINE_MS);
	if (!known)
		return;
	if (end != job_end->end) {
		job_end->end = end;
		job_end->callbacks.known(end, job_end->callbacks.arg);
	}
	if (!job_end->options.warn_s)
		return;
	time_t left = end - now - job_end->options.warn_s;
	if (left > TOLERANCE_S)
		loop_timer_set(job_end->timer, (int64_t) left * 1000);
	else
		job_end->callbacks.warn(end, job_end->callbacks.arg);
}

static void ask(void *arg)
{
	struct job_end *job_end = arg;
	char *argv[] = {"squeue",	  "--noheader",
			"--jobs",	  (char *) job_end->options.job_id,
			"--format=%A %e", NULL};

	/* The user may have another form of time in mind than we can read. */
	struct env *environment = env_create(env_vector(job_end->options.environment));
	char *program = spawn_find("squeue", env_get(job_end->options.environment, "PATH"));
	if (!program || !environment ||
	    env_set(environment, "SLURM_TIME_FORMAT", "standard") < 0)
		goto out;
	struct spawn_options spawn = {
		.program = program,
		.argv = argv,
		.environment = env_vector(environment),
		.in = -1,
		.err = -1,
	};
	capture_destroy(job_end->query);
	job_end->query = capture_start(job_end->loop, &spawn, ANSWER_MAX, DEADLINE_MS,
				       on_answer, job_end, NULL);
out:
	env_destroy(environment);
	free(program);
}

struct job_end *job_end_create(struct loop *loop, const struct job_end_options *options,
			       const struct job_end_callbacks *callbacks)
{
	struct job_end *job_end = calloc(1, sizeof(*job_end));

	if (!job_end)
		return NULL;
	job_end->options = *options;
	job_end->loop = loop;
	job_end->callbacks = *callbacks;
	if (!(job_end->timer = loop_timer_create(loop, ask, job_end))) {
		free(job_end);
		return NULL;
	}
	loop_timer_set(job_end->timer, 0);
	return job_end;
}

void job_end_destroy(struct job_end *job_end)
{
	int error = errno;

	if (!job_end)
		return;
	capture_destroy(job_end->query);
	loop_timer_destroy(job_end->timer);
	free(job_end);
	errno = error;
}
