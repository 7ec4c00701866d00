/* SPDX-License-Identifier: MIT */
/*
 * Tests of one exchange with the hub from end to end (hub-callback/exchange.h): a hub of the
 * test's own with a munged of the test's own.  Run by `make check`, as anybody.
 */
#include "hub-callback/exchange.h"

#include "hub-callback/record.h"
#include "hub-callback/reply.h"
#include "hub_world.h"
#include "munged.h"

enum { PATIENCE_MS = 60000 };

static struct loop *loop;
static struct hub hub;
static struct munged munged;

static struct {
	int calls;
	enum hub_outcome outcome;
	int kind;
	int64_t retry_after_ms;
	json_t *environment;
	char left_out[ENVIRONMENT_LEFT_OUT_MAX];
	struct reason words;
} answer;

static void on_result(const struct exchange_result *result, void *arg)
{
	(void) arg;
	answer.calls++;
	answer.outcome = result->outcome;
	answer.kind = result->kind;
	answer.retry_after_ms = result->retry_after_ms;
	json_decref(answer.environment);
	answer.environment = json_incref(result->environment);
	snprintf(answer.left_out, sizeof(answer.left_out), "%s", result->left_out);
	answer.words = result->words;
	loop_stop(loop);
}

static void on_impatience(void *arg)
{
	(void) arg;
	bail_out("the exchange does not end");
}

static struct hub_identity identity(enum hub_mode mode, const char *behaviour)
{
	static char api[128];

	snprintf(api, sizeof(api), "http://127.0.0.1:%s/%s/hub/api", hub.port, behaviour);
	return (struct hub_identity){.mode = mode,
				     .api = api,
				     .cluster = "c1",
				     .job_id = "123",
				     .user = "alice",
				     .spawn_id = "0123456789abcdef",
				     .server_name = "",
				     .hub_uid_known = true,
				     .hub_uid = geteuid()};
}

static struct exchange *create(const struct hub_identity *who)
{
	struct http_options options = {.reply_max = REPLY_MAX, .hub_uid = geteuid()};
	struct reason reason;
	struct exchange *exchange = exchange_create(loop, who, &options, &reason);

	if (!exchange)
		bail_out(reason.text);
	return exchange;
}

static void run(void)
{
	struct loop_timer *timer = loop_timer_create(loop, on_impatience, NULL);

	loop_timer_set(timer, PATIENCE_MS);
	loop_run(loop);
	loop_timer_destroy(timer);
}

static enum hub_outcome exchange_one(const struct hub_identity *who, enum hub_action action,
				     const char *fields)
{
	struct exchange *exchange = create(who);
	json_t *object = json_loads(fields, 0, NULL);

	answer.calls = 0;
	answer.words.text[0] = '\0';
	exchange_begin(exchange, action, object, on_result, NULL);
	json_decref(object);
	is_int(answer.calls, 0, "nothing is answered at once");
	run();
	is_int(answer.calls, 1, "one answer: %s", answer.words.text);
	exchange_destroy(exchange);
	return answer.outcome;
}

#define SERVING                                                                                \
	"{\"ip\": \"10.0.0.1\", \"port\": 40001, \"scheme\": \"http\", \"nodes\": [\"n1\"], "  \
	"\"head\": \"n1\", \"app\": \"lab\"}"

static const char *variable(const char *name)
{
	return json_string_value(json_object_get(answer.environment, name));
}

/* The last line of the hub's log. */
static json_t *last_request(void)
{
	char *log, *end, *line;
	json_t *request;

	hub_log(&hub, &log);
	end = strrchr(log, '\n');
	if (!end)
		bail_out("the hub has seen nothing");
	*end = '\0';
	line = strrchr(log, '\n');
	request = json_loads(line ? line + 1 : log, 0, NULL);
	free(log);
	return request;
}

