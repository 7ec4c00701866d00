/* SPDX-License-Identifier: MIT */
/*
 * sjupyter kernelspec: writes kernelspecs whose kernels run in Slurm jobs, for any Jupyter that
 * has the package jupyter-spank-provisioner.  As the user.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/sjupyter/command.h"
#include "launcher/sjupyter/output.h"

static const char help[] =
	"usage: sjupyter kernelspec install --name=NAME [OPTIONS] [-- SBATCH-OPTIONS...]\n"
	"\n"
	"Writes a kernelspec of which each kernel is a Slurm job of its own, or shares one:\n"
	"\n"
	"    sjupyter kernelspec install --name=dask4 --display-name='Python, 4 nodes, dask' "
	"\\\n"
	"        -- -N4 -t 4:00:00 --jupyter-workers=dask\n"
	"\n"
	"Jupyter needs the Python package jupyter-spank-provisioner for it.\n"
	"\n"
	"  --name=NAME          the kernelspec's: letters, digits and ._-\n"
	"  --display-name=TEXT  what people see; else NAME\n"
	"  --kernel=NAME        the kernelspec on the nodes; else python3\n"
	"  --language=NAME      of that kernel, as notebooks have it; else python\n"
	"  --jobid=JOBID        in this job, which is there already: one more kernel in its\n"
	"                       session\n"
	"  --prefix=DIR         in DIR/share/jupyter/kernels, for all users of a Jupyter that\n"
	"                       looks there; else for you alone\n"
	"  --replace            in the place of one of that name\n"
	"  --help               this\n";

enum {
	NAME_MAX_BYTES = 64,
	DISPLAY_MAX = 256,
	OPTIONS_MAX = 256,	/* words for sbatch */
	OPTION_BYTES_MAX = 4096 /* of one */
};

struct install {
	const char *name, *display, *kernel, *language, *job, *prefix;
	bool replace;
	char **options;
	size_t option_count;
};

/* What the provisioner gives sbatch itself. */
static const char *reserved(const char *option)
{
	static const char *const names[] = {"--jupyter", "--wrap", "--parsable", "--array"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t size = strlen(names[i]);
		if (!strncmp(option, names[i], size) && (!option[size] || option[size] == '='))
			return names[i];
	}
	return NULL;
}

static int check(const struct install *install)
{
	unsigned long number;

	if (!install->name)
		return command_wrong(&command_kernelspec, "--name=NAME is needed");
	if (!text_is_name(install->name, NAME_MAX_BYTES))
		return command_wrong(&command_kernelspec,
				     "--name=%s: letters, digits and ._- are allowed, below %d",
				     install->name, NAME_MAX_BYTES);
	if (!text_is_name(install->kernel, NAME_MAX_BYTES))
		return command_wrong(&command_kernelspec,
				     "--kernel=%s: letters, digits and ._- are allowed, "
				     "below %d",
				     install->kernel, NAME_MAX_BYTES);
	if (!*install->language || strlen(install->language) >= NAME_MAX_BYTES ||
	    !text_printable(install->language))
		return command_wrong(&command_kernelspec, "--language=%s: a name is allowed",
				     install->language);
	if (!*install->display || strlen(install->display) >= DISPLAY_MAX ||
	    !text_printable(install->display))
		return command_wrong(&command_kernelspec,
				     "--display-name: one line of 1 to %d bytes is allowed",
				     DISPLAY_MAX - 1);
	if (install->option_count > OPTIONS_MAX)
		return command_wrong(&command_kernelspec, "at most %d words for sbatch",
				     OPTIONS_MAX);
	if (install->job && text_to_ulong(install->job, 1, UINT32_MAX, &number) < 0)
		return command_wrong(&command_kernelspec,
				     "--jobid=%s is not a job: give its number, as 123",
				     install->job);
	if (install->job && install->option_count > 0)
		return command_wrong(&command_kernelspec,
				     "options for sbatch, or --jobid, not both");
	for (size_t i = 0; i < install->option_count; i++) {
		const char *option = install->options[i];
		if (strlen(option) >= OPTION_BYTES_MAX || !text_printable(option))
			return command_wrong(&command_kernelspec,
					     "\"%.64s\" is no option for sbatch", option);
		if (reserved(option))
			return command_wrong(&command_kernelspec,
					     "%s is not to be given: the kernel's job has its "
					     "own",
					     reserved(option));
	}
	return COMMAND_OK;
}

static json_t *make_json(const struct install *install)
{
	json_t *options = json_array(), *config;

	for (size_t i = 0; options && i < install->option_count; i++)
		json_array_append_new(options, json_string(install->options[i]));
	if (install->job)
		config = json_pack("{s:s, s:s, s:o}", "kernel", install->kernel, "job_id",
				   install->job, "sbatch_options", options);
	else
		config = json_pack("{s:s, s:o}", "kernel", install->kernel, "sbatch_options",
				   options);
	/* argv is for people: the provisioner starts the kernel. */
	return json_pack("{s:[sss], s:s, s:s, s:s, s:{s:{s:s, s:o}}}", "argv", "sjupyter",
			 "kernel", "--proxy", "display_name", install->display, "language",
			 install->language, "interrupt_mode", "signal", "metadata",
			 "kernel_provisioner", "provisioner_name", "spank-provisioner",
			 "config", config);
}

