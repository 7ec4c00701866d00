/* SPDX-License-Identifier: MIT */
/* Unit test of what `sjupyter run` and `sjupyter start` read and say (script.h, submit.h,
 * wanted.h, address.h, checks.h, doctor_line.h in launcher/sjupyter); run by `make check` as
 * whoever calls it. */
#include <getopt.h>

#include "common/fd.h"
#include "launcher/sjupyter/address.h"
#include "launcher/sjupyter/checks.h"
#include "launcher/sjupyter/doctor_line.h"
#include "launcher/sjupyter/script.h"
#include "launcher/sjupyter/slurm_env.h"
#include "launcher/sjupyter/submit.h"
#include "launcher/sjupyter/wanted.h"
#include "scratch.h"

static struct reason reason;

static void test_script(int dir)
{
	static const char *const naming[] = {
		"#!/bin/sh\n#SBATCH --jupyter\n", "#!/bin/sh\n#SBATCH -N2 --jupyter=lab -t 5\n",
		"#!/bin/sh\n\n  # words\n\n#SBATCH\t--jupyter=x", "#SBATCH --jupyter #c\n"};
	static const char *const not_naming[] = {"",
						 "#!/bin/sh\n#SBATCH --jupyter-dir=/x\n",
						 "#!/bin/sh\necho\n#SBATCH --jupyter=lab\n",
						 "#!/bin/sh\n##SBATCH --jupyter\n",
						 "#!/bin/sh\n#SBATCH -N2 # --jupyter\n",
						 "#!/bin/sh\n# SBATCH --jupyter\n",
						 "#!/bin/sh\n#SBATCH --comment=--jupyter\n"};
	char path[600];
	char *arguments[] = {(char *) "-N2", path, (char *) "--jupyter-x", NULL};

	for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++)
		ok(script_names_app(naming[i]), "script %zu names its app", i);
	for (size_t i = 0; i < sizeof(not_naming) / sizeof(not_naming[0]); i++)
		ok(!script_names_app(not_naming[i]), "script %zu names none", i);

	snprintf(path, sizeof(path), "%s/job.sh", scratch_path);
	ok(!script_argument_names_app(arguments), "a script that is not there");
	if (file_replace(dir, "job.sh", 0600, naming[0], strlen(naming[0])) < 0)
		bail_out("job.sh");
	ok(script_argument_names_app(arguments), "a script among the arguments");
	strcpy(path, "job.sh");
	ok(!script_argument_names_app(arguments), "not in the working directory");
	setenv("PATH", scratch_path, 1);
	ok(script_argument_names_app(arguments), "but in PATH");
	setenv("PATH", "/usr/bin:/bin", 1);
	strcpy(path, "/dev/zero");
	ok(!script_argument_names_app(arguments), "no device is read");
}

static void test_answer(void)
{
	static const char *const bad[] = {"",	"\n",	       "Submitted batch job 5\n",
					  "5x", "5;",	       "5;a b",
					  "0",	"99999999999", "5;\033[2J"};
	char *cluster = NULL, *id = submit_parse("note\n123\n", &cluster);

	is_str(id, "123", "the last line");
	ok(cluster == NULL, "without a cluster");
	free(id);
	id = submit_parse("123;east-1", &cluster);
	is_str(id, "123", "the number");
	is_str(cluster, "east-1", "and the cluster");
	free(id);
	free(cluster);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(submit_parse(bad[i], &cluster) == NULL && cluster == NULL,
		   "answer %zu has no number", i);
}

static int take(struct options *options)
{
	options_clear(options);
	return wanted_take(options, &reason);
}

static void test_wanted(void)
{
	static const struct option own[] = {{"no-wait", no_argument, NULL, 'n'},
					    {NULL, 0, NULL, 0}};
	struct options options;
	struct option *words = wanted_words(own);
	size_t count = 0;

	options_init(&options);
	is_int(take(&options), 0, "nothing is asked for");
	setenv(SLURM_ENV_JOB_OPTION "jupyter", "(null)", 1);
	setenv(SLURM_ENV_OPTION "jupyter_idle", "10", 1);
	setenv(SLURM_ENV_JOB_OPTION "jupyter_idle", "5", 1);
	is_int(take(&options), 1, "Slurm's variables");
	is_str(options.app, "lab", "an app that was left out");
	is_int(options.idle_s, 300, "the job's own first");
	setenv(SLURM_ENV_SESSION_OPTIONS, "jupyter=notebook&jupyter-start=manual", 1);
	is_int(take(&options), 1, "the plugin's");
	is_str(options.app, "notebook", "come before");
	ok(options.start_manual && options.idle_s == OPTIONS_TIME_UNSET, "alone");
	setenv(SLURM_ENV_SESSION_OPTIONS, "jupyter=no\ntebook", 1);
	fails_with(take(&options), EINVAL, "what is no option");
	unsetenv(SLURM_ENV_SESSION_OPTIONS);
	setenv(SLURM_ENV_JOB_OPTION "jupyter_idle", "soon", 1);
	fails_with(take(&options), EINVAL, "what is no value");
	options_clear(&options);
	while (words[count].name != NULL)
		count++;
	is_str(words[0].name, "no-wait", "a command's own words");
	is_str(words[1].name, "jupyter", "and the plugin's");
	is_int(words[1].has_arg, optional_argument, "with a value or without");
	is_int(words[count - 1].has_arg, required_argument, "or with one");
	is_int(wanted_set(&options, words[1].val, NULL, &reason), 0, "--jupyter");
	is_str(options.app, "lab", "is lab");
	options_clear(&options);
	free(words);
}