static void test_spawn(void)
{
	struct hub_identity who = identity(HUB_SPAWN, "good");
	json_t *request, *record;
	json_int_t issued;

	is_int(exchange_one(&who, HUB_ENVIRONMENT, "{}"), HUB_DONE, "the environment");
	is_str(variable("JUPYTERHUB_API_TOKEN"), "secret", "is there");
	is_str(variable("SITE_DATA"), "/data", "with what the site adds");
	ok(!variable("PATH") && !variable("LD_PRELOAD"), "without what is the node's");
	is_str(answer.left_out, "LD_PRELOAD", "of which the unusual is told");
	request = last_request();
	record = json_object_get(request, "record");
	is_str(json_string_value(json_object_get(request, "path")),
	       "/good/hub/api/spank-jupyter", "our handler is asked");
	is_str(json_string_value(json_object_get(record, "spawn_id")), "0123456789abcdef",
	       "with the spawn id");
	is_str(json_string_value(json_object_get(record, "hub")), who.api,
	       "and whom it is for");
	issued = json_integer_value(json_object_get(record, "issued"));
	is_int(json_integer_value(json_object_get(record, "expires")) - issued, 300,
	       "for five minutes");
	ok(!strstr(json_string_value(json_object_get(request, "body")), "0123456789abcdef"),
	   "which nobody else can read");
	ok(!json_object_get(json_object_get(request, "headers"), "authorization"),
	   "without a token where there is none");
	json_decref(request);
	is_int(exchange_one(&who, HUB_SERVING, SERVING), HUB_DONE, "serving");
	ok(!answer.environment, "has no environment");
	who.token = "abc";
	is_int(exchange_one(&who, HUB_ENDED, "{\"state\": \"ended\"}"), HUB_DONE, "ended");
	request = last_request();
	is_str(json_string_value(
		       json_object_get(json_object_get(request, "headers"), "authorization")),
	       "token abc", "the token goes with it where there is one");
	json_decref(request);
}

static void test_adopt(void)
{
	struct hub_identity who = identity(HUB_ADOPT, "good");
	json_t *request;

	is_int(exchange_one(&who, HUB_ADOPTION, "{\"app\": \"lab\"}"), HUB_DONE, "adopted");
	is_str(variable("JUPYTERHUB_USER"), "alice", "with an environment");
	request = last_request();
	is_str(json_string_value(json_object_get(json_object_get(request, "record"), "server")),
	       "job-123", "as a named server");
	json_decref(request);
}

static void test_stock(void)
{
	struct hub_identity who = identity(HUB_STOCK, "good");
	json_t *request;

	who.token = "abc";
	is_int(exchange_one(&who, HUB_SERVING, SERVING), HUB_DONE, "201 of batchspawner");
	request = last_request();
	is_str(json_string_value(json_object_get(request, "path")),
	       "/good/hub/api/batchspawner", "its handler is asked");
	is_str(json_string_value(json_object_get(request, "body")), "{\"port\":40001}",
	       "and told the port alone");
	is_str(json_string_value(
		       json_object_get(json_object_get(request, "headers"), "authorization")),
	       "token abc", "with the token");
	json_decref(request);
	is_int(exchange_one(&who, HUB_ACTIVITY, "{\"last_activity\": 1, \"busy\": true}"),
	       HUB_DONE, "it still takes the token");
	request = last_request();
	is_str(json_string_value(json_object_get(request, "method")), "GET", "by a GET");
	is_str(json_string_value(json_object_get(request, "path")), "/good/hub/api/user",
	       "of whose it is");
	json_decref(request);
	who = identity(HUB_STOCK, "s-403");
	who.token = "abc";
	is_int(exchange_one(&who, HUB_ACTIVITY, "{\"last_activity\": 1, \"busy\": true}"),
	       HUB_GONE, "or not any more");
}

/* What a hub, or who takes its place, answers wrongly. */
static void test_wrong(void)
{
	static const struct {
		const char *behaviour;
		enum hub_outcome outcome;
		const char *words;
	} cases[] = {{"s-401", HUB_REFUSED, "same munge key"},
		     {"s-403", HUB_GONE, "not yours"},
		     {"s-404", HUB_GONE, "does not know this spawn"},
		     {"s-409", HUB_GONE, "another job"},
		     {"s-410", HUB_GONE, "cancelled"},
		     {"s-500", HUB_AWAY, "its log"},
		     {"redirect", HUB_REFUSED, "http://127.0.0.1:1/elsewhere"},
		     {"huge", HUB_AWAY, "too large"},
		     {"chunked", HUB_AWAY, "too large"},
		     {"cut", HUB_AWAY, "no answer"},
		     {"text", HUB_AGAIN, "not JSON"},
		     {"deep", HUB_AGAIN, "not JSON"},
		     {"bad-for", HUB_AGAIN, "another user"},
		     {"bad-forged", HUB_AGAIN, "not believed"},
		     {"bad-nonce", HUB_AGAIN, "another request"},
		     {"bad-version", HUB_REFUSED, "another version"},
		     {"bad-field", HUB_REFUSED, "not known"},
		     {"bad-variable", HUB_REFUSED, "not the name of a variable"}};
	struct hub_identity who;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		who = identity(HUB_SPAWN, cases[i].behaviour);
		is_int(exchange_one(&who, HUB_ENVIRONMENT, "{}"), cases[i].outcome, "%s",
		       cases[i].behaviour);
		ok(strstr(answer.words.text, cases[i].words), "in words");
		ok(!answer.environment, "and no environment");
	}
	who = identity(HUB_SPAWN, "busy-3");
	is_int(exchange_one(&who, HUB_ENVIRONMENT, "{}"), HUB_AGAIN, "429");
	is_int(answer.retry_after_ms, 3000, "with Retry-After");
	who = identity(HUB_SPAWN, "bad-replayed");
	is_int(exchange_one(&who, HUB_SERVING, SERVING), HUB_DONE, "an answer");
	is_int(exchange_one(&who, HUB_SERVING, SERVING), HUB_AGAIN, "and the same again");
	ok(strstr(answer.words.text, "replayed"), "in words");
	who = identity(HUB_SPAWN, "good");
	who.hub_uid++;
	is_int(exchange_one(&who, HUB_ENVIRONMENT, "{}"), HUB_REFUSED,
	       "a credential for another than the hub");
	is_int(answer.kind, 401, "is none to it");
}

