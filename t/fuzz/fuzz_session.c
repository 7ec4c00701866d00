/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the session record, common/session.h.  The input is the file.  What is read must
 * be harmless to show, and come back from what is written of it.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/session.h"
#include "common/text.h"

#define FILE_NAME "session.json"

static char path[4096];
static int dir = -1;
static struct reason reason;

static void dir_cleanup(void)
{
	unlinkat(dir, FILE_NAME, 0);
	rmdir(path);
}

/* In memory where there is a file system in memory: a disk allows a few hundred inputs a
 * second. */
static void dir_make(void)
{
	const char *base = getenv("TMPDIR");

	if (base == NULL)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(path, sizeof(path), "%s/fuzz-session-XXXXXX", base);
	REQUIRE(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(dir >= 0);
	atexit(dir_cleanup);
}

/* Without file_replace, which waits for the disk. */
static void put(const void *data, size_t size)
{
	int fd;

	if (dir < 0)
		dir_make();
	fd = openat(dir, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && fd_write_all(fd, data, size) == 0);
	close(fd);
}

static void check_text(const char *text)
{
	REQUIRE(text == NULL || (text_printable(text) && strlen(text) < 65536));
}

static void check_workers(const struct session *session, const struct session_workers *workers)
{
	REQUIRE(text_is_name(workers->kind, 64));
	REQUIRE(session_workers_find(session, workers->kind) == workers);
	check_text(workers->state);
	check_text(workers->reason);
	for (size_t i = 0; i < session->node_count; i++)
		REQUIRE(workers->nodes[i].expected <= SESSION_WORKERS_NODE_MAX &&
			workers->nodes[i].ready <= SESSION_WORKERS_NODE_MAX);
	REQUIRE(workers->missing_count <= SESSION_MISSING_MAX);
	for (size_t i = 0; i < workers->missing_count; i++) {
		const struct session_missing *missing = &workers->missing[i];

		REQUIRE(text_is_name(missing->node, 256));
		REQUIRE(missing->index < SESSION_WORKERS_NODE_MAX);
		REQUIRE(missing->reason != NULL);
		check_text(missing->reason);
		REQUIRE(missing->log == NULL || (text_lines_printable(missing->log) &&
						 strlen(missing->log) < SESSION_MISSING_LOG));
	}
}

static void check_taken(const struct session *session)
{
	REQUIRE(session->job_id != NULL &&
		strspn(session->job_id, "0123456789") == strlen(session->job_id));
	check_text(session->cluster);
	check_text(session->user);
	check_text(session->app);
	check_text(session->reason);
	check_text(session->url);
	check_text(session->ip);
	check_text(session->head_node);
	check_text(session->runtime_dir);
	check_text(session->log);
	check_text(session->step_id);
	check_text(session->array_job_id);
	check_text(session->array_task_id);
	REQUIRE(session->url == NULL || strncmp(session->url, "http", 4) == 0);
	REQUIRE(session->port <= 65535 && session->head_pid >= 0);
	REQUIRE(session->head_node == NULL || text_is_name(session->head_node, 256));
	REQUIRE(session->node_count <= SESSION_NODES_MAX);
	for (size_t i = 0; i < session->node_count; i++) {
		REQUIRE(text_is_name(session->nodes[i].name, 256));
		check_text(session->nodes[i].state);
	}
	REQUIRE(session->workers_count <= SESSION_WORKERS_MAX);
	for (size_t i = 0; i < session->workers_count; i++)
		check_workers(session, &session->workers[i]);
	for (int i = 0; i < PHASE_COUNT; i++)
		REQUIRE(session->phases[i] >= 0 && session->phases[i] < 1e12);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session *session = NULL, *again = NULL;
	char *json, *json_again;

	put(data, size);
	reason.text[0] = '\0';
	errno = 0;
	if (session_read(dir, &session, &reason) != 0) {
		REQUIRE(errno == EPROTO || errno == ENOTSUP);
		REQUIRE(reason.text[0] != '\0' && text_printable(reason.text));
		return 0;
	}
	check_taken(session);
	json = session_to_json(session);
	REQUIRE(json != NULL);
	put(json, strlen(json));
	REQUIRE(session_read(dir, &again, &reason) == 0);
	json_again = session_to_json(again);
	REQUIRE(json_again != NULL && strcmp(json, json_again) == 0);
	free(json);
	free(json_again);
	session_destroy(session);
	session_destroy(again);
	return 0;
}
