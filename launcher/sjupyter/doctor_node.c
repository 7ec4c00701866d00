/* SPDX-License-Identifier: MIT */
/*
 * The doctor's checks on a compute node, as the task of the doctor's job: see doctor.h.  What
 * it finds goes to stdout as lines of JSON, which srun carries to doctor_job.c.
 */
#include "launcher/sjupyter/doctor.h"

#include <errno.h>
#include <munge.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/env.h"
#include "common/fd.h"
#include "common/options.h"
#include "launcher/head/address.h"
#include "launcher/head/relay.h"
#include "launcher/job_env.h"
#include "launcher/sjupyter/doctor_line.h"
#include "launcher/sjupyter/program.h"
#include "launcher/sjupyter/slurm_env.h"

enum {
	SRUN_MS = 25000,
	SRUN_MAX = 4096,
	CALL_MS = 3000 /* for the login host to call, once all else is done */
};

/* The plugin removes in slurmstepd the variables by which Slurm hands its options on. */
static void check_plugin(struct checks *checks, const char *node)
{
	static const char what[] = "plugin on the node";

	if (getenv(DOCTOR_PLUGIN_VARIABLE))
		checks_add(checks, CHECK_FAIL, what,
			   "slurmstepd on %s has not loaded it: plugstack.conf there must have "
			   "the line \"optional jupyter.so\", and slurmd must be started again "
			   "after a change",
			   node);
	else
		checks_add(checks, CHECK_OK, what, "loaded on %s", node);
}

/* srun inside the job, as jupyter-launch calls it for the session step. */
static void check_srun(struct checks *checks, const char *node)
{
	extern char **environ;
	static const char what[] = "srun from the node";
	static const char *const argv[] = {"srun",	 "--overlap", "--nodes=1",
					   "--ntasks=1", "--mem=0",   "--cpu-bind=none",
					   "--mpi=none", "/bin/true", NULL};
	struct env *environment = env_create(environ);
	struct program program = {.argv = argv,
				  .environment = environment,
				  .output_max = SRUN_MAX,
				  .deadline_ms = SRUN_MS};
	struct program_output output;
	struct reason reason;

	if (!environment || job_env_hide(environment) < 0) {
		checks_add(checks, CHECK_FAIL, what, "%s", strerror(ENOMEM));
	} else if (program_run(&program, &output, &reason) < 0) {
		checks_add(checks, CHECK_FAIL, what,
			   "%s: the session step is started by srun from the first node",
			   reason.text);
	} else {
		if (output.status == 0)
			checks_add(checks, CHECK_OK, what, "a step is started from %s", node);
		else
			checks_add(checks, CHECK_FAIL, what, "a step does not start: %s",
				   program_complaint(&output, &reason));
		free(output.text);
	}
	env_destroy(environment);
}

/* A private directory with a socket in it, as the agents make them. */
static void check_tmpdir(struct checks *checks, const struct settings *settings)
{
	static const char what[] = "temporary directory of the node";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[SETTINGS_TMPDIR_MAX + 32];
	int fd = -1;

	snprintf(path, sizeof(path), "%s/spank-jupyter-XXXXXX", settings->tmpdir);
	if (!mkdtemp(path)) {
		checks_add(checks, CHECK_FAIL, what, "%s: %s", settings->tmpdir,
			   strerror(errno));
		return;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
		checks_add(checks, CHECK_FAIL, what, "%s cannot hold sockets: %s",
			   settings->tmpdir, strerror(errno));
	else
		checks_add(checks, CHECK_OK, what, "%s", settings->tmpdir);
	fd_close(&fd);
	unlink(address.sun_path);
	rmdir(path);
}

static void check_apps(struct checks *checks, const struct settings *settings)
{
	size_t found = 0;

	for (size_t i = 0; i < settings->app_count; i++) {
		const struct recipe *recipe = &settings->apps[i];
		char what[OPTIONS_NAME_MAX + 16];
		struct reason reason;
		char *program = recipe_program(recipe, getenv("PATH"), &reason);

		snprintf(what, sizeof(what), "app %s", recipe->name);
		if (program)
			checks_add(checks, CHECK_OK, what, "%s", program);
		else
			checks_add(checks, CHECK_WARN, what, "%s", reason.text);
		found += program != NULL;
		free(program);
	}
	if (found == 0 && settings->app_count > 0)
		checks_add(checks, CHECK_FAIL, "apps",
			   "no program of any app is on the node; sessions work only with "
			   "--jupyter-init=FILE that puts one into PATH");
}

static void check_home(struct checks *checks, const char *nonce)
{
	static const char what[] = "shared home";
	char name[DOCTOR_FILE_MAX], *text = NULL;
	struct reason reason;
	int fd = doctor_open_state(&reason);

	doctor_file_name(nonce, name);
	if (fd < 0)
		checks_add(checks, CHECK_FAIL, what, "%s", reason.text);
	else if (file_read(fd, name, DOCTOR_NONCE_MAX, &text, NULL) == 0 &&
		 !strcmp(text, nonce))
		checks_add(checks, CHECK_OK, what,
			   "the state directory is the same on the node");
	else
		checks_add(
			checks, CHECK_FAIL, what,
			"a file written to the state directory on the login host is not seen "
			"on the node: sjupyter there and here have different sessions; set "
			"XDG_STATE_HOME to a shared directory");
	free(text);
	fd_close(&fd);
}

/* A credential that the login host will read: one key, and clocks that agree. */
static void send_credential(void)
{
	char *credential = NULL;

	if (munge_encode(&credential, NULL, NULL, 0) == EMUNGE_SUCCESS)
		doctor_line_send_credential(credential);
	free(credential);
}

/* Listens as the head does, and tells where.  An fd, or -1. */
static int offer_port(struct checks *checks, const struct settings *settings, const char *node)
{
	char ip[INET6_ADDRSTRLEN];
	struct reason reason;
	unsigned port;
	int fd = -1;

	if (address_choose(settings->network, node, ip, &reason) == 0)
		fd = relay_listen(ip, settings->port_first, settings->port_last, &port,
				  &reason);
	if (fd < 0)
		checks_add(checks, CHECK_FAIL, "port on the node", "%s", reason.text);
	else
		doctor_line_send_port(ip, port);
	return fd;
}

void doctor_node(struct checks *checks, const char *config, const char *nonce)
{
	const char *node = getenv("SLURMD_NODENAME");
	struct settings *settings;
	int listening = -1;

	if (!node)
		node = "the node";
	check_plugin(checks, node);
	settings = doctor_check_config(checks, config, "config on the node");
	if (settings)
		listening = offer_port(checks, settings, node);
	doctor_check_programs(checks, "programs on the node");
	doctor_check_munge(checks, "munge on the node");
	send_credential();
	if (settings) {
		check_tmpdir(checks, settings);
		check_apps(checks, settings);
		doctor_check_kinds(checks, settings);
		doctor_check_hub(checks, settings, "JupyterHub from the node");
	}
	check_home(checks, nonce);
	check_srun(checks, node);
	if (listening >= 0) {
		struct pollfd call = {.fd = listening, .events = POLLIN};
		(void) poll(&call, 1, CALL_MS);
	}
	fd_close(&listening);
	settings_destroy(settings);
}
