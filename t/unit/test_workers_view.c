/* SPDX-License-Identifier: MIT */
/* Unit test of launcher/sjupyter/workers_view.h; run by `make check` as whoever calls it. */
#include "launcher/sjupyter/workers_view.h"
#include "common/text.h"
#include "scratch.h"

static struct session *make_session(size_t nodes)
{
	struct session *session = session_create();
	char name[16];

	if (session == NULL ||
	    (session->nodes = calloc(nodes, sizeof(*session->nodes))) == NULL)
		bail_out("session");
	session->node_count = nodes;
	for (size_t i = 0; i < nodes; i++) {
		snprintf(name, sizeof(name), "n%zu", i + 1);
		if (session_set(&session->nodes[i].name, name) != 0)
			bail_out("session_set");
		strcpy(session->nodes[i].state, "up");
	}
	session->state = SESSION_SERVING;
	return session;
}

static struct session_workers *add(struct session *session, const char *kind, const char *state,
				   unsigned on_each)
{
	struct session_workers *workers = session_workers_add(session, kind);

	if (workers == NULL)
		bail_out("session_workers_add");
	strcpy(workers->state, state);
	for (size_t i = 0; i < session->node_count; i++)
		workers->nodes[i] = (struct session_workers_node){on_each, on_each};
	workers->expected = workers->ready = on_each * (unsigned) session->node_count;
	return workers;
}

/* One that is not there any more, or not yet. */
static void lose(struct session_workers *workers, unsigned node)
{
	workers->ready--;
	workers->nodes[node].ready--;
}

static void test_line(void)
{
	struct session *session = make_session(4);
	char text[1024];

	is_str(workers_view_line(session, text, sizeof(text)), "", "no workers, no line");
	is_str(workers_view_count(session, text), "-", "and no number");
	struct session_workers *dask = add(session, "dask", "starting", 2);
	struct session_workers *own = add(session, "own", "starting", 0);
	lose(dask, 1);
	lose(dask, 3);
	is_str(workers_view_line(session, text, sizeof(text)),
	       "workers: dask 6/8, own starting", "as they come up");
	is_str(workers_view_count(session, text), "6/8", "as a number");
	own->expected = own->ready = 8;
	is_str(workers_view_line(session, text, sizeof(text)), "workers: dask 6/8, own 8/8",
	       "of two kinds");
	is_str(workers_view_count(session, text), "14/16", "as a number");
	dask->ready = 8;
	is_str(workers_view_count(session, text), "16", "when all are there");
	for (size_t size = 1; size < 40; size++) {
		memset(text, 'x', sizeof(text));
		if (strlen(workers_view_line(session, text, size)) >= size || text[size] != 'x')
			ok(false, "in %zu bytes", size);
	}
	session_destroy(session);
}

/* What a function prints of a session, in a child whose stdout is a file. */
static const char *printed(int dir, void (*print)(const struct session *),
			   const struct session *session)
{
	static char text[65536];
	int fd = openat(dir, "out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), status;
	pid_t child = fork();
	ssize_t got;

	if (child == 0) {
		dup2(fd, STDOUT_FILENO);
		print(session);
		_exit(fflush(stdout));
	}
	if (fd < 0 || waitpid(child, &status, 0) != child || status != 0)
		bail_out("printed");
	got = pread(fd, text, sizeof(text) - 1, 0);
	text[got > 0 ? got : 0] = '\0';
	close(fd);
	return text;
}

static void print_all(const struct session *session)
{
	workers_view_print(session, "workers", 9);
}

static void test_print(int dir)
{
	struct session *session = make_session(4);
	struct session_workers *dask = add(session, "dask", "degraded", 2);

	add(session, "mpi", "ready", 1);
	session_set(&dask->reason, "2 of 8 are missing");
	lose(dask, 1);
	lose(dask, 3);
	session_missing_add(dask, "n2", 1, "exit status 1", "1\n2\n3\n4\n5\n\x1b[2J6\n");
	session_missing_add(dask, "n4", 0, "killed", "1\n2\n3\n4\n5\n\x1b[2J6\n");
	is_str(printed(dir, print_all, session),
	       "workers  dask: 6 of 8, degraded: 2 of 8 are missing\n"
	       "           not complete: n2 1/2, n4 1/2\n"
	       "           n2.1 is missing: exit status 1\n"
	       "             | 2\n             | 3\n             | 4\n             | 5\n"
	       "             | \\x1b[2J6\n"
	       "           n4.0 is missing: killed\n"
	       "             | (as above)\n"
	       "         mpi: 4 of 4, ready\n",
	       "who is missing, and what their logs say last");
	is_str(printed(dir, workers_view_table, session),
	       "KIND             STATE           READY  PER NODE\n"
	       "dask             degraded          6/8         2\n"
	       "mpi              ready             4/4         1\n"
	       "dask: 2 of 8 are missing\n"
	       "  not complete: n2 1/2, n4 1/2\n"
	       "  n2.1 is missing: exit status 1\n"
	       "    | 2\n    | 3\n    | 4\n    | 5\n    | \\x1b[2J6\n"
	       "  n4.0 is missing: killed\n"
	       "    | (as above)\n",
	       "the same as a table");
	session->state = SESSION_ENDED;
	ok(strstr(printed(dir, print_all, session), "dask: 6 of 8") != NULL,
	   "of a session that has ended what was wrong");
	ok(strstr(printed(dir, print_all, session), "mpi") == NULL, "and no more");
	session_destroy(session);
}

static void test_many(int dir)
{
	struct session *session = make_session(1000);
	struct session_workers *dask = add(session, "dask", "degraded", 2);
	int lines = 0;

	dask->nodes[999].expected = 3;
	for (unsigned i = 0; i < 1000; i++) {
		lose(dask, i);
		session_missing_add(dask, "n1", i, "killed", NULL);
	}
	const char *text = printed(dir, print_all, session);
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	is_int(lines, 1 + 1 + SESSION_MISSING_MAX + 1, "a thousand of them in few lines");
	ok(strstr(text, ", n16 1/2 and 984 more nodes\n") != NULL, "with the number of nodes");
	ok(strstr(text, "  and 968 more are missing\n") != NULL, "and of those not named");
	ok(strstr(printed(dir, workers_view_table, session), " 2-3\n") != NULL,
	   "nodes may have different numbers");
	session_destroy(session);
}

int main(void)
{
	int dir = scratch_open();

	test_line();
	test_print(dir);
	test_many(dir);
	unlinkat(dir, "out", 0);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
