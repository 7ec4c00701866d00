/* SPDX-License-Identifier: MIT */
/*
 * jupyter-agent: the task of the session step, one on every node of the job, started by srun as
 * the user.  Rank 0 is the head, all others are members.  With --rank it becomes a worker of
 * the session (rank.h), with --ask it talks to the head (ask.h).
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "common/session.h"
#include "common/text.h"
#include "launcher/agent/agent.h"
#include "launcher/agent/ask.h"
#include "launcher/head/hub_environment.h"
#include "launcher/job_env.h"
#include "launcher/spawn.h"
#include "launcher/workers/rank.h"

enum { EXIT_USAGE = 2 };

/* sbatch --signal and scancel --signal mean the user's steps, and reach ours too. */
static void ignore_signals_for_others(void)
{
	static const int signals[] = {SIGUSR1, SIGUSR2,	  SIGQUIT, SIGALRM,
				      SIGPROF, SIGVTALRM, SIGXCPU};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
}

static int complain(const char *what)
{
	fprintf(stderr, "jupyter-agent: %s\n", what);
	return EXIT_USAGE;
}

static int read_number(const struct env *env, const char *name, unsigned long max,
		       size_t *number)
{
	const char *text = env_get(env, name);
	unsigned long value;

	if (!text || text_to_ulong(text, 0, max, &value) < 0)
		return -1;
	*number = value;
	return 0;
}

static char *copy(const struct env *env, const char *name)
{
	const char *value = env_get(env, name);

	return value ? strdup(value) : NULL;
}

/* Who we are in the step, while the step's own variables are still there. */
static int read_place(struct agent *agent)
{
	size_t number;

	agent->job_id = copy(agent->environment, "SLURM_JOB_ID");
	agent->step_id = copy(agent->environment, "SLURM_STEP_ID");
	agent->node = copy(agent->environment, "SLURMD_NODENAME");
	agent->nodes = copy(agent->environment, "SLURM_STEP_NODELIST");
	if (!agent->job_id || !agent->step_id || !agent->node || !agent->nodes ||
	    read_number(agent->environment, "SLURM_JOB_ID", UINT32_MAX, &number) < 0 ||
	    read_number(agent->environment, "SLURM_STEP_ID", UINT32_MAX, &number) < 0 ||
	    read_number(agent->environment, "SLURM_PROCID", SESSION_NODES_MAX, &agent->rank) <
		    0 ||
	    read_number(agent->environment, "SLURM_NTASKS", SESSION_NODES_MAX, &agent->ranks) <
		    0 ||
	    agent->rank >= agent->ranks) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* What batchspawner has put into the job's environment is for the server, which is rank 0's. */
static int forget_hub(struct agent *agent)
{
	char app[OPTIONS_NAME_MAX];
	const struct recipe *recipe;

	options_app_name(&agent->options, app);
	recipe = settings_app(agent->settings, app, NULL);
	if (agent->rank == 0 || !recipe || !recipe->hub)
		return 0;
	json_t *forgotten = hub_environment_take(agent->environment);
	json_decref(forgotten);
	return forgotten ? 0 : -1;
}

static int prepare(struct agent *agent, const char *options, const char *config)
{
	extern char **environ;
	struct reason reason;

	if (!(agent->environment = env_create(environ)) || !(agent->loop = loop_create()))
		return complain(strerror(errno));
	if (read_place(agent) < 0)
		return complain(
			"not inside a step of Slurm: jupyter-launch starts this program");
	/* They are the head's alone, and in nobody's environment from here on. */
	agent->spawn_id = copy(agent->environment, JOB_ENV_SPAWN_ID);
	agent->hub_uid = copy(agent->environment, JOB_ENV_HUB_UID);
	if (job_env_restore(agent->environment) < 0)
		return complain(strerror(errno));
	if (options_decode(options, &agent->options, &reason) < 0 ||
	    !(agent->settings = settings_load(config, &reason)))
		return complain(reason.text);
	return forget_hub(agent) < 0 ? complain(strerror(errno)) : 0;
}

int main(int argc, char *argv[])
{
	static const struct option words[] = {{"options", required_argument, NULL, 'o'},
					      {"config", required_argument, NULL, 'c'},
					      {"triggered", required_argument, NULL, 't'},
					      {"rank", required_argument, NULL, 'r'},
					      {"nodes", required_argument, NULL, 'n'},
					      {"ip", required_argument, NULL, 'i'},
					      {"port", required_argument, NULL, 'p'},
					      {"ask", required_argument, NULL, 'a'},
					      {"version", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	struct agent agent = {.triggered = session_now()};
	struct rank_options rank = {.kind = NULL};
	const char *options = NULL, *config = NULL, *ask = NULL;
	int word;

	opterr = 0;
	while ((word = getopt_long(argc, argv, "", words, NULL)) != -1) {
		switch (word) {
		case 'o':
			options = optarg;
			break;
		case 'c':
			config = optarg;
			break;
		case 't':
			agent.triggered = strtod(optarg, NULL);
			break;
		case 'r':
			rank.kind = optarg;
			break;
		case 'n':
			rank.nodes = optarg;
			break;
		case 'i':
			rank.ip = optarg;
			break;
		case 'p':
			rank.port = optarg;
			break;
		case 'a':
			ask = optarg;
			break;
		case 'v':
			puts("jupyter-agent " PACKAGE_VERSION);
			return 0;
		default:
			return complain("an argument is not known");
		}
	}
	if (ask && optind == argc)
		return ask_run(ask);
	if (!options || optind < argc)
		return complain("--options is missing, or an argument is not known");
	if (rank.kind) {
		rank.options = options;
		rank.config = config;
		return rank.nodes && rank.ip && rank.port
			       ? rank_run(&rank)
			       : complain("--rank needs --nodes, --ip and --port");
	}

	agent.config = config;
	options_init(&agent.options);
	int rc = prepare(&agent, options, config);
	if (rc == 0) {
		ignore_signals_for_others();
		spawn_no_core_dumps();
		if (agent.rank == 0)
			spawn_many_files();
		rc = agent.rank == 0 ? head_run(&agent) : member_run(&agent);
	}
	loop_destroy(agent.loop);
	settings_destroy(agent.settings);
	options_clear(&agent.options);
	env_destroy(agent.environment);
	env_destroy(agent.before_init);
	free(agent.spawn_id);
	free(agent.hub_uid);
	free(agent.job_id);
	free(agent.step_id);
	free(agent.node);
	free(agent.nodes);
	return rc;
}
