/* SPDX-License-Identifier: MIT */
/*
 * A node with workers for the unit tests of launcher/workers/node.h: recipes, the agent that it
 * is part of, and the head that it tells everything.  Included by a test program, which runs as
 * whoever calls `make check`.
 */
#ifndef WORKERS_WORLD_H
#define WORKERS_WORLD_H

#include "common/fd.h"
#include "launcher/workers/node.h"
#include "scratch.h"

enum {
	WORLD_DEADLINE_MS = 100000, /* for anything that is waited for */
	WORLD_TOLD_MAX = 4096
};

/* What the node has told, in order. */
struct told {
	char type[32];
	struct workers_message message;
	int64_t when;
};

static struct agent agent;
static struct runtime_dir runtime;
static struct workers_node *node;
static struct told *told[WORLD_TOLD_MAX];
static int told_count, told_seen; /* seen: by told_next() */
static bool stopped;
static char recipes_path[300];
static const char *awaited;

static void world_write(const char *name, const char *text)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", scratch_path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (fd < 0 || fd_write_all(fd, text, strlen(text)) < 0)
		bail_out(path);
	close(fd);
}

/* A path in the scratch directory; a few at a time. */
__attribute__((unused)) static const char *world_path(const char *name)
{
	static char paths[4][400];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, 400, "%s/%s", scratch_path, name);
	return path;
}

static void on_world_send(const char *type, const void *payload, size_t size, void *arg)
{
	struct reason reason;
	struct told *letter = calloc(1, sizeof(*letter));

	(void) arg;
	if (!letter || told_count == WORLD_TOLD_MAX ||
	    workers_message_decode(payload, size, &letter->message, &reason) < 0)
		bail_out("a message that nobody understands");
	snprintf(letter->type, sizeof(letter->type), "%s", type);
	letter->when = loop_now();
	told[told_count++] = letter;
	loop_stop(agent.loop);
}

static void on_world_stopped(void *arg)
{
	(void) arg;
	stopped = true;
	loop_stop(agent.loop);
}

static void world_too_late(void *arg)
{
	(void) arg;
	for (int i = 0; i < told_count; i++)
		tap_note("%s %s %u %s", told[i]->type, told[i]->message.kind,
			 told[i]->message.index, told[i]->message.text);
	bail_out(awaited);
}

static void world_stop_loop(void *arg)
{
	(void) arg;
	loop_stop(agent.loop);
}

/* Runs until something is told or has stopped. */
static void world_step(const char *waiting_for)
{
	struct loop_timer *guard = loop_timer_create(agent.loop, world_too_late, NULL);

	awaited = waiting_for;
	loop_timer_set(guard, WORLD_DEADLINE_MS);
	if (loop_run(agent.loop) < 0)
		bail_out("loop_run");
	loop_timer_destroy(guard);
}

/* For what must not happen meanwhile. */
__attribute__((unused)) static void world_run_for(int64_t ms)
{
	struct loop_timer *timer = loop_timer_create(agent.loop, world_stop_loop, NULL);
	int64_t end = loop_now() + ms;

	while (loop_now() < end) {
		loop_timer_set(timer, end - loop_now());
		loop_run(agent.loop);
	}
	loop_timer_destroy(timer);
}

/* The next message of the type, of those that have not been taken so far; others before it are
 * passed over.  "*" is any. */
static const struct workers_message *world_next(const char *type)
{
	for (;;) {
		while (told_seen < told_count) {
			const struct told *letter = told[told_seen++];
			if (*type == '*' || !strcmp(letter->type, type))
				return &letter->message;
		}
		world_step(type);
	}
}

/* How many of the type there are of the worker, -1: of all. */
__attribute__((unused)) static int world_count(const char *type, int index)
{
	int count = 0;

	for (int i = 0; i < told_count; i++)
		count += !strcmp(told[i]->type, type) &&
			 (index < 0 || (int) told[i]->message.index == index);
	return count;
}

/* Waits until there are so many. */
__attribute__((unused)) static void world_wait(const char *type, int index, int count)
{
	while (world_count(type, index) < count)
		world_step(type);
}

static void world_forget(void)
{
	while (told_count > 0)
		free(told[--told_count]);
	told_seen = 0;
}

