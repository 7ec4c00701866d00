/* SPDX-License-Identifier: MIT */
/* See variables.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/notebook.h"
#include "launcher/workers/kernel_choice.h"
#include "launcher/workers/python.h"
#include "launcher/workers/variables.h"

static bool uses_python(const struct recipe *recipe)
{
	const char *const texts[] = {recipe->command, recipe->controller, recipe->prepare,
				     recipe->prepare_node, recipe->srun};

	if (recipe->preload)
		return true;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i] && recipe_text_uses(texts[i], "python"))
			return true;
	for (size_t i = 0; i < recipe->env_count; i++)
		if (recipe_text_uses(recipe->env[i].value, "python"))
			return true;
	return false;
}

/*
 * What the server would be started with, as far as it matters for where Jupyter looks: sockets
 * and tokens of the head are stood in for.  The job's own where the app cannot be had, which
 * the head tells better.
 */
static struct env *server_environment(const struct variables_options *options, char **program)
{
	const struct agent *agent = options->agent;
	const char *dir = options->runtime->path;
	const char *const pairs[] = {"socket", dir,  "token_file", dir,		  "root_dir",
				     dir,      "ip", options->ip,  "runtime_dir", dir,
				     "port",   "0",  "job_id",	   agent->job_id, NULL};
	struct env *environment = env_create(env_vector(agent->environment));
	char app[OPTIONS_NAME_MAX];

	*program = NULL;
	if (!environment)
		return NULL;
	options_app_name(&agent->options, app);
	const struct recipe *recipe = settings_app(agent->settings, app, NULL);
	if (recipe && recipe_environment(recipe, environment, pairs, NULL) == 0)
		*program = recipe_program(recipe, env_get(environment, "PATH"), NULL);
	return environment;
}

/* Of a bare kernel, or that of a notebook which is executed; where that is no Python, what
 * there would be without a server. */
static char *kernel_python(const struct agent *agent, struct reason *reason)
{
	struct kernel_choice choice = {.spec = NULL};
	char notebook[OPTIONS_NAME_MAX], *python = NULL;
	const char *name = kernel_app_spec(&agent->options);

	if (options_notebook(&agent->options)) {
		if (notebook_kernel(&agent->options, agent->environment, notebook, reason) < 0)
			return NULL;
		name = notebook;
	}
	if (kernel_choose(agent->settings, name, agent->environment, &choice, NULL) == 0)
		python = workers_kernel_python(choice.spec->argv[0], choice.python,
					       agent->environment);
	kernel_choice_clear(&choice);
	return python ? python : workers_python(NULL, agent->environment, reason);
}

static char *find_python(const struct variables_options *options, struct reason *reason)
{
	const struct options *given = &options->agent->options;

	if (kernel_is_app(given) || options_notebook(given))
		return kernel_python(options->agent, reason);

	char *program, *python;
	struct env *environment = server_environment(options, &program);

	if (!environment) {
		reason_set(reason, "%s", strerror(errno));
		return NULL;
	}
	python = workers_python(program, environment, reason);
	int saved = errno;
	free(program);
	env_destroy(environment);
	errno = saved;
	return python;
}

/* "dask,mpi" of "dask:2,mpi". */
static char *list_kinds(const char *workers)
{
	struct options_workers list[OPTIONS_KINDS_MAX];
	int count = options_worker_list(workers, list, OPTIONS_KINDS_MAX);
	size_t used = 0, size = OPTIONS_KINDS_MAX * OPTIONS_NAME_MAX;
	char *kinds = calloc(1, size);

	for (int i = 0; kinds && i < count; i++)
		used += (size_t) snprintf(kinds + used, size - used, "%s%s", i ? "," : "",
					  list[i].kind);
	return kinds;
}

static void print_number(char text[VARIABLES_NUMBER_MAX], size_t number)
{
	snprintf(text, VARIABLES_NUMBER_MAX, "%zu", number);
}

int variables_set(struct variables *variables, const struct variables_options *options,
		  struct reason *reason)
{
	const struct agent *agent = options->agent;
	const char *kind = options->recipe->name;
	bool is_v6 = strchr(options->ip, ':') != NULL;
	struct variables set = {.share = NULL};

	print_number(set.port, options->port);
	print_number(set.rank, agent->rank);
	print_number(set.nodes, agent->ranks);
	print_number(set.count, options->count);
	if (asprintf(&set.share, "%s/workers/%s", options->runtime->path, kind) < 0)
		set.share = NULL;
	if (asprintf(&set.host, "%s%s%s", is_v6 ? "[" : "", options->ip, is_v6 ? "]" : "") < 0)
		set.host = NULL;
	set.ip = strdup(options->ip);
	set.kinds = list_kinds(agent->options.workers);
	if (!set.share || !set.host || !set.ip || !set.kinds) {
		variables_clear(&set);
		errno = ENOMEM;
		return reason_set(reason, "%s: %s", kind, strerror(errno));
	}
	set.python = uses_python(options->recipe) ? find_python(options, reason) : strdup("");
	if (!set.python) {
		variables_clear(&set);
		return -1;
	}
	*variables = set;
	const char *pairs[] = {
		"python",      variables->python,
		"share",       variables->share,
		"runtime_dir", options->runtime->path,
		"job_id",      agent->job_id,
		"kind",	       kind,
		"kinds",       variables->kinds,
		"ip",	       variables->ip,
		"host",	       variables->host,
		"port",	       variables->port,
		"node",	       agent->node,
		"node_rank",   variables->rank,
		"nodes",       variables->nodes,
		"count",       variables->count,
		NULL,
	};
	_Static_assert(sizeof(pairs) <= sizeof(variables->pairs), "all have a place");
	memcpy(variables->pairs, pairs, sizeof(pairs));
	return 0;
}

void variables_clear(struct variables *variables)
{
	int saved = errno;

	free(variables->share);
	free(variables->python);
	free(variables->kinds);
	free(variables->ip);
	free(variables->host);
	*variables = (struct variables){.share = NULL};
	errno = saved;
}

struct env *variables_own_environment(const struct variables *variables,
				      const struct variables_options *options,
				      struct reason *reason)
{
	struct env *environment = env_create(env_vector(options->agent->environment));

	if (environment &&
	    env_set(environment, "SPANK_JUPYTER_KIND", options->recipe->name) == 0 &&
	    env_set(environment, "SPANK_JUPYTER_SHARE", variables->share) == 0)
		return environment;
	int saved = errno;
	reason_set(reason, "%s: %s", options->recipe->name, strerror(errno));
	env_destroy(environment);
	errno = saved;
	return NULL;
}

struct env *variables_environment(const struct variables *variables,
				  const struct variables_options *options,
				  struct reason *reason)
{
	struct env *environment = variables_own_environment(variables, options, reason);

	if (!environment)
		return NULL;
	if (recipe_environment(options->recipe, environment, variables->pairs, reason) == 0)
		return environment;
	int saved = errno;
	env_destroy(environment);
	errno = saved;
	return NULL;
}
