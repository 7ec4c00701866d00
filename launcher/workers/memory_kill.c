/* SPDX-License-Identifier: MIT */
/* See memory_kill.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fd.h"
#include "launcher/workers/memory_kill.h"

enum { PROC_MAX = 1 << 20 /* bytes; mountinfo of a node with many mounts has tens of KiB */ };

struct memory_kill {
	char *path; /* of the file with the counter; NULL: there is none */
	unsigned long long taken;
};

/* The fields of a line of mountinfo, proc(5); NUL-terminated. */
struct mount {
	char *root, *point, *type, *options; /* options: of the superblock */
};

/* Spaces and the like are written as \ooo in them. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		unsigned byte;

		if (text[0] == '\\' && sscanf(text + 1, "%3o", &byte) == 1 &&
		    strlen(text) >= 4) {
			*to = (char) byte;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

static bool parse_mount(char *line, struct mount *mount)
{
	char *rest = NULL, *field = strtok_r(line, " ", &rest);
	unsigned number = 0;

	*mount = (struct mount){.root = NULL};
	/* id, parent, device, root, point, options, optional ones, "-" */
	for (; field && strcmp(field, "-") != 0; field = strtok_r(NULL, " ", &rest)) {
		if (number == 3)
			mount->root = field;
		else if (number == 4)
			mount->point = field;
		number++;
	}
	if (!field || !mount->root || !mount->point || number < 6)
		return false;
	mount->type = strtok_r(NULL, " ", &rest);
	if (!strtok_r(NULL, " ", &rest))
		return false;
	mount->options = strtok_r(NULL, " ", &rest);
	if (!mount->options)
		return false;
	unescape(mount->root);
	unescape(mount->point);
	return true;
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == length && !strncmp(list, word, length))
			return true;
	return false;
}

/* Our cgroup's path in the hierarchy of this controller ("" is that of v2); caller frees. */
static char *find_path(const char *cgroups, const char *controller)
{
	char *copy = strdup(cgroups), *rest = NULL, *path = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line && !path;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *list = strchr(line, ':'), *where = list ? strchr(list + 1, ':') : NULL;

		if (!where)
			continue;
		*where++ = '\0';
		list++;
		if (*controller ? has_word(list, controller) : *list == '\0')
			path = strdup(where);
	}
	free(copy);
	return path;
}

/* The cgroup's part below the mount's root; NULL when the mount does not show it. */
static const char *below(const char *path, const char *root)
{
	size_t length = strcmp(root, "/") ? strlen(root) : 0;

	if (strncmp(path, root, length) || strstr(path, "/.."))
		return NULL;
	return path[length] == '/' || path[length] == '\0' ? path + length : NULL;
}

/* The counter's file for a cgroup, in the mount that hides all others; caller frees. */
static char *find_file(const char *root, const char *mounts, const char *path, bool v2)
{
	char *copy = strdup(mounts), *rest = NULL, *file = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct mount mount;
		const char *part;

		if (!parse_mount(line, &mount) ||
		    strcmp(mount.type, v2 ? "cgroup2" : "cgroup") ||
		    (!v2 && !has_word(mount.options, "memory")) ||
		    !(part = below(path, mount.root)))
			continue;
		free(file);
		if (asprintf(&file, "%s%s%s/%s", root, mount.point, part,
			     v2 ? "memory.events" : "memory.oom_control") < 0)
			file = NULL;
	}
	free(copy);
	return file;
}

static bool read_counter(const char *path, unsigned long long *count)
{
	char *text = NULL;
	bool found = false;

	if (!path || file_read(AT_FDCWD, path, PROC_MAX, &text, NULL) < 0)
		return false;
	for (const char *line = text; line && !found; line = strchr(line, '\n')) {
		line += *line == '\n';
		found = sscanf(line, "oom_kill %llu", count) == 1;
	}
	free(text);
	return found;
}

static char *read_proc(const char *root, const char *name)
{
	char path[PATH_MAX], *text = NULL;

	snprintf(path, sizeof(path), "%s/proc/self/%s", root, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fd_read_all(fd, PROC_MAX, &text, NULL) < 0)
		text = NULL;
	fd_close(&fd);
	return text;
}

struct memory_kill *memory_kill_create(const char *root)
{
	struct memory_kill *kill = calloc(1, sizeof(*kill));
	char *cgroups = read_proc(root, "cgroup"), *mounts = read_proc(root, "mountinfo");

	/* Where both are there the memory controller is in one of them: v1, if it has a line.
	 */
	static const char *const controllers[] = {"memory", ""};
	for (size_t i = 0; i < 2 && kill && cgroups && mounts && !kill->path; i++) {
		char *path = find_path(cgroups, controllers[i]);

		if (path)
			kill->path = find_file(root, mounts, path, i == 1);
		free(path);
		if (!read_counter(kill->path, &kill->taken)) {
			free(kill->path);
			kill->path = NULL;
		}
	}
	free(cgroups);
	free(mounts);
	return kill;
}

void memory_kill_destroy(struct memory_kill *kill)
{
	int saved = errno;

	if (!kill)
		return;
	free(kill->path);
	free(kill);
	errno = saved;
}

bool memory_kill_take(struct memory_kill *kill)
{
	unsigned long long count;

	if (!read_counter(kill->path, &count) || count <= kill->taken)
		return false;
	kill->taken++;
	return true;
}

void memory_kill_forget(struct memory_kill *kill)
{
	(void) read_counter(kill->path, &kill->taken);
}
