/* SPDX-License-Identifier: MIT */
/*
 * The doctor's check of the JupyterHub that sessions on this host are told to: see doctor.h.
 */
#include "launcher/sjupyter/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/env.h"
#include "common/options.h"
#include "launcher/hub_plan.h"
#include "launcher/sjupyter/program.h"

enum { ANSWER_MS = 30000, ANSWER_MAX = 4096, ARGUMENTS_MAX = 10 };

/* What a hub that reads our credential, and knows this user, says of a server that is not
 * there. */
static const char no_server[] = "the hub has no server";

static const char program[] = PKGLIBEXECDIR "/jupyter-hub-callback";

/* 0 with its output, which the caller frees, or -1 and told. */
static int run(struct checks *checks, const char *what, const char *const argv[],
	       struct program_output *output)
{
	struct program call = {
		.argv = argv, .output_max = ANSWER_MAX, .deadline_ms = ANSWER_MS};
	struct reason reason;

	if (program_run(&call, output, &reason) == 0)
		return 0;
	checks_add(checks, CHECK_FAIL, what, "%s", reason.text);
	return -1;
}

/* Whether it starts: libcurl is there. */
static int check_program(struct checks *checks, const char *what)
{
	const char *const argv[] = {program, "--version", NULL};
	struct program_output output;
	struct reason reason;

	if (run(checks, what, argv, &output) < 0)
		return -1;
	int rc = output.status == 0 ? 0 : -1;
	if (rc < 0)
		checks_add(checks, CHECK_FAIL, what, "%s does not run: %s", program,
			   program_complaint(&output, &reason));
	free(output.text);
	return rc;
}

/* Asks the hub of a server that is not there: munge, hub_user, the URL and the way there. */
static void ask(struct checks *checks, const char *what, const struct hub_plan *plan)
{
	const char *job = getenv("SLURM_JOB_ID"), *cluster = getenv("SLURM_CLUSTER_NAME");
	char words[3][OPTIONS_VALUE_MAX + 32];
	const char *argv[ARGUMENTS_MAX] = {program, "post", "activity", "--mode=adopt",
					   "--deadline=5"};
	struct program_output output;
	struct reason reason;
	size_t argc = 5;

	snprintf(words[0], sizeof(words[0]), "--hub=%s", plan->url);
	snprintf(words[1], sizeof(words[1]), "--hub-uid=%u", (unsigned) plan->uid);
	snprintf(words[2], sizeof(words[2]), "--job=%s", job ? job : "1");
	for (size_t i = 0; i < 3; i++)
		argv[argc++] = words[i];
	if (!cluster)
		argv[argc++] = "--cluster=doctor";
	if (run(checks, what, argv, &output) < 0)
		return;
	const char *complaint = program_complaint(&output, &reason);
	if (output.status == 0 || strstr(complaint, no_server))
		checks_add(checks, CHECK_OK, what,
			   "%s answers, and takes the jobs of yours as servers", plan->url);
	else
		checks_add(checks, CHECK_WARN, what, "jobs of yours are not in it: %s",
			   complaint);
	free(output.text);
}

static const struct recipe *find(const struct settings *settings, bool hub)
{
	for (size_t i = 0; i < settings->app_count; i++)
		if (hub ? settings->apps[i].hub
			: settings->apps[i].jupyter_api && !settings->apps[i].hub)
			return &settings->apps[i];
	return NULL;
}

void doctor_check_hub(struct checks *checks, const struct settings *settings, const char *what)
{
	extern char **environ;
	struct env *environment = env_create(environ);
	struct options options;
	struct hub_plan plan = {.mode = HUB_PLAN_NONE};
	struct reason reason;

	options_init(&options);
	/* As of a session that nobody else has asked for. */
	const struct hub_plan_given given = {.settings = settings,
					     .options = &options,
					     .recipe = find(settings, false),
					     .environment = environment};
	if (!environment || hub_plan_make(&given, &plan, &reason) < 0) {
		checks_add(checks, CHECK_FAIL, what, "%s",
			   environment ? reason.text : strerror(errno));
		goto out;
	}
	if (reason.text[0])
		checks_add(checks, CHECK_FAIL, what, "%s", reason.text);
	else if (!find(settings, true))
		checks_add(checks, CHECK_WARN, what,
			   "no app with hub = yes: a hub can neither start sessions nor take "
			   "them");
	else if (check_program(checks, what) < 0)
		goto out;
	else if (plan.mode == HUB_PLAN_ADOPT)
		ask(checks, what, &plan);
	else
		checks_add(checks, CHECK_OK, what,
			   "the site has set none (hub in [site]): sessions are in one that "
			   "has started them, or that --jupyter-hub names");
out:
	hub_plan_clear(&plan);
	env_destroy(environment);
}
