/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/order.h, with srun and squeue played by scripts; run by `make
 * check` as whoever calls it. */
#include "launcher/sjupyter/order.h"
#include "common/fd.h"
#include "common/text.h"
#include "launcher/loop.h"
#include "scratch.h"

static struct reason reason;
static struct session session = {.job_id = (char *) "12",
				 .head_node = (char *) "n1",
				 .runtime_dir = (char *) "/tmp/a b"};

/* A program in PATH that runs these lines of sh. */
static void play(int dir, const char *name, const char *lines)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	if (fd < 0 || dprintf(fd, "#!/bin/sh\n%s\n", lines) < 0 || close(fd) < 0)
		bail_out(name);
}

static int send_order(json_t **answer)
{
	json_t *order = json_pack("{s:{s:s, s:i}}", "workers", "kind", "dask", "count", 3);
	int rc;

	*answer = NULL;
	reason.text[0] = '\0';
	rc = order_send(&session, order, answer, &reason);
	json_decref(order);
	return rc;
}

static const char *file(int dir, const char *name)
{
	static char *text;

	free(text);
	if (file_read(dir, name, 65536, &text, NULL) != 0)
		bail_out(name);
	return text;
}

static void test_parse(void)
{
	static const char *const bad[] = {
		"",
		"\n",
		"{}",
		"[]",
		"null",
		"1",
		"ok",
		"{\"ok\":false}",
		"{\"ok\":1}",
		"{\"ok\":",
		"{\"error\":1}",
		"{\"ok\":true}{\"ok\":true}",
		"\x1b[2J",
		"{\"ok\":true,\"ok\":true}",
		"{\"error\":\"\xff\"}",
	};
	json_t *answer = NULL;

	is_int(order_parse("{\"ok\": true, \"expected\": 12}\n", &answer, &reason), 0,
	       "an answer");
	is_int(json_integer_value(json_object_get(answer, "expected")), 12, "with a number");
	json_decref(answer);
	answer = NULL;
	fails_with(order_parse("{\"error\": \"no \\u001b[2J\"}\n", &answer, &reason), EINVAL,
		   "a refusal");
	is_str(reason.text, "no \\x1b[2J", "in the head's words, harmless");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		fails_with(order_parse(bad[i], &answer, &reason), EPROTO, "no answer: %zu", i);
		ok(text_printable(reason.text) && *reason.text != '\0', "and told so");
	}
	ok(answer == NULL, "none was given out");
}

