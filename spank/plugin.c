/* SPDX-License-Identifier: MIT */
/*
 * jupyter.so, the SPANK plugin: what it does in each context of Slurm.
 *
 *   sbatch, salloc, srun (as the user): registers the --jupyter options and checks their
 * values. slurmstepd, task 0 of the job's first step (as the user): starts jupyter-launch.
 *   slurmd, prolog, epilog: nothing.
 *
 * As root it does no more than read its plugstack arguments and register the options.  Every
 * failure on a compute node is logged and answered with 0: a plugin that fails there could
 * drain the node.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <slurm/spank.h>

#include "common/options.h"
#include "spank/inherited.h"
#include "spank/site_check.h"
#include "spank/trigger.h"

SPANK_PLUGIN(jupyter, 1)

/* One process is in one context and handles one job, so these are set once and read later. */
static struct {
	const char *config;	/* of plugstack.conf, lives as long as Slurm's stack */
	struct options options; /* as the callbacks stored them */
	bool given;		/* any of our options on this command */
	bool makes_allocation;	/* sbatch, salloc, or an srun outside of a job */
} self = {.options = {.idle_s = OPTIONS_TIME_UNSET, .warn_s = OPTIONS_TIME_UNSET}};

/* The notebook with all that is known of it so far. */
static int notebook_right(struct reason *reason)
{
	char *encoded = options_encode(&self.options);
	int rc = 0;

	if (!encoded)
		return reason_set(reason, "--jupyter-param: too much for one job: put what is "
					  "large into a file and give its path");
	rc = site_check(NULL, NULL, encoded, self.config, reason);
	free(encoded);
	return rc;
}

/*
 * Workers that come before the app are checked together with it, in one run of jupyter-launch;
 * those that come behind it alone.  So are parameters.
 */
static int site_knows(const char *name, struct reason *reason)
{
	bool is_app = !strcmp(name, "jupyter");
	char app[OPTIONS_NAME_MAX];

	options_app_name(&self.options, app);
	if (is_app && site_check(app, self.options.workers, NULL, self.config, reason) < 0)
		return -1;
	if (!strcmp(name, "jupyter-workers") && self.options.app)
		return site_check(NULL, self.options.workers, NULL, self.config, reason);
	if (options_notebook(&self.options) &&
	    (is_app || !strcmp(name, "jupyter-param") || !strcmp(name, "jupyter-output")))
		return notebook_right(reason);
	return 0;
}

static int option_given(int index, const char *value, int remote)
{
	const char *name = options_table[index].name;
	struct reason reason;

	if (options_set(&self.options, name, value, &reason) < 0)
		goto refused;
	self.given = true;
	if (remote)
		return ESPANK_SUCCESS;
	if (site_knows(name, &reason) < 0)
		goto refused;
	return ESPANK_SUCCESS;
refused:
	slurm_error("%s%s", remote ? "jupyter: " : "", reason.text);
	return ESPANK_BAD_ARG;
}

static void register_options(spank_t spank)
{
	for (int i = 0; options_table[i].name; i++) {
		const struct option_spec *spec = &options_table[i];
		struct spank_option option = {
			.name = (char *) spec->name,
			.arginfo = (char *) spec->arginfo,
			.usage = (char *) spec->usage,
			.has_arg = spec->optional_value ? 2 : 1,
			.val = i,
			.cb = option_given,
		};
		if (spank_option_register(spank, &option) != ESPANK_SUCCESS)
			slurm_error("jupyter: --%s cannot be registered: is the plugin listed "
				    "twice in plugstack.conf?",
				    spec->name);
	}
}

static void read_arguments(int argc, char *argv[])
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "config=/", 8) && strlen(argv[i] + 7) < 4096)
			self.config = argv[i] + 7;
		else
			slurm_error("jupyter: plugstack.conf: \"%.200s\" is not known: give "
				    "config=/absolute/path or nothing",
				    argv[i]);
	}
}

