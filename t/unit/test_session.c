/* SPDX-License-Identifier: MIT */
/* Unit test of common/session.h; run by `make check` as whoever calls it. */
#include <math.h>
#include <time.h>

#include "common/fd.h"
#include "common/session.h"
#include "common/text.h"
#include "scratch.h"

#define FILE_NAME "session.json"

static struct reason reason;

static void put_bytes(int dir, const char *data, size_t size)
{
	int fd = openat(dir, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size) != 0)
		bail_out(FILE_NAME);
	close(fd);
}

static void put(int dir, const char *text)
{
	put_bytes(dir, text, strlen(text));
}

/* Reads what is not to be taken; the errno, or 0. */
static int refusal(int dir)
{
	struct session *session = NULL;
	int error;

	reason.text[0] = '\0';
	errno = 0;
	if (session_read(dir, &session, &reason) == 0) {
		session_destroy(session);
		return 0;
	}
	error = errno;
	if (session != NULL || reason.text[0] == '\0' || !text_printable(reason.text))
		return -1;
	return error;
}

static struct session *read_back(int dir)
{
	struct session *session = NULL;

	if (!is_int(session_read(dir, &session, &reason), 0, "the record is read"))
		tap_note("%s", reason.text);
	return session;
}

static void test_names(void)
{
	enum session_state state = SESSION_READY;

	for (unsigned i = SESSION_STARTING; i <= SESSION_FAILED; i++) {
		state = SESSION_STARTING;
		is_int(session_state_parse(session_state_name(i), &state), 0, "state %s",
		       session_state_name(i));
		is_int(state, i, "comes back");
		ok(session_state_final(i) == (i == SESSION_ENDED || i == SESSION_FAILED),
		   "and is final or not");
	}
	fails_with(session_state_parse("Serving", &state), EINVAL, "an unknown state");
	fails_with(session_state_parse("", &state), EINVAL, "an empty one");
	is_int(state, SESSION_FAILED, "leaves the output");
	is_str(session_state_name((enum session_state) 99), "unknown", "a state that is none");
	is_str(session_phase_name(PHASE_TRIGGERED), "triggered", "the first phase");
	is_str(session_phase_name(PHASE_ENDED), "ended", "the last phase");
	is_str(session_phase_name((enum session_phase) - 1), "unknown", "a phase that is none");
	for (unsigned i = 0; i < PHASE_COUNT; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(session_phase_name(i), session_phase_name(j)) == 0)
				ok(false, "phases have names of their own");
		}
	}
}

static void test_set(void)
{
	char *field = NULL;

	is_int(session_set(&field, "abc"), 0, "a field is set");
	is_int(session_set(&field, field + 1), 0, "to a part of itself");
	is_str(field, "bc", "as it was");
	is_int(session_set(&field, NULL), 0, "and cleared");
	ok(field == NULL, "to NULL");
	session_destroy(NULL);
}

/* Of three nodes: most of dask, and no mpi. */
static void add_workers(struct session *session)
{
	struct session_workers *dask = session_workers_add(session, "dask");
	struct session_workers *mpi = session_workers_add(session, "mpi");

	if (dask == NULL || mpi == NULL)
		bail_out("session_workers_add");
	strcpy(dask->state, "degraded");
	dask->settled = true;
	session_set(&dask->reason, "1 of 8 is missing");
	dask->expected = 8;
	dask->ready = 7;
	for (int i = 0; i < 3; i++)
		dask->nodes[i] = (struct session_workers_node){i < 2 ? 3 : 2, i == 1 ? 2 : 3};
	if (session_missing_add(dask, "n2-ib0.x", 1, "exit status 1: \"数据\"",
				"Traceback:\n  File \"x.py\"\nImportError: \033[1mno\r\n") !=
		    0 ||
	    session_missing_add(dask, "n_3", 1023, "has not come", NULL) != 0)
		bail_out("session_missing_add");
}

static struct session *full_session(void)
{
	struct session *session = session_create();

	if (session == NULL)
		bail_out("session_create");
	session_set(&session->job_id, "4294967294");
	session_set(&session->array_job_id, "12");
	session_set(&session->array_task_id, "0");
	session_set(&session->step_id, "3");
	session->restart = 2;
	session_set(&session->cluster, "test cluster");
	session_set(&session->user, "müller@EXAMPLE.ORG");
	session_set(&session->app, "kernel:ir");
	session->state = SESSION_DEGRADED;
	session_set(&session->reason, "node n2 lost: \"quoted\" \\ 数据 🙂");
	session_set(&session->url, "https://[2001:db8::1]:8888/user/a%20b/?x=y&z=(1)");
	session_set(&session->ip, "2001:db8::1");
	session->port = 65535;
	session_set(&session->head_node, "n1.example.org");
	session->head_pid = 4194304;
	session_set(&session->runtime_dir, "/tmp/a b/x");
	session_set(&session->log, "/home/Grüße \"x\"/session.log");
	session->server_restarts = 1;
	session->nodes = calloc(3, sizeof(*session->nodes));
	if (session->nodes == NULL)
		bail_out("calloc");
	session->node_count = 3;
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"n1", "n2-ib0.x", "n_3"};
		static const char *const states[] = {"up", "lost", "expected"};

		session_set(&session->nodes[i].name, names[i]);
		strcpy(session->nodes[i].state, states[i]);
	}
	session_set(&session->hub_url, "https://hub.example.org/hub/api");
	session_set(&session->hub_mode, "adopt");
	session_set(&session->hub_state, "waiting");
	session_set(&session->hub_reason, "it does not\x1b answer");
	add_workers(session);
	session->kernels_port = 4711;
	session->kernels[0] = (struct session_kernel){2, "python3", "ended"};
	session->kernels[1] = (struct session_kernel){7, "ir", "ready"};
	session->kernel_count = 2;
	for (int i = 0; i < PHASE_COUNT; i++)
		session->phases[i] = i == PHASE_READY ? 0 : 1700000000.123456 + i;
	session->job_end_time = 1700003600;
	return session;
}

