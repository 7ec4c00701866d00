/* SPDX-License-Identifier: MIT */
/*
 * Tests of what the hub answers (hub-callback/reply.h, environment.h, batchspawner.h) and of
 * what a status is in words (hub_words.h).  Run by `make check`, as anybody.
 */
#include "hub-callback/reply.h"

#include "hub-callback/batchspawner.h"
#include "hub-callback/hub_words.h"

#include "tap.h"

/* The body. */

static void test_credential(void)
{
	static const char *const bad[] = {
		"",
		"null",
		"[]",
		"{}",
		"{",
		"<html>",
		"{\"credential\": 1}",
		"{\"credential\": \"\"}",
		"{\"credential\": \"MUNGE::\"}",
		"{\"credential\": \"MUNGE:AAAA\"}",
		"{\"credential\": \"MUNGE:AA AA:\"}",
		"{\"credential\": \"MUNGE:AAAA:\\n\"}",
		"{\"credential\": \"MUNGE:AAAA:\\u0000\"}",
		"{\"credential\": \"munge:AAAA:\"}",
		"{\"credential\": \"MUNGE:AAAA:\", \"more\": 1}",
		"{\"credential\": 1, \"credential\": \"MUNGE:AAAA:\"}",
		"{\"credential\": \"MUNGE:AAAA:\"} x"};
	static const char good[] = "{\"credential\": \"MUNGE:AwQ+/=:\"}";
	struct reason reason;
	char *credential = reply_credential(good, strlen(good), &reason);

	is_str(credential, "MUNGE:AwQ+/=:", "a credential");
	free(credential);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		credential = reply_credential(bad[i], strlen(bad[i]), &reason);
		ok(!credential && errno == EPROTO, "none: %s", bad[i]);
		free(credential);
	}
	ok(!reply_credential("{\"credential\": \"MUNGE:AAAA:\"}\0x", 30, &reason),
	   "bytes behind a NUL are seen");
}

/* The payload. */

static int take(const char *payload, bool with_environment, struct reply *reply,
		struct reason *reason)
{
	reason->text[0] = '\0';
	return reply_take(payload, strlen(payload), "abc", with_environment, reply, reason);
}

#define HEAD "{\"version\": 1, \"nonce\": \"abc\", \"known\": true"

static void test_payload(void)
{
	static const struct {
		const char *payload;
		bool with_environment;
		int error;
	} bad[] = {{"", false, EPROTO},
		   {"1", false, EPROTO},
		   {"{}", false, EPROTO},
		   {HEAD, false, EPROTO},
		   {HEAD "}", true, EPROTO},
		   {HEAD ", \"environment\": {}}", false, EPROTO},
		   {HEAD ", \"environment\": []}", true, EPROTO},
		   {HEAD ", \"more\": 1}", false, EPROTO},
		   {HEAD ", \"environment\": {}, \"more\": 1}", true, EPROTO},
		   {HEAD ", \"known\": true}", false, EPROTO},
		   {"{\"version\": 2, \"nonce\": \"abc\", \"known\": true}", false, EPROTO},
		   {"{\"version\": \"1\", \"nonce\": \"abc\", \"known\": true}", false, EPROTO},
		   {"{\"version\": 1, \"nonce\": \"abc\", \"known\": false}", false, EPROTO},
		   {"{\"version\": 1, \"nonce\": \"abc\", \"known\": 1}", false, EPROTO},
		   {"{\"version\": 1, \"known\": true}", false, EPROTO},
		   {"{\"version\": 1, \"nonce\": \"abd\", \"known\": true}", false, ESTALE}};
	struct reason reason;
	struct reply reply;

	is_int(take(HEAD "}", false, &reply, &reason), 0, "an answer without environment");
	ok(!reply.environment, "has none");
	reply_clear(&reply);
	is_int(take(HEAD ", \"environment\": {}}", true, &reply, &reason), 0, "an empty one");
	is_int(json_object_size(reply.environment), 0, "is one");
	reply_clear(&reply);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fails_with(take(bad[i].payload, bad[i].with_environment, &reply, &reason),
			   bad[i].error, "refused: %s", bad[i].payload);
		ok(!reply.environment && reason.text[0], "with words: %s", reason.text);
	}
}

