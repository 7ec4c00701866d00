/* SPDX-License-Identifier: MIT */
/*
 * Tests of what a session says: its identity and the hub's URL (hub-callback/hub.h), the head's
 * lines (event.h), the record (record.h).  Run by `make check`, as anybody.
 */
#include "hub-callback/event.h"
#include "common/text.h"
#include "hub-callback/record.h"

#include "tap.h"

static const struct hub_identity spawn = {.mode = HUB_SPAWN,
					  .api = "http://hub:8081/hub/api",
					  .cluster = "c1",
					  .job_id = "123",
					  .restart = 2,
					  .user = "alice",
					  .spawn_id = "0123456789abcdef",
					  .hub_uid_known = true,
					  .hub_uid = 1234};

/* URLs. */

static void url_is(enum hub_mode mode, const char *given, const char *expected)
{
	struct reason reason = {.text = ""};
	char *url = hub_api_url(mode, given, &reason), shown[80];

	is_str(url, expected, "%s: %s", hub_mode_name(mode),
	       text_excerpt(given, shown, sizeof(shown)));
	if (!expected)
		ok(errno == EINVAL && reason.text[0], "and why: %s", reason.text);
	free(url);
}

static void test_url(void)
{
	char longest[4096], *url;

	url_is(HUB_SPAWN, "http://10.0.0.1:8081/hub/api", "http://10.0.0.1:8081/hub/api");
	url_is(HUB_SPAWN, "http://10.0.0.1:8081/hub/api///", "http://10.0.0.1:8081/hub/api");
	url_is(HUB_STOCK, "https://[::1]:8081/x/hub/api", "https://[::1]:8081/x/hub/api");
	url_is(HUB_SPAWN, "https://hub/elsewhere", "https://hub/elsewhere");
	url_is(HUB_ADOPT, "https://hub.org", "https://hub.org/hub/api");
	url_is(HUB_ADOPT, "https://hub.org/", "https://hub.org/hub/api");
	url_is(HUB_ADOPT, "https://hub.org/hub", "https://hub.org/hub/api");
	url_is(HUB_ADOPT, "https://hub.org/hub/", "https://hub.org/hub/api");
	url_is(HUB_ADOPT, "https://hub.org/hub/api", "https://hub.org/hub/api");
	url_is(HUB_ADOPT, "https://hub.org/base/", "https://hub.org/base/hub/api");
	url_is(HUB_ADOPT, "none", NULL);
	url_is(HUB_ADOPT, "", NULL);
	url_is(HUB_ADOPT, "ftp://hub.org", NULL);
	url_is(HUB_ADOPT, "file:///etc/passwd", NULL);
	url_is(HUB_ADOPT, "https://user:password@hub.org", NULL);
	url_is(HUB_ADOPT, "https://hub.org/?token=abc", NULL);
	url_is(HUB_ADOPT, "https://hub.org/#x", NULL);
	url_is(HUB_ADOPT, "https://hub.org/\r\nX: y", NULL);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "http://hub/", 11);
	longest[HUB_URL_MAX - 8] = '\0';
	ok(!hub_api_url(HUB_ADOPT, longest, NULL) && errno == EINVAL, "a URL that is too long");
	longest[HUB_URL_MAX - 9] = '\0';
	url = hub_api_url(HUB_ADOPT, longest, NULL);
	is_int(url ? strlen(url) : 0, HUB_URL_MAX - 1, "and one byte less");
	free(url);
}

/* Identities. */

static int check(const struct hub_identity *identity, struct reason *reason)
{
	reason->text[0] = '\0';
	return hub_identity_check(identity, reason);
}

