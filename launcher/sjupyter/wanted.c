/* SPDX-License-Identifier: MIT */
/* See wanted.h. */
#include "launcher/sjupyter/wanted.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/notebook.h"
#include "launcher/sjupyter/slurm_env.h"

enum { VARIABLE_MAX = sizeof(SLURM_ENV_JOB_OPTION) + OPTIONS_NAME_MAX };

/* Slurm writes each character of an option's name that is no letter or digit as "_". */
static const char *variable(const char *prefix, const char *option)
{
	char name[VARIABLE_MAX];

	snprintf(name, sizeof(name), "%s%s", prefix, option);
	for (char *c = name + strlen(prefix); *c; c++)
		if (*c == '-')
			*c = '_';
	return getenv(name);
}

/* In the place of the one that Slurm hands on of a repeated option. */
static int take_params(struct options *options, struct reason *reason)
{
	const char *encoded = getenv(SLURM_ENV_PARAMS);
	struct options params;

	if (!encoded)
		return 0;
	if (options_decode(encoded, &params, reason) < 0)
		return reason_prefix(reason, SLURM_ENV_PARAMS);
	free(options->params);
	options->params = params.params;
	params.params = NULL;
	options_clear(&params);
	return 0;
}

/* A path that is given here is relative to here, wherever the job was submitted: 0, with *whole
 * for the caller to free, NULL where it is absolute or none. */
static int make_absolute(const char *name, const char *value, char **whole)
{
	bool is_run = !strcmp(name, "jupyter") && value && !strncmp(value, "run:", 4);
	const char *path = is_run ? value + 4 : value;
	char *absolute;

	*whole = NULL;
	if ((!is_run && strcmp(name, "jupyter-output") != 0) || !path || !*path || *path == '/')
		return 0;
	if (!(absolute = notebook_path(path, NULL)))
		return -1;
	if (asprintf(whole, "%s%s", is_run ? "run:" : "", absolute) < 0)
		*whole = NULL;
	free(absolute);
	return *whole ? 0 : -1;
}

int wanted_take(struct options *options, struct reason *reason)
{
	const char *encoded = getenv(SLURM_ENV_SESSION_OPTIONS);
	int found = 0;

	if (encoded && *encoded) {
		if (options_decode(encoded, options, reason) == 0)
			return 1;
		return reason_prefix(reason, SLURM_ENV_SESSION_OPTIONS);
	}
	for (const struct option_spec *spec = options_table; spec->name; spec++) {
		/* A job's record first, then what salloc keeps for its interactive step. */
		const char *value = variable(SLURM_ENV_JOB_OPTION, spec->name);
		if (!value)
			value = variable(SLURM_ENV_OPTION, spec->name);
		if (!value)
			continue;
		if (options_set(options, spec->name, value, reason) < 0)
			return reason_prefix(reason, "the job's environment");
		found = 1;
	}
	if (take_params(options, reason) < 0)
		return -1;
	return found;
}

struct option *wanted_words(const struct option *own)
{
	size_t own_count = 0, count = 0;

	while (own[own_count].name)
		own_count++;
	while (options_table[count].name)
		count++;
	struct option *words = calloc(own_count + count + 1, sizeof(*words));
	if (!words)
		return NULL;
	memcpy(words, own, own_count * sizeof(*words));
	for (size_t i = 0; i < count; i++)
		words[own_count + i] = (struct option){
			.name = options_table[i].name,
			.has_arg = options_table[i].optional_value ? optional_argument
								   : required_argument,
			.val = WANTED_FIRST + (int) i,
		};
	return words;
}

int wanted_set(struct options *options, int word, const char *value, struct reason *reason)
{
	const char *name = options_table[word - WANTED_FIRST].name;
	char *whole;

	if (make_absolute(name, value, &whole) < 0)
		return reason_set(reason, "--%s: %s", name, strerror(errno));
	int rc = options_set(options, name, whole ? whole : value, reason);
	int error = errno;
	free(whole);
	errno = error;
	return rc;
}