int slurm_spank_init(spank_t spank, int argc, char *argv[])
{
	spank_context_t context = spank_context();

	if (context != S_CTX_LOCAL && context != S_CTX_ALLOCATOR && context != S_CTX_REMOTE)
		return ESPANK_SUCCESS;
	read_arguments(argc, argv);
	if (context != S_CTX_REMOTE) {
		bool in_job = getenv("SLURM_JOB_ID") != NULL;
		self.makes_allocation = context == S_CTX_ALLOCATOR || !in_job;
		unsetenv(INHERITED_ALLOCATED_BY);
		/* srun keeps what salloc left for the interactive step that it may be. */
		if (in_job)
			inherited_forget(context == S_CTX_LOCAL);
		if (context == S_CTX_ALLOCATOR)
			unsetenv(INHERITED_FOR_SJUPYTER);
		if (self.makes_allocation)
			inherited_forget_paths();
	}
	register_options(spank);
	return ESPANK_SUCCESS;
}

int slurm_spank_init_post_opt(spank_t spank, int argc, char *argv[])
{
	(void) spank, (void) argc, (void) argv;
	if (!self.given || spank_context() == S_CTX_REMOTE)
		return ESPANK_SUCCESS;
	if (!self.options.app) {
		slurm_error(
			"jupyter: the --jupyter-... options have no effect without --jupyter");
		return ESPANK_SUCCESS;
	}
	if ((self.options.params || self.options.output) && !options_notebook(&self.options))
		slurm_error("jupyter: --jupyter-param and --jupyter-output have no effect "
			    "without --jupyter=run:NOTEBOOK");
	if (!self.makes_allocation) {
		slurm_error("jupyter: --jupyter has no effect on a step inside job %s: use "
			    "`sjupyter start`",
			    getenv("SLURM_JOB_ID"));
		return ESPANK_SUCCESS;
	}
	/* For sjupyter in an allocation where no step of ours runs: salloc with a command. */
	char *encoded = options_encode(&self.options);
	if (!encoded || setenv(INHERITED_FOR_SJUPYTER, encoded, 1) < 0)
		slurm_error("jupyter: the options are too long for the environment");
	free(encoded);
	if (inherited_give(&self.options) < 0)
		slurm_error("jupyter: --jupyter-param: too long for the environment");
	return ESPANK_SUCCESS;
}

/* In srun, when the job and step exist: tells the step that its srun made the allocation. */
int slurm_spank_local_user_init(spank_t spank, int argc, char *argv[])
{
	uint32_t job;
	char text[16];

	(void) argc, (void) argv;
	if (!self.options.app || !self.makes_allocation ||
	    spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS)
		return ESPANK_SUCCESS;
	snprintf(text, sizeof(text), "%u", job);
	if (setenv(INHERITED_ALLOCATED_BY, text, 1) < 0)
		slurm_error("jupyter: no session: out of memory");
	return ESPANK_SUCCESS;
}

/* Starts the session, or leaves that to `sjupyter start`. */
static void begin_session(spank_t spank)
{
	struct reason reason;

	if (self.options.start_manual) {
		char *encoded = options_encode(&self.options);
		if (!encoded || spank_setenv(spank, INHERITED_FOR_SJUPYTER, encoded, 1))
			slurm_error("jupyter: the options cannot be handed to sjupyter");
		free(encoded);
		return;
	}
	/* In a task, Slurm's log is the job's stderr too, where the user looks first. */
	if (trigger_start(spank, &self.options, self.config, &reason) < 0)
		slurm_error("jupyter: no session: %s", reason.text);
}

int slurm_spank_task_init(spank_t spank, int argc, char *argv[])
{
	(void) argc, (void) argv;
	/* Real, effective and saved: nothing of ours goes on if any of them is still root's,
	 * unless the job itself is root's. */
	uid_t job_uid, real, effective, saved;
	if (spank_get_item(spank, S_JOB_UID, &job_uid) != ESPANK_SUCCESS ||
	    getresuid(&real, &effective, &saved) < 0 || real != job_uid ||
	    effective != job_uid || saved != job_uid)
		return ESPANK_SUCCESS;

	bool due = trigger_is_due(spank);
	spank_unsetenv(spank, INHERITED_ALLOCATED_BY);
	inherited_take(spank, &self.options);
	due = due && self.options.app;
	if (due)
		begin_session(spank);
	/* The session has them, or `sjupyter start` in this script is to have them. */
	if (!due || !self.options.start_manual) {
		spank_unsetenv(spank, INHERITED_SPAWN_ID);
		spank_unsetenv(spank, INHERITED_HUB_UID);
	}
	return ESPANK_SUCCESS;
}