static json_t *environment(const char *name, const char *value, char *left_out,
			   struct reason *reason)
{
	json_t *given = json_object(), *taken;

	json_object_set_new(given, name, json_string(value));
	taken = environment_take(given, left_out, reason);
	json_decref(given);
	return taken;
}

static void test_names(void)
{
	static const struct {
		const char *name;
		bool taken;
		const char *left_out;
	} good[] = {{"JUPYTERHUB_API_TOKEN", true, ""},
		    {"JUPYTER_PATH", true, ""},
		    {"MEM_LIMIT", true, ""},
		    {"SITE_DATA", true, ""},
		    {"http_proxy", true, ""},
		    {"_", true, ""},
		    {"LDAP_HOST", true, ""},
		    {"HOMEPAGE", true, ""},
		    {"PATH", false, ""},
		    {"HOME", false, ""},
		    {"LANG", false, ""},
		    {"LD_PRELOAD", false, "LD_PRELOAD"},
		    {"LD_LIBRARY_PATH", false, "LD_LIBRARY_PATH"},
		    {"SLURM_JOB_ID", false, "SLURM_JOB_ID"},
		    {"SPANK_JUPYTER_FD", false, "SPANK_JUPYTER_FD"},
		    {"PMIX_RANK", false, "PMIX_RANK"},
		    {"BASH_ENV", false, "BASH_ENV"}};
	static const char *const bad[] = {"",	 "1A",	      "A B",	      "A\nB",
					  "A=B", "A\xc3\xa9", "BASH_FUNC_x%%"};
	char left_out[ENVIRONMENT_LEFT_OUT_MAX];
	struct reason reason;
	json_t *taken;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		taken = environment(good[i].name, "v\n", left_out, &reason);
		is_int(json_object_size(taken), good[i].taken, "%s is %s", good[i].name,
		       good[i].taken ? "taken" : "left out");
		is_str(left_out, good[i].left_out, "and what is told of it");
		json_decref(taken);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		errno = 0;
		taken = environment(bad[i], "secret", left_out, &reason);
		ok(!taken && errno == EPROTO && !strstr(reason.text, "secret") &&
			   !strchr(reason.text, '\n'),
		   "refused: %s", reason.text);
		json_decref(taken);
	}
}

static void test_sizes(void)
{
	char left_out[ENVIRONMENT_LEFT_OUT_MAX], name[ENVIRONMENT_NAME_MAX + 1];
	char *value = calloc(1, ENVIRONMENT_VALUE_MAX + 1);
	json_t *given = json_object(), *taken;
	struct reason reason;

	memset(value, 'v', ENVIRONMENT_VALUE_MAX);
	ok(!environment("A", value, left_out, &reason), "a value of 64 KiB");
	value[ENVIRONMENT_VALUE_MAX - 1] = '\0';
	taken = environment("A", value, left_out, &reason);
	ok(taken, "and one byte less");
	json_decref(taken);
	memset(name, 'N', sizeof(name));
	name[ENVIRONMENT_NAME_MAX] = '\0';
	ok(!environment(name, "", left_out, &reason), "a name of 256 bytes");
	name[ENVIRONMENT_NAME_MAX - 1] = '\0';
	taken = environment(name, "", left_out, &reason);
	ok(taken, "and one byte less");
	json_decref(taken);
	json_object_set_new(given, "A", json_string(value));
	json_object_set_new(given, "B", json_string(value));
	json_object_set_new(given, "C", json_string(value));
	json_object_set_new(given, "D", json_string(value));
	ok(!environment_take(given, left_out, &reason), "four values of 64 KiB");
	json_object_clear(given);
	for (int i = 0; i <= ENVIRONMENT_COUNT_MAX; i++) {
		snprintf(name, sizeof(name), "LD_%d", i);
		json_object_set_new(given, name, json_string(""));
	}
	ok(!environment_take(given, left_out, &reason), "1025 variables");
	json_object_del(given, "LD_0");
	taken = environment_take(given, left_out, &reason);
	is_int(json_object_size(taken), 0, "1024 that are the node's are left out");
	ok(strlen(left_out) > 400 && !strcmp(left_out + strlen(left_out) - 4, " ..."),
	   "and their names cut");
	json_decref(taken);
	json_object_clear(given);
	json_object_set_new(given, "A", json_integer(1));
	ok(!environment_take(given, left_out, &reason), "a number");
	json_decref(given);
	free(value);
}