static void same_workers(const struct session *read)
{
	const struct session_workers *dask = session_workers_find(read, "dask");
	const struct session_workers *mpi = session_workers_find(read, "mpi");

	is_int(read->workers_count, 2, "two kinds of workers");
	ok(session_workers_find(read, "das") == NULL, "and no other");
	if (dask == NULL || mpi == NULL) {
		ok(false, "by their names");
		return;
	}
	is_str(dask->state, "degraded", "the state of a kind");
	ok(dask->settled && !mpi->settled, "and whether more of it may come");
	is_str(dask->reason, "1 of 8 is missing", "and why");
	is_int(dask->expected, 8, "expected in all");
	is_int(dask->ready, 7, "ready in all");
	is_int(dask->nodes[0].expected, 3, "expected on the first node");
	is_int(dask->nodes[1].ready, 2, "ready on the second");
	is_int(dask->nodes[2].expected, 2, "expected on the last");
	is_int(dask->missing_count, 2, "two are missing");
	is_str(dask->missing[0].node, "n2-ib0.x", "the node of one");
	is_int(dask->missing[0].index, 1, "its number there");
	is_str(dask->missing[0].reason, "exit status 1: \"数据\"", "why it is missing");
	is_str(dask->missing[0].log,
	       "Traceback:\n  File \"x.py\"\nImportError: \\x1b[1mno\\x0d\n",
	       "its last lines, harmless");
	is_int(dask->missing[1].index, 1023, "the number of the other");
	ok(dask->missing[1].log == NULL, "without lines");
	is_str(mpi->state, "starting", "a kind that was only begun");
	ok(mpi->reason == NULL && mpi->expected == 0 && mpi->ready == 0 &&
		   mpi->missing_count == 0 && mpi->nodes[2].expected == 0,
	   "has nothing yet");
}

static void test_round_trip(int dir)
{
	struct session *written = full_session(), *read;
	double before = session_now();
	char *json, *data;
	bool same = true;

	is_int(session_write(written, dir), 0, "a record is written");
	ok(written->updated >= before && written->updated <= session_now(), "with the time");
	is_int(entries(dir), 1, "in one file");
	read = read_back(dir);
	if (read == NULL)
		return;
	is_str(read->job_id, written->job_id, "job_id");
	is_str(read->array_job_id, written->array_job_id, "array_job_id");
	is_str(read->array_task_id, written->array_task_id, "array_task_id");
	is_str(read->step_id, written->step_id, "step_id");
	is_int(read->restart, written->restart, "restart");
	is_str(read->cluster, written->cluster, "cluster");
	is_str(read->user, written->user, "user");
	is_str(read->app, written->app, "app");
	is_int(read->state, written->state, "state");
	is_str(read->reason, written->reason, "reason");
	is_str(read->url, written->url, "url");
	is_str(read->ip, written->ip, "ip");
	is_int(read->port, written->port, "port");
	is_str(read->head_node, written->head_node, "head_node");
	is_int(read->head_pid, written->head_pid, "head_pid");
	is_str(read->runtime_dir, written->runtime_dir, "runtime_dir");
	is_str(read->log, written->log, "log");
	is_str(read->hub_url, written->hub_url, "the hub");
	is_str(read->hub_mode, "adopt", "how it is spoken to");
	is_str(read->hub_state, "waiting", "what it knows");
	is_str(read->hub_reason, "it does not\\x1b answer", "and why");
	is_int(read->server_restarts, written->server_restarts, "server_restarts");
	is_int(read->node_count, 3, "nodes");
	for (size_t i = 0; i < read->node_count && i < 3; i++) {
		is_str(read->nodes[i].name, written->nodes[i].name, "a node");
		is_str(read->nodes[i].state, written->nodes[i].state, "and its state");
	}
	same_workers(read);
	is_int(read->kernels_port, 4711, "kernels_port");
	ok(read->kernel_count == 2 && read->kernels[0].number == 2 &&
		   !strcmp(read->kernels[0].state, "ended") && read->kernels[1].number == 7 &&
		   !strcmp(read->kernels[1].name, "ir"),
	   "kernels");
	for (int i = 0; i < PHASE_COUNT; i++)
		same &= fabs(read->phases[i] - written->phases[i]) < 2e-6;
	ok(same, "phases, to microseconds");
	ok(read->job_end_time == written->job_end_time, "job_end_time");
	ok(fabs(read->updated - written->updated) < 2e-6, "updated");

	json = session_to_json(written);
	if (json == NULL || file_read(dir, FILE_NAME, SESSION_FILE_MAX, &data, NULL) != 0)
		bail_out("session_to_json");
	ok(strncmp(data, json, strlen(json)) == 0 && strcmp(data + strlen(json), "\n") == 0,
	   "--json is the file");
	ok(strstr(json, "\"serving\":") != NULL && strstr(json, "\"ready\":1") == NULL,
	   "a phase that is not yet is left out");
	ok(strstr(json, "\"workers\":[{\"kind\":\"dask\",\"state\":\"degraded\",\"settled\":"
			"true,\"reason\":\"1 of 8 is "
			"missing\",\"expected\":8,\"ready\":7,\"nodes\":[{\"name\":\"n1\","
			"\"expected\":3,\"ready\":3},") != NULL,
	   "workers have the documented form");
	ok(strstr(json, "\"missing\":[{\"node\":\"n2-ib0.x\",\"index\":1,\"reason\":") !=
			   NULL &&
		   strstr(json, "\"log\":null}],") == NULL &&
		   strstr(json, "\"log\":null}]}") != NULL,
	   "missing ones too");
	ok(strncmp(json, "{\"version\":1,\"state\":\"degraded\",\"job_id\":\"4294967294\",",
		   54) == 0,
	   "version, state and job come first");
	free(json);
	free(data);
	session_destroy(read);
	session_destroy(written);
}

