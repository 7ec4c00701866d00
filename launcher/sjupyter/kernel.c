/* SPDX-License-Identifier: MIT */
/*
 * sjupyter kernel: a bare kernel of a session, there already or started by this, as one of this
 * host, through the tunnel; with a console, or for any other client.  As the user, on the login
 * host.
 */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>

#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/kernel_port.h"
#include "launcher/sjupyter/kernel_way.h"
#include "launcher/sjupyter/output.h"

static const char help[] =
	"usage: sjupyter kernel [JOBID] [--new=KERNELSPEC | --number=N]\n"
	"                       [--no-console | --proxy]\n"
	"\n"
	"Leads to the kernel of a session begun with --jupyter=kernel: writes a connection "
	"file\n"
	"for it on this host, prints the file's path, and runs `jupyter console` on it where\n"
	"that is installed and this is a terminal.  What goes over the network is encrypted;\n"
	"the sockets here are yours alone.\n"
	"\n"
	"  --new=NAME    start one more kernel in the session, of this kernelspec on the\n"
	"                nodes: beside a server, too; it lives until it is shut down, or the\n"
	"                session ends\n"
	"  --number=N    that kernel of the session: `sjupyter status` lists them; else 1\n"
	"  --no-console  only the connection file, for any client, until Ctrl-C or the\n"
	"                session's end: `jupyter console --existing FILE` for one\n"
	"  --proxy       the same for programs: lines of JSON on stdout, orders on stdin, "
	"ends\n"
	"                when stdin does\n"
	"  --help        this\n";

static int parse(int argc, char *argv[], struct kernel_way_options *way, const char **id)
{
	static const struct option words[] = {{"no-console", no_argument, NULL, 'c'},
					      {"proxy", no_argument, NULL, 'p'},
					      {"new", required_argument, NULL, 'n'},
					      {"number", required_argument, NULL, 'k'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int word;

	while ((word = getopt_long(argc, argv, "h", words, NULL)) != -1) {
		switch (word) {
		case 'c':
			way->no_console = true;
			break;
		case 'p':
			way->is_proxy = true;
			break;
		case 'n':
			way->new = optarg;
			if (!text_is_name(optarg, SESSION_KERNEL_NAME))
				return command_wrong(
					&command_kernel,
					"--new=%s: a kernelspec's name is allowed: "
					"letters, digits and ._-",
					optarg);
			break;
		case 'k':
			if (text_to_ulong(optarg, 1, INT32_MAX, &way->number) < 0)
				return command_wrong(&command_kernel,
						     "--number=%s: a number from 1 is allowed, "
						     "as `sjupyter status` shows it",
						     optarg);
			break;
		case 'h':
			return command_help(&command_kernel);
		default:
			return command_unknown(&command_kernel);
		}
	}
	if (way->new && way->number)
		return command_wrong(&command_kernel, "--new or --number, not both");
	return command_take_id(&command_kernel, argc, argv, id);
}

static int run(int argc, char *argv[], const char *config)
{
	struct target target = {.state_fd = -1};
	struct kernel_way_options way = {.target = &target};
	struct reason reason;
	const char *id = NULL;
	int code = parse(argc, argv, &way, &id);

	(void) config;
	if (code != COMMAND_OK)
		return code;
	if (target_find(id, &target, &reason) < 0) {
		code = command_exit_code(errno);
		output_error("%s", reason.text);
		return code;
	}
	if (!target_is_serving(&target)) {
		code = COMMAND_FAILED;
	} else if (kernel_port_find(&target, !way.new && !way.number, &way.port, &reason) < 0) {
		output_error("%s", reason.text);
		code = COMMAND_FAILED;
	} else {
		code = kernel_way_run(&way);
	}
	target_clear(&target);
	return code;
}

const struct command command_kernel = {
	"kernel", "reach a session's bare kernel, with a console or any client", help, run};
