/* SPDX-License-Identifier: MIT */
/* See order.h. */
#include "launcher/sjupyter/order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/env.h"
#include "launcher/job_env.h"
#include "launcher/sjupyter/program.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/slurm_env.h"

enum {
	/* srun makes a step within a second; Slurm's clients wait 10 s for the controller. */
	DEADLINE_MS = 30000,
	ANSWER_MAX = 65536
};

int order_parse(const char *text, json_t **answer, struct reason *reason)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	const char *refusal = json_string_value(json_object_get(json, "error"));

	if (refusal) {
		reason_set(reason, "%s", refusal);
		errno = EINVAL;
	} else if (json_is_true(json_object_get(json, "ok"))) {
		*answer = json;
		return 0;
	} else {
		reason_set(reason, "the head has answered what cannot be understood: %.200s",
			   text);
		errno = EPROTO;
	}
	int saved = errno;
	json_decref(json);
	errno = saved;
	return -1;
}

/* Without the variable srun takes a step in a heterogeneous job for one over all components. */
static int set_components(const char *job_id, struct env *environment, struct reason *reason)
{
	struct queue_job *jobs = NULL;
	size_t count = 0;
	char text[24];
	int rc = 0;

	env_unset(environment, "SLURM_HET_SIZE");
	if (queue_ask(job_id, &jobs, &count, reason) < 0)
		return -1;
	const struct queue_job *own = queue_find(jobs, count, job_id);
	if (count > 1 && own && !*own->array_id) {
		snprintf(text, sizeof(text), "%zu", count);
		rc = env_set(environment, "SLURM_HET_SIZE", text);
		if (rc < 0)
			reason_set(reason, "%s", strerror(ENOMEM));
	}
	free(jobs);
	return rc;
}

/* For an srun into the job, whichever job this process is in. */
static struct env *make_environment(const char *job_id, struct reason *reason)
{
	extern char **environ;
	const char *own = slurm_env_job();
	struct env *environment = env_create(environ);

	if (!environment || job_env_hide(environment) < 0 ||
	    env_set(environment, "SLURM_JOB_ID", job_id) < 0)
		reason_set(reason, "%s", strerror(ENOMEM));
	else if ((own && !strcmp(own, job_id)) ||
		 set_components(job_id, environment, reason) == 0)
		return environment;
	env_destroy(environment);
	return NULL;
}

/* Why there is no answer: the agent's own words, or srun's. */
static void explain(struct program_output *output, struct reason *reason)
{
	static const char name[] = "jupyter-agent: ";
	const char *said = strstr(output->errors, name);
	struct reason complaint;

	if (said) {
		said += strlen(name);
		reason_set(reason, "%.*s", (int) strcspn(said, "\n"), said);
		return;
	}
	program_complaint(output, &complaint);
	reason_set(reason, "%s", complaint.text);
}

static int run(const char *const argv[], const char *line, struct env *environment,
	       json_t **answer, struct reason *reason)
{
	struct program program = {.argv = argv,
				  .environment = environment,
				  .input = line,
				  .output_max = ANSWER_MAX,
				  .deadline_ms = DEADLINE_MS};
	struct program_output output;
	int rc = -1;

	if (program_run(&program, &output, reason) < 0)
		return reason_prefix(reason, "the session's head cannot be told");
	if (output.size > 0) {
		rc = order_parse(output.text, answer, reason);
	} else {
		explain(&output, reason);
		reason_prefix(reason, "the session's head cannot be told");
	}
	free(output.text);
	return rc;
}

int order_send(const struct session *session, const json_t *order, json_t **answer,
	       struct reason *reason)
{
	char *job = NULL, *node = NULL, *ask = NULL, *line = NULL, *text = NULL;
	struct env *environment = NULL;
	int rc = -1;

	if (!session->head_node || !session->runtime_dir)
		return reason_set(reason, "the head of the session is not there yet");
	text = json_dumps(order, JSON_COMPACT);
	if (!text || asprintf(&line, "%s\n", text) < 0 ||
	    asprintf(&job, "--jobid=%s", session->job_id) < 0 ||
	    asprintf(&node, "--nodelist=%s", session->head_node) < 0 ||
	    asprintf(&ask, "--ask=%s", session->runtime_dir) < 0) {
		reason_set(reason, "%s", strerror(ENOMEM));
		goto out;
	}
	/* As the session step is started; it takes nothing away from the user's steps. */
	const char *const argv[] = {"srun",
				    job,
				    node,
				    "--nodes=1",
				    "--ntasks=1",
				    "--job-name=jupyter-order",
				    "--overlap",
				    "--mem=0",
				    "--cpu-bind=none",
				    "--mpi=none",
				    "--chdir=/",
				    "--quiet",
				    PKGLIBEXECDIR "/jupyter-agent",
				    ask,
				    NULL};
	environment = make_environment(session->job_id, reason);
	if (environment)
		rc = run(argv, line, environment, answer, reason);
out:
	env_destroy(environment);
	free(text);
	free(line);
	free(job);
	free(node);
	free(ask);
	return rc;
}
