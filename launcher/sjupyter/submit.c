/* SPDX-License-Identifier: MIT */
/* See submit.h. */
#include "launcher/sjupyter/submit.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/env.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/program.h"
#include "launcher/sjupyter/script.h"
#include "launcher/sjupyter/slurm_env.h"

enum {
	/* sbatch tries again for minutes when the controller cannot take the job just now. */
	SUBMIT_MS = 900000,
	HELP_MS = 20000,
	OUTPUT_MAX = 1 << 20,
	CLUSTER_MAX = 128
};

/* The variable of --jupyter itself. */
#define APP_OPTION SLURM_ENV_JOB_OPTION "jupyter"

int submit_plugin_loaded(struct reason *reason)
{
	static const char *const argv[] = {"sbatch", "--help", NULL};
	struct program program = {
		.argv = argv, .output_max = OUTPUT_MAX, .deadline_ms = HELP_MS};
	struct program_output output;

	if (program_run(&program, &output, reason) < 0)
		return -1;
	int loaded = strstr(output.text, "--jupyter") != NULL;
	free(output.text);
	return loaded;
}

char *submit_parse(const char *text, char **cluster)
{
	char line[CLUSTER_MAX + 16];
	size_t size = strlen(text);
	const char *begin;
	unsigned long number;

	*cluster = NULL;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	for (begin = text + size; begin > text && begin[-1] != '\n'; begin--)
		;
	size -= (size_t) (begin - text);
	if (size == 0 || size >= sizeof(line))
		return NULL;
	memcpy(line, begin, size);
	line[size] = '\0';
	char *name = strchr(line, ';');
	if (name)
		*name++ = '\0';
	if (text_to_ulong(line, 1, UINT32_MAX, &number) < 0 ||
	    (name && !text_is_name(name, CLUSTER_MAX)))
		return NULL;
	char *id = strdup(line);
	if (id && name && !(*cluster = strdup(name))) {
		free(id);
		id = NULL;
	}
	return id;
}

/* What the job runs when no script is given; sbatch reads it from its stdin only then. */
static char *make_script(void)
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *quoted = NULL, *text = NULL;

	if (size > 0) {
		self[size] = '\0';
		quoted = text_shell_quote(self);
	}
	if (quoted && asprintf(&text, "#!/bin/sh\n#SBATCH --job-name=jupyter\nexec %s wait\n",
			       quoted) < 0)
		text = NULL;
	free(quoted);
	return text;
}

/*
 * lab, unless the user has said something.  Measured on 22.05: Slurm's variable for an option
 * gives way to the command line, but not to an #SBATCH line, so a script that has one goes
 * without.
 */
static struct env *make_environment(char *const arguments[])
{
	struct env *environment = slurm_env_outside();

	if (!environment)
		return NULL;
	/* In a job it would be the outer session's, which the plugin removes too. */
	env_unset(environment, SLURM_ENV_SESSION_OPTIONS);
	if (env_get(environment, APP_OPTION) || script_argument_names_app(arguments) ||
	    env_set(environment, APP_OPTION, "lab") == 0)
		return environment;
	env_destroy(environment);
	return NULL;
}

static const char **make_argv(char *const arguments[])
{
	size_t count = 0;

	while (arguments[count])
		count++;
	const char **argv = calloc(count + 3, sizeof(*argv));
	if (!argv)
		return NULL;
	argv[0] = "sbatch";
	argv[1] = "--parsable";
	for (size_t i = 0; i < count; i++)
		argv[i + 2] = arguments[i];
	return argv;
}

/* After sbatch has ended by itself. */
static int judge(const struct program_output *output, char **job_id)
{
	char *cluster = NULL;

	*job_id = output->status == 0 ? submit_parse(output->text, &cluster) : NULL;
	if (!*job_id) {
		/* --help, --test-only and the like. */
		fputs(output->text, stdout);
		return output->status == 0 ? COMMAND_OK : COMMAND_FAILED;
	}
	/* For what is asked of Slurm from here on. */
	if (cluster)
		setenv("SLURM_CLUSTERS", cluster, 1);
	free(cluster);
	return COMMAND_OK;
}

int submit_job(char *const arguments[], char **job_id)
{
	struct reason reason;
	struct program_output output;
	char *script = make_script();
	const char **argv = make_argv(arguments);
	struct env *environment = make_environment(arguments);
	struct program program = {.argv = argv,
				  .environment = environment,
				  .input = script,
				  .output_max = OUTPUT_MAX,
				  .deadline_ms = SUBMIT_MS,
				  .show_errors = true};
	int code = COMMAND_FAILED;

	*job_id = NULL;
	if (!script || !argv || !environment) {
		output_error("%s", strerror(ENOMEM));
		goto out;
	}
	/* Or the variable would be ignored without a word. */
	int loaded = submit_plugin_loaded(&reason);
	if (loaded < 0) {
		output_error("%s", reason.text);
		goto out;
	}
	if (!loaded) {
		output_error("nothing is submitted: sbatch on this host does not know "
			     "--jupyter, so the plugin is not loaded here; `sjupyter doctor` "
			     "says what to do");
		goto out;
	}
	if (program_run(&program, &output, &reason) < 0) {
		output_error("%s", reason.text);
		goto out;
	}
	code = judge(&output, job_id);
	free(output.text);
out:
	env_destroy(environment);
	free(argv);
	free(script);
	return code;
}
