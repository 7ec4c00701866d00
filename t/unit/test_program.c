/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/program.h; run by `make check` as whoever calls it. */
#include "launcher/loop.h"
#include "launcher/sjupyter/interrupt.h"
#include "launcher/sjupyter/program.h"
#include "scratch.h"

static struct program_output output;
static struct reason reason;

static int run(const char *lines, const char *input, size_t max, int64_t deadline_ms)
{
	const char *const argv[] = {"sh", "-c", lines, NULL};
	struct program program = {
		.argv = argv, .input = input, .output_max = max, .deadline_ms = deadline_ms};

	output.text = NULL;
	return program_run(&program, &output, &reason);
}

static void take_line(const char *line, void *arg)
{
	char *all = arg;

	strcat(strcat(all, line), "|");
}

static void test_ends(void)
{
	is_int(run("echo out; echo err >&2; exit 3", NULL, 100, 10000), 0, "it runs");
	is_int(output.status, 3, "its exit status");
	is_str(output.text, "out\n", "its stdout");
	is_str(output.errors, "err\n", "its stderr");
	free(output.text);
	is_int(run("kill -15 $$", NULL, 100, 10000), 0, "it is killed");
	is_int(output.status, 128 + 15, "by a signal");
	free(output.text);
	is_int(run("cat", "two\nlines", 100, 10000), 0, "it reads");
	is_str(output.text, "two\nlines", "its input");
	free(output.text);
	is_int(run("cat", NULL, 100, 10000), 0, "or nothing");
	is_str(output.text, "", "from /dev/null");
	free(output.text);
	is_int(run("exec >&- 2>&-; sleep 0.2; exit 4", NULL, 100, 10000), 0,
	       "its output is closed before it ends");
	is_int(output.status, 4, "its end is awaited");
	free(output.text);
}

static void test_bounds(void)
{
	int64_t begun = loop_now();

	fails_with(run("sleep 60", NULL, 100, 200), ETIMEDOUT, "a deadline");
	fails_with(run("exec >&- 2>&-; exec sleep 60", NULL, 100, 200), ETIMEDOUT,
		   "a deadline behind its output");
	fails_with(run("sleep 60 & wait", NULL, 100, 200), ETIMEDOUT, "with a child");
	fails_with(run("trap '' TERM; while :; do sleep 1; done", NULL, 100, 200), ETIMEDOUT,
		   "deaf to SIGTERM");
	ok(loop_now() - begun < 15000, "each ends soon");
	fails_with(run("yes", NULL, 100000, 10000), EFBIG, "too much");
	is_int(run("head -c 200000 /dev/zero | tr '\\0' e >&2; echo end >&2", NULL, 10, 10000),
	       0, "much on stderr");
	ok(strlen(output.errors) < PROGRAM_ERRORS_MAX && strstr(output.errors, "eeend\n"),
	   "the last of it is kept");
	free(output.text);
	const char *const argv[] = {"no-such-program-here", NULL};
	struct program missing = {.argv = argv, .output_max = 1, .deadline_ms = 1000};
	fails_with(program_run(&missing, &output, &reason), ENOENT, "no such program");
	ok(strstr(reason.text, "no-such-program-here") != NULL, "is named");
}

static void test_lines(void)
{
	char all[64] = "";
	const char *const argv[] = {"printf", "a\\nb\\n\\nc", NULL};
	struct program program = {.argv = argv,
				  .output_max = 100,
				  .deadline_ms = 10000,
				  .line = take_line,
				  .arg = all};

	is_int(program_run(&program, &output, &reason), 0, "lines as they come");
	is_str(all, "a|b||", "without what has no newline");
	is_str(output.text, "a\nb\n\nc", "and all of it at the end");
	free(output.text);
}

static void test_complaint(void)
{
	output.status = 5;
	strcpy(output.errors, "srun: job 1 queued\nsrun: error: no \033[1m\nsrun: bye\n");
	is_str(program_complaint(&output, &reason), "srun: error: no \\x1b[1m",
	       "the line that says error");
	strcpy(output.errors, "one\ntwo\n");
	is_str(program_complaint(&output, &reason), "two", "or the last");
	strcpy(output.errors, "");
	is_str(program_complaint(&output, &reason), "exit status 5", "or the status");
}

static int interrupted_child(int dir)
{
	(void) dir;
	interrupt_catch();
	if (run("kill -INT $PPID; sleep 60", NULL, 100, 60000) == 0 || errno != EINTR)
		return 1;
	return interrupt_signal() == SIGINT ? 0 : 2;
}

int main(void)
{
	test_ends();
	test_bounds();
	test_lines();
	test_complaint();
	is_child(in_child(interrupted_child, -1), "Ctrl-C ends the wait and the program");
	return done_testing();
}
