/* SPDX-License-Identifier: MIT */
/*
 * The doctor's job: runs sjupyter itself on a compute node by srun and takes its findings: see
 * doctor.h.  As the user, on the login host.
 */
#include "launcher/sjupyter/doctor.h"

#include <errno.h>
#include <limits.h>
#include <munge.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/env.h"
#include "common/fd.h"
#include "launcher/sjupyter/backend.h"
#include "launcher/sjupyter/doctor_line.h"
#include "launcher/sjupyter/program.h"

enum {
	/* srun's --immediate: for a node to become free. */
	FREE_S = 30,
	JOB_MS = 90000, /* in all: the node's own checks take at most a minute */
	OUTPUT_MAX = 1 << 20,
	CALL_MS = 3000,
	ARGUMENTS_MAX = 16 /* of our own */
};

struct job {
	struct checks *checks;
	size_t lines; /* that were understood */
};

/* A key that is not the same, or clocks apart, keep agents from being admitted. */
static void check_credential(struct checks *checks, const char *credential)
{
	static const char what[] = "munge between the hosts";
	uid_t uid = (uid_t) -1;
	munge_err_t error = munge_decode(credential, NULL, NULL, NULL, &uid, NULL);

	if (error != EMUNGE_SUCCESS)
		checks_add(
			checks, CHECK_FAIL, what,
			"a credential of the node is not accepted here: %s; the hosts need the "
			"same munge.key, and clocks that agree",
			munge_strerror(error));
	else if (uid != geteuid())
		checks_add(checks, CHECK_FAIL, what, "you are uid %u there and %u here",
			   (unsigned) uid, (unsigned) geteuid());
	else
		checks_add(checks, CHECK_OK, what, "a credential of the node is accepted here");
}

