/* SPDX-License-Identifier: MIT */
/*
 * The --jupyter options, their table and their storage: see options.h.  Used by the plugin in
 * sbatch, salloc, srun and slurmstepd, and by jupyter-launch, jupyter-agent and sjupyter as the
 * user, so it needs nothing but libc and keeps no state.  The grammar of a single value is in
 * options_check.c, the encoding of all in options_code.c.
 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options_check.h"
#include "text.h"

const struct option_spec options_table[] = {
	{"jupyter", "APP",
	 "start a Jupyter session: lab (default), notebook, server, "
	 "kernel[:KERNELSPEC], run:NOTEBOOK.ipynb, singleuser, or an app of the site",
	 true, false},
	{"jupyter-workers", "KIND[:N][,...]",
	 "workers on every node: ipyparallel, mpi, dask, or a "
	 "kind of the site; N per node, default one per CPU",
	 false, false},
	{"jupyter-hub", "URL|none",
	 "JupyterHub API that is told of the session; default "
	 "JUPYTERHUB_API_URL, then the site's",
	 false, false},
	{"jupyter-init", "FILE",
	 "shell file sourced on each node before server and workers start", false, false},
	{"jupyter-start", "now|manual",
	 "with the job's first step, or when the script calls "
	 "'sjupyter start'",
	 false, false},
	{"jupyter-idle", "TIME", "end the session after this long without work", false, false},
	{"jupyter-warn", "TIME", "how long before the job's end to warn and save", false,
	 false},
	{"jupyter-dir", "DIR", "the server's root; default the job's working directory", false,
	 false},
	{"jupyter-param", "NAME=VALUE",
	 "a parameter of the notebook of --jupyter=run, JSON or text; may be repeated", false,
	 true},
	{"jupyter-output", "FILE",
	 "the executed notebook of --jupyter=run; default NOTEBOOK.JOBID.ipynb", false, false},
	{NULL, NULL, NULL, false, false},
};

/* The options that are kept as text: where, and what checks them. */
static const struct text_option {
	const char *name;
	size_t offset;
	int (*check)(const char *name, const char *value, struct reason *reason);
} text_options[] = {
	{"jupyter", offsetof(struct options, app), option_check_app},
	{"jupyter-workers", offsetof(struct options, workers), option_check_workers},
	{"jupyter-hub", offsetof(struct options, hub), option_check_hub},
	{"jupyter-init", offsetof(struct options, init), option_check_path},
	{"jupyter-dir", offsetof(struct options, dir), option_check_path},
	{"jupyter-output", offsetof(struct options, output), option_check_path},
};

void options_init(struct options *options)
{
	*options = (struct options){
		.idle_s = OPTIONS_TIME_UNSET,
		.warn_s = OPTIONS_TIME_UNSET,
	};
}

void options_clear(struct options *options)
{
	int saved = errno;

	free(options->app);
	free(options->workers);
	free(options->hub);
	free(options->init);
	free(options->dir);
	free(options->params);
	free(options->output);
	options_init(options);
	errno = saved;
}

static const struct text_option *text_option_find(const char *name)
{
	for (size_t i = 0; i < sizeof(text_options) / sizeof(*text_options); i++) {
		if (strcmp(text_options[i].name, name) == 0)
			return &text_options[i];
	}
	return NULL;
}

static int text_option_set(struct options *options, const struct text_option *option,
			   const char *value, struct reason *reason)
{
	char **field = (char **) ((char *) options + option->offset);
	char *copy;

	if (option->check(option->name, value, reason) != 0)
		return -1;
	copy = strdup(value);
	if (copy == NULL)
		return reason_set(reason, "--%s: out of memory", option->name);
	free(*field);
	*field = copy;
	return 0;
}

/* Adds it, in the place of one of the same name. */
static int param_add(struct options *options, const char *value, struct reason *reason)
{
	const char *params = options->params != NULL ? options->params : "", *at = NULL;
	size_t name_length = strcspn(value, "="), used = 0;
	struct options_param param;
	char *all;

	if (option_check_param("jupyter-param", value, reason) != 0)
		return -1;
	all = malloc(strlen(params) + strlen(value) + 2);
	if (all == NULL)
		return reason_set(reason, "--jupyter-param: out of memory");
	while (options_param_next(params, &at, &param)) {
		size_t length = param.name_length + 1 + param.value_length;

		if (param.name_length == name_length &&
		    memcmp(param.name, value, name_length) == 0)
			continue;
		memcpy(all + used, param.name, length);
		used += length;
		all[used++] = '\n';
	}
	strcpy(all + used, value);
	if (strlen(all) >= OPTIONS_PARAMS_MAX) {
		free(all);
		errno = EMSGSIZE;
		return reason_set(reason,
				  "--jupyter-param: all of them have more than %d bytes: put "
				  "what is large into a file and give its path",
				  OPTIONS_PARAMS_MAX - 1);
	}
	free(options->params);
	options->params = all;
	return 0;
}

bool options_param_next(const char *params, const char **at, struct options_param *param)
{
	const char *begin = *at != NULL ? *at : params;
	size_t length;

	if (begin == NULL || *begin == '\0')
		return false;
	length = strcspn(begin, "\n");
	param->name = begin;
	param->name_length = strcspn(begin, "=");
	param->value = begin + param->name_length + 1;
	param->value_length = length - param->name_length - 1;
	*at = begin + length + (begin[length] == '\n');
	return true;
}

const char *options_notebook(const struct options *options)
{
	return options->app != NULL && strncmp(options->app, "run:", 4) == 0 ? options->app + 4
									     : NULL;
}

int options_set(struct options *options, const char *name, const char *value,
		struct reason *reason)
{
	const struct text_option *option = text_option_find(name);
	bool left_out = value == NULL || *value == '\0';
	char shown[OPTION_SHOWN_MAX];

	if (strcmp(name, "jupyter") == 0 && (left_out || strcmp(value, "(null)") == 0))
		return text_option_set(options, option, "lab", reason);
	if (left_out) {
		errno = EINVAL;
		return reason_set(reason, "--%s: a value is needed",
				  text_excerpt(name, shown, sizeof(shown)));
	}
	if (option_check_size(name, value, reason) != 0)
		return -1;
	if (option != NULL)
		return text_option_set(options, option, value, reason);
	if (strcmp(name, "jupyter-param") == 0)
		return param_add(options, value, reason);
	if (strcmp(name, "jupyter-start") == 0)
		return option_parse_start(name, value, &options->start_manual, reason);
	if (strcmp(name, "jupyter-idle") == 0)
		return option_parse_time(name, value, &options->idle_s, reason);
	if (strcmp(name, "jupyter-warn") == 0)
		return option_parse_time(name, value, &options->warn_s, reason);
	errno = EINVAL;
	return reason_set(reason, "--%s is not an option of spank-jupyter",
			  text_excerpt(name, shown, sizeof(shown)));
}

void options_app_name(const struct options *options, char name[OPTIONS_NAME_MAX])
{
	size_t length = options->app != NULL ? strcspn(options->app, ":") : 0;

	if (length >= OPTIONS_NAME_MAX) /* options_set lets none such through */
		length = OPTIONS_NAME_MAX - 1;
	if (length > 0)
		memcpy(name, options->app, length);
	name[length] = '\0';
}