/* Requests are never the same twice. */
static void test_fresh(void)
{
	struct hub_identity who = identity(HUB_SPAWN, "good");
	json_t *first, *second;

	exchange_one(&who, HUB_SERVING, SERVING);
	first = last_request();
	exchange_one(&who, HUB_SERVING, SERVING);
	second = last_request();
	ok(!json_equal(json_object_get(json_object_get(first, "record"), "nonce"),
		       json_object_get(json_object_get(second, "record"), "nonce")),
	   "each request has a nonce of its own");
	json_decref(first);
	json_decref(second);
}

static void stop_soon(struct loop_timer **timer, int64_t ms)
{
	*timer = loop_timer_create(loop, (loop_timer_callback *) loop_stop, loop);
	loop_timer_set(*timer, ms);
}

/* A munged that is there and does not answer: 10 s, in which nothing stands still. */
static void test_munged_hangs(void)
{
	struct hub_identity who = identity(HUB_SPAWN, "good");
	struct exchange *exchange = create(&who);
	json_t *fields = json_object();
	struct loop_timer *timer;
	int64_t begun = loop_now();

	kill(munged.pid, SIGSTOP);
	answer.calls = 0;
	exchange_begin(exchange, HUB_ENVIRONMENT, fields, on_result, NULL);
	stop_soon(&timer, 100);
	loop_run(loop);
	loop_timer_destroy(timer);
	is_int(answer.calls, 0, "while munged hangs there is no answer");
	exchange_cancel(exchange);
	exchange_begin(exchange, HUB_ENVIRONMENT, fields, on_result, NULL);
	exchange_destroy(exchange);
	ok(loop_now() - begun < 5000, "nor does anybody wait for it");
	kill(munged.pid, SIGCONT);
	json_decref(fields);
}

static void test_cancel(void)
{
	struct hub_identity who = identity(HUB_SPAWN, "good");
	struct exchange *exchange = create(&who);
	json_t *fields = json_object();
	struct loop_timer *timer;

	answer.calls = 0;
	for (int i = 0; i < 30; i++) {
		exchange_begin(exchange, HUB_ENVIRONMENT, fields, on_result, NULL);
		stop_soon(&timer, i / 2);
		loop_run(loop);
		loop_timer_destroy(timer);
		exchange_cancel(exchange);
	}
	/* munged may still be busy with them; it is asked again as conversation.c would. */
	for (int i = 0; i < 5; i++) {
		answer.calls = 0;
		exchange_begin(exchange, HUB_ENVIRONMENT, fields, on_result, NULL);
		run();
		if (answer.outcome != HUB_AGAIN)
			break;
		printf("# again: %s\n", answer.words.text);
	}
	is_int(answer.calls, 1, "what was cancelled does not disturb what comes after");
	is_int(answer.outcome, HUB_DONE, "which is answered");
	exchange_destroy(exchange);
	json_decref(fields);
}

static void test_munged_down(void)
{
	struct hub_identity who = identity(HUB_SPAWN, "good");

	munged_stop(&munged);
	is_int(exchange_one(&who, HUB_ENVIRONMENT, "{}"), HUB_AGAIN, "munged is down");
	ok(strstr(answer.words.text, "munge on this node does not answer"), "in words");
}

int main(void)
{
	int dir = scratch_open();

	loop = loop_create();
	munged_start(&munged);
	hub_start(&hub, NULL);
	test_spawn();
	test_adopt();
	test_stock();
	test_wrong();
	test_fresh();
	test_cancel();
	test_munged_hangs();
	test_munged_down();
	hub_stop(&hub);
	json_decref(answer.environment);
	loop_destroy(loop);
	close(dir);
	hub_shell("rm -rf %s", scratch_path);
	return done_testing();
}
