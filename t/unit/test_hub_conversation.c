/* SPDX-License-Identifier: MIT */
/*
 * Tests of what is said to the hub and to the head, and when (hub-callback/conversation.h), in
 * a world of the test's own: its clock, its random numbers, its hub.  Run by `make check`, as
 * anybody.
 */
#include "hub-callback/conversation.h"

#include "hub-callback/retry.h"
#include "tap.h"

enum { DEADLINE_MS = 600000, LINES_SEEN_MAX = 64 };

static struct conversation *conversation;

static struct {
	int64_t now, timer; /* timer: when it is due, negative: never */
	uint64_t random;
	int begun;
	bool under_way, over;
	int cancelled;
	enum hub_action action;
	json_t *fields;
	char *lines[LINES_SEEN_MAX];
	size_t said, read;
} world;

static int64_t world_now(void *arg)
{
	(void) arg;
	return world.now;
}

static uint64_t world_random(void *arg)
{
	(void) arg;
	return world.random;
}

static void world_begin(enum hub_action action, json_t *fields, void *arg)
{
	(void) arg;
	if (world.under_way)
		bail_out("two exchanges at once");
	world.begun++;
	world.under_way = true;
	world.action = action;
	json_decref(world.fields);
	world.fields = json_incref(fields);
}

static void world_cancel(void *arg)
{
	(void) arg;
	if (!world.under_way)
		bail_out("nothing to cancel");
	world.under_way = false;
	world.cancelled++;
}

static void world_timer(int64_t delay_ms, void *arg)
{
	(void) arg;
	world.timer = delay_ms < 0 ? -1 : world.now + delay_ms;
}

static void world_say(json_t *line, void *arg)
{
	(void) arg;
	if (world.said == LINES_SEEN_MAX)
		bail_out("too many lines");
	world.lines[world.said++] = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(line);
}

static void world_over(void *arg)
{
	(void) arg;
	world.over = true;
}

static void begin(enum hub_mode mode)
{
	const struct conversation_world ours = {.now = world_now,
						.random = world_random,
						.begin = world_begin,
						.cancel = world_cancel,
						.timer = world_timer,
						.say = world_say,
						.over = world_over};

	memset(&world, 0, sizeof(world));
	world.now = 1000000;
	world.timer = -1;
	world.random = 1; /* a pause of 1 ms */
	conversation = conversation_create(mode, DEADLINE_MS, &ours);
}

static void end(void)
{
	conversation_destroy(conversation);
	json_decref(world.fields);
	for (size_t i = 0; i < world.said; i++)
		free(world.lines[i]);
}

static void event(enum hub_action action, const char *fields)
{
	json_t *object = json_loads(fields, 0, NULL);

	if (!object)
		bail_out(fields);
	conversation_event(conversation, action, object);
}

/* The hub's answer to what is under way. */
static void answer_after(enum hub_outcome outcome, int kind, int64_t retry_after_ms)
{
	struct exchange_result result = {.outcome = outcome,
					 .kind = kind,
					 .retry_after_ms = retry_after_ms,
					 .left_out = ""};

	if (!world.under_way)
		bail_out("nothing to answer");
	reason_set(&result.words, "status %d", kind);
	if (outcome == HUB_DONE &&
	    (world.action == HUB_ENVIRONMENT || world.action == HUB_ADOPTION))
		result.environment = json_pack("{s:s}", "A", "1");
	world.under_way = false;
	conversation_result(conversation, &result);
	json_decref(result.environment);
}

static void answer(enum hub_outcome outcome, int kind)
{
	answer_after(outcome, kind, -1);
}

/* Lets the time pass until the timer is due; whether it is at all. */
static bool wait_timer(void)
{
	if (world.timer < 0)
		return false;
	if (world.timer > world.now)
		world.now = world.timer;
	world.timer = -1;
	conversation_timer(conversation);
	return true;
}

#define says(line, ...)                                                                        \
	is_str(world.read < world.said ? world.lines[world.read++] : NULL, (line), __VA_ARGS__)
#define says_nothing(...)  is_int(world.said - world.read, 0, __VA_ARGS__)
#define posts(wanted, ...) ok(world.under_way &&world.action == (wanted), __VA_ARGS__)
#define posts_nothing(...) ok(!world.under_way, __VA_ARGS__)

