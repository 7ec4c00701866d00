/* SPDX-License-Identifier: MIT */
/*
 * The site's settings and the recipes: see settings.h.  Runs in jupyter-launch, jupyter-agent
 * and sjupyter, as the user.
 */
#include "launcher/settings.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/options.h"
#include "common/text.h"
#include "launcher/inifile.h"
#include "launcher/settings_site.h"

enum {
	EXCERPT = 80,	  /* bytes of a value in a reason */
	NAMES_SHOWN = 512 /* bytes of the list of known names in a reason */
};

/* The sections that every file may have. */
#define RECIPES "[app NAME] or [workers KIND]"

enum section { SECTION_NONE, SECTION_SITE, SECTION_RECIPE };

/* One file being read. */
struct loader {
	struct settings *settings;
	const char *recipes_dir;
	bool shipped; /* a recipe file, without [site] */
	enum section section;
	unsigned site_line;		/* where [site] begins, 0: not yet */
	unsigned site_lines[SITE_KEYS]; /* where each key stands, 0: not given */
	/* The recipe of the section begun last. */
	struct recipe recipe;
	unsigned recipe_line;
	unsigned recipe_lines[RECIPE_KEYS];
};

/* Where the recipes of a section are, and what they are called. */
struct recipes {
	struct recipe **all;
	size_t *count;
	const char *many; /* "more than 256 apps" */
	const char *one;  /* "no app "x"" */
};

static struct recipes recipes_of(struct settings *settings, enum recipe_section section)
{
	if (section == RECIPE_WORKERS)
		return (struct recipes){&settings->kinds, &settings->kind_count,
					"kinds of workers", "kind of workers"};
	return (struct recipes){&settings->apps, &settings->app_count, "apps", "app"};
}

static struct recipe *recipe_find(const struct recipes *recipes, const char *name)
{
	for (size_t i = 0; i < *recipes->count; i++) {
		if (strcmp((*recipes->all)[i].name, name) == 0)
			return &(*recipes->all)[i];
	}
	return NULL;
}

static unsigned lines_given(const unsigned lines[], int count)
{
	unsigned given = 0;

	for (int i = 0; i < count; i++)
		given |= lines[i] > 0 ? 1U << i : 0;
	return given;
}

/* Takes the recipe over; it is empty then. */
static int recipe_add(const struct recipes *recipes, struct recipe *recipe,
		      struct reason *reason)
{
	struct recipe *larger;

	if (*recipes->count == SETTINGS_RECIPES_MAX) {
		reason_set(reason, "more than %d %s: give fewer", SETTINGS_RECIPES_MAX,
			   recipes->many);
		errno = EINVAL;
		return -1;
	}
	larger = reallocarray(*recipes->all, *recipes->count + 1, sizeof(*larger));
	if (larger == NULL)
		return reason_set(reason, "not enough memory");
	*recipes->all = larger;
	larger[(*recipes->count)++] = *recipe;
	memset(recipe, 0, sizeof(*recipe));
	return 0;
}

/* The section of a recipe is complete: puts it among the others. */
static int recipe_finish(struct loader *loader, struct reason *reason)
{
	struct recipe *recipe = &loader->recipe;
	struct recipes recipes = recipes_of(loader->settings, recipe->section);
	struct recipe *known = recipe_find(&recipes, recipe->name);

	if (known == NULL || recipe_whole(recipe)) {
		if (recipe_check(recipe, reason) != 0)
			return -1;
		if (known == NULL)
			return recipe_add(&recipes, recipe, reason);
		recipe_clear(known);
		*known = *recipe;
		memset(recipe, 0, sizeof(*recipe));
		return 0;
	}
	if (recipe_merge(known, recipe, lines_given(loader->recipe_lines, RECIPE_KEYS)) != 0) {
		if (errno != EINVAL)
			return reason_set(reason, "not enough memory");
		return reason_set(reason,
				  "more than %d variables together with the shipped recipe's: "
				  "give fewer",
				  RECIPE_ENV_MAX);
	}
	recipe_clear(recipe);
	return recipe_check(known, reason);
}

/* What is left to do when a section ends. */
static int section_finish(struct loader *loader, const char *file, struct reason *reason)
{
	struct inifile_place place = {file, loader->recipe_line};
	enum recipe_section section = loader->recipe.section;
	char name[OPTIONS_NAME_MAX];

	if (loader->section != SECTION_RECIPE)
		return 0;
	loader->section = SECTION_NONE;
	snprintf(name, sizeof(name), "%s", loader->recipe.name);
	if (recipe_finish(loader, reason) == 0)
		return 0;
	reason_prefix(reason, "[%s %s]", recipe_section_name(section), name);
	return inifile_prefix(&place, reason);
}

static int site_begin(struct loader *loader, unsigned line, struct reason *reason)
{
	errno = EINVAL;
	if (loader->shipped)
		return reason_set(reason,
				  "[site]: not allowed in a recipe file: give " RECIPES);
	if (loader->site_line > 0)
		return reason_set(reason, "[site]: begun on line %u already: give it once",
				  loader->site_line);
	loader->site_line = line;
	loader->section = SECTION_SITE;
	return 0;
}