static void test_least(int dir)
{
	struct session *session = session_create();
	struct stat status;
	char *json;

	fails_with(session_write(session, dir), EINVAL, "without a job no record");
	ok(session->updated == 0, "and no time of it");
	session_set(&session->job_id, "7");
	is_int(session_write(session, dir), 0, "a job is enough");
	json = session_to_json(session);
	ok(json != NULL && strstr(json, "\"reason\":null") != NULL &&
		   strstr(json, "\"endpoint\":{\"ip\":null,\"port\":null}") != NULL &&
		   strstr(json, "\"head\":{\"node\":null,\"pid\":null,\"runtime_dir\":null}") !=
			   NULL &&
		   strstr(json, "\"nodes\":[]") != NULL &&
		   strstr(json, "\"workers\":[]") != NULL &&
		   strstr(json, "\"phases\":{}") != NULL &&
		   strstr(json, "\"job_end_time\":null") != NULL,
	   "what is not known is null");
	free(json);
	session_destroy(session);
	is_int(fstatat(dir, FILE_NAME, &status, 0), 0, "the file is there");
	is_int(status.st_mode, S_IFREG | 0600, "for its owner alone");
	session = read_back(dir);
	ok(session != NULL && session->reason == NULL && session->ip == NULL &&
		   session->node_count == 0 && session->head_pid == 0 && session->port == 0 &&
		   session->state == SESSION_STARTING,
	   "and the rest is as created");
	session_destroy(session);
	put(dir,
	    "{\"version\":1,\"job_id\":\"7\",\"state\":\"failed\",\"new\":{\"deep\":[1,{}]},"
	    "\"phases\":{\"dreaming\":1},\"head\":{\"new\":2},"
	    "\"nodes\":[{\"name\":\"n1\",\"state\":\"up\",\"new\":3}]}");
	session = read_back(dir);
	ok(session != NULL && session->state == SESSION_FAILED && session->node_count == 1,
	   "unknown fields are ignored");
	session_destroy(session);
	put(dir,
	    "{\"version\":1,\"job_id\":\"7\",\"state\":\"ready\",\"nodes\":[{\"name\":\"n1\","
	    "\"state\":\"up\"}],\"workers\":[{\"kind\":\"dask\",\"state\":\"ready\",\"new\":1,"
	    "\"missing\":[{\"node\":\"n1\",\"reason\":\"x\",\"new\":{}}]}]}");
	session = read_back(dir);
	ok(session != NULL && session->workers_count == 1 &&
		   session->workers[0].missing_count == 1 &&
		   session->workers[0].nodes[0].expected == 0,
	   "workers may be told in few words");
	ok(session != NULL && session->workers_count == 1 && session->workers[0].settled,
	   "where nothing else is said, all that is not starting is settled");
	session_destroy(session);
	put(dir,
	    "{\"version\":1,\"job_id\":\"7\",\"state\":\"degraded\",\"workers\":["
	    "{\"kind\":\"a\",\"state\":\"starting\"},"
	    "{\"kind\":\"b\",\"state\":\"degraded\",\"settled\":false}]}");
	session = read_back(dir);
	ok(session != NULL && session->workers_count == 2 && !session->workers[0].settled &&
		   !session->workers[1].settled,
	   "which is not what starts, nor what is said not to be");
	session_destroy(session);
}

/* Cut anywhere, by a full disk or a crash of the node. */
static void test_truncated(int dir)
{
	struct session *session = full_session();
	char *json = session_to_json(session);
	size_t length, wrong = 0;

	if (json == NULL)
		bail_out("session_to_json");
	length = strlen(json);
	for (size_t i = 0; i < length; i++) {
		put_bytes(dir, json, i);
		wrong += refusal(dir) != EPROTO;
	}
	is_int(wrong, 0, "cut at each of %zu bytes it is damaged", length);
	for (size_t i = 0; i < length; i++) {
		char byte = json[i];

		json[i] = '\0';
		put_bytes(dir, json, length);
		wrong += refusal(dir) != EPROTO;
		json[i] = '\x1b';
		put_bytes(dir, json, length);
		wrong += refusal(dir) != EPROTO;
		json[i] = '\xff';
		put_bytes(dir, json, length);
		wrong += refusal(dir) != EPROTO;
		json[i] = byte;
	}
	is_int(wrong, 0, "as with a NUL, an ESC or a byte that is no UTF-8 at each");
	free(json);
	session_destroy(session);
}

static void test_version(int dir)
{
	static const char *const future[] = {
		"{\"version\":2}",
		"{\"version\":2,\"job_id\":12,\"state\":\"dreaming\",\"nodes\":{}}",
	};
	static const char *const bad[] = {
		"{\"version\":0}",
		"{\"version\":-1}",
		"{\"version\":\"1\"}",
		"{\"version\":1.0}",
		"{\"version\":null}",
		"{\"version\":true}",
		"{\"version\":99999999999999999999}",
		"{}",
		"{\"job_id\":\"1\",\"state\":\"ready\"}",
	};

	for (size_t i = 0; i < sizeof(future) / sizeof(*future); i++) {
		put(dir, future[i]);
		is_int(refusal(dir), ENOTSUP, "a record from the future");
		is_str(reason.text,
		       "session.json was written by a newer spank-jupyter (version 2); this "
		       "one reads "
		       "version 1",
		       "says so");
	}
	put(dir, "{\"version\":9223372036854775807}");
	is_int(refusal(dir), ENOTSUP, "and from a very far one");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(dir, bad[i]);
		is_int(refusal(dir), EPROTO, "no version: %s", bad[i]);
	}
}

/* Workers of one kind, one of them missing, with one more field. */
#define WORKERS(field) "\"workers\":[{\"kind\":\"a\"," field "}]"
#define READY(field)   WORKERS("\"state\":\"ready\"," field)
#define MISSING(field) READY("\"missing\":[{\"node\":\"n1\",\"reason\":\"x\"," field "}]")