#define SERVING	      "{\"port\": 1}"
#define STATUS(state) "{\"state\": \"" state "\"}"
#define ACTIVITY      "{\"last_activity\": 1, \"busy\": true}"
#define ENDED	      "{\"state\": \"ended\"}"

static const char *field(const char *name)
{
	return json_string_value(json_object_get(world.fields, name));
}

/* A session that is known to the hub. */
static void begin_registered(enum hub_mode mode)
{
	begin(mode);
	if (mode != HUB_STOCK) {
		event(mode == HUB_SPAWN ? HUB_ENVIRONMENT : HUB_ADOPTION, "{}");
		answer(HUB_DONE, 0);
	}
	event(HUB_SERVING, SERVING);
	answer(HUB_DONE, 0);
	world.read = world.said;
	world.begun = 0;
}

static void test_straight(void)
{
	begin(HUB_SPAWN);
	posts_nothing("nothing is said before the head says something");
	event(HUB_ENVIRONMENT, "{}");
	posts(HUB_ENVIRONMENT, "the environment is asked for at once");
	event(HUB_STATUS, STATUS("starting"));
	is_int(world.begun, 1, "one exchange at a time");
	answer(HUB_DONE, 0);
	says("{\"environment\":{\"A\":\"1\"}}", "the head gets it");
	posts(HUB_STATUS, "then the status");
	answer(HUB_DONE, 0);
	event(HUB_SERVING, SERVING);
	posts(HUB_SERVING, "serving");
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "the head is told");
	event(HUB_ACTIVITY, ACTIVITY);
	posts_nothing("status and activity at most once a second");
	is_int(world.timer - world.now, 1000, "the next in a second");
	ok(wait_timer(), "which passes");
	posts(HUB_ACTIVITY, "then the activity");
	answer(HUB_DONE, 0);
	event(HUB_ENDED, ENDED);
	posts(HUB_ENDED, "the end");
	answer(HUB_DONE, 0);
	says("{\"done\":true}", "the last word");
	ok(world.over, "is the last");
	event(HUB_STATUS, STATUS("ready"));
	event(HUB_ENDED, ENDED);
	posts_nothing("after it there is nothing");
	says_nothing("in either direction");
	end();
}

static void test_order(void)
{
	begin_registered(HUB_ADOPT);
	event(HUB_STATUS, STATUS("serving"));
	posts(HUB_STATUS, "a status");
	event(HUB_STATUS, STATUS("ready"));
	event(HUB_STATUS, STATUS("degraded"));
	answer(HUB_DONE, 0);
	wait_timer();
	posts(HUB_STATUS, "and another");
	is_str(field("state"), "degraded", "the latest wins");
	answer(HUB_DONE, 0);
	ok(!wait_timer(), "and that was all");
	event(HUB_STATUS, STATUS("ready"));
	wait_timer();
	posts(HUB_STATUS, "a status takes long");
	event(HUB_SERVING, "{\"port\": 2}");
	is_int(world.cancelled, 1, "serving does not wait for it");
	posts(HUB_SERVING, "but goes first");
	event(HUB_SERVING, "{\"port\": 3}");
	is_int(world.cancelled, 1, "one serving waits for another");
	answer(HUB_DONE, 0);
	posts(HUB_SERVING, "which is newer");
	is_int(json_integer_value(json_object_get(world.fields, "port")), 3, "and other");
	answer(HUB_DONE, 0);
	wait_timer();
	posts(HUB_STATUS, "then the status that was cut off");
	is_str(field("state"), "ready", "as it was");
	answer(HUB_DONE, 0);
	end();
}

