/* SPDX-License-Identifier: MIT */
/*
 * Tests of which JupyterHub a session is told to (launcher/hub_plan.h).  Run by `make check`,
 * as anybody.
 */
#include "launcher/hub_plan.h"

#include <string.h>

#include "tap.h"

static struct reason reason;
static struct recipe lab = {.name = "lab", .jupyter_api = "/api"};
static struct recipe other = {.name = "shiny"};
static struct recipe singleuser = {.name = "singleuser", .jupyter_api = "/api", .hub = true};

struct world {
	struct settings settings;
	struct options options;
	struct env *environment;
	struct hub_plan plan;
};

static void begin(struct world *world, char *const *environment)
{
	*world = (struct world){.settings = {.hub = NULL}};
	options_init(&world->options);
	if (!(world->environment = env_create(environment)))
		bail_out("env_create");
}

static int make(struct world *world, const struct recipe *recipe, const char *spawn_id,
		const char *hub_uid)
{
	const struct hub_plan_given given = {.settings = &world->settings,
					     .options = &world->options,
					     .recipe = recipe,
					     .environment = world->environment,
					     .spawn_id = spawn_id,
					     .hub_uid = hub_uid};

	hub_plan_clear(&world->plan);
	return hub_plan_make(&given, &world->plan, &reason);
}

static void end(struct world *world)
{
	hub_plan_clear(&world->plan);
	env_destroy(world->environment);
}

static char *const nothing[] = {NULL};
static char *const of_spawner[] = {"JUPYTERHUB_API_URL=http://hub:8081/hub/api", NULL};
static char *const of_batchspawner[] = {"JUPYTERHUB_API_URL=http://hub:8081/hub/api",
					"JUPYTERHUB_API_TOKEN=t", NULL};

static void test_none(void)
{
	struct world world;

	begin(&world, of_batchspawner);
	is_int(make(&world, &lab, NULL, NULL), 0, "a lab in a job from a hub's terminal");
	is_int(world.plan.mode, HUB_PLAN_NONE, "is told to nobody");
	is_str(reason.text, "", "and nothing is said of it");
	is_int(make(&world, &lab, "id", "5"), 0, "nor with a spawn id");
	is_int(world.plan.mode, HUB_PLAN_NONE, "which is for singleuser");
	end(&world);
	begin(&world, nothing);
	is_int(make(&world, &singleuser, NULL, NULL), -1, "singleuser without a hub");
	ok(strstr(reason.text, "no hub has submitted this job") != NULL, "is told so");
	world.settings.hub = "https://hub";
	world.settings.hub_user = "7";
	world.options.hub = "none";
	is_int(make(&world, &singleuser, NULL, NULL), -1, "nor with --jupyter-hub=none");
	is_int(make(&world, &lab, NULL, NULL), 0, "which turns the site's hub off");
	is_int(world.plan.mode, HUB_PLAN_NONE, "for a lab");
	end(&world);
}

static void test_spawn(void)
{
	struct world world;

	begin(&world, of_spawner);
	is_int(make(&world, &singleuser, "id", "5"), 0, "a job of our spawner");
	is_int(world.plan.mode, HUB_PLAN_SPAWN, "is one");
	is_str(world.plan.url, "http://hub:8081/hub/api", "of the hub that it names");
	ok(world.plan.uid_known && world.plan.uid == 5, "whose uid it has brought along");
	world.settings.hub_user = "7";
	is_int(make(&world, &singleuser, "id", NULL), 0, "without a uid");
	is_int(world.plan.uid, 7, "the site's is taken");
	is_int(make(&world, &singleuser, "id", "-1"), 0, "nor with one that is none");
	is_int(world.plan.uid, 7, "likewise");
	world.settings.hub_user = NULL;
	is_int(make(&world, &singleuser, "id", NULL), -1, "without both");
	ok(strstr(reason.text, "hub_user") != NULL, "the setting is named");
	end(&world);
	begin(&world, nothing);
	is_int(make(&world, &singleuser, "id", "5"), -1, "a spawn id without a hub");
	ok(strstr(reason.text, "JUPYTERHUB_API_URL") != NULL, "is told what is missing");
	end(&world);
}

static void test_stock(void)
{
	struct world world;

	begin(&world, of_batchspawner);
	is_int(make(&world, &singleuser, NULL, NULL), 0, "a job of batchspawner");
	is_int(world.plan.mode, HUB_PLAN_STOCK, "is one");
	ok(!world.plan.uid_known, "that needs no uid");
	is_int(make(&world, &singleuser, "id", "5"), 0, "with a spawn id");
	is_int(world.plan.mode, HUB_PLAN_SPAWN, "it is our spawner's");
	end(&world);
}

static void test_adopt(void)
{
	struct world world;

	begin(&world, of_batchspawner);
	world.options.hub = "https://hub.example.org";
	is_int(make(&world, &lab, NULL, "5"), 0, "a lab with --jupyter-hub");
	is_int(world.plan.mode, HUB_PLAN_NONE, "cannot be told to a hub of nobody knows whom");
	ok(strstr(reason.text, "hub_user") != NULL, "and is told the setting");
	world.settings.hub_user = "no.such.account";
	is_int(make(&world, &lab, NULL, NULL), 0, "nor to an account that is not there");
	ok(strstr(reason.text, "no such account") != NULL, "and is told so");
	world.settings.hub_user = "0";
	is_int(make(&world, &lab, NULL, NULL), 0, "with the account");
	is_int(world.plan.mode, HUB_PLAN_ADOPT, "it is adopted");
	is_str(world.plan.url, "https://hub.example.org", "by the hub that was named");
	ok(!world.plan.by_site, "by the user");
	world.options.hub = NULL;
	world.settings.hub = "https://site.example.org/hub/api";
	is_int(make(&world, &lab, NULL, NULL), 0, "by the site's hub");
	ok(world.plan.mode == HUB_PLAN_ADOPT && world.plan.by_site, "where nobody names one");
	is_int(make(&world, &other, NULL, NULL), 0, "an app that is no Jupyter server");
	ok(world.plan.mode == HUB_PLAN_NONE && !reason.text[0], "is passed over by the site's");
	is_int(make(&world, NULL, NULL, NULL), 0, "and so is a kernel");
	ok(world.plan.mode == HUB_PLAN_NONE && !reason.text[0], "without a word");
	world.options.hub = "https://hub.example.org";
	is_int(make(&world, NULL, NULL, NULL), 0, "a kernel whose user asks for it");
	ok(strstr(reason.text, "bare kernel") != NULL, "is told why not");
	is_int(make(&world, &other, NULL, NULL), 0, "and an app");
	ok(strstr(reason.text, "shiny") != NULL, "is named");
	end(&world);
}

static void test_uid(void)
{
	uid_t uid = 1;

	is_int(hub_plan_uid("root", &uid, &reason), 0, "an account by name");
	is_int(uid, 0, "its uid");
	is_int(hub_plan_uid("4294967294", &uid, &reason), 0, "the greatest uid");
	is_int(hub_plan_uid("4294967295", &uid, &reason), -1, "-1 is none");
	is_int(hub_plan_uid("no.such.account", &uid, &reason), -1, "nor is an unknown name");
	is_str(hub_plan_mode_name(HUB_PLAN_STOCK), "stock", "a mode's name");
}

int main(void)
{
	test_none();
	test_spawn();
	test_stock();
	test_adopt();
	test_uid();
	return done_testing();
}