static void test_send(int dir)
{
	json_t *answer;

	play(dir, "squeue", "echo '12|12|N/A|RUNNING|4|N/A|NONE|0|n1|None'");
	play(dir, "srun",
	     "cd \"${0%/*}\"; for a; do echo \"$a\"; done >args; env >env; cat >in\n"
	     "echo '{\"ok\":true,\"expected\":12}'");
	setenv("SLURM_JOB_ID", "99", 1); /* in another job */
	setenv("SLURM_NTASKS_PER_NODE", "7", 1);
	setenv("SRUN_CPUS_PER_TASK", "7", 1);
	setenv("SLURM_HET_SIZE", "3", 1);
	is_int(send_order(&answer), 0, "an order is sent");
	is_int(json_integer_value(json_object_get(answer, "expected")), 12, "and answered");
	json_decref(answer);
	is_str(file(dir, "in"), "{\"workers\":{\"kind\":\"dask\",\"count\":3}}\n", "as a line");
	ok(strncmp(file(dir, "args"), "--jobid=12\n--nodelist=n1\n", 25) == 0,
	   "in a step of the job on the head's node");
	ok(strstr(file(dir, "args"), "/jupyter-agent\n--ask=/tmp/a b\n") != NULL,
	   "by the agent, for the head's directory");
	ok(strstr(file(dir, "args"), "--overlap\n--mem=0\n") != NULL, "that costs nothing");
	ok(strstr(file(dir, "env"), "SLURM_JOB_ID=12\n") != NULL,
	   "its environment names the job");
	ok(strstr(file(dir, "env"), "\nSLURM_NTASKS_PER_NODE=") == NULL &&
		   strstr(file(dir, "env"), "\nSRUN_CPUS_PER_TASK=") == NULL &&
		   strstr(file(dir, "env"), "\nSLURM_HET_SIZE=") == NULL,
	   "and nothing of another");
	unsetenv("SLURM_JOB_ID");
	unsetenv("SLURM_NTASKS_PER_NODE");
	unsetenv("SRUN_CPUS_PER_TASK");
	unsetenv("SLURM_HET_SIZE");
	play(dir, "squeue",
	     "echo '12|12|N/A|RUNNING|4|N/A|NONE|0|n1|None'\n"
	     "echo '13|13|N/A|RUNNING|4|N/A|NONE|0|n1|None'");
	is_int(send_order(&answer), 0, "to a heterogeneous job");
	json_decref(answer);
	ok(strstr(file(dir, "env"), "SLURM_HET_SIZE=2\n") != NULL,
	   "srun is told that it is one");
	play(dir, "squeue",
	     "echo '12|12|1|RUNNING|4|N/A|NONE|0|n1|None'\n"
	     "echo '13|12|2|RUNNING|4|N/A|NONE|0|n1|None'");
	is_int(send_order(&answer), 0, "to a task of an array");
	json_decref(answer);
	ok(strstr(file(dir, "env"), "SLURM_HET_SIZE") == NULL, "which is none");
}

static void test_failures(int dir)
{
	json_t *answer;
	int64_t begun = loop_now();

	play(dir, "srun",
	     "echo '{\"error\":\"no workers of the kind \\\"desk\\\"\"}'\n"
	     "echo 'srun: error: n1: task 0: Exited with exit code 1' >&2; exit 1");
	ok(send_order(&answer) == -1 && answer == NULL, "a refusal");
	is_str(reason.text, "no workers of the kind \"desk\"", "in the head's words");
	play(dir, "srun",
	     "echo 'jupyter-agent: /tmp/x/head.sock: No such file or directory' >&2\n"
	     "echo 'srun: error: n1: task 0: Exited with exit code 1' >&2; exit 1");
	ok(send_order(&answer) == -1, "no head");
	is_str(reason.text,
	       "the session's head cannot be told: /tmp/x/head.sock: No such file or directory",
	       "in the agent's words");
	play(dir, "srun", "echo 'srun: error: Job 12 has expired' >&2; exit 1");
	ok(send_order(&answer) == -1, "no step");
	is_str(reason.text,
	       "the session's head cannot be told: srun: error: Job 12 has expired",
	       "in srun's words");
	play(dir, "srun", "exit 0");
	ok(send_order(&answer) == -1 && *reason.text != '\0', "no word at all");
	play(dir, "srun", "head -c 1000000 /dev/zero");
	ok(send_order(&answer) == -1 && *reason.text != '\0', "a megabyte");
	play(dir, "squeue",
	     "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1");
	play(dir, "srun", "echo '{\"ok\":true}'");
	ok(send_order(&answer) == -1, "a job that is over");
	is_str(reason.text, "Slurm knows no job 12", "is told");
	session.runtime_dir = NULL;
	ok(send_order(&answer) == -1 && strstr(reason.text, "head") != NULL,
	   "a head that is not there yet");
	ok(loop_now() - begun < 20000, "all of it soon");
}

int main(void)
{
	int dir = scratch_open();
	char text[600];

	snprintf(text, sizeof(text), "%s:/usr/bin:/bin", scratch_path);
	setenv("PATH", text, 1);
	test_parse();
	test_send(dir);
	test_failures(dir);
	close(dir);
	snprintf(text, sizeof(text), "rm -rf %s", scratch_path);
	is_int(system(text), 0, "cleaned up");
	return done_testing();
}