static void test_identity(void)
{
	struct hub_identity identity = spawn;
	struct reason reason;
	char huge[HUB_SECRET_MAX + 1];

	is_int(check(&identity, &reason), 0, "a spawn");
	identity.spawn_id = NULL;
	fails_with(check(&identity, &reason), EINVAL, "without its id");
	identity.spawn_id = "a b";
	fails_with(check(&identity, &reason), EINVAL, "with an id that is none");
	identity = spawn;
	identity.hub_uid_known = false;
	fails_with(check(&identity, &reason), EINVAL, "without the hub's uid");
	ok(strstr(reason.text, "hub_user"), "which names the setting: %s", reason.text);
	identity = spawn;
	identity.job_id = "0123";
	fails_with(check(&identity, &reason), EINVAL, "a job with a zero in front");
	identity.job_id = "12_3";
	fails_with(check(&identity, &reason), EINVAL, "an array's task");
	identity.job_id = NULL;
	fails_with(check(&identity, &reason), EINVAL, "no job");
	identity = spawn;
	identity.user = "al\nice";
	fails_with(check(&identity, &reason), EINVAL, "a name with a newline");
	identity = spawn;
	identity.cluster = "";
	fails_with(check(&identity, &reason), EINVAL, "no cluster");
	identity = spawn;
	identity.token = "abc\r\nX-Evil: 1";
	fails_with(check(&identity, &reason), EINVAL, "a token that would be two headers");
	ok(!strstr(reason.text, "Evil"), "is not shown: %s", reason.text);
	memset(huge, 'a', sizeof(huge));
	huge[HUB_SECRET_MAX] = '\0';
	identity.token = huge;
	fails_with(check(&identity, &reason), EINVAL, "a token that is too long");
	identity = (struct hub_identity){.mode = HUB_STOCK, .api = "http://hub/hub/api"};
	fails_with(check(&identity, &reason), EINVAL, "batchspawner's without a token");
	identity.token = "abc";
	is_int(check(&identity, &reason), 0, "and with one");
}

/* The head's lines. */

static int parse(enum hub_mode mode, const char *line, enum hub_action *action, json_t **fields,
		 struct reason *reason)
{
	*fields = NULL;
	reason->text[0] = '\0';
	return event_parse(mode, line, strlen(line), action, fields, reason);
}

#define SERVING                                                                                \
	"{\"event\": \"serving\", \"ip\": \"10.0.0.1\", \"port\": 40001, \"scheme\": "         \
	"\"http\", "                                                                           \
	"\"nodes\": [\"n1\", \"n2\"], \"head\": \"n1\", \"app\": \"lab\"}"

static void test_events_good(void)
{
	static const struct {
		enum hub_mode mode;
		const char *line;
		enum hub_action action;
		size_t fields;
	} cases[] = {
		{HUB_SPAWN, "{\"event\": \"environment\"}", HUB_ENVIRONMENT, 0},
		{HUB_ADOPT, "{\"event\": \"adopt\", \"app\": \"lab\"}", HUB_ADOPTION, 1},
		{HUB_SPAWN, SERVING, HUB_SERVING, 6},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1}", HUB_SERVING, 1},
		{HUB_STOCK, SERVING, HUB_SERVING, 6},
		{HUB_SPAWN, "{\"event\": \"status\", \"state\": \"starting\"}", HUB_STATUS, 1},
		{HUB_ADOPT,
		 "{\"event\": \"status\", \"state\": \"degraded\", \"reason\": \"dask: n2\", "
		 "\"phases\": {\"triggered\": 1.5, \"head\": 2}, \"workers\": [{\"kind\": "
		 "\"dask\", \"expected\": 8, \"ready\": 4}]}",
		 HUB_STATUS, 4},
		{HUB_STOCK, "{\"event\": \"activity\", \"last_activity\": 1.5, \"busy\": true}",
		 HUB_ACTIVITY, 2},
		{HUB_SPAWN, "{\"event\": \"ended\", \"state\": \"failed\", \"reason\": \"\"}",
		 HUB_ENDED, 2}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum hub_action action = HUB_ACTIONS;
		struct reason reason;
		json_t *fields;

		is_int(parse(cases[i].mode, cases[i].line, &action, &fields, &reason), 0,
		       "%s is taken", cases[i].line);
		is_int(action, cases[i].action, "as %s", hub_action_name(cases[i].action));
		is_int(json_object_size(fields), cases[i].fields, "with %zu fields",
		       cases[i].fields);
		json_decref(fields);
	}
}