/* 0, or the errno that connecting ended with. */
static int call(const union backend_address *address, socklen_t length)
{
	struct pollfd answer = {.events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);

	answer.fd =
		socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (answer.fd < 0)
		return errno;
	if (connect(answer.fd, &address->any, length) < 0) {
		error = errno;
		if (error == EINPROGRESS)
			error = poll(&answer, 1, CALL_MS) == 1 ? 0 : ETIMEDOUT;
		if (error == 0 &&
		    getsockopt(answer.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			error = errno;
	}
	fd_close(&answer.fd);
	return error;
}

/* Where a session would listen. */
static void check_port(struct checks *checks, const struct doctor_line *line)
{
	static const char what[] = "port on the node";
	union backend_address address;
	socklen_t length = 0;
	int error = backend_address(&address, line->ip, line->port, &length) < 0
			    ? errno
			    : call(&address, length);

	if (error == 0)
		checks_add(checks, CHECK_OK, what, "%s port %u is reached from here", line->ip,
			   line->port);
	else
		checks_add(checks, CHECK_FAIL, what,
			   "%s port %u is not reached from here: %s; a firewall between the "
			   "hosts, or the wrong network: see \"network\" and \"ports\" in the "
			   "config file",
			   line->ip, line->port, strerror(error));
}

static void take_line(const char *text, void *arg)
{
	struct job *job = arg;
	struct doctor_line line;

	if (checks_take_line(job->checks, text) == 0) {
		job->lines++;
		return;
	}
	/* Whatever else a task prints, a shell's greeting for one, is none of ours. */
	if (doctor_line_parse(text, &line) < 0)
		return;
	if (line.kind == DOCTOR_LINE_CREDENTIAL)
		check_credential(job->checks, line.credential);
	else
		check_port(job->checks, &line);
}

static void make_nonce(char nonce[DOCTOR_NONCE_MAX])
{
	unsigned char random[(DOCTOR_NONCE_MAX - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
		memset(random, 0, sizeof(random)); /* a name, no secret */
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
}

/* The environment of a job of its own, also from inside another. */
static struct env *make_environment(void)
{
	struct env *environment = slurm_env_outside();

	if (!environment)
		return NULL;
	env_unset(environment, SLURM_ENV_SESSION_OPTIONS);
	env_unset(environment, SLURM_ENV_JOB_OPTION "jupyter");
	if (env_set(environment, DOCTOR_PLUGIN_VARIABLE, "0") == 0)
		return environment;
	env_destroy(environment);
	return NULL;
}

/* What srun itself says when nothing came back. */
static void judge(struct checks *checks, const struct job *job, struct program_output *output)
{
	static const char what[] = "job on a compute node";
	struct reason reason;

	if (job->lines > 0 && output->status == 0)
		return;
	bool is_refused = strstr(output->errors, "Unable to allocate resources") != NULL;
	const char *complaint = program_complaint(output, &reason);
	if (job->lines > 0)
		checks_add(checks, CHECK_FAIL, what, "it did not come to its end: %s",
			   complaint);
	else if (is_refused)
		checks_add(checks, CHECK_WARN, what,
			   "not run: %s; where no node was free within %d s, try again later; "
			   "where srun needs options, give them behind --",
			   complaint, FREE_S);
	else
		checks_add(checks, CHECK_FAIL, what,
			   "%s; is spank-jupyter installed on the nodes, at the same place as "
			   "here?",
			   complaint);
}

static void run_job(struct checks *checks, const char *config, const char *nonce,
		    char *const srun_options[])
{
	char self[PATH_MAX], on_node[DOCTOR_NONCE_MAX + 16], free_s[32];
	char config_word[PATH_MAX + 16];
	const char **argv;
	size_t count = 0, argc = 0;
	struct job job = {.checks = checks};
	struct program_output output;
	struct reason reason;
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	while (srun_options[count])
		count++;
	argv = calloc(count + ARGUMENTS_MAX, sizeof(*argv));
	struct program program = {.argv = argv,
				  .environment = make_environment(),
				  .output_max = OUTPUT_MAX,
				  .deadline_ms = JOB_MS,
				  .line = take_line,
				  .arg = &job};
	if (!argv || !program.environment || size < 0) {
		checks_add(checks, CHECK_FAIL, "job on a compute node", "%s", strerror(errno));
		goto out;
	}
	self[size] = '\0';
	snprintf(free_s, sizeof(free_s), "--immediate=%d", FREE_S);
	snprintf(on_node, sizeof(on_node), "--on-node=%s", nonce);
	argv[argc++] = "srun";
	argv[argc++] = "--job-name=jupyter-doctor";
	argv[argc++] = "--nodes=1";
	argv[argc++] = "--ntasks=1";
	argv[argc++] = "--time=2";
	argv[argc++] = free_s;
	for (size_t i = 0; i < count; i++)
		argv[argc++] = srun_options[i];
	argv[argc++] = self;
	if (config) {
		snprintf(config_word, sizeof(config_word), "--config=%s", config);
		argv[argc++] = config_word;
	}
	argv[argc++] = "doctor";
	argv[argc++] = on_node;
	if (program_run(&program, &output, &reason) < 0) {
		checks_add(checks, CHECK_FAIL, "job on a compute node", "%s", reason.text);
	} else {
		judge(checks, &job, &output);
		free(output.text);
	}
out:
	env_destroy(program.environment);
	free(argv);
}

void doctor_job(struct checks *checks, const char *config, char *const srun_options[])
{
	char nonce[DOCTOR_NONCE_MAX], name[DOCTOR_FILE_MAX];
	int state_fd = doctor_open_state(NULL);

	make_nonce(nonce);
	doctor_file_name(nonce, name);
	/* Should it fail, that was told already, and the node will tell that it is not there.
	 */
	if (state_fd >= 0)
		(void) file_replace(state_fd, name, 0600, nonce, strlen(nonce));
	run_job(checks, config, nonce, srun_options);
	if (state_fd >= 0)
		unlinkat(state_fd, name, 0);
	fd_close(&state_fd);
}
