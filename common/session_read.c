/* SPDX-License-Identifier: MIT */
/*
 * Reads the session record: see session.h.  Used by sjupyter, as the user, on a file that may
 * have been cut by a full disk, written by another version, or made by somebody to harm.
 */
#include "session_take.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "text.h"

/* Opens and reads the file whole.  -1 with errno and a reason. */
static int record_load(int dirfd, char **data, size_t *size, struct reason *reason)
{
	__attribute__((cleanup(fd_close))) int fd = -1;
	struct stat status;

	fd = openat(dirfd, SESSION_FILE,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return reason_set(reason, "there is no %s", SESSION_FILE);
	if (fd < 0 && (errno == ELOOP || errno == ENXIO)) {
		errno = EPROTO;
		return reason_set(reason, "%s is not a regular file", SESSION_FILE);
	}
	if (fd < 0 || fstat(fd, &status) != 0)
		return reason_set(reason, "cannot open %s: %s", SESSION_FILE, strerror(errno));
	if (!S_ISREG(status.st_mode)) {
		errno = EPROTO;
		return reason_set(reason, "%s is not a regular file", SESSION_FILE);
	}
	if (status.st_uid != geteuid()) {
		errno = EPERM;
		return reason_set(reason, "%s belongs to uid %u, not to you", SESSION_FILE,
				  (unsigned) status.st_uid);
	}
	if (fd_read_all(fd, SESSION_FILE_MAX, data, size) == 0)
		return 0;
	if (errno == EFBIG) {
		errno = EPROTO;
		return reason_set(reason, "%s is larger than %d bytes", SESSION_FILE,
				  SESSION_FILE_MAX);
	}
	return reason_set(reason, "cannot read %s: %s", SESSION_FILE, strerror(errno));
}

static int texts_take(const json_t *root, struct session *session, struct reason *reason)
{
	for (const struct session_text *text = session_texts; text->name != NULL; text++) {
		const json_t *object =
			text->object != NULL ? json_object_get(root, text->object) : root;

		if (!session_is_absent(object) && !json_is_object(object))
			return session_damaged(reason, text->object);
		if (session_take_text(json_object_get(object, text->name), text->valid,
				      session_text_field(session, text)) != 0) {
			if (errno != EPROTO)
				return reason_set(reason, "out of memory");
			return session_damaged(reason, text->name);
		}
	}
	return 0;
}

static int counts_take(const json_t *root, struct session *session, struct reason *reason)
{
	const json_t *endpoint = json_object_get(root, "endpoint");
	const json_t *head = json_object_get(root, "head");
	const json_t *notebook = json_object_get(root, "notebook");
	unsigned pid = 0;

	if (session_take_count(json_object_get(root, "restart"), SESSION_COUNT_MAX,
			       &session->restart) != 0)
		return session_damaged(reason, "restart");
	if (session_take_count(json_object_get(root, "server_restarts"), SESSION_COUNT_MAX,
			       &session->server_restarts) != 0)
		return session_damaged(reason, "server_restarts");
	if (session_take_count(json_object_get(endpoint, "port"), 65535, &session->port) != 0)
		return session_damaged(reason, "port");
	if (session_take_count(json_object_get(head, "pid"), SESSION_PID_MAX, &pid) != 0)
		return session_damaged(reason, "pid");
	if (session_take_count(json_object_get(notebook, "cell"), SESSION_COUNT_MAX,
			       &session->cell) != 0 ||
	    session_take_count(json_object_get(notebook, "cells"), SESSION_COUNT_MAX,
			       &session->cells) != 0)
		return session_damaged(reason, "notebook");
	session->head_pid = (pid_t) pid;
	return 0;
}

static int times_take(const json_t *root, struct session *session, struct reason *reason)
{
	const json_t *phases = json_object_get(root, "phases");

	if (!session_is_absent(phases) && !json_is_object(phases))
		return session_damaged(reason, "phases");
	for (unsigned i = 0; i < PHASE_COUNT; i++) {
		const json_t *phase = json_object_get(phases, session_phase_name(i));

		if (session_take_time(phase, &session->phases[i]) != 0)
			return session_damaged(reason, "phases");
	}
	if (session_take_time(json_object_get(root, "job_end_time"), &session->job_end_time) !=
	    0)
		return session_damaged(reason, "job_end_time");
	if (session_take_time(json_object_get(root, "updated"), &session->updated) != 0)
		return session_damaged(reason, "updated");
	return 0;
}

static int nodes_take(const json_t *root, struct session *session, struct reason *reason)
{
	const json_t *nodes = json_object_get(root, "nodes");
	size_t count = json_array_size(nodes);

	if (session_is_absent(nodes))
		return 0;
	if (!json_is_array(nodes) || count > SESSION_NODES_MAX)
		return session_damaged(reason, "nodes");
	session->nodes = calloc(count > 0 ? count : 1, sizeof(*session->nodes));
	if (session->nodes == NULL)
		return reason_set(reason, "out of memory");
	session->node_count = count;
	for (size_t i = 0; i < count; i++) {
		const json_t *node = json_array_get(nodes, i);
		struct session_node *taken = &session->nodes[i];

		if (session_take_word(json_object_get(node, "state"), taken->state,
				      sizeof(taken->state)) != 0)
			return session_damaged(reason, "nodes");
		if (session_take_text(json_object_get(node, "name"), session_node_name_valid,
				      &taken->name) != 0) {
			if (errno != EPROTO)
				return reason_set(reason, "out of memory");
			return session_damaged(reason, "nodes");
		}
	}
	return 0;
}

/* What of it has to be there, and the bounds, is session_wrong_field()'s. */
static int kernels_take(const json_t *root, struct session *session, struct reason *reason)
{
	const json_t *kernels = json_object_get(root, "kernels");
	size_t count = json_array_size(kernels);

	if (session_take_count(json_object_get(root, "kernels_port"), 65535,
			       &session->kernels_port) != 0)
		return session_damaged(reason, "kernels_port");
	if (session_is_absent(kernels))
		return 0;
	if (!json_is_array(kernels) || count > SESSION_KERNELS_MAX)
		return session_damaged(reason, "kernels");
	session->kernel_count = count;
	for (size_t i = 0; i < count; i++) {
		const json_t *json = json_array_get(kernels, i);
		struct session_kernel *kernel = &session->kernels[i];

		if (session_take_count(json_object_get(json, "number"), SESSION_COUNT_MAX,
				       &kernel->number) != 0 ||
		    session_take_word(json_object_get(json, "kernel"), kernel->name,
				      sizeof(kernel->name)) != 0 ||
		    session_take_word(json_object_get(json, "state"), kernel->state,
				      sizeof(kernel->state)) != 0)
			return session_damaged(reason, "kernels");
	}
	return 0;
}

static int state_take(const json_t *root, struct session *session, struct reason *reason)
{
	const char *name = json_string_value(json_object_get(root, "state"));

	if (name == NULL || session_state_parse(name, &session->state) != 0)
		return session_damaged(reason, "state");
	return 0;
}

/* Before all else: a newer version may have changed every other field. */
static int version_check(const json_t *root, struct reason *reason)
{
	const json_t *version = json_object_get(root, "version");
	json_int_t number = json_integer_value(version);

	if (!json_is_integer(version) || number < 1)
		return session_damaged(reason, "version");
	if (number > SESSION_VERSION) {
		errno = ENOTSUP;
		return reason_set(reason,
				  "%s was written by a newer spank-jupyter (version "
				  "%" JSON_INTEGER_FORMAT "); this one reads version %d",
				  SESSION_FILE, number, SESSION_VERSION);
	}
	return 0;
}

static int record_parse(const char *data, size_t size, struct session *session,
			struct reason *reason)
{
	const char *wrong;
	json_error_t error;
	json_t *root;
	int result = -1;

	/* jansson 2.14 overlooks a NUL that comes right behind a number. */
	if (memchr(data, '\0', size) != NULL) {
		errno = EPROTO;
		return reason_set(reason, "%s is damaged: it holds a NUL byte", SESSION_FILE);
	}
	/* It refuses invalid UTF-8, text behind the end and deep nesting itself. */
	root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		errno = EPROTO;
		return reason_set(reason, "%s is damaged: line %d, column %d: %s", SESSION_FILE,
				  error.line, error.column, error.text);
	}
	if (!json_is_object(root)) {
		session_damaged(reason, "version");
		goto done;
	}
	if (version_check(root, reason) != 0 || state_take(root, session, reason) != 0 ||
	    texts_take(root, session, reason) != 0 || counts_take(root, session, reason) != 0 ||
	    times_take(root, session, reason) != 0 || nodes_take(root, session, reason) != 0 ||
	    session_take_workers(root, session, reason) != 0 ||
	    kernels_take(root, session, reason) != 0)
		goto done;
	/* What is missing, or out of bounds though of the right type. */
	wrong = session_wrong_field(session, false);
	if (wrong != NULL) {
		session_damaged(reason, wrong);
		goto done;
	}
	result = 0;
done:
	json_decref(root);
	return result;
}

int session_read(int dirfd, struct session **session, struct reason *reason)
{
	struct session *read = NULL;
	char *data = NULL;
	size_t size = 0;
	int saved;

	if (record_load(dirfd, &data, &size, reason) != 0)
		return -1;
	read = session_create();
	if (read == NULL) {
		reason_set(reason, "out of memory");
		goto error;
	}
	if (record_parse(data, size, read, reason) != 0)
		goto error;
	free(data);
	*session = read;
	return 0;

error:
	saved = errno;
	free(data);
	session_destroy(read);
	errno = saved;
	return -1;
}
