/* SPDX-License-Identifier: MIT */
/*
 * Tests of the job's end (launcher/head/job_end.h): what squeue says, and a squeue of our own
 * that says it, fails, or hangs.  Run by `make check`, as anybody.
 */
#include "launcher/head/job_end.h"

#include "common/fd.h"
#include "scratch.h"

static struct loop *loop;
static int dir;
static struct env *environment;
static struct {
	int known, warned;
	time_t end;
} told;

static void test_parse(void)
{
	static const char *const wrong[] = {"",
					    "Unknown",
					    "N/A",
					    "NONE",
					    "INVALID",
					    "2026",
					    "2026-11-20",
					    "2026-11-20T",
					    "2026-11-20T10:00",
					    "2026-11-20 10:00:00",
					    "2026-13-20T10:00:00",
					    "2026-11-32T10:00:00",
					    "2026-11-20T25:00:00",
					    "2026-11-20T10:61:00",
					    "2026-11-20T10:00:00Z",
					    "2026-11-20T10:00:00 ",
					    "2026-11-20T10:00:00x",
					    "20T10:00:00",
					    "slurm_load_jobs error: Invalid job id specified"};
	time_t end = 33;

	setenv("TZ", "UTC", 1);
	tzset();
	is_int(job_end_parse("2026-11-20T10:00:00\n", &end), 0, "an end");
	is_int(end, 1795168800, "is taken");
	is_int(job_end_parse("2024-02-29T23:59:59", &end), 0, "also without a newline");
	is_int(end, 1709251199, "on a leap day");
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	is_int(job_end_parse("2026-11-20T10:00:00", &end), 0, "in local time");
	is_int(end, 1795165200, "in winter");
	is_int(job_end_parse("2026-07-20T10:00:00", &end), 0, "and");
	is_int(end, 1784534400, "in summer");
	end = 33;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		fails_with(job_end_parse(wrong[i], &end), EINVAL, "\"%s\" is none", wrong[i]);
		is_int(end, 33, "and leaves it");
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

static void on_known(time_t end, void *arg)
{
	(void) arg;
	told.known++;
	told.end = end;
}

static void on_warn(time_t end, void *arg)
{
	told.warned++;
	told.end = end;
	loop_stop(arg);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* A squeue that runs these words; it says that it was asked by the file "asked". */
static void squeue(const char *words)
{
	char script[1024];
	int size = snprintf(script, sizeof(script), "#!/bin/sh\necho \"$*\" >>%s/asked\n%s\n",
			    scratch_path, words);

	unlinkat(dir, "asked", 0);
	if (file_replace(dir, "squeue", 0755, script, (size_t) size) < 0)
		bail_out("squeue");
}

/* Runs until it has warned, or for so long. */
static void ask(long warn_s, int64_t ms)
{
	struct job_end_options options = {
		.job_id = "7", .environment = environment, .warn_s = warn_s};
	struct job_end_callbacks callbacks = {.known = on_known, .warn = on_warn, .arg = loop};
	struct loop_timer *timer = loop_timer_create(loop, stop, loop);
	struct job_end *job_end = job_end_create(loop, &options, &callbacks);

	memset(&told, 0, sizeof(told));
	if (!job_end)
		bail_out("job_end_create");
	loop_timer_set(timer, ms);
	if (loop_run(loop) < 0)
		bail_out("loop_run");
	job_end_destroy(job_end);
	loop_timer_destroy(timer);
}

static void test_squeue(void)
{
	char *asked;

	squeue("echo 8 2026-01-01T00:00:00; date -u -d '1 hour' '+7 %Y-%m-%dT%H:%M:%S'");
	ask(7200, 60000);
	ok(told.known == 1 && told.warned == 1, "an end that is near is told and warned of");
	ok(told.end > time(NULL) + 3000, "with its time");
	if (file_read(dir, "asked", 1000, &asked, NULL) < 0)
		bail_out("asked");
	is_str(asked, "--noheader --jobs 7 --format=%A %e\n",
	       "squeue is asked once for the job");
	free(asked);

	/* It is 4 s away, the warning 1 s before: a second look finds it an hour later. */
	squeue("if [ $(wc -l <${0%/*}/asked) = 1 ]; then date -u -d '4 seconds' "
	       "'+7 %Y-%m-%dT%H:%M:%S'; else date -u -d '1 hour' '+7 %Y-%m-%dT%H:%M:%S'; fi");
	ask(1, 5000);
	ok(told.known == 2 && told.warned == 0, "a limit that was raised is not warned of");

	static const char *const bad[] = {"echo 7 Unknown",
					  "exit 1",
					  "kill -9 $$",
					  "head -c 10000 /dev/zero",
					  "echo 7 2026-11-20T10:00:00; exit 1",
					  "echo 77 2026-11-20T10:00:00"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		squeue(bad[i]);
		ask(60, 300);
		ok(told.known == 0 && told.warned == 0, "nothing is told by \"%s\"", bad[i]);
	}
	squeue("sleep 1000");
	ask(60, 300);
	ok(told.known == 0, "nor by one that hangs, which ends with us");
	unlinkat(dir, "squeue", 0);
	ask(60, 100);
	ok(told.known == 0, "nor by none");
	job_end_destroy(NULL);
}

int main(void)
{
	dir = scratch_open();
	test_parse();
	if (!(loop = loop_create()) || !(environment = env_create(NULL)))
		bail_out("loop_create");
	char path[300];
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", scratch_path);
	env_set(environment, "PATH", path);
	test_squeue();
	env_destroy(environment);
	loop_destroy(loop);
	dir_remove(AT_FDCWD, scratch_path);
	return done_testing();
}
