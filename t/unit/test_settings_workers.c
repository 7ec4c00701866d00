/* SPDX-License-Identifier: MIT */
/*
 * Unit test of launcher/settings.h: the sections [workers KIND], by themselves and over shipped
 * ones; run by `make check` as whoever calls it.
 */
#include "settings_world.h"

/* Two kinds, as the package could have them. */
static const char shipped_kinds[] = "[workers dask]\n"
				    "title = Dask\n"
				    "preload = ${recipes_dir}/dask.py\n"
				    "controller = preload\n"
				    "ports = 2\n"
				    "resize = yes\n"
				    "env.A = 1\n"
				    "env.B = 1\n"
				    "[workers mpi]\n"
				    "start = srun\n"
				    "worker = ${python} -m x\n"
				    "srun = --mpi=${mpi}\n";

static void test_workers(void)
{
	struct settings *settings = load("[workers ray]\n"
					 "title = Ray é\n"
					 "worker = ${python} -m ray.worker\n"
					 "\t--id '${id}  $$5'\n"
					 "controller = /opt/ray/bin/head --ip ${ip}\n"
					 "  --port ${port}\n"
					 "prepare = ${recipes_dir}/keys ${share}\n"
					 "prepare_node = ray-stage\n"
					 "  ${kinds}\n"
					 "start = agent\n"
					 "ports = 8\n"
					 "count = 1024\n"
					 "restarts = 1000\n"
					 "resize = yes\n"
					 "path = /opt/a:\n"
					 "  /opt/b\n"
					 "hint = module load\n"
					 "  ray\n"
					 "ready_timeout = 2:30\n"
					 "stop_timeout = 3600\n"
					 "env.EMPTY =\n"
					 "env.A = ${ip}\n"
					 "prepend.PYTHONPATH = /x\n"
					 "  /y\n"
					 "[workers plain]\n"
					 "worker = work\n"
					 "[workers steps]\n"
					 "worker = work\n"
					 "start = srun\n"
					 "srun = --mpi=${mpi}\n"
					 "  --exclusive\n");
	const struct recipe *kind;

	if (!ok(settings != NULL, "every key of [workers]")) {
		tap_note("%s", reason.text);
		return;
	}
	is_int(settings->kind_count, 3, "kinds");
	is_int(settings->app_count, 1, "are no apps");
	ok(settings_app(settings, "ray", NULL) == NULL, "nor found as one");
	kind = settings_workers(settings, "ray", &reason);
	if (!ok(kind != NULL && kind->section == RECIPE_WORKERS, "the site's kind is there"))
		return;
	is_str(kind->title, "Ray é", "title");
	is_str(kind->command, "${python} -m ray.worker --id '${id}  $$5'",
	       "worker over two lines");
	is_str(kind->preload, NULL, "no preload");
	is_str(kind->controller, "/opt/ray/bin/head --ip ${ip} --port ${port}",
	       "controller over two lines");
	is_str(kind->prepare, "${recipes_dir}/keys ${share}", "prepare");
	is_str(kind->prepare_node, "ray-stage ${kinds}", "prepare_node over two lines");
	ok(!kind->step && kind->srun == NULL, "start = agent");
	is_int(kind->ports, 8, "ports");
	is_int(kind->count, 1024, "count");
	is_int(kind->restarts, 1000, "restarts");
	ok(kind->resize, "resize");
	is_str(kind->path, "/opt/a::/opt/b", "path over two lines");
	is_str(kind->hint, "module load ray", "hint over two lines");
	is_int(kind->ready_timeout_s, 150, "ready_timeout");
	is_int(kind->stop_timeout_s, 3600, "stop_timeout");
	is_int(kind->env_count, 3, "environment lines");
	ok(kind->env_count == 3 && !kind->env[1].prepend && kind->env[2].prepend &&
		   strcmp(kind->env[2].value, "/x:/y") == 0,
	   "env and prepend");
	ok(kind->ready == NULL && kind->url == NULL, "nothing of an app");

	kind = settings_workers(settings, "plain", NULL);
	if (!ok(kind != NULL, "a kind with nothing but a worker"))
		return;
	is_str(kind->title, "plain", "title by default");
	ok(kind->controller == NULL && kind->prepare == NULL && kind->prepare_node == NULL &&
		   kind->path == NULL && kind->hint == NULL && kind->env_count == 0,
	   "no texts by default");
	ok(!kind->step && !kind->resize, "start and resize by default");
	is_int(kind->ports, 0, "ports by default");
	is_int(kind->count, 0, "count by default");
	is_int(kind->restarts, 3, "restarts by default");
	is_int(kind->ready_timeout_s, 120, "ready_timeout by default");
	is_int(kind->stop_timeout_s, 10, "stop_timeout by default");
	kind = settings_workers(settings, "steps", NULL);
	ok(kind != NULL && kind->step && strcmp(kind->srun, "--mpi=${mpi} --exclusive") == 0,
	   "start = srun, srun over two lines");
	errno = 0;
	ok(settings_workers(settings, "x", &reason) == NULL && errno == ENOENT,
	   "an unknown kind");
	is_str(reason.text, "no kind of workers \"x\": give one of ray, plain, steps",
	       "is told");
	settings_destroy(settings);

	settings = load("");
	ok(settings != NULL && settings_workers(settings, "x\n", &reason) == NULL, "no kinds");
	is_str(reason.text, "no kind of workers \"x\\x0a\": there is none", "is told");
	settings_destroy(settings);

	settings = load("[workers lab]\nworker = x\n");
	ok(settings != NULL && settings_workers(settings, "lab", NULL) != NULL &&
		   strcmp(settings_app(settings, "lab", NULL)->command, "jupyter-lab") == 0,
	   "a kind called like an app leaves that alone");
	settings_destroy(settings);
}

