/* SPDX-License-Identifier: MIT */
/* See kernel_choice.h. */
#include "launcher/workers/kernel_choice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "launcher/spawn.h"
#include "launcher/workers/python.h"

enum { SHOWN = 80 /* bytes of a name in a reason */ };

bool kernel_is_app(const struct options *options)
{
	char name[OPTIONS_NAME_MAX];

	options_app_name(options, name);
	return strcmp(name, "kernel") == 0;
}

const char *kernel_app_spec(const struct options *options)
{
	const char *colon = options->app != NULL ? strchr(options->app, ':') : NULL;

	return colon != NULL ? colon + 1 : "python3";
}

static bool is_system(const char *python)
{
	return strncmp(python, "/usr/", 5) == 0 || strncmp(python, "/bin/", 5) == 0;
}

void kernel_pythons(const struct settings *settings, const struct env *environment,
		    char *pythons[KERNEL_PYTHONS_MAX + 1])
{
	static const char *const apps[] = {"lab", "notebook", "server"};
	const char *path = env_get(environment, "PATH");
	char *in_path = spawn_find("python3", path);
	size_t count = 0;

	if (in_path != NULL && !is_system(in_path)) {
		pythons[count++] = in_path;
		in_path = NULL;
	}
	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++) {
		const struct recipe *recipe = settings_app(settings, apps[i], NULL);
		char *program = recipe != NULL ? recipe_program(recipe, path, NULL) : NULL;

		if (program != NULL) {
			pythons[count] = workers_server_python(program, environment);
			count += pythons[count] != NULL;
		}
		free(program);
	}
	if (in_path != NULL)
		pythons[count++] = in_path;
	pythons[count] = NULL;
}

int kernel_choose(const struct settings *settings, const char *name,
		  const struct env *environment, struct kernel_choice *choice,
		  struct reason *reason)
{
	char *pythons[KERNEL_PYTHONS_MAX + 1] = {NULL}, names[KERNELSPEC_NAMES_MAX],
					   shown[SHOWN];
	char *file = NULL, *python = NULL;
	struct kernelspec *spec = NULL;
	int saved;

	kernel_pythons(settings, environment, pythons);
	for (size_t i = 0; file == NULL && pythons[i] != NULL; i++) {
		file = kernelspec_find(name, pythons[i], environment);
		python = pythons[i];
	}
	if (file == NULL && pythons[0] == NULL)
		file = kernelspec_find(name, NULL, environment);
	if (file == NULL) {
		kernelspec_names((const char *const *) pythons, environment, names);
		reason_set(reason,
			   "the kernel %s: there is no such kernelspec on this node; "
			   "there are: %s",
			   text_excerpt(name, shown, sizeof(shown)), names);
		errno = ENOENT;
		goto out;
	}
	spec = kernelspec_load(name, file, reason);
	if (spec == NULL)
		goto out;
	choice->spec = spec;
	choice->python = python != NULL ? strdup(python) : NULL;
out:
	saved = errno;
	for (size_t i = 0; pythons[i] != NULL; i++)
		free(pythons[i]);
	free(file);
	errno = saved;
	return spec != NULL ? 0 : -1;
}

void kernel_choice_clear(struct kernel_choice *choice)
{
	kernelspec_destroy(choice->spec);
	free(choice->python);
	*choice = (struct kernel_choice){.spec = NULL};
}