/* Fields, each put into a record that is else right. */
static void test_fields(int dir)
{
	static const char *const good[] = {
		"\"reason\":\"\"",
		"\"reason\":\"a \\\"b\\\" \\\\ c\"",
		"\"reason\":null",
		"\"endpoint\":null",
		"\"endpoint\":{}",
		"\"head\":null",
		"\"hub\":null",
		"\"hub\":{}",
		"\"hub\":{\"state\":\"registered\",\"mode\":\"spawn\"}",
		"\"hub\":{\"state\":\"orphan\",\"reason\":\"a b\",\"url\":\"https://h/\"}",
		"\"nodes\":null",
		"\"nodes\":[]",
		"\"phases\":null",
		"\"phases\":{\"ready\":1}",
		"\"phases\":{\"ready\":null}",
		"\"job_end_time\":0",
		"\"url\":\"http://a\"",
		"\"endpoint\":{\"ip\":\"10.0.0.1\",\"port\":1}",
		"\"endpoint\":{\"ip\":\"::1\"}",
		"\"restart\":0",
		"\"app\":\"lab\"",
		"\"head\":{\"pid\":1}",
		"\"workers\":null",
		"\"workers\":[]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"failed\",\"nodes\":[],\"missing\":"
		"null}]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"ready\"},{\"kind\":\"b\",\"state\":"
		"\"ready\"}]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"ready\",\"expected\":67108864}]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"ready\",\"reason\":null}]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"ready\",\"settled\":null}]",
		"\"kernels\":null",
		"\"kernels\":[],\"kernels_port\":null",
		"\"kernels\":[{\"number\":1,\"kernel\":\"a\",\"state\":\"hung\",\"more\":1}]",
	};
	static const char *const bad[] = {
		/* wrong types */
		"\"reason\":1",
		"\"reason\":[]",
		"\"reason\":{}",
		"\"reason\":true",
		"\"url\":1",
		"\"log\":[]",
		"\"cluster\":1",
		"\"user\":{}",
		"\"app\":false",
		"\"step_id\":3",
		"\"array_job_id\":3",
		"\"array_task_id\":3",
		"\"restart\":\"1\"",
		"\"restart\":1.5",
		"\"server_restarts\":[]",
		"\"endpoint\":5",
		"\"endpoint\":[]",
		"\"endpoint\":\"x\"",
		"\"head\":5",
		"\"head\":[]",
		"\"nodes\":{}",
		"\"nodes\":1",
		"\"nodes\":[1]",
		"\"nodes\":[[]]",
		"\"nodes\":[null]",
		"\"phases\":[]",
		"\"phases\":1",
		"\"phases\":{\"ready\":\"1\"}",
		"\"job_end_time\":\"1\"",
		"\"updated\":[]",
		/* kernels */
		"\"kernels_port\":65536",
		"\"kernels_port\":\"80\"",
		"\"kernels\":{}",
		"\"kernels\":[1]",
		"\"kernels\":[{\"kernel\":\"a\",\"state\":\"ready\"}]",
		"\"kernels\":[{\"number\":0,\"kernel\":\"a\",\"state\":\"ready\"}]",
		"\"kernels\":[{\"number\":-1,\"kernel\":\"a\",\"state\":\"ready\"}]",
		"\"kernels\":[{\"number\":1,\"kernel\":\"../a\",\"state\":\"ready\"}]",
		"\"kernels\":[{\"number\":1,\"kernel\":\"a\",\"state\":\"well\"}]",
		"\"kernels\":[{\"number\":1,\"kernel\":\"a\"}]",
		"\"kernels\":[{\"number\":2,\"kernel\":\"a\",\"state\":\"ready\"},"
		"{\"number\":2,\"kernel\":\"b\",\"state\":\"ready\"}]",
		/* the hub */
		"\"hub\":5",
		"\"hub\":[]",
		"\"hub\":{\"state\":\"\"}",
		"\"hub\":{\"state\":\"x\"}",
		"\"hub\":{\"state\":1}",
		"\"hub\":{\"url\":\"javascript:x\"}",
		"\"hub\":{\"mode\":\"-x\"}",
		"\"hub\":{\"reason\":\"a\\nb\"}",
		/* ids */
		"\"step_id\":\"\"",
		"\"step_id\":\"-1\"",
		"\"step_id\":\"1 \"",
		"\"step_id\":\"0x1\"",
		"\"step_id\":\"4294967296\"",
		"\"step_id\":\"00000000001\"",
		"\"array_job_id\":\"a\"",
		"\"array_task_id\":\"../x\"",
		/* the endpoint */
		"\"endpoint\":{\"ip\":\"\"}",
		"\"endpoint\":{\"ip\":\"localhost\"}",
		"\"endpoint\":{\"ip\":\"10.0.0\"}",
		"\"endpoint\":{\"ip\":\"10.0.0.256\"}",
		"\"endpoint\":{\"ip\":\"10.0.0.1 \"}",
		"\"endpoint\":{\"ip\":\"::1%eth0\"}",
		"\"endpoint\":{\"ip\":\"[::1]\"}",
		"\"endpoint\":{\"ip\":\"10.0.0.1;id\"}",
		"\"endpoint\":{\"ip\":1}",
		"\"endpoint\":{\"port\":65536}",
		"\"endpoint\":{\"port\":-1}",
		"\"endpoint\":{\"port\":\"80\"}",
		"\"endpoint\":{\"port\":80.0}",
		"\"endpoint\":{\"port\":4294967376}",
		/* URLs */
		"\"url\":\"\"",
		"\"url\":\"http://\"",
		"\"url\":\"ftp://a\"",
		"\"url\":\"a\"",
		"\"url\":\"javascript:alert(1)\"",
		"\"url\":\"file:///etc\"",
		"\"url\":\"HTTP://a\"",
		"\"url\":\" http://a\"",
		"\"url\":\"http://a b\"",
		"\"url\":\"http://a\\n\"",
		"\"url\":\"http://a\\u001b[2J\"",
		"\"url\":\"http://a'$(id)'\"",
		"\"url\":\"http://a`id`\"",
		"\"url\":\"http://ä\"",
		"\"url\":\"http://a\\\"\"",
		/* the head */
		"\"head\":{\"pid\":-1}",
		"\"head\":{\"pid\":4194305}",
		"\"head\":{\"pid\":\"1\"}",
		"\"head\":{\"pid\":4294967297}",
		"\"head\":{\"node\":\"\"}",
		"\"head\":{\"node\":\"-oProxyCommand=id\"}",
		"\"head\":{\"node\":\"a b\"}",
		"\"head\":{\"node\":\"a;id\"}",
		"\"head\":{\"node\":\"../a\"}",
		"\"head\":{\"node\":1}",
		"\"head\":{\"runtime_dir\":\"relative\"}",
		"\"head\":{\"runtime_dir\":\"\"}",
		"\"head\":{\"runtime_dir\":\"/a\\nb\"}",
		"\"log\":\"relative\"",
		"\"log\":\"\"",
		"\"log\":\"/a\\u0000\"",
		/* nodes */
		"\"nodes\":[{}]",
		"\"nodes\":[{\"name\":\"n1\"}]",
		"\"nodes\":[{\"state\":\"up\"}]",
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"Up\"}]",
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"0123456789abcdef\"}]",
		"\"nodes\":[{\"name\":\"n1\",\"state\":1}]",
		"\"nodes\":[{\"name\":null,\"state\":\"up\"}]",
		"\"nodes\":[{\"name\":\"-n1\",\"state\":\"up\"}]",
		"\"nodes\":[{\"name\":\"n 1\",\"state\":\"up\"}]",
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"},{}]",
		/* workers */
		"\"workers\":{}",
		"\"workers\":1",
		"\"workers\":[1]",
		"\"workers\":[null]",
		"\"workers\":[[]]",
		"\"workers\":[{}]",
		"\"workers\":[{\"kind\":\"a\"}]",
		"\"workers\":[{\"state\":\"ready\"}]",
		WORKERS("\"state\":\"Ready\""),
		WORKERS("\"state\":\"serving\""),
		WORKERS("\"state\":\"0123456789abcdef\""),
		WORKERS("\"state\":1"),
		WORKERS("\"state\":null"),
		"\"workers\":[{\"kind\":\"\",\"state\":\"ready\"}]",
		"\"workers\":[{\"kind\":\"-a\",\"state\":\"ready\"}]",
		"\"workers\":[{\"kind\":\"a/b\",\"state\":\"ready\"}]",
		"\"workers\":[{\"kind\":\"a=1\",\"state\":\"ready\"}]",
		"\"workers\":[{\"kind\":1,\"state\":\"ready\"}]",
		"\"workers\":[{\"kind\":\"a\",\"state\":\"ready\"},{\"kind\":\"a\",\"state\":"
		"\"ready\"}]",
		READY("\"settled\":1"),
		READY("\"settled\":\"true\""),
		READY("\"expected\":-1"),
		READY("\"expected\":67108865"),
		READY("\"expected\":4294967297"),
		READY("\"expected\":1.0"),
		READY("\"ready\":\"1\""),
		READY("\"ready\":-1"),
		READY("\"reason\":1"),
		READY("\"reason\":\"a\\nb\""),
		READY("\"reason\":\"\\u001b[2J\""),
		READY("\"nodes\":{}"),
		READY("\"nodes\":[{\"name\":\"n1\"}]"), /* the session has none */
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY("\"nodes\":[]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY("\"nodes\":[1]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY("\"nodes\":[{}]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY(
			"\"nodes\":[{\"name\":\"n2\"}]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY(
			"\"nodes\":[{\"name\":\"n1\"},{\"name\":\"n1\"}]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY(
			"\"nodes\":[{\"name\":\"n1\",\"expected\":1025}]"),
		"\"nodes\":[{\"name\":\"n1\",\"state\":\"up\"}]," READY(
			"\"nodes\":[{\"name\":\"n1\",\"ready\":-1}]"),
		READY("\"missing\":{}"),
		READY("\"missing\":[1]"),
		READY("\"missing\":[{}]"),
		READY("\"missing\":[{\"node\":\"n1\"}]"),
		READY("\"missing\":[{\"reason\":\"x\"}]"),
		READY("\"missing\":[{\"node\":\"-n1\",\"reason\":\"x\"}]"),
		READY("\"missing\":[{\"node\":\"n1\",\"reason\":\"a\\nb\"}]"),
		READY("\"missing\":[{\"node\":\"n1\",\"reason\":1}]"),
		MISSING("\"index\":1024"),
		MISSING("\"index\":-1"),
		MISSING("\"index\":\"1\""),
		MISSING("\"log\":1"),
		MISSING("\"log\":\"without an end\""),
		MISSING("\"log\":\"a\\nb\""),
		MISSING("\"log\":\"\\u001b[2J\\n\""),
		MISSING("\"log\":\"a\\r\\n\""),
		MISSING("\"log\":\"\\u202e\\n\""),
		MISSING("\"log\":\"\\u0000\\n\""),
		/* numbers */
		"\"restart\":-1",
		"\"restart\":4294967296",
		"\"server_restarts\":2147483648",
		"\"phases\":{\"ready\":-1}",
		"\"phases\":{\"ready\":1e12}",
		"\"phases\":{\"ready\":1e999}",
		"\"phases\":{\"ready\":NaN}",
		"\"job_end_time\":-0.5",
		"\"updated\":1e300",
		"\"updated\":Infinity",
		/* names */
		"\"cluster\":\"\"",
		"\"user\":\"-l\"",
		"\"app\":\"\\u009b\"",
		"\"user\":\"a\\tb\"",
		/* commands of a terminal, and turned text */
		"\"reason\":\"\\u001b]0;x\\u0007\"",
		"\"reason\":\"\\u009b2J\"",
		"\"reason\":\"\\u007f\"",
		"\"reason\":\"a\\nb\"",
		"\"reason\":\"\\u202e\"",
		"\"cluster\":\"\\u001b[2J\"",
		"\"reason\":\"\\ud800\"",
		"\"reason\":\"\\u0000\"",
		/* no JSON */
		"\"reason\":\"a\",\"reason\":\"b\"",
		"\"version\":1",
		"\"state\":\"ended\"",
		"\"head\":{\"pid\":1,\"pid\":2}",
		"\"reason\":'x'",
		"\"reason\":x",
		"\"reason\"",
		"reason:\"x\"",
		"\"reason\":\"x\",",
		"\"reason\":\"a\x1b[2J\"",
		"\"reason\":01",
		"\"reason\":\"x\"}{\"a\":1",
		"\"reason\":\"x\"} x {\"a\":1",
		"/* x */ \"a\":1",
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text),
			 "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",%s}", good[i]);
		put(dir, text);
		is_int(refusal(dir), 0, "taken: %s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text),
			 "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",%s}", bad[i]);
		put(dir, text);
		is_int(refusal(dir), EPROTO, "refused: field %zu", i);
	}
}

