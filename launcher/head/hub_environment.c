/* SPDX-License-Identifier: MIT */
/* See hub_environment.h. */
#include "launcher/head/hub_environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"

/* The server listens on a unix socket, for which Jupyter wants its default port. */
static const char service_host[] = "127.0.0.1:8888";

static const struct {
	const char *variable, *file;
} pem_files[] = {{"JUPYTERHUB_SSL_KEYFILE", "hub-key.pem"},
		 {"JUPYTERHUB_SSL_CERTFILE", "hub-cert.pem"},
		 {"JUPYTERHUB_SSL_CLIENT_CA", "hub-ca.pem"}};

static bool is_hubs(const char *name, void *arg)
{
	(void) arg;
	return !strncmp(name, "JUPYTERHUB_", strlen("JUPYTERHUB_")) ||
	       !strcmp(name, "JPY_API_TOKEN");
}

static int collect(const char *name, const char *value, void *arg)
{
	/* What is no UTF-8 is none of a hub's. */
	if (is_hubs(name, NULL))
		(void) json_object_set_new(arg, name, json_string(value));
	return 0;
}

json_t *hub_environment_take(struct env *environment)
{
	json_t *taken = json_object();

	if (!taken) {
		errno = ENOMEM;
		return NULL;
	}
	env_each(environment, collect, taken);
	env_remove(environment, is_hubs, NULL);
	return taken;
}

void hub_environment_forget(int runtime_fd)
{
	unlinkat(runtime_fd, HUB_ENVIRONMENT_TOKEN, 0);
	for (size_t i = 0; i < sizeof(pem_files) / sizeof(pem_files[0]); i++)
		unlinkat(runtime_fd, pem_files[i].file, 0);
}

void hub_place_clear(struct hub_place *place)
{
	free(place->base);
	free(place->url);
	*place = (struct hub_place){.base = NULL};
}

static const char *text(const json_t *given, const char *name)
{
	const char *value = json_string_value(json_object_get(given, name));

	return value && *value ? value : NULL;
}

/* The path of a URL: it goes into requests and into the record. */
static bool is_path(const char *path)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-._~/@!$&()*+,;=:%";

	return *path == '/' && strlen(path) < HUB_ENVIRONMENT_PATH_MAX &&
	       path[strspn(path, allowed)] == '\0';
}

static int set(struct env *server, const char *name, const char *value, struct reason *reason)
{
	if (env_set(server, name, value) == 0)
		return 0;
	return reason_set(reason, "the hub's environment: %s: %s", name, strerror(errno));
}

static int write_file(const struct hub_environment_options *options, const char *name,
		      const char *value, struct reason *reason)
{
	if (file_replace(options->runtime_fd, name, 0600, value, strlen(value)) == 0)
		return 0;
	return reason_set(reason, "%s/%s: %s", options->runtime_path, name, strerror(errno));
}

/* PEM text becomes a file, the name of a file stays. */
static int set_pem(const json_t *given, const struct hub_environment_options *options,
		   size_t which, struct env *server, struct reason *reason)
{
	const char *variable = pem_files[which].variable, *value = text(given, variable);
	char *path = NULL;

	if (!value || strncmp(value, "-----BEGIN ", strlen("-----BEGIN ")) != 0)
		return 0;
	if (write_file(options, pem_files[which].file, value, reason) < 0)
		return -1;
	if (asprintf(&path, "%s/%s", options->runtime_path, pem_files[which].file) < 0)
		return reason_set(reason, "%s: %s", variable, strerror(ENOMEM));
	int rc = set(server, variable, path, reason);
	free(path);
	return rc;
}

static int set_service_url(const struct hub_place *place, struct env *server,
			   struct reason *reason)
{
	char *url = NULL;

	if (asprintf(&url, "%s://%s%s/", place->tls ? "https" : "http", service_host,
		     place->base) < 0)
		return reason_set(reason, "%s", strerror(ENOMEM));
	int rc = set(server, "JUPYTERHUB_SERVICE_URL", url, reason);
	free(url);
	return rc;
}

/* "https://hub" of "https://hub/some/path". */
static size_t origin_size(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? (size_t) (host - url) + 3 + strcspn(host + 3, "/?#") : 0;
}

static bool is_url(const char *url)
{
	return url && (!strncmp(url, "http://", 7) || !strncmp(url, "https://", 8)) &&
	       is_path(url + origin_size(url));
}

/* Where the hub shows it: as the hub says itself, else at the hub that the user has named. */
static char *find_url(const json_t *given, const struct hub_environment_options *options,
		      const struct hub_place *place)
{
	const char *whole = text(given, "JUPYTERHUB_PUBLIC_URL");
	const char *host = text(given, "JUPYTERHUB_HOST");
	char *url = NULL;

	if (is_url(whole))
		return strdup(whole);
	if (!host)
		host = options->hub_url;
	if (!host || origin_size(host) == 0 ||
	    asprintf(&url, "%.*s%s/", (int) origin_size(host), host, place->base) < 0)
		return NULL;
	if (!is_url(url)) {
		free(url);
		url = NULL;
	}
	return url;
}

static int find_place(const json_t *given, const struct hub_environment_options *options,
		      struct hub_place *place, struct reason *reason)
{
	const char *prefix = text(given, "JUPYTERHUB_SERVICE_PREFIX");
	const char *service = text(given, "JUPYTERHUB_SERVICE_URL");

	if (!prefix)
		prefix = "/";
	if (!is_path(prefix)) {
		errno = EPROTO;
		return reason_set(reason, "the hub's environment: JUPYTERHUB_SERVICE_PREFIX is "
					  "not the path of a URL");
	}
	if (!(place->base = strdup(prefix)))
		return reason_set(reason, "%s", strerror(ENOMEM));
	for (size_t end = strlen(place->base); end > 0 && place->base[end - 1] == '/'; end--)
		place->base[end - 1] = '\0';
	place->tls = text(given, "JUPYTERHUB_SSL_CERTFILE") ||
		     (service && !strncmp(service, "https://", 8));
	place->url = find_url(given, options, place);
	return 0;
}

int hub_environment_apply(const json_t *given, const struct hub_environment_options *options,
			  struct env *server, struct hub_place *place, struct reason *reason)
{
	const char *token = text(given, "JUPYTERHUB_API_TOKEN"), *name;
	json_t *value;

	*place = (struct hub_place){.base = NULL};
	if (!token) {
		errno = EPROTO;
		return reason_set(reason, "the hub's environment has no JUPYTERHUB_API_TOKEN");
	}
	env_remove(server, is_hubs, NULL);
	json_object_foreach((json_t *) given, name, value)
	{
		if (set(server, name, json_string_value(value), reason) < 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(pem_files) / sizeof(pem_files[0]); i++)
		if (set_pem(given, options, i, server, reason) < 0)
			return -1;
	if (write_file(options, HUB_ENVIRONMENT_TOKEN, token, reason) < 0 ||
	    find_place(given, options, place, reason) < 0 ||
	    set_service_url(place, server, reason) < 0 ||
	    ((options->own_root || !text(given, "JUPYTERHUB_ROOT_DIR")) &&
	     set(server, "JUPYTERHUB_ROOT_DIR", options->root_dir, reason) < 0) ||
	    (options->default_url &&
	     set(server, "JUPYTERHUB_DEFAULT_URL", options->default_url, reason) < 0)) {
		hub_place_clear(place);
		return -1;
	}
	return 0;
}