static void test_workers_merge(void)
{
	struct settings *settings;
	const struct recipe *kind;

	write_recipe("kinds.conf", shipped_kinds);
	settings = load("[workers dask]\ncount = 2\n");
	kind = settings != NULL ? settings_workers(settings, "dask", NULL) : NULL;
	ok(kind != NULL && settings->kind_count == 2 && kind->count == 2,
	   "a section without worker and preload changes its own key");
	ok(kind != NULL && strcmp(kind->title, "Dask") == 0 &&
		   strcmp(kind->preload, "${recipes_dir}/dask.py") == 0 &&
		   strcmp(kind->controller, "preload") == 0 && kind->ports == 2 &&
		   kind->resize && kind->restarts == 3 && kind->stop_timeout_s == 10 &&
		   kind->ready_timeout_s == 120 && kind->env_count == 2,
	   "and leaves the others");
	settings_destroy(settings);

	settings = load("[workers dask]\ntitle = T\ncontroller = c\nprepare = p\n"
			"prepare_node = n\nports = 0\ncount = cpus\nrestarts = 0\n"
			"resize = no\npath = /p\nhint = h\nready_timeout = 9\n"
			"stop_timeout = 1\nenv.A = 2\nprepend.C = 3\n"
			"[workers mpi]\nsrun = --exact\n");
	kind = settings != NULL ? settings_workers(settings, "dask", NULL) : NULL;
	ok(kind != NULL && strcmp(kind->title, "T") == 0 &&
		   strcmp(kind->preload, "${recipes_dir}/dask.py") == 0 &&
		   strcmp(kind->controller, "c") == 0 && strcmp(kind->prepare, "p") == 0 &&
		   strcmp(kind->prepare_node, "n") == 0 && kind->ports == 0 &&
		   kind->count == 0 && kind->restarts == 0 && !kind->resize &&
		   strcmp(kind->path, "/p") == 0 && strcmp(kind->hint, "h") == 0 &&
		   kind->ready_timeout_s == 540 && kind->stop_timeout_s == 1,
	   "every key but those of the worker can be changed");
	ok(kind != NULL && kind->env_count == 3 && strcmp(kind->env[0].value, "2") == 0 &&
		   strcmp(kind->env[1].value, "1") == 0 && kind->env[2].prepend,
	   "and environment lines");
	ok(kind != NULL && strstr(kind->file, "/site.conf") != NULL, "its file is the site's");
	kind = settings != NULL ? settings_workers(settings, "mpi", NULL) : NULL;
	ok(kind != NULL && strcmp(kind->srun, "--exact") == 0 && kind->step &&
		   strcmp(kind->command, "${python} -m x") == 0,
	   "the words of srun");
	settings_destroy(settings);

	settings = load("[workers dask]\nworker = mine\n[workers mpi]\npreload = /p\n");
	kind = settings != NULL ? settings_workers(settings, "dask", NULL) : NULL;
	ok(kind != NULL && settings->kind_count == 2 && strcmp(kind->command, "mine") == 0 &&
		   kind->preload == NULL && kind->controller == NULL && kind->env_count == 0,
	   "a section with a worker replaces the shipped one");
	kind = settings != NULL ? settings_workers(settings, "mpi", NULL) : NULL;
	ok(kind != NULL && strcmp(kind->preload, "/p") == 0 && kind->command == NULL &&
		   !kind->step && kind->srun == NULL,
	   "so does one with preload");
	settings_destroy(settings);

	/* What is wrong only together with the shipped recipe. */
	is_wrong("[site]\n[workers dask]\nstart = srun\n",
		 "/site.conf:2: [workers dask]: start = srun: give worker in place of preload, "
		 "since srun starts commands");
	is_wrong("[workers mpi]\ncontroller = preload\n",
		 "/site.conf:1: [workers mpi]: controller = preload: give preload too, whose "
		 "function \"controller\" it is, or a command");
	is_wrong("[workers mpi]\nstart = agent\n",
		 "/site.conf:1: [workers mpi]: srun: give start = srun too, or leave it out");
	is_wrong("[workers mpi]\nresize = yes\n",
		 "/site.conf:1: [workers mpi]: resize = yes: give start = agent, since the "
		 "tasks of one srun are as many as it began with");
	is_wrong("[workers mpi]\nports = 1\n",
		 "/site.conf:1: [workers mpi]: ports: give controller too, which listens on "
		 "them, or leave it out");
	write_recipe("more.conf", "[workers dask]\nworker = x\n");
	is_wrong("", "/recipes/more.conf:1: [workers dask]: /recipes/kinds.conf has it "
		     "already: give it once");
	remove_recipe("more.conf");
	remove_recipe("kinds.conf");
}