static void test_whole(int dir)
{
	static const char *const bad[] = {
		"",
		" ",
		"null",
		"1",
		"\"x\"",
		"[]",
		"[{}]",
		"{",
		"}",
		"x",
		"\xef\xbb\xbf{}",
		"{\"version\":1,\"state\":\"ready\"}",
		"{\"version\":1,\"job_id\":null,\"state\":\"ready\"}",
		"{\"version\":1,\"job_id\":12,\"state\":\"ready\"}",
		"{\"version\":1,\"job_id\":\"../12\",\"state\":\"ready\"}",
		"{\"version\":1,\"job_id\":\"12\"}",
		"{\"version\":1,\"job_id\":\"12\",\"state\":null}",
		"{\"version\":1,\"job_id\":\"12\",\"state\":1}",
		"{\"version\":1,\"job_id\":\"12\",\"state\":\"Ready\"}",
		"{\"version\":1,\"job_id\":\"12\",\"state\":\"ready\\n\"}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		put(dir, bad[i]);
		is_int(refusal(dir), EPROTO, "refused: file %zu", i);
	}
	unlinkat(dir, FILE_NAME, 0);
	is_int(refusal(dir), ENOENT, "no file is no session");
	is_str(reason.text, "there is no session.json", "and said so");
}

/* A record whose given field is a text of this start and so many bytes more. */
static void put_long(int dir, const char *field, const char *start, size_t size)
{
	char *text = malloc(size + 256);
	int used;

	if (text == NULL)
		bail_out("malloc");
	used = sprintf(text, "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",\"%s\":\"%s",
		       field, start);
	memset(text + used, 'x', size);
	strcpy(text + used + size, "\"}");
	put(dir, text);
	free(text);
}

