/* SPDX-License-Identifier: MIT */
/*
 * Tests of the head's child for the hub (launcher/head/hub_child.h), with shell scripts in its
 * place.  Run by `make check`, as anybody.
 */
#include "launcher/head/hub_child.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

enum { DEADLINE_MS = 30000 };

static struct loop *loop;
static struct hub_child *child;
static unsigned lines, restarts, troubles;
static char last[65536], gone[256], trouble[256];
static unsigned awaited; /* lines */

static void on_line(const json_t *line, void *arg)
{
	char *text = json_dumps(line, JSON_COMPACT);

	(void) arg;
	snprintf(last, sizeof(last), "%s", text);
	free(text);
	if (++lines == awaited)
		loop_stop(loop);
}

static void on_restarted(void *arg)
{
	(void) arg;
	restarts++;
	hub_child_say(child, json_pack("{s:s}", "event", "again"));
}

static void on_trouble(const char *words, void *arg)
{
	(void) arg;
	troubles++;
	snprintf(trouble, sizeof(trouble), "%s", words);
}

static void on_gone(const char *words, void *arg)
{
	(void) arg;
	snprintf(gone, sizeof(gone), "%s", words);
	loop_stop(loop);
}

static void on_deadline(void *arg)
{
	(void) arg;
	bail_out("not within 30 s");
}

static struct loop_timer *deadline;

/* Runs sh -c script until it has said so many lines, or is gone. */
static void begin(const char *script)
{
	static char *argv[] = {"sh", "-c", NULL, NULL};
	static char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
	static const struct hub_child_callbacks callbacks = {.line = on_line,
							     .restarted = on_restarted,
							     .trouble = on_trouble,
							     .gone = on_gone};
	const struct hub_child_options options = {.program = "/bin/sh",
						  .argv = argv,
						  .environment = environment,
						  .backoff_ms = 1};
	struct reason reason;

	argv[2] = (char *) script;
	lines = restarts = troubles = 0;
	last[0] = gone[0] = trouble[0] = '\0';
	child = hub_child_create(loop, &options, &callbacks, &reason);
	if (!child)
		bail_out(reason.text);
}

static void run(unsigned count)
{
	awaited = lines + count;
	loop_timer_set(deadline, DEADLINE_MS);
	loop_run(loop);
	loop_timer_set(deadline, -1);
}

static void end(void)
{
	hub_child_destroy(child);
	child = NULL;
}

static void test_talk(void)
{
	begin("while read -r line; do echo \"{\\\"said\\\": $line}\"; done");
	is_int(hub_child_say(child, json_pack("{s:s}", "event", "a")), 0, "something is said");
	is_int(hub_child_say(child, json_pack("{s:s}", "event", "b")), 0, "and more");
	run(2);
	is_str(last, "{\"said\":{\"event\":\"b\"}}", "both are answered");
	is_int(restarts, 0, "by the first");
	is_int(hub_child_say(child, NULL), -1, "nothing cannot be said");
	end();
}

static void test_garbage(void)
{
	begin("echo no JSON; echo '[1]'; echo 7; printf '{\"a\": 1'; "
	      "head -c 300000 /dev/zero | tr '\\0' x; echo; echo '{\"b\": 2}'; read -r line");
	run(1);
	is_str(last, "{\"b\":2}", "what is no object, and what is too long, is passed over");
	is_int(troubles, 4, "each with a word");
	end();
}

static void test_restart(void)
{
	begin("read -r line; echo \"$line\"");
	hub_child_say(child, json_pack("{s:s}", "event", "first"));
	run(3);
	is_int(restarts, 2, "one that ends is started again");
	is_str(last, "{\"event\":\"again\"}", "and told anew");
	ok(strstr(trouble, "exit status 0") != NULL, "which is said");
	end();
	begin("exit 3");
	run(1000);
	ok(strstr(gone, "exit status 3") != NULL, "but not for ever");
	is_int(restarts, HUB_CHILD_RESTARTS_MAX, "so many times");
	is_int(hub_child_say(child, json_pack("{s:s}", "event", "x")), -1, "it hears nothing");
	end();
}

static void test_finish(void)
{
	begin("read -r line; echo '{\"done\": true}'");
	hub_child_say(child, json_pack("{s:s}", "event", "ended"));
	hub_child_finish(child);
	is_int(hub_child_say(child, json_pack("{s:s}", "event", "x")), -1,
	       "it was the last word");
	run(1000);
	is_str(last, "{\"done\":true}", "one that may end says so");
	ok(gone[0] && restarts == 0, "and is not started again");
	end();
}

static void test_deaf(void)
{
	unsigned said = 0;
	char words[1024];

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	begin("exec sleep 60");
	while (said < 10000 && hub_child_say(child, json_pack("{s:s}", "event", words)) == 0)
		said++;
	ok(said > 100 && said < 3000, "what one does not read is bounded (%u)", said);
	end();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!(loop = loop_create()) || !(deadline = loop_timer_create(loop, on_deadline, NULL)))
		bail_out("loop");
	test_talk();
	test_garbage();
	test_restart();
	test_finish();
	test_deaf();
	loop_timer_destroy(deadline);
	loop_destroy(loop);
	return done_testing();
}
