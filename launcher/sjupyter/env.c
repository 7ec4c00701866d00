/* SPDX-License-Identifier: MIT */
/*
 * sjupyter env: the variables by which a session's workers are found, for a script of the job.
 * As the user, on the session's first node, where the files lie that they name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/head/environment.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"

static const char help[] =
	"usage: sjupyter env [JOBID] [--json]\n"
	"\n"
	"Prints what a script of the job needs to find the session's workers as a notebook "
	"does, "
	"on\n"
	"the session's first node, where the job's script runs:\n"
	"\n"
	"  sjupyter wait --ready && eval \"$(sjupyter env)\" && python3 analysis.py\n"
	"\n"
	"  --json  as JSON\n"
	"  --help  this\n"
	"\n"
	"Exit codes: 0 printed, 1 not on this node, or not yet, 3 there is no such session.\n";

/* The session's private directory, if it is here and ours alone. */
static int open_directory(const struct session *session, struct reason *reason)
{
	struct stat stat;
	int fd = -1;

	if (session->runtime_dir)
		fd = open(session->runtime_dir,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return reason_set(reason, "job %s: not on this node: run it on %s",
				  session->job_id,
				  session->head_node ? session->head_node : "the first node");
	if (fstat(fd, &stat) < 0 || stat.st_uid != geteuid() || (stat.st_mode & 077)) {
		fd_close(&fd);
		errno = EPERM;
		return reason_set(reason, "%s: not yours alone", session->runtime_dir);
	}
	return fd;
}

static int read_text(const struct session *session, char **text, size_t *size,
		     struct reason *reason)
{
	int fd = open_directory(session, reason);

	if (fd < 0)
		return -1;
	int rc = file_read(fd, ENVIRONMENT_FILE, ENVIRONMENT_MAX, text, size);
	if (rc < 0)
		reason_set(reason, "job %s: %s", session->job_id,
			   errno == ENOENT
				   ? "not known yet: `sjupyter wait --ready` waits for it"
				   : strerror(errno));
	fd_close(&fd);
	return rc;
}

static int print(const char *name, const char *value, json_t *json)
{
	if (json)
		return json_object_set_new(json, name, json_string(value));
	char *word = text_shell_quote(value);
	int rc = word ? printf("export %s=%s\n", name, word) : -1;
	free(word);
	return rc < 0 ? -1 : 0;
}

/* text: NAME=VALUE, each with a NUL behind it. */
static int print_all(char *text, size_t size, json_t *json)
{
	int rc = 0;

	for (char *line = text; line < text + size && rc == 0; line += strlen(line) + 1) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = '\0';
		rc = print(line, value, json);
		line = value;
	}
	return rc;
}

static int run(int argc, char *argv[], const char *config)
{
	bool json = false;
	const struct command_flag flags[] = {{"json", &json}, {NULL, NULL}};
	struct target target;
	struct reason reason;
	const char *id = NULL;
	char *text = NULL;
	size_t size = 0;
	int code = command_parse(&command_env, argc, argv, flags, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	json_t *object = json ? json_object() : NULL;
	if (read_text(target.session, &text, &size, &reason) < 0) {
		output_error("%s", reason.text);
		code = COMMAND_FAILED;
	} else if (print_all(text, size, object) < 0 ||
		   (json && output_json(json_incref(object)) < 0)) {
		code = COMMAND_FAILED;
	}
	json_decref(object);
	free(text);
	target_clear(&target);
	return code;
}

const struct command command_env = {"env", "how a script of the job finds the workers", help,
				    run};