/* A record of an unknown field that is nothing but opening brackets, or an array of numbers. */
static void put_deep(int dir, const char *piece, size_t count)
{
	static const char start[] =
		"{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",\"x\":";
	size_t length = strlen(piece);
	char *text = malloc(sizeof(start) + count * length);

	if (text == NULL)
		bail_out("malloc");
	memcpy(text, start, sizeof(start) - 1);
	for (size_t i = 0; i < count; i++)
		memcpy(text + sizeof(start) - 1 + i * length, piece, length);
	put_bytes(dir, text, sizeof(start) - 1 + count * length);
	free(text);
}

static void test_large(int dir)
{
	put_long(dir, "reason", "", 65535);
	is_int(refusal(dir), 0, "a reason of 65535 bytes is taken");
	put_long(dir, "reason", "", 65536);
	is_int(refusal(dir), EPROTO, "of 65536 is not");
	put_long(dir, "cluster", "", 255);
	is_int(refusal(dir), 0, "a cluster of 255 bytes is taken");
	put_long(dir, "cluster", "", 256);
	is_int(refusal(dir), EPROTO, "of 256 is not");
	put_long(dir, "user", "", 100000);
	is_int(refusal(dir), EPROTO, "nor a user of 100 kB");
	put_long(dir, "log", "/", 4094);
	is_int(refusal(dir), 0, "a path of 4095 bytes is taken");
	put_long(dir, "log", "/", 4095);
	is_int(refusal(dir), EPROTO, "of 4096 is not");
	put_long(dir, "log", "/", 100000);
	is_int(refusal(dir), EPROTO, "nor 100 kB");
	put_long(dir, "url", "http://", 4088);
	is_int(refusal(dir), 0, "a URL of 4095 bytes is taken");
	put_long(dir, "url", "http://", 4089);
	is_int(refusal(dir), EPROTO, "of 4096 is not");
	put_long(dir, "url", "http://", 100000);
	is_int(refusal(dir), EPROTO, "nor 100 kB");
	put_deep(dir, "[", 1000000);
	is_int(refusal(dir), EPROTO, "a million brackets are damage");
	put_deep(dir, "{\"a\":", 500000);
	is_int(refusal(dir), EPROTO, "as are braces");
	put_deep(dir, "1", 1000000);
	is_int(refusal(dir), EPROTO, "and digits");
	put_deep(dir, " ", SESSION_FILE_MAX);
	is_int(refusal(dir), EPROTO, "more than 8 MiB are refused");
	ok(strstr(reason.text, "larger than") != NULL, "and said so");
}

/* A record with so many kinds, each with so many missing workers that have logs of lines of
 * 16 bytes. */
static void put_workers(int dir, int kinds, int missing, int lines)
{
	size_t room =
		1000 + (size_t) kinds * (100 + (size_t) missing * (200 + 18 * (size_t) lines));
	char *text = malloc(room), *to = text;

	if (text == NULL)
		bail_out("malloc");
	to += sprintf(to, "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",\"workers\":[");
	for (int kind = 0; kind < kinds; kind++) {
		to += sprintf(to, "%s{\"kind\":\"k%d\",\"state\":\"ready\",\"missing\":[",
			      kind > 0 ? "," : "", kind);
		for (int i = 0; i < missing; i++) {
			to += sprintf(to, "%s{\"node\":\"n\",\"reason\":\"x\",\"log\":\"",
				      i > 0 ? "," : "");
			for (int line = 0; line < lines; line++)
				to += sprintf(to, "0123456789abcde\\n");
			to += sprintf(to, "\"}");
		}
		to += sprintf(to, "]}");
	}
	sprintf(to, "]}");
	put(dir, text);
	free(text);
}

static void test_workers_large(int dir)
{
	put_workers(dir, SESSION_WORKERS_MAX, SESSION_MISSING_MAX, 255);
	is_int(refusal(dir), 0, "as many kinds and missing workers as may be");
	put_workers(dir, SESSION_WORKERS_MAX + 1, 0, 0);
	is_int(refusal(dir), EPROTO, "a kind more is not");
	put_workers(dir, 1, SESSION_MISSING_MAX + 1, 0);
	is_int(refusal(dir), EPROTO, "nor a missing worker more");
	put_workers(dir, 1, 1, 256);
	is_int(refusal(dir), EPROTO, "nor a log of 4096 bytes");
	put_workers(dir, 10000, 0, 0);
	is_int(refusal(dir), EPROTO, "nor 10,000 kinds");
	put_workers(dir, 1, 20000, 1);
	is_int(refusal(dir), EPROTO, "nor 20,000 that are missing");
}