/* As the head says it. */
__attribute__((unused)) static void world_say(const char *type, const char *kind,
					      unsigned number)
{
	struct workers_message message = {.count = 0};
	size_t size;

	snprintf(message.kind, sizeof(message.kind), "%s", kind);
	if (!strcmp(type, WORKERS_TAIL))
		message.index = number;
	else
		message.count = number;
	if (!strcmp(type, WORKERS_BEGIN)) {
		snprintf(message.ip, sizeof(message.ip), "::1");
		message.port = 4711;
	}
	char *payload = workers_message_encode(&message, &size);
	if (!payload)
		bail_out("workers_message_encode");
	workers_node_message(node, type, payload, size);
	free(payload);
}

/* Waits until the file is there and ends with a newline; the caller frees. */
__attribute__((unused)) static char *world_read(const char *name)
{
	int64_t end = loop_now() + WORLD_DEADLINE_MS;
	char *text = NULL;
	size_t size = 0;
	int fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (loop_now() < end) {
		if (file_read(fd, name, 1 << 20, &text, &size) == 0) {
			if (size && text[size - 1] == '\n')
				break;
			free(text);
		}
		text = NULL;
		world_run_for(20);
	}
	close(fd);
	if (!text)
		bail_out(name);
	return text;
}

__attribute__((unused)) static struct recipe *world_recipe(const char *kind)
{
	for (size_t i = 0; i < agent.settings->kind_count; i++)
		if (!strcmp(agent.settings->kinds[i].name, kind))
			return &agent.settings->kinds[i];
	bail_out(kind);
	return NULL;
}

/* The recipes of the test, as a site's file. */
static void world_load(const char *kinds)
{
	struct reason reason;

	scratch_open();
	snprintf(recipes_path, sizeof(recipes_path), "%s/recipes", scratch_path);
	mkdir(recipes_path, 0755);
	mkdir(world_path("recipes/workers"), 0755);
	mkdir(world_path("tmp"), 0755);
	world_write("site.conf", kinds);
	agent.settings = settings_load_from(recipes_path, world_path("site.conf"), &reason);
	if (!agent.settings)
		bail_out(reason.text);
	free(agent.settings->tmpdir);
	agent.settings->tmpdir = strdup(world_path("tmp"));
	options_init(&agent.options);
	agent.options.workers = strdup("one:2,two");
	agent.options.app = strdup("lab");
	agent.rank = 2;
	agent.ranks = 4;
	agent.job_id = strdup("17");
	agent.step_id = strdup("3");
	agent.node = strdup("n3");
	if (!(agent.loop = loop_create()))
		bail_out("loop_create");
}

/* A new node, which has told nothing yet. */
__attribute__((unused)) static void world_begin(char *const *environment)
{
	struct workers_node_callbacks callbacks = {on_world_send, on_world_stopped, NULL};
	struct reason reason;

	world_forget();
	stopped = false;
	env_destroy(agent.environment);
	agent.environment = env_create(environment);
	if (runtime_dir_create(&runtime, agent.settings->tmpdir, &reason) < 0 ||
	    !(node = workers_node_create(&agent, &runtime, &callbacks, &reason)))
		bail_out(reason.text);
}

__attribute__((unused)) static void world_end(void)
{
	workers_node_destroy(node);
	node = NULL;
	runtime_dir_destroy(&runtime);
}

/* Stops the node in order. */
__attribute__((unused)) static void world_stop(int64_t grace_ms)
{
	workers_node_stop(node, grace_ms);
	while (!stopped)
		world_step("stopped");
	world_end();
}

static void world_clear(void)
{
	world_forget();
	loop_destroy(agent.loop);
	settings_destroy(agent.settings);
	options_clear(&agent.options);
	env_destroy(agent.environment);
	free(agent.job_id);
	free(agent.step_id);
	free(agent.node);
	dir_remove(AT_FDCWD, scratch_path);
}

/* Whether the process is there and is no zombie. */
__attribute__((unused)) static bool world_lives(pid_t pid)
{
	char path[64], state = 'X';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	FILE *file = fopen(path, "re");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (file)
		fclose(file);
	return state != 'X' && state != 'Z';
}

__attribute__((unused)) static void world_wait_dead(pid_t pid)
{
	int64_t end = loop_now() + WORLD_DEADLINE_MS;

	while (world_lives(pid) && loop_now() < end)
		world_run_for(10);
	if (world_lives(pid))
		bail_out("a process that does not end");
}

#endif