static void test_end_overtakes(void)
{
	begin_registered(HUB_SPAWN);
	event(HUB_STATUS, STATUS("draining"));
	answer(HUB_AWAY, 500);
	says("{\"problem\":\"status 500\"}", "a problem is told");
	world.random = 400;
	wait_timer();
	posts(HUB_SERVING, "the hub may have forgotten us");
	answer(HUB_AWAY, 500);
	ok(world.timer > world.now, "a pause");
	event(HUB_ENDED, ENDED);
	posts(HUB_ENDED, "that the end does not keep to");
	answer_after(HUB_AGAIN, 429, 120000);
	says("{\"problem\":\"status 429\"}", "another problem");
	ok(world.timer >= world.now + 120000, "Retry-After is kept to");
	event(HUB_STATUS, STATUS("ready"));
	wait_timer();
	posts(HUB_ENDED, "and the end is tried again, nothing else");
	answer(HUB_DONE, 0);
	says("{\"done\":true}", "done");
	end();

	begin(HUB_SPAWN);
	event(HUB_ENVIRONMENT, "{}");
	event(HUB_ENDED, ENDED);
	is_int(world.cancelled, 1, "an environment that is not needed is not waited for");
	posts(HUB_ENDED, "the end overtakes it");
	answer(HUB_GONE, 404);
	says("{\"problem\":\"status 404\"}", "the hub does not know it");
	says("{\"done\":true}", "then that is all");
	ok(world.over, "over");
	end();
}

static void test_retries(void)
{
	int tries = 0;

	begin(HUB_SPAWN);
	world.random = 123456789;
	event(HUB_ENVIRONMENT, "{}");
	answer(HUB_AWAY, 1);
	says("{\"problem\":\"status 1\"}", "a problem");
	wait_timer();
	answer(HUB_AWAY, 1);
	says_nothing("is told once");
	wait_timer();
	answer(HUB_AGAIN, 429);
	says("{\"problem\":\"status 429\"}", "each kind");
	while (wait_timer() && tries < 10000) {
		tries++;
		answer(HUB_AWAY, 1);
	}
	ok(tries > 30 && tries < 1000, "tried again %d times", tries);
	is_int(world.now, 1000000 + DEADLINE_MS, "until the deadline");
	says("{\"failed\":\"given up after 00:10:00: status 1\"}", "then it is given up");
	event(HUB_STATUS, STATUS("starting"));
	event(HUB_SERVING, SERVING);
	posts_nothing("and nothing else is said");
	event(HUB_ENVIRONMENT, "{}");
	posts(HUB_ENVIRONMENT, "unless the head begins anew");
	answer(HUB_DONE, 0);
	says("{\"environment\":{\"A\":\"1\"}}", "which may work");
	event(HUB_STATUS, STATUS("starting"));
	answer(HUB_AGAIN, 429);
	says("{\"problem\":\"status 429\"}", "after a success problems are told again");
	event(HUB_ENDED, ENDED);
	answer(HUB_DONE, 0);
	end();
}

static void test_refused_first(void)
{
	static const enum hub_outcome outcomes[] = {HUB_GONE, HUB_REFUSED};

	for (size_t i = 0; i < 2; i++) {
		begin(HUB_ADOPT);
		event(HUB_ADOPTION, "{}");
		event(HUB_STATUS, STATUS("starting"));
		answer(outcomes[i], 403);
		says("{\"failed\":\"status 403\"}", "refused at once");
		posts_nothing("nothing else is said");
		ok(!wait_timer(), "or tried");
		event(HUB_ENDED, ENDED);
		says("{\"done\":true}", "nor is the end");
		posts_nothing("to a hub that does not want us");
		end();
	}
}

static void test_unverified(void)
{
	int tries = 1;

	begin(HUB_SPAWN);
	event(HUB_ENVIRONMENT, "{}");
	answer(HUB_CERTIFICATE, 2);
	says("{\"problem\":\"status 2\"}", "a certificate that is not believed");
	while (wait_timer()) {
		tries++;
		answer(HUB_CERTIFICATE, 2);
	}
	is_int(tries, 4, "is tried again three times");
	says("{\"failed\":\"status 2\"}", "and given up");
	end();
}

static void test_serving_refused(void)
{
	begin(HUB_SPAWN);
	event(HUB_ENVIRONMENT, "{}");
	answer(HUB_DONE, 0);
	event(HUB_SERVING, SERVING);
	answer(HUB_GONE, 403);
	world.read = 1;
	says("{\"failed\":\"status 403\"}", "an address that is not the job's");
	event(HUB_STATUS, STATUS("ready"));
	posts(HUB_STATUS, "the hub still hears how it goes");
	answer(HUB_AWAY, 500);
	says("{\"problem\":\"status 500\"}", "when it can");
	wait_timer();
	posts(HUB_STATUS, "but what it has refused is not said again");
	answer(HUB_DONE, 0);
	event(HUB_SERVING, SERVING);
	posts(HUB_SERVING, "unless the head does");
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "and then it may be right");
	end();
}