static void test_missing(void)
{
	struct session *session = full_session();
	struct session_workers *dask = session_workers_find(session, "dask");
	char large[100001], name[16];
	int full = 0;

	fails_with(session_workers_add(session, "dask") != NULL ? 0 : -1, EINVAL,
		   "a kind a second time");
	fails_with(session_workers_add(session, "a b") != NULL ? 0 : -1, EINVAL,
		   "a kind of two words");
	for (int i = 2; i < SESSION_WORKERS_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		full += session_workers_add(session, name) == NULL;
	}
	is_int(full, 0, "as many kinds as may be");
	fails_with(session_workers_add(session, "more") != NULL ? 0 : -1, E2BIG, "and no more");
	ok(session_workers_find(session, "dask") == dask, "the first has not moved");

	session_missing_clear(dask);
	is_int(dask->missing_count, 0, "none is missing");
	fails_with(session_missing_add(dask, "a b", 0, "x", NULL), EINVAL,
		   "a node of two words");
	fails_with(session_missing_add(dask, "n", 1024, "x", NULL), EINVAL,
		   "a number too high");
	memset(large, '\n', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	memcpy(large + sizeof(large) - 5, "last", 4);
	is_int(session_missing_add(dask, "n", 0, large, large), 0, "100 kB of words and lines");
	is_int(strlen(dask->missing[0].reason), SESSION_MISSING_REASON - 1, "words are cut");
	is_int(strlen(dask->missing[0].log), SESSION_MISSING_LOG - 1, "lines too");
	is_str(dask->missing[0].log + SESSION_MISSING_LOG - 7, "\nlast\n", "at their begin");
	for (unsigned i = 1; i < SESSION_MISSING_MAX; i++)
		full += session_missing_add(dask, "n", i, "x", NULL);
	is_int(full, 0, "as many as may be named");
	is_int(session_missing_add(dask, "n", 1000, "x", NULL), 1, "one more is not");
	is_int(dask->missing_count, SESSION_MISSING_MAX, "and nothing is changed");
	session_destroy(session);
}

static int unreadable_child(int dir)
{
	struct session *session;
	int below;

	if (become_nobody() != 0)
		return CANNOT;
	if (mkdirat(dir, "nobody", 0700) != 0)
		return 1;
	below = openat(dir, "nobody", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	session = full_session();
	if (session_write(session, below) != 0)
		return 2;
	fchmodat(below, FILE_NAME, 0, 0);
	if (refusal(below) != EACCES)
		return 3;
	fchmod(below, 0500);
	if (session_write(session, below) != -1 || errno != EACCES)
		return 4;
	fchmod(below, 0700);
	session_destroy(session);
	close(below);
	return dir_remove(dir, "nobody") == 0 ? 0 : 5;
}

static int full_child(int dir)
{
	struct session *session = full_session(), *read = NULL;
	double updated;
	char name[32];

	(void) dir;
	if (own_mounts() < 0 || mount("none", scratch_path, "tmpfs", 0, "size=32k") != 0)
		return CANNOT;
	dir = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (session_write(session, dir) != 0)
		return 1;
	updated = session->updated;
	for (int i = 0;; i++) {
		snprintf(name, sizeof(name), "fill%d", i);
		if (file_replace(dir, name, 0600, "x", 1) != 0)
			break;
	}
	session_set(&session->reason, "changed");
	if (session_write(session, dir) != -1 || errno != ENOSPC)
		return 2;
	if (session->updated != updated)
		return 3;
	if (session_read(dir, &read, NULL) != 0 || strcmp(read->reason, "changed") == 0)
		return 4;
	session_destroy(read);
	unlinkat(dir, "fill0", 0);
	if (session_write(session, dir) != 0) /* once there is room again */
		return 5;
	session_destroy(session);
	return 0;
}

static void test_file(int dir)
{
	static const char text[] = "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\"}";

	if (file_replace(dir, "other", 0600, text, strlen(text)) != 0 ||
	    symlinkat("other", dir, FILE_NAME) != 0)
		bail_out("other");
	is_int(refusal(dir), EPROTO, "a link is refused");
	unlinkat(dir, FILE_NAME, 0);
	unlinkat(dir, "other", 0);
	if (mkfifoat(dir, FILE_NAME, 0600) != 0)
		bail_out("mkfifoat");
	is_int(refusal(dir), EPROTO, "a FIFO is refused, without waiting");
	unlinkat(dir, FILE_NAME, 0);
	mkdirat(dir, FILE_NAME, 0700);
	is_int(refusal(dir), EPROTO, "a directory is refused");
	unlinkat(dir, FILE_NAME, AT_REMOVEDIR);
	if (geteuid() == 0) {
		put(dir, text);
		fchownat(dir, FILE_NAME, NOBODY, NOBODY, 0);
		is_int(refusal(dir), EPERM, "another's file is refused");
		unlinkat(dir, FILE_NAME, 0);
	} else {
		skip("needs root");
	}
	is_int(refusal(-1), EBADF, "no directory is an error");
	is_child(in_child(unreadable_child, dir), "a locked file, a locked directory");
	is_child(in_child(full_child, dir), "a full disk keeps the old record");
}

/* What the writer itself must not let through, so that the reader takes all that is written. */
static void test_write(int dir)
{
	struct session *session = full_session(), *read;
	char *large = malloc(200001);

#define REFUSED(change, undo, what)                                                            \
	do {                                                                                   \
		change;                                                                        \
		fails_with(session_write(session, dir), EINVAL, what " is not written");       \
		undo;                                                                          \
	} while (0)
	REFUSED(session->port = 65536, session->port = 80, "port 65536");
	REFUSED(session->head_pid = -1, session->head_pid = 1, "pid -1");
	REFUSED(session->state = (enum session_state) 7, session->state = 0,
		"an unknown state");
	REFUSED(session->phases[2] = NAN, session->phases[2] = 1, "a time that is no number");
	REFUSED(session->phases[2] = INFINITY, session->phases[2] = 1, "a time without end");
	REFUSED(session->job_end_time = -1, session->job_end_time = 0, "a time before all");
	REFUSED(session->restart = (unsigned) -1, session->restart = 0, "a negative count");
	REFUSED(session->server_restarts = 1U << 31, session->server_restarts = 0,
		"too many restarts");
	REFUSED(session_set(&session->app, "-x"), session_set(&session->app, NULL),
		"an option as app");
	REFUSED(session_set(&session->runtime_dir, "x"),
		session_set(&session->runtime_dir, NULL), "a relative directory");
	REFUSED(session_set(&session->ip, "host"), session_set(&session->ip, "::1"),
		"a host as ip");
	REFUSED(session_set(&session->url, "host:80"), session_set(&session->url, NULL),
		"a URL without scheme");
	REFUSED(session_set(&session->log, "log"), session_set(&session->log, NULL),
		"a relative path");
	REFUSED(session_set(&session->head_node, "-n"), session_set(&session->head_node, "n"),
		"an option as node");
	REFUSED(strcpy(session->nodes[1].state, "gone"), strcpy(session->nodes[1].state, "up"),
		"an unknown node state");
	REFUSED(session_set(&session->nodes[1].name, "a b"),
		session_set(&session->nodes[1].name, "n"), "a node of two words");
	REFUSED(session_set(&session->nodes[1].name, NULL),
		session_set(&session->nodes[1].name, "n"), "a node without name");
	struct session_workers *dask = session_workers_find(session, "dask");
	REFUSED(strcpy(dask->state, "serving"), strcpy(dask->state, "ready"),
		"an unknown state of workers");
	REFUSED(dask->expected = 1U << 31, dask->expected = 8, "too many workers");
	REFUSED(dask->nodes[2].ready = 1025, dask->nodes[2].ready = 2, "too many on a node");
	REFUSED(session_set(&dask->kind, "mpi"), session_set(&dask->kind, "dask"),
		"a kind twice");
	REFUSED(session_set(&dask->missing[0].log, "no end"),
		session_set(&dask->missing[0].log, NULL), "a log without an end");
	REFUSED(session_set(&dask->missing[0].reason, NULL),
		session_set(&dask->missing[0].reason, "x"), "a worker missing without reason");
	REFUSED(dask->missing[0].index = 1024, dask->missing[0].index = 0,
		"a worker of too high a number");
	session_set(&dask->reason, "\x1b[2J");
	session_set(&session->reason, "a\nb \x1b[2J \xff");
#undef REFUSED
	is_int(session_write(session, dir), 0, "any words are written");
	read = read_back(dir);
	is_str(read != NULL ? read->reason : NULL, "a\\x0ab \\x1b[2J \\xff", "escaped");
	is_str(read != NULL ? read->workers[0].reason : NULL, "\\x1b[2J",
	       "those of workers too");
	session_destroy(read);
	if (large == NULL)
		bail_out("malloc");
	memset(large, '\n', 200000);
	large[200000] = '\0';
	session_set(&session->reason, large);
	is_int(session_write(session, dir), 0, "200 kB of newlines too");
	read = read_back(dir);
	ok(read != NULL && strlen(read->reason) == 65535, "cut");
	session_destroy(read);
	session_destroy(session);
	free(large);
}

static struct session *many_nodes(size_t count, const char *prefix, size_t kinds)
{
	struct session *session = session_create();
	char name[256];

	if (session == NULL || session_set(&session->job_id, "1") != 0)
		bail_out("session_create");
	session->nodes = calloc(count, sizeof(*session->nodes));
	if (session->nodes == NULL)
		bail_out("calloc");
	session->node_count = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s%06d", prefix, (int) i);
		session_set(&session->nodes[i].name, name);
		strcpy(session->nodes[i].state, "expected");
	}
	for (size_t i = 0; i < kinds; i++) {
		snprintf(name, sizeof(name), "kind%d", (int) i);
		if (session_workers_add(session, name) == NULL)
			bail_out("session_workers_add");
	}
	return session;
}

static double elapsed_ms(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) (now.tv_sec - start->tv_sec) * 1e3 +
	       (double) (now.tv_nsec - start->tv_nsec) / 1e6;
}

