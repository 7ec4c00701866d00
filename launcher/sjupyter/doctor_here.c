/* SPDX-License-Identifier: MIT */
/*
 * The doctor's checks on the host that this runs on: see doctor.h.
 */
#include "launcher/sjupyter/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <munge.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/statedir.h"
#include "config.h"
#include "launcher/sjupyter/program.h"
#include "launcher/sjupyter/queue.h"
#include "launcher/sjupyter/submit.h"

enum { VERSION_MS = 20000, VERSION_MAX = 4096 };

static void check_plugin(struct checks *checks)
{
	static const char what[] = "plugin on this host";
	struct reason reason;
	int loaded = submit_plugin_loaded(&reason);
	char *path;

	if (loaded > 0) {
		checks_add(checks, CHECK_OK, what, "sbatch knows --jupyter");
		return;
	}
	if (loaded < 0) {
		checks_add(checks, CHECK_FAIL, what, "sbatch cannot be asked: %s", reason.text);
		return;
	}
	path = queue_config("PlugStackConfig", NULL);
	checks_add(checks, CHECK_FAIL, what,
		   "sbatch does not know --jupyter: %s on this host must have the line "
		   "\"optional jupyter.so\", or include a file that has it",
		   path ? path : "plugstack.conf");
	free(path);
}

struct settings *doctor_check_config(struct checks *checks, const char *config,
				     const char *what)
{
	char names[512] = "";
	struct reason reason;
	struct settings *settings = settings_load(config, &reason);

	if (!settings) {
		checks_add(checks, CHECK_FAIL, what, "%s", reason.text);
		return NULL;
	}
	for (size_t i = 0; i < settings->app_count; i++) {
		size_t used = strlen(names);
		snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? ", " : "",
			 settings->apps[i].name);
	}
	if (settings->app_count > 0)
		checks_add(checks, CHECK_OK, what, "read; apps: %s", names);
	else
		checks_add(
			checks, CHECK_FAIL, what,
			"no app is configured: the recipes of spank-jupyter are not installed");
	return settings;
}

/* Whether it runs, and is of our own version. */
static void check_version(struct checks *checks, const char *what, const char *path)
{
	const char *const argv[] = {path, "--version", NULL};
	struct program program = {
		.argv = argv, .output_max = VERSION_MAX, .deadline_ms = VERSION_MS};
	struct program_output output;
	struct reason reason;

	if (program_run(&program, &output, &reason) < 0) {
		checks_add(checks, CHECK_FAIL, what, "%s", reason.text);
		return;
	}
	output.text[strcspn(output.text, "\n")] = '\0';
	if (output.status != 0)
		checks_add(checks, CHECK_FAIL, what, "%s does not run: %s", path,
			   program_complaint(&output, &reason));
	else if (strcmp(output.text, "jupyter-agent " PACKAGE_VERSION) != 0)
		checks_add(checks, CHECK_FAIL, what,
			   "%s is \"%s\", but this is sjupyter " PACKAGE_VERSION
			   ": install the same release everywhere",
			   path, output.text);
	else
		checks_add(checks, CHECK_OK, what, "%s", output.text);
	free(output.text);
}

void doctor_check_programs(struct checks *checks, const char *what)
{
	static const char *const programs[] = {PKGLIBEXECDIR "/jupyter-launch",
					       PKGLIBEXECDIR "/jupyter-agent"};

	for (size_t i = 0; i < 2; i++) {
		if (access(programs[i], X_OK) < 0) {
			checks_add(checks, CHECK_FAIL, what,
				   "%s: %s: install spank-jupyter on every host", programs[i],
				   strerror(errno));
			return;
		}
	}
	check_version(checks, what, programs[1]);
}

void doctor_check_munge(struct checks *checks, const char *what)
{
	char *credential = NULL;
	uid_t uid = (uid_t) -1;
	munge_err_t error = munge_encode(&credential, NULL, NULL, 0);

	if (error == EMUNGE_SUCCESS)
		error = munge_decode(credential, NULL, NULL, NULL, &uid, NULL);
	free(credential);
	if (error != EMUNGE_SUCCESS)
		checks_add(checks, CHECK_FAIL, what, "%s: is munged running on this host?",
			   munge_strerror(error));
	else if (uid != geteuid())
		checks_add(checks, CHECK_FAIL, what, "it says uid %u of you, who are %u",
			   (unsigned) uid, (unsigned) geteuid());
	else
		checks_add(checks, CHECK_OK, what, "a credential is made and read");
}

/* Each directory on the way, as statedir_open() would make it. */
static int make_parents(const char *path)
{
	char *part = strdup(path);
	int rc = 0;

	if (!part)
		return -1;
	for (char *end = strchr(part + 1, '/'); end && rc == 0; end = strchr(end + 1, '/')) {
		*end = '\0';
		if (access(part, F_OK) < 0 && mkdir(part, 0700) < 0 && errno != EEXIST)
			rc = -1;
		*end = '/';
	}
	int error = errno;
	free(part);
	errno = error;
	return rc;
}

int doctor_open_state(struct reason *reason)
{
	char *base = statedir_base(reason);
	int fd = -1;

	if (!base)
		return -1;
	if (make_parents(base) == 0)
		fd = dir_private(AT_FDCWD, base);
	if (fd < 0)
		reason_set(reason, "%s: %s", base,
			   errno == EPERM
				   ? "it belongs to somebody else, or others can write to it"
				   : strerror(errno));
	free(base);
	return fd;
}

void doctor_file_name(const char *nonce, char name[DOCTOR_FILE_MAX])
{
	snprintf(name, DOCTOR_FILE_MAX, ".doctor-%s", nonce);
}

static void check_state(struct checks *checks)
{
	static const char what[] = "state directory";
	char name[DOCTOR_FILE_MAX];
	struct reason reason;
	int fd = doctor_open_state(&reason);

	if (fd < 0) {
		checks_add(checks, CHECK_FAIL, what, "%s: sessions have no record without it",
			   reason.text);
		return;
	}
	doctor_file_name("write", name);
	if (file_replace(fd, name, 0600, "", 0) < 0) {
		checks_add(checks, CHECK_FAIL, what,
			   "a file cannot be written: %s: sessions have no record without it",
			   strerror(errno));
	} else {
		char *base = statedir_base(NULL);
		checks_add(checks, CHECK_OK, what, "%s", base ? base : "writable");
		free(base);
		unlinkat(fd, name, 0);
	}
	fd_close(&fd);
}

void doctor_here(struct checks *checks, const char *config)
{
	struct settings *settings;

	check_plugin(checks);
	settings = doctor_check_config(checks, config, "config on this host");
	doctor_check_programs(checks, "programs on this host");
	doctor_check_munge(checks, "munge on this host");
	check_state(checks);
	if (settings)
		doctor_check_hub(checks, settings, "JupyterHub from this host");
	settings_destroy(settings);
}
