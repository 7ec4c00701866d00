/* SPDX-License-Identifier: MIT */
/*
 * Tests of what a hub's environment becomes (launcher/head/hub_environment.h).  Run by `make
 * check`, as anybody.
 */
#include "launcher/head/hub_environment.h"

#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "scratch.h"

static struct reason reason;
static int dir;
static struct env *server;
static struct hub_place place;
static struct hub_environment_options options;

static int apply(const char *text)
{
	static char *const begun[] = {"PATH=/bin", "JUPYTERHUB_API_TOKEN=another", NULL};
	json_t *given = json_loads(text, 0, NULL);

	if (!given)
		bail_out(text);
	env_destroy(server);
	server = env_create(begun);
	hub_place_clear(&place);
	int rc = hub_environment_apply(given, &options, server, &place, &reason);
	json_decref(given);
	return rc;
}

static void is_var(const char *name, const char *expected)
{
	is_str(env_get(server, name), expected, "%s", name);
}

static void is_file(const char *name, const char *expected)
{
	char *text = NULL;
	struct stat status = {.st_mode = 0};

	if (file_read(dir, name, 4096, &text, NULL) < 0)
		text = NULL;
	is_str(text, expected, "%s", name);
	fstatat(dir, name, &status, AT_SYMLINK_NOFOLLOW);
	is_int(status.st_mode & 0777, 0600, "%s is the user's alone", name);
	free(text);
}

static void test_take(void)
{
	static char *const job[] = {
		"PATH=/bin",	 "JUPYTERHUB_API_TOKEN=t", "JPY_API_TOKEN=t",
		"JUPYTERHUBX=1", "JUPYTERHUB_USER=\xff",   NULL};
	struct env *env = env_create(job);
	json_t *taken = hub_environment_take(env);

	is_int((long) json_object_size(taken), 2, "what is the hub's is taken");
	is_str(json_string_value(json_object_get(taken, "JUPYTERHUB_API_TOKEN")), "t",
	       "the token");
	ok(!env_get(env, "JUPYTERHUB_API_TOKEN") && !env_get(env, "JPY_API_TOKEN") &&
		   !env_get(env, "JUPYTERHUB_USER"),
	   "and is not there any more");
	ok(env_get(env, "PATH") && env_get(env, "JUPYTERHUBX"), "all else is");
	json_decref(taken);
	env_destroy(env);
}

static void test_apply(void)
{
	is_int(apply("{\"JUPYTERHUB_API_TOKEN\": \"secret\", \"MINE\": \"x\","
		     "\"JUPYTERHUB_SERVICE_PREFIX\": \"/user/al%20ice/job-7/\","
		     "\"JUPYTERHUB_SERVICE_URL\": "
		     "\"http://127.0.0.1:0/user/al%20ice/job-7/\"}"),
	       0, "a hub's environment");
	is_var("PATH", "/bin");
	is_var("MINE", "x");
	is_var("JUPYTERHUB_API_TOKEN", "secret");
	is_var("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:8888/user/al%20ice/job-7/");
	is_var("JUPYTERHUB_ROOT_DIR", "/root/dir");
	is_var("JUPYTERHUB_DEFAULT_URL", NULL);
	is_str(place.base, "/user/al%20ice/job-7", "the base");
	is_str(place.url, NULL, "its place in the hub is not known");
	ok(!place.tls, "without TLS");
	is_file(HUB_ENVIRONMENT_TOKEN, "secret");
	is_int(apply("{\"JUPYTERHUB_API_TOKEN\": \"t\"}"), 0, "the least");
	is_str(place.base, "", "is at the root");
	is_var("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:8888/");
	is_int(apply("{}"), -1, "without a token");
	ok(strstr(reason.text, "JUPYTERHUB_API_TOKEN") != NULL, "it is told what is missing");
}

static void test_places(void)
{
	static const char *const wrong[] = {"user", "/a b",	  "/a?b",
					    "/a#b", "/a\\u000ab", "/\\u00e9"};
	char text[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_SERVICE_PREFIX\": "
			 "\"%s\"}",
			 wrong[i]);
		is_int(apply(text), -1, "no path: %s", wrong[i]);
	}
	apply("{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_SERVICE_PREFIX\": \"/user/a/\","
	      "\"JUPYTERHUB_PUBLIC_URL\": \"https://hub/user/a/\", \"JUPYTERHUB_HOST\": "
	      "\"https://other\"}");
	is_str(place.url, "https://hub/user/a/", "as the hub says");
	apply("{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_SERVICE_PREFIX\": \"/user/a/\","
	      "\"JUPYTERHUB_PUBLIC_URL\": \"javascript:x\", \"JUPYTERHUB_HOST\": "
	      "\"https://a.hub\"}");
	is_str(place.url, "https://a.hub/user/a/", "at the hub's host");
	options.hub_url = "http://10.0.0.1:8000/hub/api";
	apply("{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_SERVICE_PREFIX\": \"/user/a/\"}");
	is_str(place.url, "http://10.0.0.1:8000/user/a/", "at the hub that was named");
	options.hub_url = NULL;
}

static void test_root(void)
{
	options.default_url = "/tree";
	apply("{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_ROOT_DIR\": \"~/hub\","
	      "\"JUPYTERHUB_DEFAULT_URL\": \"/lab\"}");
	is_var("JUPYTERHUB_ROOT_DIR", "~/hub");
	is_var("JUPYTERHUB_DEFAULT_URL", "/tree");
	options.default_url = NULL;
	options.own_root = true;
	apply("{\"JUPYTERHUB_API_TOKEN\": \"t\", \"JUPYTERHUB_ROOT_DIR\": \"~/hub\","
	      "\"JUPYTERHUB_DEFAULT_URL\": \"/lab\"}");
	is_var("JUPYTERHUB_ROOT_DIR", "/root/dir");
	is_var("JUPYTERHUB_DEFAULT_URL", "/lab");
	options.own_root = false;
}

static void test_tls(void)
{
	char path[400];

	is_int(apply("{\"JUPYTERHUB_API_TOKEN\": \"t\","
		     "\"JUPYTERHUB_SSL_KEYFILE\": \"-----BEGIN KEY\\n\","
		     "\"JUPYTERHUB_SSL_CERTFILE\": \"-----BEGIN CERT\\n\","
		     "\"JUPYTERHUB_SSL_CLIENT_CA\": \"/site/ca.pem\"}"),
	       0, "keys");
	ok(place.tls, "the server speaks TLS");
	is_file("hub-key.pem", "-----BEGIN KEY\n");
	is_file("hub-cert.pem", "-----BEGIN CERT\n");
	snprintf(path, sizeof(path), "%s/hub-key.pem", scratch_path);
	is_var("JUPYTERHUB_SSL_KEYFILE", path);
	is_var("JUPYTERHUB_SSL_CLIENT_CA", "/site/ca.pem");
	is_var("JUPYTERHUB_SERVICE_URL", "https://127.0.0.1:8888/");
	is_int(faccessat(dir, "hub-ca.pem", F_OK, 0), -1, "a path is no file's text");
}

int main(void)
{
	dir = scratch_open();
	options = (struct hub_environment_options){
		.runtime_fd = dir, .runtime_path = scratch_path, .root_dir = "/root/dir"};
	test_take();
	test_apply();
	test_places();
	test_root();
	test_tls();
	env_destroy(server);
	hub_place_clear(&place);
	hub_environment_forget(dir);
	is_int(entries(dir), 0, "nothing is left when it is forgotten");
	rmdir(scratch_path);
	close(dir);
	return done_testing();
}