static void test_nodes(int dir)
{
	struct session *session = many_nodes(10000, "node", 0), *read;
	struct timespec start;
	struct stat status;
	char *text, *to;

	clock_gettime(CLOCK_MONOTONIC, &start);
	is_int(session_write(session, dir), 0, "10,000 nodes are written");
	tap_note("in %.1f ms", elapsed_ms(&start));
	clock_gettime(CLOCK_MONOTONIC, &start);
	read = read_back(dir);
	tap_note("in %.1f ms", elapsed_ms(&start));
	ok(read != NULL && read->node_count == 10000 &&
		   strcmp(read->nodes[9999].name, "node009999") == 0,
	   "all of them");
	ok(fstatat(dir, FILE_NAME, &status, 0) == 0 && status.st_size < 1 << 20,
	   "in less than 1 MiB");
	session_destroy(read);
	if (session_workers_add(session, "a") == NULL ||
	    session_workers_add(session, "b") == NULL)
		bail_out("session_workers_add");
	for (size_t i = 0; i < 10000; i++)
		session->workers[0].nodes[i] = (struct session_workers_node){8, 8};
	clock_gettime(CLOCK_MONOTONIC, &start);
	is_int(session_write(session, dir), 0, "with workers of two kinds on each");
	tap_note("in %.1f ms", elapsed_ms(&start));
	clock_gettime(CLOCK_MONOTONIC, &start);
	read = read_back(dir);
	tap_note("in %.1f ms", elapsed_ms(&start));
	ok(read != NULL && read->workers[0].nodes[9999].ready == 8, "all of them");
	ok(fstatat(dir, FILE_NAME, &status, 0) == 0 && status.st_size < 2 << 20,
	   "in less than 2 MiB");
	session_destroy(read);
	session_destroy(session);

	session = many_nodes(SESSION_NODES_MAX, "n", 1);
	is_int(session_write(session, dir), 0, "as many nodes as may be are written");
	read = read_back(dir);
	ok(read != NULL && read->node_count == SESSION_NODES_MAX, "and read");
	session_destroy(read);
	session_destroy(session);

	session = many_nodes(SESSION_NODES_MAX + 1, "n", 0);
	fails_with(session_write(session, dir), EINVAL, "one more is not");
	session_destroy(session);
	session = many_nodes(SESSION_NODES_MAX,
			     "a-node-with-a-name-that-is-a-good-deal-longer-than-"
			     "any-that-was-ever-given-to-a-node-of-a-cluster-",
			     0);
	fails_with(session_write(session, dir), EFBIG, "nor what makes the file too large");
	session_destroy(session);

	text = to = malloc(4 << 20);
	if (text == NULL)
		bail_out("malloc");
	to += sprintf(to, "{\"version\":1,\"job_id\":\"1\",\"state\":\"ready\",\"nodes\":[");
	for (int i = 0; i <= SESSION_NODES_MAX; i++)
		to += sprintf(to, "%s{\"name\":\"n\",\"state\":\"up\"}", i > 0 ? "," : "");
	sprintf(to, "]}");
	put(dir, text);
	is_int(refusal(dir), EPROTO, "65537 nodes are not read");
	free(text);
}

int main(void)
{
	int dir = scratch_open();

	test_names();
	test_set();
	test_round_trip(dir);
	test_least(dir);
	test_truncated(dir);
	test_version(dir);
	test_fields(dir);
	test_whole(dir);
	test_large(dir);
	test_workers_large(dir);
	test_missing();
	unlinkat(dir, FILE_NAME, 0);
	test_file(dir);
	test_write(dir);
	test_nodes(dir);
	is_int(entries(dir), 1, "nothing but the record is left");
	unlinkat(dir, FILE_NAME, 0);
	close(dir);
	rmdir(scratch_path);
	return done_testing();
}
