/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/notebook.h; run by `make check` as whoever calls it. */
#include "launcher/notebook.h"

#include "scratch.h"

#define CELLS(more)                                                                            \
	"{\"nbformat\": 4, \"metadata\": {" more "}, \"cells\": ["                             \
	"{\"cell_type\": \"markdown\", \"source\": \"delta\"},"                                \
	"{\"cell_type\": \"code\", \"source\": [\"x = 1\\n\", \"alpha_x = alpha\"]},"          \
	"{\"cell_type\": \"code\", \"metadata\": {\"tags\": [1, \"parameters\"]},"             \
	" \"source\": \"alpha = 1\\nbeta: int = 2\\ngamma <- 3\\nif a == 1: pass\"}]}"

static int dir;
static char path[300];
static struct notebook notebook;
static struct reason reason;

static void put(const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text) || close(fd) != 0)
		bail_out(path);
}

static int check(const char *text, const char *params)
{
	put(text);
	return notebook_read(path, params, &notebook, &reason);
}

static void told(const char *words)
{
	if (!ok(strstr(reason.text, words) != NULL, "and told: %s", words))
		tap_note("%s", reason.text);
}

static void refused(const char *text, const char *words)
{
	fails_with(check(text, NULL), EINVAL, "%.40s is refused", text);
	told(words);
	ok(strstr(reason.text, "--jupyter=run: ") == reason.text, "with the option's name");
}

static void test_formats(void)
{
	is_int(check(CELLS(""), NULL), 0, "a notebook");
	is_str(notebook.kernel, "python3", "without kernelspec is of python3");
	is_int(notebook.format, 4, "of nbformat 4");
	is_int(check(CELLS("\"kernelspec\": {\"name\": \"ir\"}"), NULL), 0, "one with");
	is_str(notebook.kernel, "ir", "has its own");
	is_int(check("{\"nbformat\": 3, \"worksheets\": []}", NULL), 0, "one of nbformat 3");
	is_int(notebook.format, 3, "is told so");
	refused("", "not JSON");
	refused("{", "not JSON");
	refused("print(1)", "not JSON: line 1");
	refused("[]", "it has no nbformat");
	refused("{\"cells\": []}", "it has no nbformat");
	refused("{\"nbformat\": \"4\", \"cells\": []}", "it has no nbformat");
	refused("{\"nbformat\": 2, \"worksheets\": []}", "nbformat 2: 3 and 4");
	refused("{\"nbformat\": 5, \"cells\": []}", "nbformat 5: 3 and 4");
	refused("{\"nbformat\": 4}", "no list of cells");
	refused("{\"nbformat\": 4, \"cells\": {}}", "no list of cells");
	refused(CELLS("\"kernelspec\": {\"name\": \"a/b\"}"), "metadata.kernelspec");
	refused(CELLS("\"kernelspec\": {\"name\": 1}"), "metadata.kernelspec");
	refused("{\"nbformat\": 4, \"cells\": [], \"x\": \"\xff\"}", "not JSON");
}

static void test_parameters(void)
{
	static const char *const good[] = {"alpha=1", "beta=[1, 2]", "gamma={\"a\": null}",
					   "alpha=\"x\"\nbeta=nothing in particular"};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		is_int(check(CELLS(""), good[i]), 0, "%s is taken", good[i]);
		is_str(notebook.remark.text, "", "without a remark");
	}
	fails_with(check(CELLS(""), "alpha=1\nalph=2"), EINVAL, "a part of a name is none");
	told("alph: no cell of ");
	told("its parameters are: alpha, beta, gamma");
	fails_with(check(CELLS(""), "delta=2"), EINVAL, "nor is what is no code");
	fails_with(check(CELLS(""), "alpha=[1,"), EINVAL, "cut JSON is refused");
	told("alpha: what begins with [ has to be JSON");
	fails_with(check(CELLS(""), "alpha=\"a\" b"), EINVAL, "and a quoted word with more");
	is_int(check(CELLS(""), "x=2"), 0, "a name without a default is taken");
	ok(strstr(notebook.remark.text, "x: the cell tagged \"parameters\" has no default") !=
		   NULL,
	   "with a remark");
	is_int(check("{\"nbformat\": 3, \"worksheets\": [{\"cells\": [{\"cell_type\": \"code\","
		     " \"input\": \"print(n)\"}]}]}",
		     "n=2"),
	       0, "also in nbformat 3");
	ok(strstr(notebook.remark.text, "has no cell tagged \"parameters\"") != NULL,
	   "where nothing is tagged");
	is_int(check("{\"nbformat\": 4, \"cells\": [1, null, {\"cell_type\": 2},"
		     " {\"cell_type\": \"code\", \"source\": [1, \"n\"]}]}",
		     "n=1"),
	       0, "cells that are none are passed over");
}