static void test_events_bad(void)
{
	static const struct {
		enum hub_mode mode;
		const char *line;
	} cases[] = {
		{HUB_SPAWN, ""},
		{HUB_SPAWN, "{"},
		{HUB_SPAWN, "[]"},
		{HUB_SPAWN, "\"event\""},
		{HUB_SPAWN, "{}"},
		{HUB_SPAWN, "{\"event\": 1}"},
		{HUB_SPAWN, "{\"event\": \"dance\"}"},
		{HUB_SPAWN, "{\"event\": \"environment\"} {}"},
		{HUB_SPAWN, "{\"event\": \"environment\", \"event\": \"environment\"}"},
		{HUB_SPAWN, "{\"event\": \"environment\", \"more\": 1}"},
		{HUB_ADOPT, "{\"event\": \"environment\"}"},
		{HUB_STOCK, "{\"event\": \"environment\"}"},
		{HUB_SPAWN, "{\"event\": \"adopt\", \"app\": \"lab\"}"},
		{HUB_ADOPT, "{\"event\": \"adopt\"}"},
		{HUB_ADOPT, "{\"event\": \"adopt\", \"app\": \"a/b\"}"},
		{HUB_SPAWN, "{\"event\": \"serving\", \"port\": 1}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 0}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 65536}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": \"1\"}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"ip\": \"n1\"}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"ip\": \"10.0.0.1x\"}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"scheme\": \"file\"}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"nodes\": []}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"nodes\": [\"a b\"]}"},
		{HUB_STOCK, "{\"event\": \"serving\", \"port\": 1, \"spawn_id\": \"x\"}"},
		{HUB_SPAWN, "{\"event\": \"status\", \"state\": \"ended\"}"},
		{HUB_SPAWN,
		 "{\"event\": \"status\", \"state\": \"ready\", \"reason\": \"a\\nb\"}"},
		{HUB_SPAWN,
		 "{\"event\": \"status\", \"state\": \"ready\", \"phases\": {\"a\": -1}}"},
		{HUB_SPAWN,
		 "{\"event\": \"status\", \"state\": \"ready\", \"phases\": {\"a\": 1e300}}"},
		{HUB_SPAWN, "{\"event\": \"status\", \"state\": \"ready\", \"workers\": "
			    "[{\"kind\": \"d\", "
			    "\"expected\": -1, \"ready\": 0}]}"},
		{HUB_SPAWN, "{\"event\": \"status\", \"state\": \"ready\", \"workers\": "
			    "[{\"kind\": \"d\", "
			    "\"expected\": 1}]}"},
		{HUB_SPAWN,
		 "{\"event\": \"activity\", \"last_activity\": true, \"busy\": true}"},
		{HUB_SPAWN, "{\"event\": \"activity\", \"last_activity\": 1, \"busy\": 1}"},
		{HUB_SPAWN, "{\"event\": \"ended\", \"state\": \"ready\"}"},
		{HUB_SPAWN, "{\"event\": \"ended\"}"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum hub_action action;
		struct reason reason;
		json_t *fields;

		fails_with(parse(cases[i].mode, cases[i].line, &action, &fields, &reason),
			   EINVAL, "%s is refused", cases[i].line);
		ok(!fields && reason.text[0], "with words: %s", reason.text);
	}
}

/* Records. */

static json_t *serving_fields(void)
{
	enum hub_action action;
	struct reason reason;
	json_t *fields;

	if (parse(HUB_SPAWN, SERVING, &action, &fields, &reason) < 0)
		bail_out(reason.text);
	return fields;
}

static void test_record(void)
{
	char nonce[RECORD_NONCE], other[RECORD_NONCE], *text;
	struct hub_identity adopt = spawn;
	json_t *fields = serving_fields(), *record, *expected;

	is_int(record_nonce(nonce), 0, "a nonce is drawn");
	ok(strlen(nonce) == 32 && strspn(nonce, "0123456789abcdef") == 32, "128 bits in hex");
	ok(record_nonce(other) == 0 && strcmp(nonce, other) != 0, "and another one");
	text = record_text(&spawn, HUB_SERVING, fields, nonce, 1000000);
	record = json_loads(text, 0, NULL);
	expected =
		json_pack("{s:i, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:i, "
			  "s:s, s:[ss], s:s, s:s}",
			  "version", 1, "action", "serving", "cluster", "c1", "job_id", "123",
			  "restart", 2, "user", "alice", "hub", "http://hub:8081/hub/api",
			  "nonce", nonce, "issued", 1000000, "expires", 1000300, "spawn_id",
			  "0123456789abcdef", "ip", "10.0.0.1", "port", 40001, "scheme", "http",
			  "nodes", "n1", "n2", "head", "n1", "app", "lab");
	ok(expected && json_equal(record, expected), "the record of a spawn: %s", text);
	json_decref(record);
	json_decref(expected);
	free(text);
	adopt.mode = HUB_ADOPT;
	text = record_text(&adopt, HUB_SERVING, fields, nonce, 1000000);
	record = json_loads(text, 0, NULL);
	is_str(json_string_value(json_object_get(record, "server")), "job-123",
	       "an adopted job asks for a named server");
	ok(!json_object_get(record, "spawn_id"), "and has no spawn id");
	json_decref(record);
	json_decref(fields);
	free(text);
	fields = json_pack("{s:s}", "state", "ready");
	text = record_text(&spawn, HUB_STATUS, fields, nonce, 1000000);
	ok(text && strstr(text, "\"reason\":\"\"") && strstr(text, "\"phases\":{}") &&
		   strstr(text, "\"workers\":[]"),
	   "what is left out of a status is there, and empty");
	is_int(json_object_size(fields), 1, "the fields are as they were");
	json_decref(fields);
	free(text);
}

/* The largest that record_check() lets through still goes into one request. */
static void test_largest(void)
{
	char name[HUB_NAME_MAX], words[1024], nonce[RECORD_NONCE], *text;
	json_t *nodes = json_array(), *fields;
	struct hub_identity identity = spawn;
	struct reason reason;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(words, '"', sizeof(words) - 1); /* escaped, and so twice as long */
	words[sizeof(words) - 1] = '\0';
	identity.user = identity.cluster = name;
	for (int i = 0; i < RECORD_NODES_MAX; i++)
		json_array_append_new(nodes, json_string(name));
	fields = json_pack("{s:s, s:i, s:s, s:o, s:s, s:s}", "ip", "::1", "port", 1, "scheme",
			   "http", "nodes", nodes, "head", name, "app", "lab");
	is_int(record_check(HUB_SPAWN, HUB_SERVING, fields, &reason), 0, "the largest serving");
	record_nonce(nonce);
	text = record_text(&identity, HUB_SERVING, fields, nonce, 1000000);
	ok(text && strlen(text) > 16000, "is a record");
	free(text);
	json_array_append_new(nodes, json_string("n"));
	fails_with(record_check(HUB_SPAWN, HUB_SERVING, fields, &reason), EINVAL,
		   "one node more is refused");
	json_decref(fields);
	fields = json_pack("{s:s, s:s}", "state", "ready", "reason", words);
	is_int(record_check(HUB_SPAWN, HUB_STATUS, fields, &reason), 0, "the longest reason");
	json_decref(fields);
	text = calloc(1, 70000);
	memset(text, 'a', 69999);
	ok(!record_request(text) && errno == EMSGSIZE, "a request has 64 KiB at most");
	free(text);
	text = record_request("MUNGE:AAAA:");
	is_str(text, "{\"credential\":\"MUNGE:AAAA:\"}", "a request");
	free(text);
}

int main(void)
{
	test_url();
	test_identity();
	test_events_good();
	test_events_bad();
	test_record();
	test_largest();
	return done_testing();
}
