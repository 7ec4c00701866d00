/* SPDX-License-Identifier: MIT */
/*
 * sjupyter doctor: whether everything that a session needs is there, and what to do where it is
 * not.  As the user, on the login host; by a short job also on a compute node.
 */
#include "launcher/sjupyter/doctor.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"

static const char help[] =
	"usage: sjupyter doctor [-n] [--json] [-- SRUN-OPTIONS...]\n"
	"\n"
	"Checks what a session needs, on this host and, by a job of a minute at most, on a\n"
	"compute node: a line each, \"ok\", \"warn\" or \"FAIL\", with what to do.\n"
	"\n"
	"  -n, --no-job  this host alone\n"
	"  --json        as a JSON array\n"
	"  --help        this\n"
	"\n"
	"SRUN-OPTIONS are for that job, as in `sjupyter doctor -- -p debug -A project`.\n"
	"Exit codes: 0 nothing FAILs, 1 something does.\n";

enum { ON_NODE = 1000 };

static int run(int argc, char *argv[], const char *config)
{
	/* --on-node is how doctor_job.c calls this on the compute node. */
	static const struct option words[] = {{"no-job", no_argument, NULL, 'n'},
					      {"json", no_argument, NULL, 'j'},
					      {"on-node", required_argument, NULL, ON_NODE},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	bool job = true, json = false;
	const char *nonce = NULL;
	struct checks checks;
	int word, code;

	while ((word = getopt_long(argc, argv, "+nh", words, NULL)) != -1) {
		switch (word) {
		case 'n':
			job = false;
			break;
		case 'j':
			json = true;
			break;
		case ON_NODE:
			nonce = optarg;
			break;
		case 'h':
			return command_help(&command_doctor);
		default:
			return command_unknown(&command_doctor);
		}
	}
	if (optind < argc && (strcmp(argv[optind - 1], "--") != 0 || !job))
		return command_wrong(&command_doctor, "\"%s\" is one too many%s", argv[optind],
				     job ? ": srun's options come behind --" : "");
	if (nonce) {
		checks_init(&checks, CHECKS_LINES);
		doctor_node(&checks, config, nonce);
		return COMMAND_OK; /* the findings are the lines */
	}
	checks_init(&checks, json ? CHECKS_GATHERED : CHECKS_WORDS);
	doctor_here(&checks, config);
	if (job)
		doctor_job(&checks, config, argv + optind);
	code = checks.failed > 0 ? COMMAND_FAILED : COMMAND_OK;
	if (json && output_json(checks_json(&checks)) < 0)
		code = COMMAND_FAILED;
	checks_clear(&checks);
	return code;
}

const struct command command_doctor = {"doctor", "whether all that a session needs is there",
				       help, run};
