/* SPDX-License-Identifier: MIT */
/*
 * The user's state directory: see statedir.h.  Used by jupyter-launch, the head and sjupyter,
 * as the user.  How a session is found by what a person calls it is in statedir_find.c.
 */
#include "statedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "statedir_private.h"
#include "text.h"

/* Bytes for one entry of the password database; sysconf's hint is 1024, and groups are not in
 * it. */
enum { PASSWORD_MAX = 16384 };

bool statedir_is_job_id(const char *text)
{
	unsigned long number;

	return *text != '0' && strnlen(text, STATEDIR_ID_MAX) < STATEDIR_ID_MAX &&
	       text_to_ulong(text, 1, UINT32_MAX, &number) == 0;
}

/* Whether a variable's value can be used: the XDG specification wants an absolute path. */
static bool is_absolute(const char *path)
{
	return path != NULL && *path == '/';
}

/* The home directory of the password database.  Caller frees; NULL with errno. */
static char *password_home(void)
{
	__attribute__((cleanup(text_free))) char *buffer = malloc(PASSWORD_MAX);
	struct passwd entry, *found = NULL;
	int error;

	if (buffer == NULL)
		return NULL;
	error = getpwuid_r(geteuid(), &entry, buffer, PASSWORD_MAX, &found);
	if (error == 0 && found != NULL && is_absolute(found->pw_dir))
		return strdup(found->pw_dir);
	errno = error != 0 ? error : ENOENT;
	return NULL;
}

char *statedir_base(struct reason *reason)
{
	__attribute__((cleanup(text_free))) char *from_password = NULL;
	__attribute__((cleanup(text_free))) char *path = NULL;
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *below;
	char *result;

	if (is_absolute(state)) {
		home = state;
		below = "spank-jupyter";
	} else {
		below = ".local/state/spank-jupyter";
	}
	if (!is_absolute(home)) {
		home = from_password = password_home();
		if (home == NULL) {
			reason_set(reason,
				   "no home directory: HOME is not set and the password "
				   "database has none for you; set HOME or XDG_STATE_HOME");
			return NULL;
		}
	}
	if (asprintf(&path, "%s/%s", home, below) < 0) {
		path = NULL;
		errno = ENOMEM;
		reason_set(reason, "out of memory");
		return NULL;
	}
	/* Room is left for the job's number and the names below. */
	if (strlen(path) >= PATH_MAX - NAME_MAX || !text_printable(path)) {
		errno = strlen(path) >= PATH_MAX - NAME_MAX ? ENAMETOOLONG : EINVAL;
		reason_set(reason,
			   "%s cannot hold the sessions: its path is too long or has "
			   "control characters; set XDG_STATE_HOME to another",
			   home == state ? "XDG_STATE_HOME" : "the home directory");
		return NULL;
	}
	result = path;
	path = NULL;
	return result;
}

char *statedir_path(const char *job_id, struct reason *reason)
{
	__attribute__((cleanup(text_free))) char *base = NULL;
	char shown[STATEDIR_SHOWN_MAX], *path;

	if (!statedir_is_job_id(job_id)) {
		errno = EINVAL;
		reason_set(reason, "\"%s\" is not a job's number",
			   text_excerpt(job_id, shown, sizeof(shown)));
		return NULL;
	}
	base = statedir_base(reason);
	if (base == NULL)
		return NULL;
	if (asprintf(&path, "%s/%s", base, job_id) < 0) {
		errno = ENOMEM;
		reason_set(reason, "out of memory");
		return NULL;
	}
	return path;
}

/*
 * Makes the directories that path lies in, as the XDG specification says: mode 0700.  What
 * exists may be a link or belong to somebody else, as homes do.
 */
static int parents_make(const char *path)
{
	char part[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
		size_t length = (size_t) (end - path);

		if (length >= sizeof(part)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(part, path, length);
		part[length] = '\0';
		/* Tried only where something is missing: an automounted or read-only part
		 * answers mkdir with any errno, though it is there. */
		if (access(part, F_OK) != 0 && mkdir(part, 0700) != 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* What an errno of an open or a mkdir means for a person. */
static const char *explain(int error)
{
	if (error == EPERM)
		return "it belongs to somebody else, or others can write to it";
	if (error == ENOTDIR || error == ELOOP)
		return "it is a link or no directory";
	return strerror(error);
}

int statedir_base_open(bool create, struct reason *reason)
{
	__attribute__((cleanup(text_free))) char *base = statedir_base(reason);
	int fd = -1;

	if (base == NULL)
		return -1;
	if (!create)
		fd = dir_open(AT_FDCWD, base);
	else if (parents_make(base) == 0)
		fd = dir_private(AT_FDCWD, base);
	if (fd < 0)
		reason_set(reason, "cannot %s %s: %s", create ? "make" : "open", base,
			   explain(errno));
	return fd;
}

int statedir_open(const char *job_id, int create, struct reason *reason)
{
	__attribute__((cleanup(text_free))) char *path = statedir_path(job_id, reason);
	__attribute__((cleanup(fd_close))) int base = -1;
	int fd;

	if (path == NULL)
		return -1;
	base = statedir_base_open(create != 0, reason);
	if (base < 0)
		return -1;
	fd = create ? dir_private(base, job_id) : dir_open(base, job_id);
	if (fd < 0)
		reason_set(reason, "cannot %s %s: %s", create ? "make" : "open", path,
			   explain(errno));
	return fd;
}
