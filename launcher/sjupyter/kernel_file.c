/* SPDX-License-Identifier: MIT */
/* See kernel_file.h. */
#include "launcher/sjupyter/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

/* jupyter_client's names: those of the tunnel's ways too. */
const char *const kernel_file_sockets[KERNEL_FILE_SOCKETS] = {"shell", "iopub", "stdin",
							      "control", "hb"};

enum {
	TEXT_MAX = 256, /* of what the head answers; a key of 32 bytes takes 64 */
	FILE_MAX = 4096
};

int kernel_file_listen(const struct runtime_dir *dir, struct tunnel_client *client,
		       unsigned number, struct reason *reason)
{
	char path[KERNEL_FILE_PATH_MAX], way[TUNNEL_NAME_MAX];
	const char *name;

	/* jupyter_client: ipc://IP-PORT. */
	for (int i = 0; i < KERNEL_FILE_SOCKETS; i++) {
		snprintf(path, sizeof(path), "%s/kernel-%d", dir->path, i + 1);
		name = strrchr(path, '/') + 1;
		if (faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		/* As the head names them: head/kernel_host.c. */
		if (number > 1)
			snprintf(way, sizeof(way), "%s-%u", kernel_file_sockets[i], number);
		else
			snprintf(way, sizeof(way), "%s", kernel_file_sockets[i]);
		if (tunnel_client_listen(client, way, path, reason) < 0)
			return -1;
	}
	return 0;
}

static const char *take(const json_t *answer, const char *name)
{
	const char *text = json_string_value(json_object_get(answer, name));

	return text && *text && strlen(text) < TEXT_MAX && text_printable(text) ? text : NULL;
}

int kernel_file_write(const struct runtime_dir *dir, const char *job_id, const json_t *answer,
		      char path[KERNEL_FILE_PATH_MAX], struct reason *reason)
{
	const char *error = take(answer, "error"), *key = take(answer, "key");
	const char *scheme = take(answer, "signature_scheme");
	const char *name = take(answer, "kernel_name");
	char ip[KERNEL_FILE_PATH_MAX], file[64], port[32], text[FILE_MAX];
	json_t *json;
	int rc;

	if (error || !key || !scheme || !name) {
		errno = error ? ECONNREFUSED : EPROTO;
		return reason_set(reason, "the head of job %s: %s", job_id,
				  error ? error : "not an answer about a kernel's connection");
	}
	snprintf(ip, sizeof(ip), "%s/kernel", dir->path);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "transport", "ipc", "ip", ip, "key", key,
			 "signature_scheme", scheme, "kernel_name", name);
	for (int i = 0; json && i < KERNEL_FILE_SOCKETS; i++) {
		snprintf(port, sizeof(port), "%s_port", kernel_file_sockets[i]);
		json_object_set_new(json, port, json_integer(i + 1));
	}
	size_t size = json_dumpb(json, text, sizeof(text), JSON_INDENT(2));
	json_decref(json);
	snprintf(file, sizeof(file), "kernel-%s.json", job_id);
	snprintf(path, KERNEL_FILE_PATH_MAX, "%s/%s", dir->path, file);
	if (size == 0 || size > sizeof(text)) {
		errno = ENOMEM;
		rc = -1;
	} else {
		rc = file_replace(dir->fd, file, 0600, text, size);
	}
	int saved = errno;
	explicit_bzero(text, sizeof(text));
	errno = saved;
	return rc < 0 ? reason_set(reason, "%s: %s", path, strerror(errno)) : 0;
}