/* Statuses in words. */

static const struct hub_identity identities[] = {
	[HUB_SPAWN] = {.mode = HUB_SPAWN, .api = "http://hub/hub/api"},
	[HUB_STOCK] = {.mode = HUB_STOCK, .api = "http://hub/hub/api"},
	[HUB_ADOPT] = {.mode = HUB_ADOPT, .api = "http://hub/hub/api"}};

static void test_words(void)
{
	static const struct {
		long status;
		enum hub_mode mode;
		enum hub_outcome outcome;
		const char *words;
	} cases[] = {{302, HUB_ADOPT, HUB_REFUSED, "http://elsewhere/x"},
		     {302, HUB_SPAWN, HUB_REFUSED, "hub_connect_url"},
		     {400, HUB_SPAWN, HUB_REFUSED, "malformed"},
		     {401, HUB_SPAWN, HUB_REFUSED, "hub_user"},
		     {401, HUB_STOCK, HUB_REFUSED, "JUPYTERHUB_API_TOKEN"},
		     {403, HUB_SPAWN, HUB_GONE, "not yours"},
		     {403, HUB_STOCK, HUB_GONE, "revoked"},
		     {404, HUB_SPAWN, HUB_GONE, "jupyterhub_spank_spawner"},
		     {404, HUB_STOCK, HUB_GONE, "import batchspawner"},
		     {404, HUB_ADOPT, HUB_GONE, "jupyterhub_spank_spawner"},
		     {405, HUB_ADOPT, HUB_REFUSED, "/hub/api"},
		     {408, HUB_SPAWN, HUB_AGAIN, "in time"},
		     {409, HUB_SPAWN, HUB_GONE, "another job"},
		     {410, HUB_SPAWN, HUB_GONE, "cancelled"},
		     {418, HUB_SPAWN, HUB_REFUSED, "refuses"},
		     {425, HUB_SPAWN, HUB_AGAIN, "another try"},
		     {429, HUB_SPAWN, HUB_AGAIN, "too many"},
		     {500, HUB_SPAWN, HUB_AWAY, "its log"},
		     {503, HUB_SPAWN, HUB_AWAY, "munge"},
		     {503, HUB_STOCK, HUB_AWAY, "starts or ends"},
		     {599, HUB_STOCK, HUB_AWAY, "its log"},
		     {600, HUB_SPAWN, HUB_AGAIN, "no answer of a hub"},
		     {100, HUB_SPAWN, HUB_AGAIN, "no answer of a hub"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_reply reply = {.status = cases[i].status,
					   .body = "{\"message\": \"said\\u001b so\"}",
					   .size = 28,
					   .location = "http://elsewhere/x"};
		struct reason words;

		is_int(hub_words_status(&identities[cases[i].mode], &reply, &words),
		       cases[i].outcome, "status %ld", cases[i].status);
		ok(strstr(words.text, cases[i].words), "in words: %s", words.text);
		ok(strstr(words.text, "; the hub says: \"said\\x1b so\""), "and the hub's own");
	}
}

static void test_errors(void)
{
	static const struct {
		enum http_error error;
		enum hub_mode mode;
		enum hub_outcome outcome;
		const char *words;
	} cases[] = {{HTTP_UNREACHABLE, HUB_SPAWN, HUB_AWAY, "no answer: detail"},
		     {HTTP_UNVERIFIED, HUB_SPAWN, HUB_CERTIFICATE, "JUPYTERHUB_SSL_CLIENT_CA"},
		     {HTTP_BAD_ANSWER, HUB_SPAWN, HUB_AWAY, "no hub: detail"},
		     {HTTP_LOOPBACK, HUB_SPAWN, HUB_REFUSED, "c.JupyterHub.hub_connect_url"},
		     {HTTP_LOOPBACK, HUB_STOCK, HUB_REFUSED, "hub_connect_ip"},
		     {HTTP_LOOPBACK, HUB_ADOPT, HUB_REFUSED, "--jupyter-hub"},
		     {HTTP_BROKEN, HUB_SPAWN, HUB_AGAIN, "detail"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason words;

		is_int(hub_words_error(&identities[cases[i].mode], cases[i].error, "detail",
				       &words),
		       cases[i].outcome, "error %d", (int) cases[i].error);
		ok(strstr(words.text, cases[i].words), "in words: %s", words.text);
	}
}

static void test_message(void)
{
	static const char *const none[] = {"",
					   "x",
					   "[]",
					   "{}",
					   "null",
					   "{\"message\": 1}",
					   "\"message\"",
					   "{\"message\": \"\"}"};
	char message[REPLY_MESSAGE_MAX], *body;
	size_t size = 100000;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		reply_message(none[i], strlen(none[i]), message);
		is_str(message, "", "no words: %s", none[i]);
	}
	body = malloc(size);
	memset(body, 'x', size);
	memcpy(body, "{\"message\": \"", 13);
	memcpy(body + size - 2, "\"}", 2);
	reply_message(body, size, message);
	is_int(strlen(message), REPLY_MESSAGE_MAX - 1, "many words are cut");
	free(body);
}

/* What an unmodified hub knows. */

static bool known(struct batchspawner *batchspawner, const char *body)
{
	struct reason reason;

	return batchspawner_known(batchspawner, "gpu", body, strlen(body), &reason);
}

#define STARTED(when)                                                                          \
	"{\"servers\": {\"\": {\"started\": \"x\"}, \"gpu\": {\"started\": \"" when "\"}}}"

static void test_known(void)
{
	struct batchspawner batchspawner = {0};
	struct reason reason;
	char *body;
	json_t *fields = json_pack("{s:i, s:s}", "port", 40001, "ip", "10.0.0.1");

	body = batchspawner_body(fields);
	is_str(body, "{\"port\":40001}", "batchspawner is told the port alone");
	free(body);
	json_decref(fields);
	ok(known(&batchspawner, ""), "no JSON says nothing");
	ok(known(&batchspawner, "{\"name\": \"alice\"}"), "nor a model without servers");
	ok(known(&batchspawner, "{\"servers\": {}}"), "nor a list that never had ours");
	ok(known(&batchspawner, "{\"servers\": [1]}"), "nor one that is none");
	ok(known(&batchspawner, STARTED("2026-01-01")), "it is listed");
	ok(known(&batchspawner, STARTED("2026-01-01")), "and again");
	ok(known(&batchspawner, "{\"name\": \"alice\"}"),
	   "a model without servers says nothing");
	ok(!known(&batchspawner, STARTED("2026-01-02")), "started anew it is another's");
	ok(!known(&batchspawner, "{\"servers\": {}}"), "and not listed it is gone");
	ok(!batchspawner_known(&batchspawner, "gpu", "{\"servers\": {}}", 15, &reason) &&
		   strstr(reason.text, "list"),
	   "in words: %s", reason.text);
}

int main(void)
{
	test_credential();
	test_payload();
	test_names();
	test_sizes();
	test_words();
	test_errors();
	test_message();
	test_known();
	return done_testing();
}