/* Jupyter's directory of data: JUPYTER_DATA_DIR, or in XDG_DATA_HOME, or in the home. */
static char *kernels_path(const struct install *install)
{
	const char *own = getenv("JUPYTER_DATA_DIR"), *xdg = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int rc = -1;

	if (install->prefix)
		rc = asprintf(&path, "%s/share/jupyter/kernels", install->prefix);
	else if (own && *own == '/')
		rc = asprintf(&path, "%s/kernels", own);
	else if (xdg && *xdg == '/')
		rc = asprintf(&path, "%s/jupyter/kernels", xdg);
	else if (home && *home == '/')
		rc = asprintf(&path, "%s/.local/share/jupyter/kernels", home);
	else
		errno = ENOENT;
	return rc < 0 ? NULL : path;
}

/* As mkdir -p; the path is changed and put right again. */
static int make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		int rc = mkdir(path, 0755);
		if (slash)
			*slash = '/';
		if (rc < 0 && errno != EEXIST)
			return -1;
		if (!slash)
			return 0;
	}
}

static int write_spec(const struct install *install, char *directory, const char *text)
{
	int fd, rc = -1;

	if (make_directories(directory) < 0)
		return -1;
	if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return -1;
	if (!install->replace && faccessat(fd, "kernel.json", F_OK, 0) == 0)
		errno = EEXIST;
	else
		rc = file_replace(fd, "kernel.json", 0644, text, strlen(text));
	fd_close(&fd);
	return rc;
}

static int install_spec(const struct install *install)
{
	json_t *json = make_json(install);
	char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	char *kernels = kernels_path(install), *directory = NULL;
	int code = COMMAND_FAILED;

	if (kernels && asprintf(&directory, "%s/%s", kernels, install->name) < 0)
		directory = NULL;
	/* jupyter_client takes names without regard to case, and looks in lower case. */
	for (char *at = directory ? directory + strlen(kernels) : NULL; at && *at; at++)
		*at = (char) tolower((unsigned char) *at);
	if (!kernels)
		output_error("where your kernelspecs are is not known: HOME is not set");
	else if (!text || !directory)
		output_error("%s", strerror(ENOMEM));
	else if (write_spec(install, directory, text) == 0)
		code = printf("%s/kernel.json\n", directory) < 0 ? COMMAND_FAILED : COMMAND_OK;
	else if (errno == EEXIST)
		output_error("%s is there already: --replace puts this one in its place",
			     directory);
	else
		output_error("%s: %s", directory, strerror(errno));
	json_decref(json);
	free(text);
	free(kernels);
	free(directory);
	return code;
}

static int run(int argc, char *argv[], const char *config)
{
	static const struct option words[] = {{"name", required_argument, NULL, 'n'},
					      {"display-name", required_argument, NULL, 'd'},
					      {"kernel", required_argument, NULL, 'k'},
					      {"language", required_argument, NULL, 'l'},
					      {"jobid", required_argument, NULL, 'j'},
					      {"prefix", required_argument, NULL, 'p'},
					      {"replace", no_argument, NULL, 'r'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct install install = {.kernel = "python3", .language = "python"};
	int word;

	(void) config;
	if (argc > 1 && !strcmp(argv[1], "--help"))
		return command_help(&command_kernelspec);
	if (argc < 2 || strcmp(argv[1], "install") != 0)
		return command_wrong(&command_kernelspec, "`install` is what it can do");
	argv[1] = argv[0];
	while ((word = getopt_long(argc - 1, argv + 1, "+h", words, NULL)) != -1) {
		switch (word) {
		case 'n':
			install.name = optarg;
			break;
		case 'd':
			install.display = optarg;
			break;
		case 'k':
			install.kernel = optarg;
			break;
		case 'l':
			install.language = optarg;
			break;
		case 'j':
			install.job = optarg;
			break;
		case 'p':
			install.prefix = optarg;
			break;
		case 'r':
			install.replace = true;
			break;
		case 'h':
			return command_help(&command_kernelspec);
		default:
			return command_unknown(&command_kernelspec);
		}
	}
	argc--;
	argv++;
	if (optind < argc && strcmp(argv[optind - 1], "--") != 0)
		return command_wrong(&command_kernelspec,
				     "\"%s\": options for sbatch come behind --", argv[optind]);
	install.options = argv + optind;
	install.option_count = (size_t) (argc - optind);
	if (!install.display)
		install.display = install.name ? install.name : "";
	int code = check(&install);
	return code == COMMAND_OK ? install_spec(&install) : code;
}

const struct command command_kernelspec = {
	"kernelspec", "write a kernelspec whose kernels are Slurm jobs", help, run};