static int recipe_begin(struct loader *loader, const struct inifile_place *place,
			enum recipe_section section, const char *name, struct reason *reason)
{
	struct recipes recipes = recipes_of(loader->settings, section);
	const char *title = recipe_section_name(section);
	const struct recipe *known;
	char shown[EXCERPT];
	int result;

	errno = EINVAL;
	if (!text_is_name(name, OPTIONS_NAME_MAX))
		return reason_set(reason,
				  "[%s %s]: not a name: give at most %d letters, digits and "
				  "\"._-\", not beginning with \".\" or \"-\"",
				  title, text_excerpt(name, shown, sizeof(shown)),
				  OPTIONS_NAME_MAX - 1);
	known = recipe_find(&recipes, name);
	if (known != NULL && (loader->shipped || strcmp(known->file, place->file) == 0))
		return reason_set(
			reason, "[%s %s]: %s has it already: give it once", title, name,
			strcmp(known->file, place->file) == 0 ? "this file" : known->file);
	result = section == RECIPE_WORKERS
			 ? recipe_init_workers(&loader->recipe, name, place->file,
					       loader->recipes_dir)
			 : recipe_init(&loader->recipe, name, place->file, loader->recipes_dir);
	if (result != 0)
		return reason_set(reason, "not enough memory");
	loader->recipe_line = place->line;
	memset(loader->recipe_lines, 0, sizeof(loader->recipe_lines));
	loader->section = SECTION_RECIPE;
	return 0;
}

static int section_begin(struct loader *loader, const struct inifile_place *place,
			 const char *name, struct reason *reason)
{
	static const enum recipe_section sections[] = {RECIPE_APP, RECIPE_WORKERS};
	char shown[EXCERPT];

	if (strcmp(name, "site") == 0)
		return site_begin(loader, place->line, reason);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		const char *word = recipe_section_name(sections[i]);
		size_t length = strlen(word);

		if (strncmp(name, word, length) == 0 && name[length] == ' ')
			return recipe_begin(loader, place, sections[i], name + length + 1,
					    reason);
	}
	errno = EINVAL;
	return reason_set(reason, "[%s]: not known: give %s" RECIPES,
			  text_excerpt(name, shown, sizeof(shown)),
			  loader->shipped ? "" : "[site], ");
}

/* The handler for a section's first line. */
static int on_section(const struct inifile_place *place, const char *name, void *arg,
		      struct reason *reason)
{
	struct loader *loader = arg;

	if (section_finish(loader, place->file, reason) != 0)
		return -1;
	loader->section = SECTION_NONE;
	if (section_begin(loader, place, name, reason) != 0)
		return inifile_prefix(place, reason);
	return 0;
}

static int site_entry(struct loader *loader, unsigned line, const char *key, const char *value,
		      struct reason *reason)
{
	char all[SITE_KEYS_TEXT_MAX], shown[EXCERPT], name[EXCERPT];
	int number = site_key(key);

	errno = EINVAL;
	if (number < 0)
		return reason_set(reason, "[site] %s: not known: give one of %s",
				  text_excerpt(key, name, sizeof(name)), site_keys(all));
	if (loader->site_lines[number] > 0)
		return reason_set(reason, "[site] %s: given on line %u already: give it once",
				  key, loader->site_lines[number]);
	loader->site_lines[number] = line;
	if (site_set(loader->settings, number, value, reason) == 0)
		return 0;
	return reason_prefix(reason, "[site] %s = \"%s\"", key,
			     text_excerpt(value, shown, sizeof(shown)));
}

static int recipe_entry(struct loader *loader, unsigned line, const char *key,
			const char *value, struct reason *reason)
{
	const char *section = recipe_section_name(loader->recipe.section);
	char shown[EXCERPT], name[EXCERPT], all[RECIPE_KEYS_TEXT_MAX];
	int number = recipe_key(loader->recipe.section, key);

	text_excerpt(key, name, sizeof(name));
	errno = EINVAL;
	if (number < 0)
		return reason_set(reason, "[%s %s] %s: not known: give one of %s", section,
				  loader->recipe.name, name,
				  recipe_keys(loader->recipe.section, all));
	if (number < RECIPE_KEYS_ONCE && loader->recipe_lines[number] > 0)
		return reason_set(reason, "[%s %s] %s: given on line %u already: give it once",
				  section, loader->recipe.name, name,
				  loader->recipe_lines[number]);
	loader->recipe_lines[number] = line;
	if (recipe_set(&loader->recipe, key, value, reason) == 0)
		return 0;
	return reason_prefix(reason, "[%s %s] %s = \"%s\"", section, loader->recipe.name, name,
			     text_excerpt(value, shown, sizeof(shown)));
}

/* The handler for one KEY = VALUE. */
static int on_entry(const struct inifile_place *place, const char *key, const char *value,
		    void *arg, struct reason *reason)
{
	struct loader *loader = arg;
	char shown[EXCERPT];
	int result = -1;

	switch (loader->section) {
	case SECTION_NONE:
		reason_set(reason, "%s: in no section: begin with %s" RECIPES,
			   text_excerpt(key, shown, sizeof(shown)),
			   loader->shipped ? "" : "[site], ");
		errno = EINVAL;
		break;
	case SECTION_SITE:
		result = site_entry(loader, place->line, key, value, reason);
		break;
	case SECTION_RECIPE:
		result = recipe_entry(loader, place->line, key, value, reason);
		break;
	}
	return result == 0 ? 0 : inifile_prefix(place, reason);
}

