/* SPDX-License-Identifier: MIT */
/* See kernelspec.h; what becomes of it for one start is in kernelspec_argv.c. */
#include "launcher/kernel/kernelspec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"
#include "launcher/kernel/kernel_dirs.h"

enum {
	SPEC_MAX = 65536,    /* bytes of a kernel.json; ipykernel's has 300 */
	NAME_MAX_BYTES = 64, /* of a kernel's name, as OPTIONS_NAME_MAX has it */
	ENTRIES_MAX = 4096,  /* of one directory that are looked at */
	NAMES_MAX = 64,	     /* that are listed */
	SHOWN = 256	     /* bytes of a path in a reason */
};

int kernelspec_open(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -1;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return fd;
	fd_close(&fd);
	errno = EINVAL;
	return -1;
}

/* DIRECTORY/NAME/kernel.json where there is one.  Caller frees; NULL with ENOENT or ENOMEM. */
static char *file_of(const char *directory, const char *name)
{
	struct stat status;
	char *file;

	if (asprintf(&file, "%s/%s/kernel.json", directory, name) < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (stat(file, &status) == 0 && S_ISREG(status.st_mode))
		return file;
	free(file);
	errno = ENOENT;
	return NULL;
}

struct finding {
	const char *name;
	char *file;
	int error; /* ENOMEM */
};

/* The name as it is, which is what is nearly always there, before the names of other case. */
static bool find_in(const char *directory, void *arg)
{
	struct finding *finding = arg;
	struct dirent *entry;
	DIR *stream;

	finding->file = file_of(directory, finding->name);
	if (finding->file != NULL || errno == ENOMEM)
		goto out;
	stream = opendir(directory);
	if (stream == NULL)
		return false;
	for (int i = 0; finding->file == NULL && i < ENTRIES_MAX; i++) {
		entry = readdir(stream);
		if (entry == NULL)
			break;
		if (strcasecmp(entry->d_name, finding->name) == 0)
			finding->file = file_of(directory, entry->d_name);
	}
	closedir(stream);
out:
	if (finding->file == NULL && errno == ENOMEM)
		finding->error = ENOMEM;
	return finding->file != NULL || finding->error != 0;
}

char *kernelspec_find(const char *name, const char *python, const struct env *environment)
{
	struct finding finding = {.name = name};

	if (kernel_dirs_each(python, environment, find_in, &finding) < 0)
		finding.error = ENOMEM;
	if (finding.file == NULL)
		errno = finding.error != 0 ? finding.error : ENOENT;
	return finding.file;
}

struct listing {
	char names[NAMES_MAX][NAME_MAX_BYTES];
	size_t count;
	bool more;
};

static bool list_in(const char *directory, void *arg)
{
	struct listing *listing = arg;
	DIR *stream = opendir(directory);
	struct dirent *entry;

	for (int i = 0; stream != NULL && i < ENTRIES_MAX; i++) {
		bool known = false;
		char *file;

		entry = readdir(stream);
		if (entry == NULL)
			break;
		if (!text_is_name(entry->d_name, NAME_MAX_BYTES))
			continue;
		for (size_t k = 0; k < listing->count && !known; k++)
			known = strcasecmp(listing->names[k], entry->d_name) == 0;
		file = known ? NULL : file_of(directory, entry->d_name);
		if (file == NULL)
			continue;
		free(file);
		if (listing->count == NAMES_MAX) {
			listing->more = true;
			break;
		}
		/* Jupyter calls them by their names in lower case. */
		char *name = strcpy(listing->names[listing->count++], entry->d_name);
		for (; *name != '\0'; name++)
			*name = (char) (*name >= 'A' && *name <= 'Z' ? *name + 32 : *name);
	}
	if (stream != NULL)
		closedir(stream);
	return listing->more;
}

static int by_name(const void *one, const void *other)
{
	return strcmp(one, other);
}

const char *kernelspec_names(const char *const pythons[], const struct env *environment,
			     char text[KERNELSPEC_NAMES_MAX])
{
	static const char end[] = ", ...";
	struct listing *listing = calloc(1, sizeof(*listing));
	size_t used = 0;

	strcpy(text, "none");
	if (listing == NULL)
		return text;
	for (; *pythons != NULL; pythons++)
		kernel_dirs_each(*pythons, environment, list_in, listing);
	kernel_dirs_each(NULL, environment, list_in, listing);
	qsort(listing->names, listing->count, sizeof(listing->names[0]), by_name);
	for (size_t i = 0; i < listing->count; i++) {
		if (used + strlen(listing->names[i]) + 2 + sizeof(end) > KERNELSPEC_NAMES_MAX) {
			listing->more = true;
			break;
		}
		used += (size_t) sprintf(text + used, "%s%s", i > 0 ? ", " : "",
					 listing->names[i]);
	}
	if (listing->more)
		strcpy(text + used, end);
	free(listing);
	return text;
}

/* A list of texts, the first a word that can be shown. */
static int take_argv(struct kernelspec *spec, const json_t *argv)
{
	size_t count = json_array_size(argv);
	const char *word = json_string_value(json_array_get(argv, 0));

	if (count > KERNELSPEC_ARGV_MAX || word == NULL || *word == '\0' ||
	    !text_printable(word)) {
		errno = EINVAL;
		return -1;
	}
	spec->argv = calloc(count + 1, sizeof(*spec->argv));
	if (spec->argv == NULL)
		return -1;
	for (size_t i = 0; i < count; i++) {
		word = json_string_value(json_array_get(argv, i));
		if (word == NULL) {
			errno = EINVAL;
			return -1;
		}
		spec->argv[i] = strdup(word);
		if (spec->argv[i] == NULL)
			return -1;
	}
	return 0;
}

static int take_env(struct kernelspec *spec, json_t *env)
{
	const char *name;
	json_t *value;

	if (env == NULL)
		return 0;
	if (!json_is_object(env) || json_object_size(env) > KERNELSPEC_ENV_MAX) {
		errno = EINVAL;
		return -1;
	}
	spec->env = calloc(json_object_size(env) + 1, sizeof(*spec->env));
	if (spec->env == NULL)
		return -1;
	json_object_foreach(env, name, value)
	{
		struct kernelspec_variable *variable = &spec->env[spec->env_count];

		if (*name == '\0' || strchr(name, '=') != NULL || !json_is_string(value)) {
			errno = EINVAL;
			return -1;
		}
		spec->env_count++;
		variable->name = strdup(name);
		variable->value = strdup(json_string_value(value));
		if (variable->name == NULL || variable->value == NULL)
			return -1;
	}
	return 0;
}

static int take_mode(struct kernelspec *spec, const json_t *mode)
{
	const char *word = json_string_value(mode);

	if (mode == NULL)
		return 0;
	if (word == NULL || (strcasecmp(word, "signal") != 0 && strcasecmp(word, "message"))) {
		errno = EINVAL;
		return -1;
	}
	spec->interrupt_by_message = strcasecmp(word, "message") == 0;
	return 0;
}

/* The one key there that is ours, and the one that says that there is no program to start: a
 * kernel of jupyter_client's that submits a job would submit one from within each job. */
static int take_metadata(struct kernelspec *spec, const json_t *metadata, struct reason *reason)
{
	const json_t *ours = json_object_get(metadata, "spank_jupyter");
	const char *transport = json_string_value(json_object_get(ours, "transport"));
	const char *provisioner = json_string_value(json_object_get(
		json_object_get(metadata, "kernel_provisioner"), "provisioner_name"));
	char shown[SHOWN];

	spec->tcp = transport != NULL && strcmp(transport, "tcp") == 0;
	if (provisioner == NULL || strcmp(provisioner, "local-provisioner") == 0)
		return 0;
	reason_set(reason,
		   "its kernel is started by the provisioner \"%s\", not by a program on this "
		   "node: give the kernelspec that is to run in the job",
		   text_excerpt(provisioner, shown, sizeof(shown)));
	errno = EINVAL;
	return -1;
}

static int take(struct kernelspec *spec, const json_t *root, struct reason *reason)
{
	const char *why = NULL;

	if (take_argv(spec, json_object_get(root, "argv")) != 0)
		why = "its argv is not a list of words";
	else if (take_env(spec, json_object_get(root, "env")) != 0)
		why = "its env is not an object of texts";
	else if (take_mode(spec, json_object_get(root, "interrupt_mode")) != 0)
		why = "its interrupt_mode is neither \"signal\" nor \"message\"";
	else
		return take_metadata(spec, json_object_get(root, "metadata"), reason);
	return reason_set(reason, "%s", errno == EINVAL ? why : strerror(errno));
}

static struct kernelspec *spec_create(const char *name, const char *file)
{
	struct kernelspec *spec = calloc(1, sizeof(*spec));

	if (spec == NULL)
		return NULL;
	spec->name = strdup(name);
	spec->file = strdup(file);
	spec->resource_dir = strdup(file);
	if (spec->name == NULL || spec->file == NULL || spec->resource_dir == NULL) {
		kernelspec_destroy(spec);
		return NULL;
	}
	char *slash = strrchr(spec->resource_dir, '/');
	if (slash != NULL)
		*slash = '\0';
	return spec;
}

struct kernelspec *kernelspec_load(const char *name, const char *file, struct reason *reason)
{
	struct kernelspec *spec = NULL;
	char *text = NULL, shown[SHOWN];
	json_t *root = NULL;
	json_error_t where;
	size_t size;
	int fd = kernelspec_open(file), saved;

	if (fd < 0 || fd_read_all(fd, SPEC_MAX, &text, &size) != 0) {
		if (errno == EFBIG)
			reason_set(reason, "longer than %d bytes", SPEC_MAX);
		else
			reason_set(reason, "cannot be read: %s",
				   errno == EINVAL ? "not a regular file" : strerror(errno));
		goto error;
	}
	root = json_loadb(text, size, 0, &where);
	if (root == NULL) {
		reason_set(reason, "not JSON: line %d: %s", where.line, where.text);
		errno = EINVAL;
		goto error;
	}
	spec = spec_create(name, file);
	if (spec == NULL) {
		errno = ENOMEM;
		reason_set(reason, "%s", strerror(errno));
		goto error;
	}
	if (take(spec, root, reason) < 0)
		goto error;
	json_decref(root);
	free(text);
	fd_close(&fd);
	return spec;

error:
	saved = errno;
	kernelspec_destroy(spec);
	json_decref(root);
	free(text);
	fd_close(&fd);
	reason_prefix(reason, "%s", text_excerpt(file, shown, sizeof(shown)));
	errno = saved;
	return NULL;
}

void kernelspec_destroy(struct kernelspec *spec)
{
	int saved = errno;

	if (spec == NULL)
		return;
	for (size_t i = 0; i < spec->env_count; i++) {
		free(spec->env[i].name);
		free(spec->env[i].value);
	}
	free(spec->env);
	kernelspec_argv_free(spec->argv);
	free(spec->name);
	free(spec->file);
	free(spec->resource_dir);
	free(spec);
	errno = saved;
}