/* The hub was down for longer than the deadline. */
static void test_late(void)
{
	begin(HUB_SPAWN);
	event(HUB_ENVIRONMENT, "{}");
	answer(HUB_DONE, 0);
	event(HUB_SERVING, SERVING);
	world.random = 123456789;
	do
		answer(HUB_AWAY, 1);
	while (wait_timer());
	world.read = 2;
	says("{\"failed\":\"given up after 00:10:00: status 1\"}", "given up");
	event(HUB_ACTIVITY, ACTIVITY);
	answer(HUB_DONE, 0);
	posts(HUB_SERVING, "a hub that is back is told all the same");
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "and the head is");
	end();
}

static void test_restarted_hub(void)
{
	begin_registered(HUB_SPAWN);
	event(HUB_STATUS, STATUS("ready"));
	answer(HUB_AWAY, 1);
	says("{\"problem\":\"status 1\"}", "the hub is down");
	world.random = 100;
	for (int i = 0; i < 50; i++) {
		world.random = 60000;
		wait_timer();
		posts(HUB_SERVING, "it is told again where the server is, try %d", i);
		answer(HUB_AWAY, 1);
		ok(world.timer - world.now <= 60000, "a minute apart at most");
	}
	says_nothing("the head is told once");
	wait_timer();
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "it is back");
	posts(HUB_STATUS, "and hears the status");
	answer(HUB_DONE, 0);

	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	answer(HUB_GONE, 404);
	posts(HUB_SERVING, "a hub that has forgotten is told again, at once");
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "and knows");
	wait_timer();
	posts(HUB_ACTIVITY, "and hears what it has not taken");
	answer(HUB_DONE, 0);
	says_nothing("no problem");
	end();
}

/* It takes serving each time and denies it each time. */
static void test_forgetful_hub(void)
{
	int tries = 0;

	begin_registered(HUB_SPAWN);
	event(HUB_ACTIVITY, ACTIVITY);
	while (world.under_way && tries < 1000) {
		tries++;
		if (world.action == HUB_ACTIVITY)
			answer(HUB_GONE, 404);
		else
			answer(HUB_DONE, 0);
		if (!world.under_way)
			wait_timer();
	}
	ok(tries <= 8, "given up after %d requests", tries);
	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	posts(HUB_ACTIVITY, "until the head says something new");
	end();
}

static void test_orphan(void)
{
	begin_registered(HUB_SPAWN);
	event(HUB_STATUS, STATUS("ready"));
	answer(HUB_GONE, 404);
	posts(HUB_SERVING, "a status that is refused is not all");
	answer(HUB_GONE, 404);
	says("{\"problem\":\"status 404\"}", "the first doubt");
	posts_nothing("is not believed");
	is_int(world.timer - world.now, CONVERSATION_CONFIRM_MS, "and confirmed later");
	wait_timer();
	posts(HUB_SERVING, "now");
	answer(HUB_GONE, 403);
	says("{\"problem\":\"status 403\"}", "the second doubt");
	is_int(world.timer - world.now, CONVERSATION_CONFIRM_MS, "is confirmed too");
	wait_timer();
	posts(HUB_SERVING, "now");
	answer(HUB_GONE, 404);
	says("{\"orphan\":\"the hub does not know this session any more: status 404\"}",
	     "the hub does not know it");
	ok(!wait_timer(), "nothing more is tried by itself");
	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	answer(HUB_GONE, 404);
	answer(HUB_GONE, 404);
	says_nothing("it is told once");
	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	answer(HUB_GONE, 404);
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "a hub that has found it again is believed");
	wait_timer();
	answer(HUB_DONE, 0);
	end();
}

/* Denials that are not one after the other, and others between them. */
static void test_doubts(void)
{
	begin_registered(HUB_SPAWN);
	event(HUB_STATUS, STATUS("ready"));
	answer(HUB_GONE, 404);
	answer(HUB_GONE, 404);
	wait_timer();
	answer(HUB_AWAY, 500);
	wait_timer();
	answer(HUB_GONE, 404);
	wait_timer();
	answer(HUB_AGAIN, 429);
	wait_timer();
	answer(HUB_GONE, 404);
	world.read = world.said - 1;
	says("{\"orphan\":\"the hub does not know this session any more: status 404\"}",
	     "three denials, faults between");
	end();

	begin_registered(HUB_SPAWN);
	for (int i = 0; i < 3; i++) {
		event(HUB_STATUS, STATUS("ready"));
		wait_timer();
		answer(HUB_GONE, 404);
		answer(HUB_GONE, 404);
		wait_timer();
		answer(HUB_GONE, 404);
		wait_timer();
		answer(HUB_DONE, 0);
		wait_timer();
		answer(HUB_DONE, 0);
	}
	for (size_t i = 0; i < world.said; i++)
		ok(!strstr(world.lines[i], "orphan"), "two denials are none: %s",
		   world.lines[i]);
	end();
}

