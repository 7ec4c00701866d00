/* SPDX-License-Identifier: MIT */
/*
 * Tests of a member's part in the workers (launcher/agent/member_workers.h): --jupyter-init,
 * and a head that cannot be reached for a while.  Run by `make check`, as anybody.
 */
#include "launcher/agent/member_workers.h"

#include <dirent.h>

#include "workers_world.h"

static const char kinds[] =
	"[workers talker]\n"
	"worker = sh -c 'echo \"$$FOO\"; echo ready >&3; exec sleep 1000'\n";

static char *const environment[] = {"PATH=/usr/bin:/bin", "HOME=/nowhere", "SLURM_NODEID=0",
				    "SLURMD_NODENAME=n1", NULL};
static struct member_workers *workers;
static int refusal; /* errno of sending */

static int send_to_head(const char *type, const void *payload, size_t size, void *arg)
{
	if (refusal) {
		errno = refusal;
		return -1;
	}
	on_world_send(type, payload, size, arg);
	return 0;
}

static void begin(const char *init)
{
	struct member_workers_callbacks callbacks = {send_to_head, on_world_stopped, NULL};

	world_forget();
	stopped = false;
	refusal = 0;
	env_destroy(agent.environment);
	agent.environment = env_create(environment);
	free(agent.options.init);
	agent.options.init = init ? strdup(world_path(init)) : NULL;
	if (!(workers = member_workers_create(&agent, &callbacks)))
		bail_out("member_workers_create");
}

static void say(const char *type, unsigned number)
{
	struct workers_message message = {.kind = "talker", .ip = "10.0.0.1"};
	size_t size;

	if (!strcmp(type, WORKERS_TAIL))
		message.index = number;
	else
		message.count = number;
	char *payload = workers_message_encode(&message, &size);
	member_workers_message(workers, type, payload, size);
	free(payload);
}

static void stop(void)
{
	member_workers_stop(workers, 60000);
	member_workers_stop(workers, 60000);
	ok(!stopped, "stopped is not told from within");
	while (!stopped)
		world_step("stopped");
	member_workers_destroy(workers);
	DIR *listing = opendir(agent.settings->tmpdir);
	int left = 0;
	for (struct dirent *entry; (entry = readdir(listing));)
		left += strncmp(entry->d_name, "spank-jupyter", 13) == 0;
	closedir(listing);
	is_int(left, 0, "nothing is left of it");
}

static const char *tail_of(unsigned index)
{
	say(WORKERS_TAIL, index);
	return world_next(WORKERS_TAIL)->tail;
}

static void test_init(void)
{
	begin("init");
	say(WORKERS_BEGIN, 2);
	say(WORKERS_START, 0);
	ok(world_count(WORKERS_HERE, -1) == 0, "a node waits for --jupyter-init");
	world_wait(WORKERS_READY, -1, 2);
	is_str(tail_of(1), "from init\n", "then workers have what it sets");
	is_str(env_get(agent.environment, "FOO"), "from init", "and so has the agent");
	is_str(env_get(agent.environment, "SLURMD_NODENAME"), "n3", "with its own node's name");
	is_str(env_get(agent.environment, "SLURM_NODEID"), "2", "and number");
	char *runs = world_read("runs");
	is_str(runs, "x\n", "it is sourced once");
	free(runs);
	stop();

	begin(NULL);
	say(WORKERS_BEGIN, 1);
	say(WORKERS_START, 0);
	world_wait(WORKERS_READY, -1, 1);
	is_str(tail_of(0), "\n", "without one nothing is set");
	stop();
}

static void test_init_fails(void)
{
	const struct workers_message *message;

	begin("bad");
	say(WORKERS_BEGIN, 2);
	message = world_next("*");
	ok(!strcmp(told[0]->type, WORKERS_FAILED) && strstr(message->text, "exit status 3"),
	   "a file that fails: %s", message->text);
	is_str(message->tail, "no such module\n", "with what it says");
	is_str(message->kind, "talker", "of the kind that is begun");
	say(WORKERS_START, 0);
	say(WORKERS_BEGIN, 2);
	message = world_next("*");
	ok(!strcmp(told[1]->type, WORKERS_FAILED), "each time it is");
	stop();

	begin("missing");
	say(WORKERS_BEGIN, 2);
	message = world_next("*");
	ok(strstr(message->text, "--jupyter-init") != NULL, "one that is missing: %s",
	   message->text);
	stop();

	begin("hangs");
	say(WORKERS_BEGIN, 2);
	world_run_for(100);
	is_int(told_count, 0, "one that hangs is waited for");
	stop();

	char *tmpdir = agent.settings->tmpdir;
	agent.settings->tmpdir = strdup("/nowhere");
	begin("init");
	say(WORKERS_BEGIN, 2);
	message = world_next("*");
	ok(strstr(message->text, "/nowhere") != NULL, "without a directory: %s", message->text);
	free(agent.settings->tmpdir);
	agent.settings->tmpdir = tmpdir;
	stop();
}

static void test_connection(void)
{
	begin(NULL);
	refusal = ENOTCONN;
	member_workers_welcomed(workers);
	say(WORKERS_BEGIN, 2);
	say(WORKERS_START, 0);
	world_run_for(500);
	is_int(told_count, 0, "nothing is told while there is no connection");
	refusal = 0;
	member_workers_welcomed(workers);
	world_wait(WORKERS_READY, -1, 4);
	ok(!strcmp(told[0]->type, WORKERS_HERE) && !strcmp(told[1]->type, WORKERS_STARTED),
	   "it is kept, in order");
	is_int(world_count(WORKERS_HERE, -1), 2, "and what is now is told once more");

	refusal = EAGAIN;
	int before = told_count;
	say(WORKERS_TAIL, 0);
	say(WORKERS_TAIL, 1);
	world_run_for(300);
	is_int(told_count, before, "a full queue is waited for");
	refusal = 0;
	world_wait(WORKERS_TAIL, 1, 1);
	ok(world_count(WORKERS_TAIL, 0) == 1 && told_count == before + 2, "not for ever");

	/* What cannot be sent at all is not tried for ever. */
	refusal = EMSGSIZE;
	say(WORKERS_TAIL, 0);
	world_run_for(100);
	refusal = 0;
	say(WORKERS_TAIL, 1);
	world_wait(WORKERS_TAIL, 1, 2);
	is_int(world_count(WORKERS_TAIL, 0), 1, "what cannot be sent is dropped");

	/* More than is kept. */
	refusal = ENOTCONN;
	for (int i = 0; i < 9000; i++)
		say(WORKERS_TAIL, 0);
	world_run_for(100);
	refusal = 0;
	before = told_count;
	member_workers_welcomed(workers);
	world_wait(WORKERS_READY, -1, 6);
	ok(told_count - before < 8192, "what is too much is forgotten");
	is_int(world_count(WORKERS_HERE, -1), 3, "and what is now is told");
	stop();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	world_load(kinds);
	world_write("init", "test $SLURMD_NODENAME = n3 || exit 1\n"
			    "echo x >>\"$(dirname \"$BASH_SOURCE\")/runs\"\n"
			    "sleep 0.2\nexport FOO='from init'\n");
	world_write("bad", "echo no such module >&2; exit 3\n");
	world_write("hangs", "sleep 1000\n");
	test_init();
	test_init_fails();
	test_connection();
	member_workers_destroy(NULL);
	world_clear();
	return done_testing();
}
