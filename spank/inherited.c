/* SPDX-License-Identifier: MIT */
/*
 * See inherited.h.  In slurmstepd this runs as the job's user, in slurm_spank_task_init;
 * elsewhere in the user's own sbatch, salloc or srun.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/runtime_dir.h"
#include "spank/inherited.h"

/* Slurm's SPANK_OPTION_ENV_PREFIX with our SPANK_PLUGIN name; Slurm itself reads and sets it.
 */
#define DIRECT "_SLURM_SPANK_OPTION_jupyter_"
/* The same as the job's record gives it to every step, and as every client reads it. */
#define FROM_JOB "SLURM_SPANK_" DIRECT

enum { NAME_MAX_BYTES = sizeof(FROM_JOB) + OPTIONS_NAME_MAX };

/* Slurm writes each character of an option's name that is no letter or digit as "_". */
static void variable_name(char buffer[NAME_MAX_BYTES], const char *prefix, const char *option)
{
	snprintf(buffer, NAME_MAX_BYTES, "%s%s", prefix, option);
	for (char *c = buffer + strlen(prefix); *c; c++)
		if (*c == '-')
			*c = '_';
}

void inherited_forget(int from_job_only)
{
	char name[NAME_MAX_BYTES];

	for (const struct option_spec *spec = options_table; spec->name; spec++) {
		variable_name(name, FROM_JOB, spec->name);
		unsetenv(name);
		if (!from_job_only) {
			variable_name(name, DIRECT, spec->name);
			unsetenv(name);
		}
	}
	if (!from_job_only)
		unsetenv(INHERITED_PARAMS);
}

void inherited_forget_paths(void)
{
	extern char **environ;
	char mark[64];
	size_t i = 0;

	snprintf(mark, sizeof(mark), "/" RUNTIME_DIR_PREFIX, (unsigned) getuid());
	while (environ && environ[i]) {
		const char *value = strchr(environ[i], '=');
		char *name = value && strstr(value, mark)
				     ? strndup(environ[i], (size_t) (value - environ[i]))
				     : NULL;
		/* What comes behind takes its place. */
		if (!name || unsetenv(name) < 0)
			i++;
		free(name);
	}
}

int inherited_give(const struct options *options)
{
	struct options params; /* the string stays theirs */
	int rc = -1;

	if (!options->params)
		return 0;
	options_init(&params);
	params.params = options->params;
	char *encoded = options_encode(&params);
	if (encoded)
		rc = setenv(INHERITED_PARAMS, encoded, 1);
	free(encoded);
	return rc;
}

/* Those that Slurm handed on itself are one of them. */
static void take_params(spank_t spank, struct options *options)
{
	struct options params;
	struct reason reason;
	char *encoded = malloc(OPTIONS_ENCODED_MAX);

	if (!encoded || spank_getenv(spank, INHERITED_PARAMS, encoded, OPTIONS_ENCODED_MAX) !=
				ESPANK_SUCCESS)
		goto out;
	spank_unsetenv(spank, INHERITED_PARAMS);
	options_init(&params);
	if (options_decode(encoded, &params, &reason) < 0) {
		slurm_error("jupyter: %s", reason.text);
		goto out;
	}
	free(options->params);
	options->params = params.params;
	params.params = NULL;
	options_clear(&params);
out:
	free(encoded);
}

static int already_given(const struct options *options, const char *name)
{
	if (!strcmp(name, "jupyter"))
		return options->app != NULL;
	if (!strcmp(name, "jupyter-workers"))
		return options->workers != NULL;
	if (!strcmp(name, "jupyter-hub"))
		return options->hub != NULL;
	if (!strcmp(name, "jupyter-init"))
		return options->init != NULL;
	if (!strcmp(name, "jupyter-dir"))
		return options->dir != NULL;
	if (!strcmp(name, "jupyter-param"))
		return options->params != NULL;
	if (!strcmp(name, "jupyter-output"))
		return options->output != NULL;
	if (!strcmp(name, "jupyter-start"))
		return options->start_manual;
	if (!strcmp(name, "jupyter-idle"))
		return options->idle_s != OPTIONS_TIME_UNSET;
	if (!strcmp(name, "jupyter-warn"))
		return options->warn_s != OPTIONS_TIME_UNSET;
	return 0;
}

void inherited_take(spank_t spank, struct options *options)
{
	char name[NAME_MAX_BYTES], value[OPTIONS_VALUE_MAX];
	struct reason reason;

	for (const struct option_spec *spec = options_table; spec->name; spec++) {
		variable_name(name, FROM_JOB, spec->name);
		spank_err_t found = spank_getenv(spank, name, value, sizeof(value));
		spank_unsetenv(spank, name);
		if (found == ESPANK_SUCCESS && !already_given(options, spec->name) &&
		    options_set(options, spec->name, value, &reason) < 0)
			slurm_error("jupyter: %s", reason.text);
	}
	take_params(spank, options);
}
