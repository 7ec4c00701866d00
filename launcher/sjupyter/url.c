/* SPDX-License-Identifier: MIT */
/*
 * sjupyter url: the whole URL of a session, with its token.  As the user.
 */
#include <errno.h>
#include <stdio.h>

#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"
#include "launcher/sjupyter/target.h"

static const char help[] =
	"usage: sjupyter url [JOBID] [--json]\n"
	"\n"
	"Prints the URL of a session with its token, in one line on stdout.  Whoever has it "
	"can\n"
	"do as you: treat it as a password.\n"
	"\n"
	"  --json  with its parts, as JSON\n"
	"  --help  this\n"
	"\n"
	"Exit codes: 0 it serves, 1 it does not, 3 there is no such session.\n";

static int print_json(const struct session *session, const char *whole, const char *token)
{
	return output_json(json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:i}", "job_id",
				     session->job_id, "state",
				     session_state_name(session->state), "url", whole, "token",
				     token, "ip", session->ip, "port", (int) session->port));
}

static int print(const struct target *target, bool json)
{
	struct reason reason;
	char *whole = address_of(target->session, target->state_fd, &reason);
	int rc = -1;

	if (!whole) {
		output_error("%s", reason.text);
		return COMMAND_FAILED;
	}
	if (json) {
		char *token = address_token(target->state_fd, NULL);
		rc = print_json(target->session, whole, token);
		address_free(token);
	} else {
		rc = puts(whole) < 0 ? -1 : 0;
	}
	address_free(whole);
	return rc < 0 ? COMMAND_FAILED : COMMAND_OK;
}

static int run(int argc, char *argv[], const char *config)
{
	bool json = false;
	const struct command_flag flags[] = {{"json", &json}, {NULL, NULL}};
	struct target target;
	struct reason reason;
	const char *id = NULL;
	int code = command_parse(&command_url, argc, argv, flags, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	if (target_is_serving(&target))
		code = print(&target, json);
	else
		code = COMMAND_FAILED;
	target_clear(&target);
	return code;
}

const struct command command_url = {"url", "the URL of a session, with its token", help, run};