static void is_address(char *text, const char *expected, const char *what)
{
	is_str(text, expected, "%s", what);
	address_free(text);
}

static void test_address(int dir)
{
	is_address(address_whole("http://10.0.0.1:5/lab", "abc"),
		   "http://10.0.0.1:5/lab?token=abc", "a URL with its token");
	is_address(address_whole("http://h/a?b=c", "abc"), "http://h/a?b=c&token=abc",
		   "behind a query");
	is_address(address_whole("http://h/a", NULL), "http://h/a", "without a token");
	is_address(address_through("https://[fe80::1]:5/lab/x?y", "localhost", 8888, "t"),
		   "https://localhost:8888/lab/x?y&token=t", "through another port");
	is_address(address_through("http://10.0.0.1:5", "localhost", 1, NULL),
		   "http://localhost:1", "without a path");
	ok(address_through("lab", "localhost", 1, NULL) == NULL, "no URL");
	is_address(address_ssh("10.0.0.1", 5, "u1", "login.example.org"),
		   "ssh -N -L 8888:10.0.0.1:5 u1@login.example.org", "the line for a laptop");
	is_address(address_ssh("fd00::1", 5, "u1", "login"),
		   "ssh -N -L 8888:[fd00::1]:5 u1@login", "by IPv6");
	ok(address_ssh("10.0.0.1", 5, "u1;rm", "login") == NULL, "a user's name for a shell");
	ok(address_ssh("10.0.0.1", 5, "u1", "a b") == NULL, "a host's name for a shell");
	ok(address_ssh("10.0.0.1", 5, "u1", "-oProxyCommand=x") == NULL, "or for ssh");

	errno = 0;
	ok(address_token(dir, &reason) == NULL && errno == ENOENT, "no token");
	if (file_replace(dir, "token", 0600, "0123456789abcdef\n", 17) < 0)
		bail_out("token");
	is_address(address_token(dir, &reason), "0123456789abcdef", "a token");
	if (fchmodat(dir, "token", 0640, 0) < 0)
		bail_out("token");
	ok(address_token(dir, &reason) == NULL && errno == EPERM, "that others can read");
	static const char *const bad[] = {"",
					  "short",
					  "0123456789&x=y",
					  "0123456789 abc",
					  "0123456789\nabc",
					  "0123456789\033[2J"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (file_replace(dir, "token", 0600, bad[i], strlen(bad[i])) < 0)
			bail_out("token");
		ok(address_token(dir, &reason) == NULL && errno == EPROTO, "bad token %zu", i);
	}
}

static void test_doctor_lines(void)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"ip\":\"10.0.0.1\",\"port\":0}",
		"{\"ip\":\"10.0.0.1\",\"port\":65536}",
		"{\"ip\":\"localhost\",\"port\":80}",
		"{\"ip\":\"10.0.0.1\",\"port\":80,\"x\":1}",
		"{\"credential\":5}",
		"{\"check\":\"a\",\"result\":\"great\",\"text\":\"b\"}",
		"{\"check\":\"a\",\"result\":\"ok\"}",
		"{\"check\":\"a\",\"result\":\"ok\",\"text\":5}"};
	struct doctor_line line;
	struct checks checks;
	char *large = malloc(20001);
	json_t *found;

	checks_init(&checks, CHECKS_GATHERED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fails_with(doctor_line_parse(bad[i], &line), EPROTO, "line %zu", i);
		fails_with(checks_take_line(&checks, bad[i]), EPROTO, "finding %zu", i);
	}
	memset(large, '[', 20000);
	large[20000] = '\0';
	fails_with(doctor_line_parse(large, &line), EPROTO, "a long line");
	fails_with(checks_take_line(&checks, large), EPROTO, "a long finding");
	free(large);
	is_int(doctor_line_parse("{\"ip\":\"fd00::1\",\"port\":80}", &line), 0, "a port");
	ok(line.kind == DOCTOR_LINE_PORT && line.port == 80 && !strcmp(line.ip, "fd00::1"),
	   "is read");
	is_int(doctor_line_parse("{\"credential\":\"MUNGE:x:\"}", &line), 0, "a credential");
	ok(line.kind == DOCTOR_LINE_CREDENTIAL && !strcmp(line.credential, "MUNGE:x:"),
	   "is read");
	is_int(checks_take_line(&checks, "{\"check\":\"a\",\"result\":\"FAIL\",\"text\":"
					 "\"\\u001b[2J\"}"),
	       0, "a finding");
	is_int(checks.failed, 1, "is counted");
	found = checks_json(&checks);
	is_int(json_array_size(found), 1, "and gathered");
	is_str(json_string_value(json_object_get(json_array_get(found, 0), "text")), "\\x1b[2J",
	       "and escaped");
	json_decref(found);
	checks_clear(&checks);
}

int main(void)
{
	int dir = scratch_open();
	char command[320];

	test_script(dir);
	test_answer();
	test_wanted();
	test_address(dir);
	test_doctor_lines();
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", scratch_path);
	is_int(system(command), 0, "cleaned up");
	return done_testing();
}
