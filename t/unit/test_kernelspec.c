/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/kernel/kernelspec.h: kernelspecs found, listed, read and made into a
 * command, right, wrong and hostile; run by `make check` as whoever calls it.  Where Jupyter
 * looks for them is tested in test_python.c.
 */
#include "launcher/kernel/kernelspec.h"

#include <limits.h>

#include "scratch.h"

static struct env *environment;
static struct reason reason;
static char data[300];

/* DATA/kernels/NAME/kernel.json; data is JUPYTER_PATH. */
static char *put(const char *name, const char *text)
{
	static char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "mkdir -p '%s/kernels/%s'", data, name);
	if (system(path) != 0)
		bail_out(path);
	snprintf(path, sizeof(path), "%s/kernels/%s/kernel.json", data, name);
	file = fopen(path, "we");
	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		bail_out(path);
	return path;
}

static void test_find(void)
{
	static const char *const none[] = {NULL};
	/* The machine's own are listed too. */
	bool has_others = access("/usr/share/jupyter/kernels", F_OK) == 0 ||
			  access("/usr/local/share/jupyter/kernels", F_OK) == 0;
	char names[KERNELSPEC_NAMES_MAX], *file;

	if (has_others)
		skip("the machine has kernels");
	else
		is_str(kernelspec_names(none, environment, names), "none", "none yet");
	put("ir", "{\"argv\": [\"R\"]}");
	put("Julia-1.9", "{\"argv\": [\"julia\"]}");
	put("bad name", "{}");
	kernelspec_names(none, environment, names);
	ok(strstr(names, "ir, julia-1.9") != NULL, "those that there are: %s", names);
	ok(strstr(names, "bad") == NULL, "not those whose name is none");
	file = kernelspec_find("julia-1.9", NULL, environment);
	ok(file != NULL && strstr(file, "/Julia-1.9/kernel.json") != NULL, "in any case");
	free(file);
	errno = 0;
	ok(kernelspec_find("no-such-kernel", NULL, environment) == NULL && errno == ENOENT,
	   "one that is not there");
	for (int i = 0; i < 80; i++) {
		char name[40];
		snprintf(name, sizeof(name), "a-kernel-with-a-name-%02d", i);
		put(name, "{}");
	}
	kernelspec_names(none, environment, names);
	ok(strlen(names) < sizeof(names) && strstr(names, ", ...") != NULL, "many are cut: %s",
	   names);
}

static void test_load(void)
{
	struct kernelspec *spec;
	char *file =
		put("one", "{\"argv\": [\"x\", \"{connection_file}\"], \"language\": \"x\","
			   "\"env\": {\"A\": \"1\", \"B\": \"2\"},"
			   "\"interrupt_mode\": \"Message\", \"display_name\": \"\","
			   "\"metadata\": {\"spank_jupyter\": {\"transport\": \"tcp\"}}}");

	spec = kernelspec_load("one", file, &reason);
	ok(spec != NULL, "one with all keys is read");
	if (spec == NULL)
		return;
	is_str(spec->argv[1], "{connection_file}", "its argv");
	is_int(spec->env_count, 2, "its env");
	ok(spec->interrupt_by_message, "its interrupt_mode");
	ok(spec->tcp, "its transport");
	ok(strcmp(strrchr(spec->resource_dir, '/'), "/one") == 0, "where it is");
	kernelspec_destroy(spec);
	spec = kernelspec_load("one", put("one", "{\"argv\": [\"x\"]}"), &reason);
	ok(spec != NULL && !spec->tcp && !spec->interrupt_by_message && spec->env_count == 0,
	   "what it does not say");
	kernelspec_destroy(spec);
}

static void is_wrong(const char *text, const char *what)
{
	struct kernelspec *spec;

	reason.text[0] = '\0';
	errno = 0;
	spec = kernelspec_load("one", put("one", text), &reason);
	ok(spec == NULL && errno == EINVAL && strstr(reason.text, what) != NULL &&
		   strstr(reason.text, "/kernels/one/kernel.json: ") != NULL,
	   "refused: %s", reason.text);
	kernelspec_destroy(spec);
}