static int file_load(struct settings *settings, const char *recipes_dir, const char *file,
		     bool shipped, struct reason *reason)
{
	static const struct inifile_handler handler = {on_section, on_entry};
	struct loader loader = {
		.settings = settings, .recipes_dir = recipes_dir, .shipped = shipped};
	struct inifile_place place = {file, 0};
	const char *key;
	int result;

	result = inifile_read(file, SETTINGS_FILE_MAX, &handler, &loader, reason);
	if (result == 0)
		result = section_finish(&loader, file, reason);
	if (result == 0) {
		result = site_check(settings, lines_given(loader.site_lines, SITE_KEYS), &key,
				    reason);
		if (result != 0) {
			place.line = loader.site_lines[site_key(key)];
			reason_prefix(reason, "[site] %s", key);
			inifile_prefix(&place, reason);
		}
	}
	recipe_clear(&loader.recipe);
	return result;
}

static int is_recipe_file(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name), suffix = strlen(".conf");

	return entry->d_name[0] != '.' && length > suffix &&
	       strcmp(entry->d_name + length - suffix, ".conf") == 0;
}

/* By bytes, so that the order is the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int recipes_load(struct settings *settings, const char *directory, struct reason *reason)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_recipe_file, by_name);
	int result = 0, saved;

	if (count < 0)
		return reason_set(reason, "%s: the recipes cannot be read: %m", directory);
	if (count > SETTINGS_RECIPES_MAX) {
		result = reason_set(reason, "%s: more than %d recipe files", directory,
				    SETTINGS_RECIPES_MAX);
		errno = EINVAL;
	}
	for (int i = 0; i < count && result == 0; i++) {
		char *file;

		if (asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0) {
			result = reason_set(reason, "%s: not enough memory", directory);
			errno = ENOMEM;
			break;
		}
		result = file_load(settings, directory, file, true, reason);
		saved = errno;
		free(file);
		errno = saved;
	}
	saved = errno;
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	errno = saved;
	return result;
}

struct settings *settings_load(const char *file, struct reason *reason)
{
	return settings_load_from(NULL, file, reason);
}

struct settings *settings_load_from(const char *recipes_dir, const char *file,
				    struct reason *reason)
{
	struct settings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL || site_init(settings) != 0) {
		reason_set(reason, "the settings: not enough memory");
		goto error;
	}
	if (recipes_dir == NULL)
		recipes_dir = PKGDATADIR "/recipes";
	if (recipes_load(settings, recipes_dir, reason) != 0)
		goto error;
	if (file == NULL) {
		file = PKGSYSCONFDIR "/spank-jupyter.conf";
		if (access(file, F_OK) != 0 && errno == ENOENT)
			return settings;
	}
	if (file_load(settings, recipes_dir, file, false, reason) != 0)
		goto error;
	return settings;

error:
	settings_destroy(settings);
	return NULL;
}

void settings_destroy(struct settings *settings)
{
	int saved = errno;

	if (settings == NULL)
		return;
	for (size_t i = 0; i < settings->app_count; i++)
		recipe_clear(&settings->apps[i]);
	free(settings->apps);
	for (size_t i = 0; i < settings->kind_count; i++)
		recipe_clear(&settings->kinds[i]);
	free(settings->kinds);
	site_clear(settings);
	free(settings);
	errno = saved;
}

static const struct recipe *recipe_get(const struct settings *settings,
				       enum recipe_section section, const char *name,
				       struct reason *reason)
{
	/* Only looked at. */
	struct recipes recipes = recipes_of((struct settings *) settings, section);
	const struct recipe *recipe = recipe_find(&recipes, name);
	char list[NAMES_SHOWN] = "", shown[EXCERPT];
	size_t used = 0;

	if (recipe != NULL)
		return recipe;
	for (size_t i = 0; i < *recipes.count && used < sizeof(list) - 1; i++)
		used += (size_t) snprintf(list + used, sizeof(list) - used, "%s%s",
					  i > 0 ? ", " : "", (*recipes.all)[i].name);
	text_excerpt(name, shown, sizeof(shown));
	if (*recipes.count == 0)
		reason_set(reason, "no %s \"%s\": there is none", recipes.one, shown);
	else
		reason_set(reason, "no %s \"%s\": give one of %s%s", recipes.one, shown, list,
			   used >= sizeof(list) ? "..." : "");
	errno = ENOENT;
	return NULL;
}

const struct recipe *settings_app(const struct settings *settings, const char *name,
				  struct reason *reason)
{
	return recipe_get(settings, RECIPE_APP, name, reason);
}

const struct recipe *settings_workers(const struct settings *settings, const char *kind,
				      struct reason *reason)
{
	return recipe_get(settings, RECIPE_WORKERS, kind, reason);
}