/* Sections of workers that are wrong by themselves. */
static void test_workers_wrong(void)
{
	is_wrong("[workers x]\ncommand = x\n",
		 "/site.conf:2: [workers x] command: not known: give one of title, worker, "
		 "preload, controller, prepare, prepare_node, start, srun, ports, count, "
		 "restarts, resize, path, hint, ready_timeout, stop_timeout, env.NAME, "
		 "prepend.NAME");
	is_wrong("[app x]\ncommand = x\nworker = x\n",
		 "/site.conf:3: [app x] worker: not known: give one of title, command, path, "
		 "ready, guarded, jupyter_api, save, hub, url, hint, ready_timeout, env.NAME, "
		 "prepend.NAME");
	is_wrong("[workers x]\nworker = a\nworker = b\n",
		 "/site.conf:3: [workers x] worker: given on line 2 already: give it once");
	is_wrong("[workers x]\nworker = a\n[workers x]\nworker = a\n",
		 "/site.conf:3: [workers x]: this file has it already: give it once");
	is_wrong("[workers x]\nports = nine\n",
		 "/site.conf:2: [workers x] ports = \"nine\": not allowed here: give 0..8");
	is_wrong("[site]\n[workers x]\ncount = 2\n",
		 "/site.conf:2: [workers x]: no worker and no preload: give one, or the name "
		 "of a shipped recipe");
	is_wrong("[workers x]\nworker = a\npreload = /b\n[site]\n",
		 "/site.conf:1: [workers x]: worker and preload: give only one of them");
	is_wrong("[workers x]\nworker = a\ncontroller = preload\n",
		 "/site.conf:1: [workers x]: controller = preload: give preload too, whose "
		 "function \"controller\" it is, or a command");
	is_wrong("[workers x]\npreload = /a\nstart = srun\n",
		 "/site.conf:1: [workers x]: start = srun: give worker in place of preload, "
		 "since srun starts commands");
	is_wrong("[workers x]\nworker = a\nports = 1\n",
		 "/site.conf:1: [workers x]: ports: give controller too, which listens on "
		 "them, or leave it out");
	is_wrong("[workers x]\nworker = a\nsrun = --exact\n",
		 "/site.conf:1: [workers x]: srun: give start = srun too, or leave it out");
	is_wrong("[workers x]\nworker = a\nstart = srun\nresize = yes\n",
		 "/site.conf:1: [workers x]: resize = yes: give start = agent, since the tasks "
		 "of one srun are as many as it began with");
}

int main(void)
{
	int dir = world_open();

	test_workers();
	test_workers_merge();
	test_workers_wrong();
	world_close(dir);
	return done_testing();
}