static void test_cancelled(void)
{
	begin(HUB_SPAWN);
	event(HUB_ENVIRONMENT, "{}");
	answer(HUB_DONE, 0);
	world.read = world.said;
	event(HUB_STATUS, STATUS("starting"));
	answer(HUB_GONE, 410);
	says("{\"failed\":\"status 410\"}", "a spawn that is cancelled while it starts");
	event(HUB_SERVING, SERVING);
	posts_nothing("does not go on");
	end();

	begin(HUB_SPAWN);
	event(HUB_STATUS, STATUS("starting"));
	answer(HUB_REFUSED, 400);
	says("{\"problem\":\"status 400\"}", "a status that is malformed is no end");
	event(HUB_SERVING, SERVING);
	posts(HUB_SERVING, "it goes on");
	end();
}

static void test_asked_to_wait(void)
{
	begin_registered(HUB_SPAWN);
	event(HUB_STATUS, STATUS("ready"));
	answer_after(HUB_AGAIN, 429, 90000);
	event(HUB_SERVING, SERVING);
	posts_nothing("a hub that asks to wait is not asked before, not even by serving");
	ok(world.timer >= world.now + 90000, "for as long");
	wait_timer();
	posts(HUB_SERVING, "then it is");
	answer(HUB_DONE, 0);
	wait_timer();
	answer(HUB_AGAIN, 500);
	world.random = 400;
	wait_timer();
	answer(HUB_AGAIN, 500);
	ok(world.timer > world.now, "a pause that is drawn");
	event(HUB_SERVING, SERVING);
	posts(HUB_SERVING, "is not kept to by what is urgent");
	end();
}

static void test_stock(void)
{
	begin(HUB_STOCK);
	event(HUB_STATUS, STATUS("starting"));
	event(HUB_ACTIVITY, ACTIVITY);
	posts_nothing("batchspawner takes no status");
	event(HUB_SERVING, SERVING);
	posts(HUB_SERVING, "but the port");
	answer(HUB_DONE, 0);
	says("{\"registered\":true}", "once");
	event(HUB_STATUS, STATUS("ready"));
	posts_nothing("still no status");
	event(HUB_ACTIVITY, ACTIVITY);
	posts(HUB_ACTIVITY, "activity is when to look whether it is known");
	answer(HUB_DONE, 0);
	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	answer(HUB_GONE, 403);
	says("{\"problem\":\"status 403\"}", "a doubt");
	wait_timer();
	posts(HUB_ACTIVITY, "is looked at again");
	answer(HUB_DONE, 0);
	event(HUB_ACTIVITY, ACTIVITY);
	wait_timer();
	answer(HUB_GONE, 403);
	world.read = world.said;
	wait_timer();
	answer(HUB_GONE, 403);
	wait_timer();
	answer(HUB_GONE, 403);
	says("{\"orphan\":\"the hub does not know this session any more: status 403\"}",
	     "three times are enough");
	event(HUB_ENDED, ENDED);
	posts_nothing("the end is not posted");
	says("{\"done\":true}", "and done");
	ok(world.over, "over");
	end();

	begin(HUB_STOCK);
	event(HUB_SERVING, SERVING);
	answer(HUB_GONE, 404);
	says("{\"failed\":\"status 404\"}", "a hub without batchspawner");
	end();
}

int main(void)
{
	test_straight();
	test_order();
	test_end_overtakes();
	test_retries();
	test_refused_first();
	test_unverified();
	test_serving_refused();
	test_late();
	test_restarted_hub();
	test_forgetful_hub();
	test_orphan();
	test_doubts();
	test_cancelled();
	test_asked_to_wait();
	test_stock();
	return done_testing();
}
