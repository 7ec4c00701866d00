/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the site's file, launcher/settings.h, and what becomes of its recipes,
 * launcher/recipe.h.  The input is the file.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/env.h"
#include "common/options.h"
#include "common/text.h"
#include "launcher/settings.h"

static struct reason reason;

/* A directory without *.conf files on every Linux. */
static const char no_recipes[] = "/proc/self/task";

static const char *const variables[] = {"socket",      "/run/a 'b\" $$ ${socket}",
					"token_file",  "/run/token",
					"root_dir",    "/home/\xc3\xa9",
					"runtime_dir", "/run",
					"job_id",      "1",
					"ip",	       "127.0.0.1",
					"port",	       "",
					"python",      "/usr/bin/python3",
					"share",       "/run/workers/x",
					"mpi",	       "pmix",
					NULL};

static void check_told(void)
{
	REQUIRE(reason.text[0] != '\0');
	REQUIRE(text_printable(reason.text));
}

static void check_site(const struct settings *settings)
{
	REQUIRE(settings->port_first <= settings->port_last && settings->port_last <= 65535);
	REQUIRE((settings->port_first == 0) == (settings->port_last == 0));
	REQUIRE(settings->tmpdir[0] == '/' && strlen(settings->tmpdir) <= SETTINGS_TMPDIR_MAX);
	REQUIRE(settings->idle_default_s >= 0 && settings->warn_default_s >= 0);
	REQUIRE(settings->idle_max_s == 0 ||
		(settings->idle_default_s > 0 &&
		 settings->idle_default_s <= settings->idle_max_s));
	REQUIRE(settings->init_timeout_s > 0 && settings->init_timeout_s <= 86400);
	REQUIRE(settings->server_restarts_max <= 100);
	REQUIRE(settings->log_level >= SETTINGS_LOG_ERROR &&
		settings->log_level <= SETTINGS_LOG_DEBUG);
	REQUIRE(settings->log_max_bytes >= 64 << 10 && settings->log_max_bytes <= 1 << 30);
	REQUIRE(settings->allow == NULL || strpbrk(settings->allow, " \t\n") == NULL);
	REQUIRE(settings->app_count <= SETTINGS_RECIPES_MAX);
	REQUIRE(settings->kind_count <= SETTINGS_RECIPES_MAX);
}

/* What becomes of one of the recipe's commands, whose first word is looked for. */
static void check_command(const struct recipe *recipe, const char *command)
{
	char **argv, *program;

	if (command == NULL)
		return;
	REQUIRE(text_printable(command));
	reason.text[0] = '\0';
	argv = recipe_command(recipe, command, variables, &reason);
	if (argv == NULL) {
		check_told();
		return;
	}
	REQUIRE(argv[0] != NULL && argv[0][0] != '\0');
	reason.text[0] = '\0';
	program = recipe_program_of(recipe, argv[0], "/nowhere:relative::", &reason);
	if (program != NULL)
		REQUIRE(program[0] == '/' && access(program, X_OK) == 0);
	else
		check_told();
	free(program);
	text_words_free(argv);
}

static void check_app(const struct recipe *recipe)
{
	char **argv = recipe_argv(recipe, variables, NULL);

	REQUIRE(recipe->section == RECIPE_APP);
	REQUIRE(recipe->ready[0] == '/' && strchr(recipe->ready, ' ') == NULL);
	REQUIRE(recipe->url[0] == '/' && strpbrk(recipe->url, " ?#") == NULL);
	REQUIRE(argv == NULL || strchr(argv[0], '$') == NULL);
	text_words_free(argv);
}

static void check_workers(const struct recipe *recipe)
{
	bool forked = recipe->controller != NULL && strcmp(recipe->controller, "preload") == 0;
	char *preload;

	REQUIRE(recipe->section == RECIPE_WORKERS);
	REQUIRE((recipe->command == NULL) != (recipe->preload == NULL));
	REQUIRE(!forked || recipe->preload != NULL);
	REQUIRE(!recipe->step || (recipe->command != NULL && !recipe->resize));
	REQUIRE(recipe->srun == NULL || recipe->step);
	REQUIRE(recipe->ports <= RECIPE_PORTS_MAX);
	REQUIRE(recipe->ports == 0 || recipe->controller != NULL);
	REQUIRE(recipe->count <= RECIPE_COUNT_MAX);
	REQUIRE(recipe->restarts <= RECIPE_RESTARTS_MAX);
	REQUIRE(recipe->stop_timeout_s > 0 &&
		recipe->stop_timeout_s <= RECIPE_STOP_TIMEOUT_MAX);
	if (!forked)
		check_command(recipe, recipe->controller);
	check_command(recipe, recipe->prepare);
	check_command(recipe, recipe->prepare_node);
	for (size_t i = 0; i < recipe->env_count; i++)
		REQUIRE(!recipe_text_uses(recipe->env[i].value, "id") &&
			!recipe_text_uses(recipe->env[i].value, "index"));
	if (recipe->preload == NULL)
		return;
	reason.text[0] = '\0';
	preload = recipe_expand(recipe, recipe->preload, variables, &reason);
	if (preload != NULL)
		REQUIRE(preload[0] == '/');
	else
		check_told();
	free(preload);
}

static void check_recipe(const struct recipe *recipe)
{
	struct env *env = env_create(NULL);

	REQUIRE(env != NULL);
	REQUIRE(text_is_name(recipe->name, OPTIONS_NAME_MAX));
	REQUIRE(text_printable(recipe->title));
	REQUIRE(recipe->ready_timeout_s > 0 && recipe->ready_timeout_s <= RECIPE_TIMEOUT_MAX);
	REQUIRE(recipe->env_count <= RECIPE_ENV_MAX);
	check_command(recipe, recipe->command);
	reason.text[0] = '\0';
	if (recipe_environment(recipe, env, variables, &reason) != 0)
		check_told();
	env_destroy(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct settings *settings;
	char path[64];

	if (fd < 0)
		fd = memfd_create("settings", MFD_CLOEXEC);
	REQUIRE(fd >= 0);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t) size)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reason.text[0] = '\0';
	errno = 0;
	settings = settings_load_from(no_recipes, path, &reason);
	if (settings == NULL) {
		REQUIRE(errno == EINVAL || errno == EFBIG);
		check_told();
		return 0;
	}
	check_site(settings);
	for (size_t i = 0; i < settings->app_count; i++) {
		check_recipe(&settings->apps[i]);
		check_app(&settings->apps[i]);
	}
	for (size_t i = 0; i < settings->kind_count; i++) {
		check_recipe(&settings->kinds[i]);
		check_workers(&settings->kinds[i]);
	}
	settings_destroy(settings);
	return 0;
}
