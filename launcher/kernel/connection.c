/* SPDX-License-Identifier: MIT */
/* See connection.h. */
#include "launcher/kernel/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"

enum {
	FILE_BYTES_MAX = 16384 /* of a connection file; jupyter_client's has 350 */
};

struct connection {
	char *directory;
	int dirfd;
	char *file;
	char *kernel_name;
	bool tcp;
	unsigned ports[CONNECTION_CHANNELS]; /* 0: not known */
	char key[CONNECTION_KEY_MAX];
};

static const char *const names[CONNECTION_CHANNELS] = {"shell", "iopub", "stdin", "control",
						       "hb"};

const char *connection_name(enum connection_channel channel)
{
	return names[channel];
}

struct connection *connection_create(const char *path, int dirfd, const char *kernel_name,
				     bool tcp)
{
	struct connection *connection;
	unsigned char random[(CONNECTION_KEY_MAX - 1) / 2];

	if (strlen("ipc://") + strlen(path) + strlen("/kernel-5") >= CONNECTION_ENDPOINT_MAX) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	if (sodium_init() < 0) {
		errno = ENOSYS;
		return NULL;
	}
	connection = calloc(1, sizeof(*connection));
	if (connection == NULL)
		return NULL;
	connection->dirfd = dirfd;
	connection->tcp = tcp;
	connection->directory = strdup(path);
	connection->kernel_name = strdup(kernel_name);
	if (asprintf(&connection->file, "%s/" CONNECTION_FILE, path) < 0)
		connection->file = NULL;
	if (connection->directory == NULL || connection->kernel_name == NULL ||
	    connection->file == NULL) {
		connection_destroy(connection);
		errno = ENOMEM;
		return NULL;
	}
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(connection->key, sizeof(connection->key), random, sizeof(random));
	sodium_memzero(random, sizeof(random));
	return connection;
}

void connection_destroy(struct connection *connection)
{
	int saved = errno;

	if (connection == NULL)
		return;
	sodium_memzero(connection->key, sizeof(connection->key));
	free(connection->directory);
	free(connection->kernel_name);
	free(connection->file);
	free(connection);
	errno = saved;
}

/* What jupyter_client.connect.write_connection_file() writes. */
static char *file_text(const struct connection *connection)
{
	char ip[CONNECTION_ENDPOINT_MAX], port[16];
	json_t *object;
	char *text = NULL;

	snprintf(ip, sizeof(ip), "%s/kernel", connection->directory);
	object = json_pack(
		"{s:s, s:s, s:s, s:s, s:s}", "transport", connection->tcp ? "tcp" : "ipc", "ip",
		connection->tcp ? "127.0.0.1" : ip, "key", connection->key, "signature_scheme",
		CONNECTION_SCHEME, "kernel_name", connection->kernel_name);
	for (int i = 0; object != NULL && i < CONNECTION_CHANNELS; i++) {
		snprintf(port, sizeof(port), "%s_port", names[i]);
		if (json_object_set_new(object, port, json_integer(connection->ports[i])) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	if (object != NULL)
		text = json_dumps(object, JSON_INDENT(1));
	json_decref(object);
	if (text == NULL)
		errno = ENOMEM;
	return text;
}

int connection_prepare(struct connection *connection, struct reason *reason)
{
	char name[16], *text;
	int rc;

	for (unsigned i = 0; i < CONNECTION_CHANNELS; i++) {
		connection->ports[i] = connection->tcp ? 0 : i + 1;
		snprintf(name, sizeof(name), "kernel-%u", i + 1);
		/* None is the usual case. */
		(void) unlinkat(connection->dirfd, name, 0);
	}
	text = file_text(connection);
	rc = text == NULL ? -1
			  : file_replace(connection->dirfd, CONNECTION_FILE, 0600, text,
					 strlen(text));
	if (rc < 0)
		reason_set(reason, "%s: %s", connection->file, strerror(errno));
	if (text != NULL)
		sodium_memzero(text, strlen(text));
	free(text);
	return rc;
}

static bool is_text(const json_t *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && strcmp(text, expected) == 0;
}

/* 1 when all are there, 0 when not all are, -1 when one is no port or two are one. */
static int take_ports(const json_t *object, unsigned ports[CONNECTION_CHANNELS])
{
	char name[16];
	int all = 1;

	for (int i = 0; i < CONNECTION_CHANNELS; i++) {
		snprintf(name, sizeof(name), "%s_port", names[i]);
		const json_t *number = json_object_get(object, name);
		if (!json_is_integer(number) || json_integer_value(number) < 0 ||
		    json_integer_value(number) > 65535)
			return -1;
		ports[i] = (unsigned) json_integer_value(number);
		for (int k = 0; k < i; k++) {
			if (ports[i] != 0 && ports[k] == ports[i])
				return -1;
		}
		if (ports[i] == 0)
			all = 0;
	}
	return all;
}

int connection_look(struct connection *connection, struct reason *reason)
{
	unsigned ports[CONNECTION_CHANNELS];
	json_t *object = NULL;
	char *text = NULL;
	size_t size;
	int rc = -1;

	if (connection->ports[0] != 0)
		return 1;
	if (file_read(connection->dirfd, CONNECTION_FILE, FILE_BYTES_MAX, &text, &size) < 0)
		return reason_set(reason, "%s, which the kernel has written: %s",
				  connection->file, strerror(errno));
	/* Some truncate before they write. */
	if (size == 0) {
		free(text);
		return 0;
	}
	object = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object))
		reason_set(reason, "the kernel has written something into %s that is not JSON",
			   connection->file);
	else if (!is_text(object, "transport", "tcp") || !is_text(object, "ip", "127.0.0.1") ||
		 !is_text(object, "key", connection->key))
		reason_set(reason,
			   "the kernel has changed transport, ip or key in %s: it may write "
			   "nothing but the ports",
			   connection->file);
	else if ((rc = take_ports(object, ports)) < 0)
		reason_set(reason, "the kernel has written wrong ports into %s",
			   connection->file);
	if (rc == 1)
		memcpy(connection->ports, ports, sizeof(ports));
	json_decref(object);
	sodium_memzero(text, size);
	free(text);
	return rc;
}

const char *connection_endpoint(const struct connection *connection,
				enum connection_channel channel,
				char text[CONNECTION_ENDPOINT_MAX])
{
	if (connection->tcp)
		snprintf(text, CONNECTION_ENDPOINT_MAX, "tcp://127.0.0.1:%u",
			 connection->ports[channel]);
	else
		snprintf(text, CONNECTION_ENDPOINT_MAX, "ipc://%s/kernel-%u",
			 connection->directory, connection->ports[channel]);
	return text;
}

const char *connection_key(const struct connection *connection)
{
	return connection->key;
}

const char *connection_kernel(const struct connection *connection)
{
	return connection->kernel_name;
}

const char *connection_file(const struct connection *connection)
{
	return connection->file;
}