static void test_files(void)
{
	int fd;

	unlink(path);
	fails_with(notebook_read(path, NULL, &notebook, &reason), ENOENT, "none");
	told("No such file");
	mkdir(path, 0700);
	fails_with(notebook_read(path, NULL, &notebook, &reason), EINVAL, "a directory");
	told("a directory");
	rmdir(path);
	mkfifo(path, 0600);
	fails_with(notebook_read(path, NULL, &notebook, &reason), EINVAL, "a FIFO");
	told("not a regular file");
	unlink(path);
	put("");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (ftruncate(fd, (off_t) NOTEBOOK_SIZE_MAX + 1) != 0)
		bail_out("ftruncate");
	close(fd);
	fails_with(notebook_read(path, NULL, &notebook, &reason), EFBIG, "a huge one");
	told("more than the 100 MiB");
}

static void is_output(const char *notebook_at, const char *output, const char *job,
		      const struct env *environment, const char *expected)
{
	char *got = notebook_output(notebook_at, output, job, environment, &reason);

	is_str(got, expected, "%s as %s", notebook_at, output ? output : "(default)");
	free(got);
}

static void test_outputs(void)
{
	char *none[] = {NULL}, output[400];
	struct env *environment = env_create(none);

	env_set(environment, "SLURM_SUBMIT_DIR", "/here");
	is_output("/a/nb.ipynb", NULL, "17", environment, "/here/nb.17.ipynb");
	is_output("/a/100%done", NULL, "17", environment, "/here/100%done.17.ipynb");
	is_output("/a/.ipynb", NULL, "17", environment, "/here/.ipynb.17.ipynb");
	is_output("/a/nb.ipynb", "o/%j-%A-%a%%.x", "17", environment, "/here/o/17-17-0%.x");
	is_output("/a/nb.ipynb", "/o/x", NULL, environment, "/o/x");
	env_set(environment, "SLURM_ARRAY_JOB_ID", "12");
	env_set(environment, "SLURM_ARRAY_TASK_ID", "3");
	is_output("/a/nb.ipynb", NULL, "17", environment, "/here/nb.12_3.ipynb");
	is_output("/a/nb.ipynb", "/o/%j/%A/%a", "17", environment, "/o/17/12/3");
	reason.text[0] = '\0';
	is_output("/a/nb.ipynb", "/o/%j", NULL, NULL, NULL);
	is_str(reason.text, "", "which the job decides, is not wrong");
	is_output("/a/nb.ipynb", "/o/%x", "17", environment, NULL);
	told("% is followed by");
	is_output("/a/nb.ipynb", "/o/%", "17", environment, NULL);
	env_destroy(environment);

	unlink(path);
	put(CELLS(""));
	snprintf(output, sizeof(output), "%s/out.ipynb", scratch_path);
	is_int(notebook_output_check(path, output, &reason), 0, "a new file");
	fails_with(notebook_output_check(path, path, &reason), EINVAL, "the notebook itself");
	if (link(path, output) != 0)
		bail_out("link");
	fails_with(notebook_output_check(path, output, &reason), EINVAL, "another name of it");
	unlink(output);
	fails_with(notebook_output_check(path, scratch_path, &reason), EINVAL, "a directory");
	snprintf(output, sizeof(output), "%s/none/out.ipynb", scratch_path);
	fails_with(notebook_output_check(path, output, &reason), ENOENT, "in none");
	snprintf(output, sizeof(output), "%s/out.ipynb", path);
	fails_with(notebook_output_check(path, output, &reason), ENOTDIR, "in a file");
	snprintf(output, sizeof(output), "%s/", scratch_path);
	fails_with(notebook_output_check(path, output, &reason), EINVAL, "a slash at the end");
}

int main(void)
{
	dir = scratch_open();
	snprintf(path, sizeof(path), "%s/nb.ipynb", scratch_path);
	test_formats();
	test_parameters();
	test_files();
	test_outputs();
	unlink(path);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