static void test_wrong(void)
{
	is_wrong("", "not JSON");
	is_wrong("[]", "argv");
	is_wrong("{\"argv\": []}", "argv");
	is_wrong("{\"argv\": \"x\"}", "argv");
	is_wrong("{\"argv\": [\"\"]}", "argv");
	is_wrong("{\"argv\": [\"x\", 1]}", "argv");
	is_wrong("{\"argv\": [\"x\\u001b\"]}", "argv");
	is_wrong("{\"argv\": [\"x\"], \"env\": []}", "env");
	is_wrong("{\"argv\": [\"x\"], \"env\": {\"A\": 1}}", "env");
	is_wrong("{\"argv\": [\"x\"], \"env\": {\"A=B\": \"1\"}}", "env");
	is_wrong("{\"argv\": [\"x\"], \"interrupt_mode\": \"kill\"}", "interrupt_mode");
	is_wrong("{\"argv\": [\"x\"], \"metadata\": {\"kernel_provisioner\": "
		 "{\"provisioner_name\": \"spank-provisioner\"}}}",
		 "the provisioner \"spank-provisioner\"");
	errno = 0;
	ok(kernelspec_load("one", "/dev/null", &reason) == NULL && errno == EINVAL,
	   "no regular file");
	errno = 0;
	ok(kernelspec_load("one", "/does/not/exist", &reason) == NULL && errno == ENOENT,
	   "no file");
}

static void test_argv(void)
{
	struct kernelspec *spec = kernelspec_load(
		"one",
		put("one", "{\"argv\": [\"sh\", \"-f={connection_file}\", \"{resource_dir}/x\","
			   " \"{unknown} {\", \"$HOME\", \"a b\"]}"),
		&reason);
	char **argv, *program = NULL, expected[400];

	env_set(environment, "PATH", "relative:/does/not/exist:/bin");
	argv = kernelspec_argv(spec, NULL, "/a {prefix}/k.json", environment, &program,
			       &reason);
	ok(argv != NULL, "a command is made");
	if (argv == NULL)
		bail_out(reason.text);
	is_str(program, "/bin/sh", "its program");
	is_str(argv[0], "sh", "argv[0] as it is");
	is_str(argv[1], "-f=/a {prefix}/k.json", "{connection_file}, not replaced again");
	snprintf(expected, sizeof(expected), "%s/x", spec->resource_dir);
	is_str(argv[2], expected, "{resource_dir}");
	is_str(argv[3], "{unknown} {", "what is unknown stays");
	is_str(argv[4], "$HOME", "no shell");
	ok(argv[6] == NULL, "as many words as it has");
	kernelspec_argv_free(argv);
	free(program);
	kernelspec_destroy(spec);

	spec = kernelspec_load("one", put("one", "{\"argv\": [\"python3\", \"{prefix}\"]}"),
			       &reason);
	argv = kernelspec_argv(spec, "/bin/sh", "k", environment, &program, &reason);
	ok(argv != NULL && strcmp(program, "/bin/sh") == 0 && strcmp(argv[0], "/bin/sh") == 0,
	   "python3 is the Python that is given");
	ok(argv != NULL && argv[1][0] == '/', "{prefix}: %s", argv != NULL ? argv[1] : "");
	kernelspec_argv_free(argv);
	free(program);
	kernelspec_destroy(spec);

	spec = kernelspec_load("one", put("one", "{\"argv\": [\"no-such-program\"]}"), &reason);
	ok(kernelspec_argv(spec, NULL, "k", environment, &program, &reason) == NULL &&
		   strstr(reason.text, "\"no-such-program\"") != NULL &&
		   strstr(reason.text, "PATH is relative:") != NULL,
	   "a program that is missing: %s", reason.text);
	kernelspec_destroy(spec);
}

static void test_environment(void)
{
	struct kernelspec *spec = kernelspec_load(
		"one",
		put("one",
		    "{\"argv\": [\"x\"], \"env\": {\"A\": \"$B:${B}x$$B\", \"B\": \"new\","
		    "\"C\": \"$UNKNOWN ${UNKNOWN} ${B $ $1 ${}\"}}"),
		&reason);

	env_set(environment, "B", "old");
	is_int(kernelspec_environment(spec, environment), 0, "an environment is made");
	is_str(env_get(environment, "A"), "old:oldx$B", "with what was there before");
	is_str(env_get(environment, "B"), "new", "set");
	is_str(env_get(environment, "C"), "$UNKNOWN ${UNKNOWN} ${B $ $1 ${}",
	       "what is unknown or wrong stays");
	kernelspec_destroy(spec);
}

int main(void)
{
	static char *const empty[] = {NULL};

	close(scratch_open());
	snprintf(data, sizeof(data), "%s/data", scratch_path);
	environment = env_create(empty);
	if (environment == NULL || env_set(environment, "JUPYTER_PATH", data) != 0)
		bail_out("environment");
	test_find();
	test_load();
	test_wrong();
	test_argv();
	test_environment();
	env_destroy(environment);
	return done_testing();
}
